import type { Pruner } from '../pruner.ts';
import type { Direction, Trial } from '../trial.ts';
import { bestOf, insertSorted, lastReport, percentileOf } from './values.ts';

export interface PercentileOptions {
  /** 0 … 100: the share of the complete trials that a trial must be among at its step. */
  readonly percentile: number;
  /** Complete trials, or earlier ones of the generation, before which none is pruned. */
  readonly n_startup_trials?: number | undefined;
  /** Steps before which none is pruned. */
  readonly n_warmup_steps?: number | undefined;
  /** Steps from one decision to the next. */
  readonly interval_steps?: number | undefined;
  /** How many of them must have a value at the step for a decision. */
  readonly n_min_trials?: number | undefined;
}

/** What the complete trials have reported at one step. */
interface StepValues {
  /** NaN included. */
  count: number;
  /** Ascending, without NaN. */
  readonly sorted: number[];
}

const NONE: StepValues = { count: 0, sorted: [] };

/**
 * Prunes a trial whose best value so far is worse than a percentile of what the complete trials had at the same step; Optuna's
 * PercentilePruner, and with 50 its MedianPruner.
 *
 * The trials that come before it in its generation and have not been pruned count with what they have reported by then, as if they were
 * complete: in a sequence, where trials are run one after the other, most of them would be. In generations of one this is Optuna's rule.
 * Source of the rules: optuna 5.0.0, pruners/_percentile.py.
 */
export class PercentilePruner implements Pruner {
  readonly #percentile: number;
  readonly #startupTrials: number;
  readonly #warmupSteps: number;
  readonly #interval: number;
  readonly #minTrials: number;
  readonly #direction: Direction;
  readonly #atStep = new Map<number, StepValues>();
  #complete = 0;

  constructor(options: PercentileOptions, direction: Direction) {
    this.#percentile = direction === 'maximize' ? 100 - options.percentile : options.percentile;
    this.#startupTrials = options.n_startup_trials ?? 5;
    this.#warmupSteps = options.n_warmup_steps ?? 0;
    this.#interval = options.interval_steps ?? 1;
    this.#minTrials = options.n_min_trials ?? 1;
    this.#direction = direction;
  }

  tell({ state, intermediate }: Trial): void {
    if (state !== 'complete') return;
    this.#complete++;
    for (const [step, value] of intermediate) {
      const values = this.#atStep.get(step) ?? { count: 0, sorted: [] };
      this.#atStep.set(step, values);
      values.count++;
      if (!Number.isNaN(value)) insertSorted(values.sorted, value);
    }
  }

  shouldPrune(trial: Trial, generation: readonly Trial[]): boolean {
    const peers = generation.filter(({ number }) => number < trial.number);
    const known = this.#complete + peers.length;
    if (known === 0 || known < this.#startupTrials) return false;
    const step = lastReport(trial)?.step;
    if (step === undefined || step < this.#warmupSteps || !this.#isDue(trial, step)) return false;
    const best = bestOf(trial.intermediate.values(), this.#direction);
    if (Number.isNaN(best)) return true;
    const reported = peers.flatMap(({ intermediate }) => intermediate.get(step) ?? []);
    const { count, sorted } = this.#atStep.get(step) ?? NONE;
    if (count + reported.length < Math.max(this.#minTrials, 1)) return false;
    const few = reported.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
    const bound = percentileOf(sorted, this.#percentile, few);
    return this.#direction === 'maximize' ? best < bound : best > bound;
  }

  /** Whether the step is the first that the trial has reported in its interval. */
  #isDue({ intermediate }: Trial, step: number): boolean {
    const start =
      Math.floor((step - this.#warmupSteps) / this.#interval) * this.#interval + this.#warmupSteps;
    let before = -1;
    for (const other of intermediate.keys()) if (other > before && other !== step) before = other;
    return before < start;
  }
}
