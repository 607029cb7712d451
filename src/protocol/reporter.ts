import type { RoundEvent } from '../boosting/boost.ts';

/** What a run says while it works. Every call returns at once; nothing it does can change a result. */
export interface Reporter {
  /** A stage begins, or a step of one. */
  step(text: string): void;
  /** Something the user should know; kept in run.json too. */
  warn(text: string): void;
  /** A boosting round is finished. */
  round(stage: string, event: RoundEvent): void;
}

/** Says nothing. */
export const silentReporter: Reporter = { step() {}, warn() {}, round() {} };
