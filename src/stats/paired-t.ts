import { InputError } from '../errors.ts';
import { foldDifferences } from './checks.ts';
import { tSf } from './distributions.ts';
import { meanAndSquares } from './sum.ts';

/** Why a test had nothing to compute: no two scores differ, or all of them by the same amount. */
export type Degenerate = 'no difference' | 'no variance';

/** Two-sided, of the hypothesis that both models are equally good. */
export interface PairedTTest {
  /** t; has the sign of meanDifference. */
  readonly statistic: number;
  readonly pValue: number;
  readonly df: number;
  /** Mean of first − second. */
  readonly meanDifference: number;
  /** Of the mean difference, as the test takes it to be. */
  readonly standardError: number;
  /**
   * 'no difference': all differences are 0, statistic 0, p-value 1. 'no variance': all are the same other number, statistic ±Infinity,
   * p-value 0.
   */
  readonly degenerate?: Degenerate;
}

/**
 * Student's paired t-test (`scipy.stats.ttest_rel`). It takes the differences to be independent, which those of cross-validation are not,
 * as folds share training rows: see docs/statistics.md.
 * @param first scores on 2 or more folds
 * @param second on the same folds
 * @throws InputError for fewer than two folds, lengths that differ, scores that are not finite.
 */
export function pairedTTest(first: ArrayLike<number>, second: ArrayLike<number>): PairedTTest {
  return tTest(foldDifferences(first, second), 0);
}

export interface ResamplingOptions {
  /** Test rows over training rows of a fold: 1 / (k − 1) in k-fold cross-validation, repeated or not. */
  readonly testTrainRatio: number;
}

/**
 * The corrected resampled t-test: the variance of the mean of n differences is (1/n + test/train)·s² in place of s²/n, since the training
 * sets overlap. Nadeau and Bengio, "Inference for the generalization error", Machine Learning 2003; for r × k-fold cross-validation with
 * n = r·k, Bouckaert and Frank, PAKDD 2004.
 * @param first scores on 2 or more folds, of all repetitions
 * @param second on the same folds
 * @throws InputError as pairedTTest does, and for a ratio that is not positive and finite.
 */
export function nadeauBengioTTest(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  { testTrainRatio }: ResamplingOptions,
): PairedTTest {
  if (!(testTrainRatio > 0 && testTrainRatio < Number.POSITIVE_INFINITY))
    throw new InputError(
      `testTrainRatio must be positive and finite, not ${testTrainRatio}; it is 1 / (k − 1) in k-fold cross-validation.`,
    );
  return tTest(foldDifferences(first, second), testTrainRatio);
}

function tTest(differences: Float64Array, overlap: number): PairedTTest {
  const n = differences.length;
  const df = n - 1;
  const constant = differences[0]!;
  if (differences.every((d) => d === constant)) {
    const shared = { df, meanDifference: constant, standardError: 0 };
    if (constant === 0) return { statistic: 0, pValue: 1, ...shared, degenerate: 'no difference' };
    return {
      statistic: Math.sign(constant) * Number.POSITIVE_INFINITY,
      pValue: 0,
      ...shared,
      degenerate: 'no variance',
    };
  }
  const { mean, squares } = meanAndSquares(differences);
  const standardError = Math.sqrt((1 / n + overlap) * (squares / df));
  const statistic = mean / standardError;
  return {
    statistic,
    pValue: 2 * tSf(Math.abs(statistic), df),
    df,
    meanDifference: mean,
    standardError,
  };
}
