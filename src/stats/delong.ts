import { InputError } from '../errors.ts';
import { checkShare } from './checks.ts';
import { normPpf, normSf } from './distributions.ts';
import type { Degenerate } from './paired-t.ts';
import { type Placements, placements } from './placements.ts';
import { meanAndSquares } from './sum.ts';

export interface AucInterval {
  readonly auc: number;
  readonly standardError: number;
  /** Ends of the confidence interval, within 0…1. */
  readonly low: number;
  readonly high: number;
}

/** Two-sided, of the hypothesis that both models have the same AUC. */
export interface DeLongTest {
  readonly aucs: readonly [number, number];
  /** First − second. */
  readonly difference: number;
  readonly standardError: number;
  /** difference / standardError, a normal deviate. */
  readonly statistic: number;
  readonly pValue: number;
  /** Ends of the confidence interval of the difference, within −1…1. */
  readonly low: number;
  readonly high: number;
  /**
   * 'no difference': both models place every row alike, statistic 0, p-value 1. 'no variance': the difference is the same for every
   * row, for instance of a perfect model to one that knows nothing; statistic ±Infinity, p-value 0.
   */
  readonly degenerate?: Degenerate;
}

/**
 * The area under the ROC curve with DeLong's standard error and normal confidence interval. DeLong, DeLong and Clarke-Pearson,
 * Biometrics 1988, by ranks as Sun and Xu, IEEE Signal Processing Letters 2014, in O(n log n).
 * @param labels 0 or 1, one a row
 * @param scores one a row, greater for class 1
 * @param level of confidence, between 0 and 1
 * @throws InputError with fewer than 2 rows of either class, for other labels, NaN, lengths that differ and other levels.
 */
export function aucInterval(labels: ArrayLike<number>, scores: ArrayLike<number>, level = 0.95): AucInterval {
  checkShare('level', level);
  const placed = placements(labels, scores);
  const { auc, positives, negatives } = placed;
  const standardError = deviation(labels, placed.doubled, positives, negatives);
  const reach = normPpf((1 + level) / 2) * standardError;
  return { auc, standardError, low: Math.max(0, auc - reach), high: Math.min(1, auc + reach) };
}

/**
 * DeLong's test of two models' AUCs on the same rows. Sources as for aucInterval.
 * @param labels 0 or 1, one a row
 * @param first scores, one a row, greater for class 1
 * @param second scores, one a row, greater for class 1
 * @param level of confidence, between 0 and 1
 * @throws InputError as aucInterval does.
 */
export function delongTest(
  labels: ArrayLike<number>,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  level = 0.95,
): DeLongTest {
  return delongOfPlacements(labels, placements(labels, first), placements(labels, second), level);
}

/** delongTest for callers that test one model against several and place its rows once. */
export function delongOfPlacements(
  labels: ArrayLike<number>,
  one: Placements,
  two: Placements,
  level = 0.95,
): DeLongTest {
  checkShare('level', level);
  const { positives, negatives } = one;
  const apart = one.doubled.map((placement, row) => placement - two.doubled[row]!);
  const standardError = deviation(labels, apart, positives, negatives);
  const difference = (one.doubledWins - two.doubledWins) / (2 * positives * negatives);
  const reach = normPpf((1 + level) / 2) * standardError;
  return {
    aucs: [one.auc, two.auc],
    difference,
    standardError,
    ...deviate(difference, standardError),
    low: Math.max(-1, difference - reach),
    high: Math.min(1, difference + reach),
  };
}

function deviate(
  difference: number,
  standardError: number,
): Pick<DeLongTest, 'statistic' | 'pValue' | 'degenerate'> {
  if (standardError === 0 && difference === 0)
    return { statistic: 0, pValue: 1, degenerate: 'no difference' };
  const statistic = difference / standardError;
  const pValue = 2 * normSf(Math.abs(statistic));
  return { statistic, pValue, ...(standardError === 0 && { degenerate: 'no variance' as const }) };
}

/** Of the mean of placements, or of their differences, which are whole numbers of 1 / (2 · rows of the other class). */
function deviation(
  labels: ArrayLike<number>,
  doubled: Placements['doubled'],
  positives: number,
  negatives: number,
): number {
  if (positives < 2 || negatives < 2)
    throw new InputError(
      `There are ${positives} rows of class 1 and ${negatives} of class 0: DeLong's variance needs 2 of each.`,
    );
  const variance = (ofClass: 0 | 1, own: number, other: number) => {
    const { squares } = meanAndSquares(doubled.filter((_, row) => labels[row] === ofClass));
    return squares / (own - 1) / (2 * other) ** 2 / own;
  };
  return Math.sqrt(variance(1, positives, negatives) + variance(0, negatives, positives));
}
