import { InputError } from '../errors.ts';
import { checkSpace } from './compatible.ts';
import type { Pruner } from './pruner.ts';
import type { Sampler } from './samplers/sampler.ts';
import { type Choice, type InternalValues, internalValue, isActive, type SearchSpace } from './space.ts';
import { beginTrial, type NewTrial, type StudyStorage, type TrialChange } from './storage.ts';
import { isFinished, type Trial, type TrialParam, trialValues } from './trial.ts';

/** Key of the system attribute by which trials of one generation know each other, and where the sampler stood after each. */
const GENERATION = 'lockstep:generation';
/** Optuna's key for the values of an enqueued trial. */
const FIXED = 'fixed_params';

/** The number of a trial's generation, from 0; undefined for a trial of another program. */
export function generationOf({ systemAttrs }: Pick<Trial, 'systemAttrs'>): number | undefined {
  const record = systemAttrs[GENERATION];
  return Array.isArray(record) ? (record[0] as number) : undefined;
}

/** What became of a trial. */
export interface TrialResult {
  readonly number: number;
  readonly state: 'complete' | 'pruned' | 'fail';
  /** Not of a failed trial. */
  readonly value?: number | undefined;
  readonly intermediate?: ReadonlyMap<number, number> | undefined;
  readonly userAttrs?: Readonly<Record<string, unknown>> | undefined;
}

export interface StudyOptions {
  readonly storage: StudyStorage;
  readonly space: SearchSpace;
  readonly sampler: Sampler;
  readonly pruner?: Pruner | undefined;
}

interface Generation {
  readonly index: number;
  readonly trials: readonly Trial[];
}

/**
 * A search by ask and tell, in generations: trials of one generation are suggested without knowing each other's results, and
 * the next one knows them all. So the course of a study depends on its options and on what it is told, never on the order in which
 * results come in, and a study that was cut off goes on as if it had not been.
 */
export class Study {
  readonly storage: StudyStorage;
  readonly space: SearchSpace;
  readonly #sampler: Sampler;
  readonly #pruner: Pruner | undefined;
  /** How many trials, from the first, sampler and pruner know the results of: a long study does not look at them again. */
  #settled = 0;
  /** Numbers of later ones that they know. */
  readonly #told = new Set<number>();
  readonly #ended = { complete: 0, pruned: 0, fail: 0 };
  #best: Trial | undefined;
  #generation: Generation | undefined;
  #generations = 0;

  /**
   * Takes up the study that `storage` holds, which may be new.
   * @throws InputError where its trials are of another search space.
   */
  constructor({ storage, space, sampler, pruner }: StudyOptions) {
    this.storage = storage;
    this.space = space;
    this.#sampler = sampler;
    this.#pruner = pruner;
    checkSpace(storage.trials, space);
    this.#takeUp();
  }

  get trials(): readonly Trial[] {
    return this.storage.trials;
  }

  get direction() {
    return this.storage.direction;
  }

  /** The complete trial with the best value, of equals the first; undefined as long as there is none. */
  get best(): Trial | undefined {
    return this.#best;
  }

  /** Trials by how they ended, all generations together that are over. */
  get ended(): Readonly<Record<TrialResult['state'], number>> {
    return this.#ended;
  }

  /** Trials that have ended. */
  get finished(): number {
    return this.#ended.complete + this.#ended.pruned + this.#ended.fail;
  }

  /** Whether the sampler has nothing left to suggest. */
  get isExhausted(): boolean {
    return (
      this.#generation === undefined &&
      this.#sampler.isExhausted &&
      !this.#unsettled.some(({ state }) => state === 'waiting')
    );
  }

