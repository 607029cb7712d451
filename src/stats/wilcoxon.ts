import { foldDifferences } from './checks.ts';
import { normSf } from './distributions.ts';
import type { Degenerate } from './paired-t.ts';
import { doubledRanks } from './ranks.ts';

/** Up to so many folds SciPy's p-values are exact; where differences tie or are zero, up to the second number. */
const EXACT_FOLDS = 50;
const EXACT_FOLDS_TIED = 13;

/** Two-sided, of the hypothesis that the differences are symmetric about zero. */
export interface WilcoxonTest {
  /** The lesser of the two rank sums. */
  readonly statistic: number;
  readonly pValue: number;
  /** Sum of the ranks of folds on which the first model scores higher, and of those on which the second does. */
  readonly rankSums: readonly [number, number];
  /** How the p-value was found: by the distribution of the rank sum over all signs, or by its normal approximation. */
  readonly method: 'exact' | 'asymptotic';
  /** All differences are zero: statistic 0, p-value 1. */
  readonly degenerate?: Extract<Degenerate, 'no difference'>;
}

/**
 * Wilcoxon's signed-rank test as `scipy.stats.wilcoxon` of SciPy 1.17 does it by default: folds without a difference are left out, equal
 * ones share their mean rank, no correction for continuity. The p-value is exact for up to 50 folds, and for up to 13 where differences
 * tie or are zero (there SciPy goes through all signs). Like the paired t-test it takes the folds to be independent.
 * Wilcoxon, Biometrics Bulletin 1945.
 * @param first scores on 2 or more folds
 * @param second on the same folds
 * @throws InputError for fewer than two folds, lengths that differ, scores that are not finite.
 */
export function wilcoxonTest(first: ArrayLike<number>, second: ArrayLike<number>): WilcoxonTest {
  const all = foldDifferences(first, second);
  const differences = all.filter((d) => d !== 0);
  if (differences.length === 0)
    return { statistic: 0, pValue: 1, rankSums: [0, 0], method: 'exact', degenerate: 'no difference' };
  const { doubled, ties } = doubledRanks(differences.map(Math.abs));
  let doubledSum = 0;
  let plus = 0;
  doubled.forEach((rank, i) => {
    doubledSum += rank;
    if (differences[i]! > 0) plus += rank;
  });
  const lesser = Math.min(plus, doubledSum - plus);
  const isPlain = ties === 0 && differences.length === all.length;
  const isExact = all.length <= (isPlain ? EXACT_FOLDS : EXACT_FOLDS_TIED);
  return {
    statistic: lesser / 2,
    pValue: isExact ? exactPValue(doubled, lesser) : asymptoticPValue(differences.length, ties, lesser / 2),
    rankSums: [plus / 2, (doubledSum - plus) / 2],
    method: isExact ? 'exact' : 'asymptotic',
  };
}

/** Twice the share of the 2^n choices of ranks, n ≤ 50, whose sum is at most the lesser rank sum; sums are doubled. */
function exactPValue(doubled: Int32Array, lesser: number): number {
  const ways = new Float64Array(lesser + 1);
  ways[0] = 1;
  for (const rank of doubled) {
    for (let sum = lesser; sum >= rank; sum--) ways[sum]! += ways[sum - rank]!;
  }
  const tail = ways.reduce((total, number) => total + number, 0);
  return Math.min(1, 2 * tail * 2 ** -doubled.length);
}

function asymptoticPValue(n: number, ties: number, lesser: number): number {
  const mean = (n * (n + 1)) / 4;
  const variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
  return 2 * normSf((mean - lesser) / Math.sqrt(variance));
}
