import type { Pruner } from '../pruner.ts';
import type { Direction, Trial } from '../trial.ts';
import { bestOf } from './values.ts';

export interface PatienceOptions {
  /** Steps without improvement that are borne with, 0 or more. */
  readonly patience: number;
  /** What counts as an improvement, 0 or more. */
  readonly min_delta?: number | undefined;
}

/**
 * Prunes a trial that has not improved for some steps, or lets another pruner decide then; Optuna's PatientPruner.
 * Source of the rules: optuna 5.0.0, pruners/_patient.py.
 */
export class PatiencePruner implements Pruner {
  readonly #patience: number;
  readonly #minDelta: number;
  readonly #direction: Direction;
  readonly #wrapped: Pruner | undefined;

  constructor(options: PatienceOptions, direction: Direction, wrapped?: Pruner) {
    this.#patience = options.patience;
    this.#minDelta = options.min_delta ?? 0;
    this.#direction = direction;
    this.#wrapped = wrapped;
  }

  tell(trial: Trial): void {
    this.#wrapped?.tell(trial);
  }

  shouldPrune(trial: Trial, generation: readonly Trial[]): boolean {
    const values = [...trial.intermediate.values()];
    if (values.length <= this.#patience + 1) return false;
    const border = values.length - this.#patience - 1;
    const before = bestOf(values.slice(0, border), this.#direction);
    const after = bestOf(values.slice(border), this.#direction);
    const stands =
      this.#direction === 'maximize' ? before - this.#minDelta > after : before + this.#minDelta < after;
    return stands && (this.#wrapped === undefined || this.#wrapped.shouldPrune(trial, generation));
  }

  notes(number: number): Readonly<Record<string, unknown>> {
    return this.#wrapped?.notes?.(number) ?? {};
  }
}