  /** Puts a trial with the given values, by name, before those that are suggested; values left out are suggested. */
  async enqueue(values: Readonly<Record<string, Choice>>): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      const dimension = this.space.find((candidate) => candidate.name === name);
      if (dimension === undefined) {
        throw new InputError(
          `An enqueued trial sets ${name}, which is not searched; leave it out or add it to the search space.`,
        );
      }
      if (internalValue(dimension.distribution, value) === undefined) {
        throw new InputError(
          `An enqueued trial sets ${name} to ${JSON.stringify(value)}, which its search space does not contain.`,
        );
      }
    }
    await this.storage.create([
      { state: 'waiting', params: new Map(), systemAttrs: { [FIXED]: { ...values } } },
    ]);
  }

  /**
   * The trials of the next generation, of `count` or fewer where the sampler ends, recorded as running. Where a generation was cut off,
   * it is that one again.
   * @param count at least 1
   */
  async ask(count: number): Promise<readonly Trial[]> {
    if (this.#generation !== undefined && this.#generation.trials.length >= count) {
      return this.#generation.trials;
    }
    const index = this.#generation?.index ?? this.#generations;
    const trials = [...(this.#generation?.trials ?? [])];
    await this.storage.sync();
    if (this.#generation === undefined) this.#tellFinished();
    trials.push(...(await this.#begin(index, trials, count - trials.length)));
    this.#generation = { index, trials };
    return trials;
  }

  /** Records the results of the generation, of all its trials in any order, and lets sampler and pruner know. */
  async tell(results: readonly TrialResult[]): Promise<void> {
    const generation = this.#generation;
    const numbers = new Set(results.map(({ number }) => number));
    if (generation === undefined || generation.trials.some(({ number }) => !numbers.has(number))) {
      throw new RangeError('tell() takes the results of every trial that the last ask() gave.');
    }
    const changes: TrialChange[] = [];
    const ends: TrialChange[] = [];
    for (const result of [...results].sort((a, b) => a.number - b.number)) {
      const { number, state, value, intermediate = [], userAttrs = {} } = result;
      if (isFinished(this.trials[number]!)) continue;
      for (const [step, reported] of intermediate) {
        changes.push({ type: 'intermediate', number, step, value: reported });
      }
      for (const [key, attr] of Object.entries(userAttrs)) {
        changes.push({ type: 'userAttr', number, key, value: attr });
      }
      for (const [key, note] of Object.entries(this.#pruner?.notes?.(number) ?? {})) {
        changes.push({ type: 'systemAttr', number, key, value: note });
      }
      ends.push({ type: 'finish', number, state, ...(state !== 'fail' && { value }) });
    }
    await this.storage.change([...changes, ...ends]);
    this.#generation = undefined;
    this.#generations = generation.index + 1;
    this.#tellFinished();
  }

  /** Values of a trial by name, as a person sees them. */
  values(trial: Trial): Record<string, Choice> {
    return trialValues(trial);
  }

  get #unsettled(): readonly Trial[] {
    return this.trials.slice(this.#settled);
  }

  #takeUp(): void {
    const ours = this.trials.flatMap((trial) => {
      if (trial.state === 'waiting') return [];
      const record = trial.systemAttrs[GENERATION];
      return Array.isArray(record)
        ? [{ trial, index: record[0] as number, position: record.slice(1) as number[] }]
        : [];
    });
    const last = ours.at(-1);
    if (last !== undefined) {
      this.#sampler.seek(last.position);
      this.#generations = last.index + 1;
      const members = ours.filter(({ index }) => index === last.index).map(({ trial }) => trial);
      if (members.some((trial) => !isFinished(trial))) {
        this.#generation = { index: last.index, trials: members };
      }
    }
    this.#tellFinished();
  }

  /** Lets sampler and pruner know of finished trials, in order; not of those of an unfinished generation. */
  #tellFinished(): void {
    const pending = new Set(this.#generation?.trials.map(({ number }) => number));
    for (const trial of this.#unsettled) {
      if (!isFinished(trial) || pending.has(trial.number) || this.#told.has(trial.number)) continue;
      this.#told.add(trial.number);
      this.#count(trial);
      this.#sampler.tell(trial);
      this.#pruner?.tell(trial);
    }
    while (this.#told.delete(this.#settled)) this.#settled++;
  }

  #count(trial: Trial): void {
    this.#ended[trial.state as TrialResult['state']]++;
    const { value } = trial;
    if (trial.state !== 'complete' || value === undefined || Number.isNaN(value)) return;
    const best = this.#best?.value;
    if (best === undefined || (this.direction === 'maximize' ? value > best : value < best)) {
      this.#best = trial;
    }
  }

  /** Suggests trials, waiting ones first, and records them. */
  async #begin(index: number, before: readonly Trial[], count: number): Promise<Trial[]> {
    const waiting = this.#unsettled.filter(({ state }) => state === 'waiting');
    const begun: Trial[] = [];
    const created: NewTrial[] = [];
    const changes: TrialChange[] = [];
    for (let next = this.trials.length; begun.length < count; ) {
      const enqueued = waiting[begun.length];
      if (enqueued === undefined && this.#sampler.isExhausted) break;
      const number = enqueued?.number ?? next++;
      const fixed = enqueued && this.#fixedValues(enqueued);
      const running = [...before, ...begun];
      const params = this.#params(this.#sampler.suggest({ number, running, ...(fixed && { fixed }) }));
      const record = [index, ...this.#sampler.position];
      const given = { state: 'running' as const, params, systemAttrs: { [GENERATION]: record } };
      begun.push(beginTrial(number, given, new Date()));
      if (enqueued === undefined) {
        created.push(given);
        continue;
      }
      for (const [name, param] of params) changes.push({ type: 'param', number, name, param });
      changes.push({ type: 'systemAttr', number, key: GENERATION, value: record }, { type: 'start', number });
    }
    if (changes.length > 0) await this.storage.change(changes);
    const fresh = created.length > 0 ? await this.storage.create(created) : [];
    // Where another process has added trials meanwhile, the numbers are not those foreseen.
    const started = begun.slice(0, begun.length - created.length);
    return [...started.map(({ number }) => this.trials[number]!), ...fresh];
  }

  #fixedValues(trial: Trial): InternalValues {
    const fixed = (trial.systemAttrs[FIXED] ?? {}) as Record<string, Choice>;
    const values = new Map<string, number>();
    for (const { name, distribution } of this.space) {
      const internal = name in fixed ? internalValue(distribution, fixed[name]!) : undefined;
      if (internal !== undefined) values.set(name, internal);
    }
    return values;
  }

  #params(values: InternalValues): Map<string, TrialParam> {
    const params = new Map<string, TrialParam>();
    for (const dimension of this.space) {
      if (!isActive(dimension, this.space, values)) continue;
      params.set(dimension.name, {
        value: values.get(dimension.name)!,
        distribution: dimension.distribution,
      });
    }
    return params;
  }
}
