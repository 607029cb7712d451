import type { InternalValues } from '../space.ts';
import type { Trial } from '../trial.ts';

/** What a trial is suggested from beside the finished ones. */
export interface Suggestion {
  /** Number of the trial. */
  readonly number: number;
  /** Trials whose results are not known yet, by number; the trial itself is not among them. */
  readonly running: readonly Trial[];
  /** Values that the user has set, in internal form; the others are suggested. */
  readonly fixed?: InternalValues | undefined;
}

/**
 * Chooses the values of trials. A sampler is a function of its options, the trials told and its position: the same calls give the
 * same values in every process.
 */
export interface Sampler {
  /** Takes note of a finished trial; once each, in order of number within a generation. */
  tell(trial: Trial): void;
  /** Values for every active dimension of the space, in its order. */
  suggest(suggestion: Suggestion): InternalValues;
  /** Words drawn so far from each random stream, or how far a fixed sequence has got. */
  readonly position: readonly number[];
  /** Goes on from a position, of this sampler or of one with the same options. */
  seek(position: readonly number[]): void;
  /** Whether all that there is has been suggested (grid). */
  readonly isExhausted: boolean;
}
