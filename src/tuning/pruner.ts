import type { Trial } from './trial.ts';

/** Says when a trial is hopeless. */
export interface Pruner {
  /** Takes note of a finished trial; once each. */
  tell(trial: Trial): void;
  /**
   * Whether to stop a running trial, which has just reported its latest intermediate value.
   * @param generation The trials of its generation, itself included, as they are now: those under way and those that are complete.
   */
  shouldPrune(trial: Trial, generation: readonly Trial[]): boolean;
  /** What the pruner must know of a trial later on, by key: kept with it, as system attributes, when it ends. */
  notes?(number: number): Readonly<Record<string, unknown>>;
}
