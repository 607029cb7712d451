import { InputError } from '../errors.ts';
import { checkFinite, foldDifferences } from './checks.ts';
import { logGamma } from './gamma.ts';
import { placements } from './placements.ts';
import { meanAndSquares } from './sum.ts';
import { wilcoxonTest } from './wilcoxon.ts';

/**
 * Cohen's d of paired scores, d_z: the mean difference in standard deviations of the differences. 0 where no scores differ, ±Infinity where
 * all differ by the same amount. Cohen, "Statistical power analysis for the behavioral sciences", 1988.
 * @param first scores on 2 or more folds
 * @param second on the same folds
 * @throws InputError for fewer than two folds, lengths that differ, scores that are not finite.
 */
export function cohensD(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const differences = foldDifferences(first, second);
  const constant = differences[0]!;
  if (differences.every((d) => d === constant)) return constant === 0 ? 0 : constant / 0;
  const { mean, squares } = meanAndSquares(differences);
  return mean / Math.sqrt(squares / (differences.length - 1));
}

/**
 * Hedges' g: Cohen's d without its bias, which is upward with few folds, by the exact factor
 * Γ(m/2) / (√(m/2) Γ((m − 1)/2)) for m = folds − 1. Hedges, Journal of Educational Statistics 1981.
 * @throws InputError as cohensD does, and for two folds, where the factor is 0.
 */
export function hedgesG(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const d = cohensD(first, second);
  const m = first.length - 1;
  if (m < 2)
    throw new InputError(
      `Hedges' correction needs scores on at least 3 folds, not ${first.length}: use more folds.`,
    );
  return d * Math.exp(logGamma(m / 2) - logGamma((m - 1) / 2) - 0.5 * Math.log(m / 2));
}

/**
 * The matched-pairs rank-biserial correlation, −1…1: the share of Wilcoxon's rank sum that is on the first model's side less that on the
 * second's; 0 where no scores differ. Kerby, Comprehensive Psychology 2014.
 * @throws InputError as wilcoxonTest does.
 */
export function rankBiserial(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const [plus, minus] = wilcoxonTest(first, second).rankSums;
  return plus === minus ? 0 : (plus - minus) / (plus + minus);
}

/**
 * Cliff's delta, −1…1: over all pairs of a score of the first model and one of the second, paired or not, the share where the first is
 * greater less the share where it is smaller. Cliff, Psychological Bulletin 1993.
 * @param first 1 or more scores
 * @param second 1 or more scores
 * @throws InputError without scores and for scores that are not finite.
 */
export function cliffsDelta(first: ArrayLike<number>, second: ArrayLike<number>): number {
  if (first.length === 0 || second.length === 0)
    throw new InputError("Cliff's delta needs a score of each model: one has none.");
  checkFinite(first, 'the first model');
  checkFinite(second, 'the second model');
  const isFirst = Uint8Array.from({ length: first.length + second.length }, (_, i) =>
    i < first.length ? 1 : 0,
  );
  const { doubledWins } = placements(isFirst, [...Float64Array.from(first), ...Float64Array.from(second)]);
  const pairs = first.length * second.length;
  return (doubledWins - pairs) / pairs;
}
