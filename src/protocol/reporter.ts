import type { RoundEvent } from '../boosting/boost.ts';

/** How far a search has got. */
export interface SearchProgress {
  /** Trials finished, those that were pruned or failed included. */
  readonly done: number;
  readonly pruned: number;
  readonly failed: number;
  readonly running: number;
  /** Trials that there will be. */
  readonly trials: number;
  /** The best value so far; undefined before the first complete trial. */
  readonly best: number | undefined;
  readonly metric: string;
  /** Of this process; 0 before the first. */
  readonly trialsPerSecond: number;
  /** Seconds until the last trial, or until the time is up. */
  readonly remaining: number | undefined;
}

/** What a run says while it works. Every call returns at once; nothing it does can change a result. */
export interface Reporter {
  /** A stage begins, or a step of one. */
  step(text: string): void;
  /** Something the user should know; kept in run.json too. */
  warn(text: string): void;
  /** A boosting round is finished. */
  round(stage: string, event: RoundEvent): void;
  /** A generation of trials begins, or one of its trials is finished. */
  search(progress: SearchProgress): void;
}

/** Says nothing. */
export const silentReporter: Reporter = { step() {}, warn() {}, round() {}, search() {} };
