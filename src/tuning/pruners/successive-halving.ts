import type { Pruner } from '../pruner.ts';
import type { Direction, Trial } from '../trial.ts';
import { insertSorted, lastReport } from './values.ts';

export interface SuccessiveHalvingOptions {
  /** Step of the first decision; `auto` is a hundredth of the steps of the first complete trial, 1 at least. */
  readonly min_resource?: number | 'auto' | undefined;
  readonly reduction_factor?: number | undefined;
  readonly min_early_stopping_rate?: number | undefined;
  readonly bootstrap_count?: number | undefined;
}

/** What trials had when they got to a rung, by trial. */
type Rung = Map<number, number>;

/** Optuna's key for the value that a trial had at a rung. */
const rungKey = (rung: number) => `completed_rung_${rung}`;

/**
 * Asynchronous successive halving: a trial that comes to a rung goes on if it is among the best 1/η that have come there;
 * Optuna's SuccessiveHalvingPruner.
 *
 * What a trial had at its rungs is kept with it, as Optuna does, so that decisions are the same after a resume.
 * Source of the rules: optuna 5.0.0, pruners/_successive_halving.py; Li et al., "A system for massively parallel
 * hyperparameter tuning", MLSys 2020.
 */
export class SuccessiveHalvingPruner implements Pruner {
  readonly #factor: number;
  readonly #rate: number;
  readonly #bootstrap: number;
  readonly #direction: Direction;
  #minResource: number | undefined;
  /** Of trials that are finished: values at each rung, ascending. */
  readonly #finished: number[][] = [];
  /** Of trials that are under way. */
  readonly #running: Rung[] = [];

  constructor(options: SuccessiveHalvingOptions, direction: Direction) {
    const { min_resource = 'auto' } = options;
    this.#minResource = min_resource === 'auto' ? undefined : min_resource;
    this.#factor = options.reduction_factor ?? 4;
    this.#rate = options.min_early_stopping_rate ?? 0;
    this.#bootstrap = options.bootstrap_count ?? 0;
    this.#direction = direction;
  }

  tell(trial: Trial): void {
    if (this.#minResource === undefined && trial.state === 'complete') {
      const last = lastReport(trial);
      if (last !== undefined) this.#minResource = Math.max(Math.floor(last.step / 100), 1);
    }
    for (const rung of this.#running) rung.delete(trial.number);
    for (let rung = 0; ; rung++) {
      const value = trial.systemAttrs[rungKey(rung)];
      if (typeof value !== 'number') break;
      const values = this.#finished[rung] ?? [];
      this.#finished[rung] = values;
      insertSorted(values, value);
    }
  }

  shouldPrune(trial: Trial): boolean {
    const last = lastReport(trial);
    if (last === undefined || this.#minResource === undefined) return false;
    const { step, value } = last;
    let rung = 0;
    while (this.#running[rung]?.has(trial.number)) rung++;
    for (; step >= this.#stepOf(rung); rung++) {
      if (Number.isNaN(value)) return true;
      const there = this.#running[rung] ?? new Map<number, number>();
      this.#running[rung] = there;
      const competing = [...(this.#finished[rung] ?? [])];
      for (const other of there.values()) insertSorted(competing, other);
      insertSorted(competing, value);
      there.set(trial.number, value);
      if (competing.length <= this.#bootstrap || !this.#isPromoted(value, competing)) return true;
    }
    return false;
  }

  #stepOf(rung: number): number {
    return this.#minResource! * this.#factor ** (this.#rate + rung);
  }

  #isPromoted(value: number, ascending: readonly number[]): boolean {
    const index = Math.max(Math.floor(ascending.length / this.#factor) - 1, 0);
    return this.#direction === 'maximize'
      ? value >= ascending[ascending.length - 1 - index]!
      : value <= ascending[index]!;
  }

  /** The values that the trial had at its rungs, under Optuna's keys. */
  notes(number: number): Record<string, number> {
    const entries = this.#running.flatMap((rung, i) => {
      const value = rung.get(number);
      return value === undefined ? [] : [[rungKey(i), value] as const];
    });
    return Object.fromEntries(entries);
  }
}
