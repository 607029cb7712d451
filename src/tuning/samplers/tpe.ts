import { InputError } from '../../errors.ts';
import { partitionPoint } from '../partition-point.ts';
import {
  type Dimension,
  type Distribution,
  type InternalValues,
  isActive,
  type SearchSpace,
} from '../space.ts';
import type { Direction, Trial } from '../trial.ts';
import {
  compareNames,
  contains,
  isSingle,
  sameDistribution,
  singleValue,
  valueWithin,
} from './distributions.ts';
import { KernelTable } from './kernel-table.ts';
import { ParzenEstimator } from './parzen.ts';
import { RandomState } from './random-state.ts';
import type { Sampler, Suggestion } from './sampler.ts';
import { drawEvenly } from './transform.ts';

/** Options of `TpeSampler`; the defaults are those of Optuna 5.0.0. */
export interface TpeOptions {
  /** From 0 to 2^53 − 1; Optuna takes those below 2^32. */
  readonly seed: number;
  /** Whether the dimensions that all trials have are suggested together. */
  readonly multivariate?: boolean | undefined;
  /** Whether running trials count among those that were not good. */
  readonly constantLiar?: boolean | undefined;
  /** Finished trials before which values are drawn evenly. */
  readonly nStartupTrials?: number | undefined;
  /** Candidates among which the best is taken; at least 1. */
  readonly nEiCandidates?: number | undefined;
}

/** A trial that counts, and its place among those of its group. */
interface Entry {
  readonly trial: Trial;
  readonly group: 'running' | 'complete' | 'pruned' | 'infeasible';
  /** Good ones first; Optuna's order of a group, but for equal scores, of which the earlier trial comes first. */
  readonly score: readonly [number, number];
}

/** Sum of the constraints that a trial violates, as Optuna keeps them in system attributes. */
function violation(trial: Trial): number {
  const { constraints } = trial.systemAttrs;
  const values = new Map<string, unknown>(
    Array.isArray(constraints) ? constraints.map((value, i) => [String(i), value]) : [],
  );
  for (const [key, value] of Object.entries(trial.systemAttrs))
    if (key.startsWith('constraints:')) values.set(key.slice('constraints:'.length), value);
  let sum = 0;
  for (const value of values.values()) if (typeof value === 'number' && value > 0) sum += value;
  return sum;
}

function entryOf(trial: Trial, sign: number): Entry | undefined {
  const violated = violation(trial);
  if (trial.state === 'complete') {
    if (trial.value === undefined || Number.isNaN(trial.value)) return undefined;
    if (violated > 0) return { trial, group: 'infeasible', score: [violated, 0] };
    return { trial, group: 'complete', score: [sign * trial.value, 0] };
  }
  if (trial.state !== 'pruned') return undefined;
  if (violated > 0) return { trial, group: 'infeasible', score: [violated, 0] };
  const last = [...trial.intermediate].at(-1);
  if (last === undefined) return { trial, group: 'pruned', score: [1, 0] };
  const value = Number.isNaN(last[1]) ? Number.POSITIVE_INFINITY : sign * last[1];
  return { trial, group: 'pruned', score: [-last[0], value] };
}

/** Without subtraction, since scores may be infinite. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareEntries(a: Entry, b: Entry): number {
  return (
    compare(a.score[0], b.score[0]) || compare(a.score[1], b.score[1]) || a.trial.number - b.trial.number
  );
}

function compareNumbers(a: Entry, b: Entry): number {
  return a.trial.number - b.trial.number;
}

/** Place of an item among sorted ones, or where it belongs. */
function placeOf(sorted: readonly Entry[], entry: Entry, order: (a: Entry, b: Entry) => number): number {
  return partitionPoint(sorted.length, (i) => order(sorted[i]!, entry) < 0);
}

function sameParams(a: Trial, b: Trial): boolean {
  if (a.params === b.params) return true;
  if (a.params.size !== b.params.size) return false;
  for (const [name, param] of a.params) {
    const other = b.params.get(name);
    if (other?.value !== param.value || !sameDistribution(other.distribution, param.distribution))
      return false;
  }
  return true;
}

/**
 * The tree-structured Parzen estimator of Optuna 5.0.0 (`TPESampler` without `group` and with one objective; Bergstra et al. 2011,
 * Watanabe 2023): with the same seed and the same trials it suggests what Optuna suggests. docs/samplers.md says where it may differ.
 *
 * Failed trials, and complete ones without a value or with NaN, are left out of the model. Positions are the words drawn from the
 * streams of even values and of TPE.
 */
export class TpeSampler implements Sampler {
  readonly isExhausted = false;
  readonly #space: SearchSpace;
  readonly #sign: number;
  readonly #multivariate: boolean;
  readonly #constantLiar: boolean;
  readonly #nStartupTrials: number;
  readonly #nEiCandidates: number;
  readonly #evenly: RandomState;
  readonly #random: RandomState;
  /** By number: finished trials that count and, with constant liar, running ones. The rows of every table. */
  readonly #rows: Entry[] = [];
  readonly #sorted: Record<Exclude<Entry['group'], 'running'>, Entry[]> = {
    complete: [],
    pruned: [],
    infeasible: [],
  };
  /** Numbers of the running trials among the rows. */
  readonly #running = new Set<number>();
  /** What all finished trials have in common; undefined before the first. */
  #common: Dimension[] | undefined;
  /** Of the dimensions of #common that have several values. */
  #joint: KernelTable | undefined;
  readonly #single = new Map<string, KernelTable>();

  /** @throws InputError where an option is out of its range. */
  constructor(options: TpeOptions, space: SearchSpace, direction: Direction) {
    const {
      seed,
      multivariate = true,
      constantLiar = true,
      nStartupTrials = 10,
      nEiCandidates = 24,
    } = options;
    if (!(Number.isSafeInteger(nStartupTrials) && nStartupTrials >= 0))
      throw new InputError(`n_startup_trials must be an integer of at least 0, not ${nStartupTrials}.`);
    if (!(Number.isSafeInteger(nEiCandidates) && nEiCandidates >= 1))
      throw new InputError(`n_ei_candidates must be an integer of at least 1, not ${nEiCandidates}.`);
    this.#space = space;
    this.#sign = direction === 'minimize' ? 1 : -1;
    this.#multivariate = multivariate;
    this.#constantLiar = constantLiar;
    this.#nStartupTrials = nStartupTrials;
    this.#nEiCandidates = nEiCandidates;
    this.#evenly = new RandomState(seed);
    this.#random = new RandomState(seed);
  }

  get position(): readonly number[] {
    return [this.#evenly.position, this.#random.position];
  }

  /** @throws InputError where the position is not two whole numbers. */
  seek(position: readonly number[]): void {
    const [evenly, random] = position;
    if (position.length !== 2 || evenly === undefined || random === undefined)
      throw new InputError(
        'A position of the TPE sampler is two numbers; pass one that such a sampler gave.',
      );
    this.#evenly.seek(evenly);
    this.#random.seek(random);
  }

  tell(trial: Trial): void {
    const entry = entryOf(trial, this.#sign);
    const ran = this.#rowOf(trial.number);
    if (entry === undefined) {
      if (ran !== undefined) this.#removeRow(ran);
      return;
    }
    if (ran !== undefined && sameParams(this.#rows[ran]!.trial, trial)) {
      this.#rows[ran] = entry;
      this.#running.delete(trial.number);
    } else {
      if (ran !== undefined) this.#removeRow(ran);
      this.#insertRow(entry);
    }
    if (entry.group !== 'running') {
      const group = this.#sorted[entry.group];
      group.splice(placeOf(group, entry, compareEntries), 0, entry);
    }
    this.#narrow(trial);
  }

  suggest({ number, running, fixed }: Suggestion): InternalValues {
    this.#setRunning(this.#constantLiar ? running.filter((trial) => trial.number !== number) : []);
    const values = new Map<string, number>();
    let joint: ReadonlyMap<string, number> | undefined;
    let left: LeftOut | undefined;
    for (const dimension of this.#space) {
      const { name, distribution } = dimension;
      if (dimension.when !== undefined && !isActive(dimension, this.#space, values)) continue;
      const set = fixed?.get(name);
      if (set !== undefined) {
        values.set(name, set);
        continue;
      }
      if (isSingle(distribution)) {
        values.set(name, singleValue(distribution));
        continue;
      }
      if (this.#finished < this.#nStartupTrials) {
        values.set(name, drawEvenly(distribution, this.#evenly));
        continue;
      }
      left ??= this.#split();
      // Optuna draws for all common dimensions as soon as one is asked for, whether or not others are set.
      joint ??= this.#suggestTogether(left);
      const together = joint.get(name);
      if (together !== undefined && contains(distribution, together)) values.set(name, together);
      else values.set(name, this.#best(this.#tableOf(dimension), left)[0]!);
    }
    return values;
  }

  get #finished(): number {
    return this.#sorted.complete.length + this.#sorted.pruned.length + this.#sorted.infeasible.length;
  }

  #rowOf(number: number): number | undefined {
    const place = this.#placeOf(number);
    return this.#rows[place]?.trial.number === number ? place : undefined;
  }

  #placeOf(number: number): number {
    const last = this.#rows.at(-1);
    if (last === undefined || last.trial.number < number) return this.#rows.length;
    return placeOf(this.#rows, { trial: { number } } as Entry, compareNumbers);
  }

  get #tables(): KernelTable[] {
    return [...this.#single.values(), ...(this.#joint === undefined ? [] : [this.#joint])];
  }

  #insertRow(entry: Entry): void {
    const row = this.#placeOf(entry.trial.number);
    this.#rows.splice(row, 0, entry);
    for (const table of this.#tables) table.insert(row, entry.trial);
  }

  #removeRow(row: number): void {
    this.#running.delete(this.#rows[row]!.trial.number);
    this.#rows.splice(row, 1);
    for (const table of this.#tables) table.remove(row);
  }

  #setRunning(running: readonly Trial[]): void {
    const wanted = new Set(running.map(({ number }) => number));
    for (const number of [...this.#running]) if (!wanted.has(number)) this.#removeRow(this.#rowOf(number)!);
    for (const trial of running) {
      const row = this.#rowOf(trial.number);
      if (row !== undefined) {
        // One that was told has finished, whatever the caller says.
        if (!this.#running.has(trial.number) || sameParams(this.#rows[row]!.trial, trial)) continue;
        this.#removeRow(row);
      }
      this.#insertRow({ trial, group: 'running', score: [0, 0] });
      this.#running.add(trial.number);
    }
  }

  /** Keeps of the common dimensions those that a finished trial has too. */
  #narrow({ params }: Trial): void {
    const before = this.#common;
    this.#common =
      before === undefined
        ? [...params].map(([name, { distribution }]) => ({ name, distribution })).sort(compareNames)
        : before.filter(({ name, distribution }) => {
            const param = params.get(name);
            return param !== undefined && sameDistribution(param.distribution, distribution);
          });
    if (before?.length !== this.#common.length) this.#joint = undefined;
  }

  /** The trials that are good, by row: Optuna's `_split_trials`. */
  #split(): LeftOut {
    const { complete, pruned, infeasible } = this.#sorted;
    const count = Math.min(Math.ceil(0.1 * this.#finished), 25);
    const good = complete.slice(0, count);
    if (good.length < count) good.push(...pruned.slice(0, count - good.length));
    if (good.length < count) good.push(...infeasible.slice(0, count - good.length));
    const rows = good.map(({ trial }) => this.#rowOf(trial.number)!).sort((a, b) => a - b);
    const flags = new Uint8Array(this.#rows.length);
    for (const row of rows) flags[row] = 1;
    return { rows, flags };
  }

  #suggestTogether(left: LeftOut): ReadonlyMap<string, number> {
    const dimensions = this.#multivariate
      ? (this.#common ?? []).filter(({ distribution }) => !isSingle(distribution))
      : [];
    if (dimensions.length === 0) return new Map();
    this.#joint ??= this.#tableWith(dimensions);
    const best = this.#best(this.#joint, left);
    const values = new Map<string, number>();
    for (const [d, { name, distribution }] of dimensions.entries()) {
      const own = this.#space.find((dimension) => dimension.name === name)?.distribution;
      const value = own && valueWithin(own, distribution, best[d]!);
      if (value !== undefined) values.set(name, value);
    }
    return values;
  }

  #tableOf(dimension: Dimension): KernelTable {
    let table = this.#single.get(dimension.name);
    if (table === undefined) {
      table = this.#tableWith([dimension]);
      this.#single.set(dimension.name, table);
    }
    return table;
  }

  #tableWith(dimensions: readonly { name: string; distribution: Distribution }[]): KernelTable {
    const table = new KernelTable(dimensions);
    for (const [row, { trial }] of this.#rows.entries()) table.insert(row, trial);
    return table;
  }

  /** The candidate drawn from the good trials' density whose ratio to the others' density is greatest, by dimension. */
  #best(table: KernelTable, left: LeftOut): number[] {
    const good = new ParzenEstimator(
      table.dimensions.map(({ distribution }) => distribution),
      table.observations(left.rows),
    );
    table.setMixture(left.flags);
    const samples = good.sample(this.#random, this.#nEiCandidates);
    const goodLogs = good.logPdf(samples);
    const otherLogs = table.logPdf(samples);
    let best = 0;
    for (let s = 1; s < this.#nEiCandidates; s++)
      if (goodLogs[s]! - otherLogs[s]! > goodLogs[best]! - otherLogs[best]!) best = s;
    return samples.map((values) => values[best]!);
  }
}

/** Rows that the mixture of the other trials leaves out: the good ones. */
interface LeftOut {
  readonly rows: readonly number[];
  /** 1 for each such row. */
  readonly flags: Uint8Array;
}
