import { InputError } from '../errors.ts';
import { checkShare } from './checks.ts';
import { averageRanks, type ScoreTable } from './friedman.ts';
import { studentizedRangeIsf, studentizedRangeSf } from './studentized-range.ts';

/**
 * p-values of Nemenyi's test of all pairs of models, [model][model], with 1 on the diagonal
 * (`scikit_posthocs.posthoc_nemenyi_friedman`): how likely so great a difference of average ranks, or a greater one, is among all pairs
 * when all models are equal. Nemenyi 1963; Demšar, JMLR 2006.
 * @param scores (models, folds), of 2 or more models on 2 or more folds
 * @throws InputError as averageRanks does.
 */
export function nemenyiTest(scores: ScoreTable): number[][] {
  const ranks = averageRanks(scores, 'maximize');
  const unit = rankDeviation(scores.length, scores[0]!.length);
  return Array.from(ranks, (first) =>
    Array.from(ranks, (second) =>
      studentizedRangeSf((Math.abs(first - second) / unit) * Math.SQRT2, ranks.length),
    ),
  );
}

/** Standard deviation of the difference of two models' average ranks when all models are equal and no scores tie. */
export function rankDeviation(models: number, folds: number): number {
  return Math.sqrt((models * (models + 1)) / (6 * folds));
}

/**
 * Nemenyi's critical difference: average ranks that differ by at least so much differ significantly (Demšar, JMLR 2006).
 * @param models 2 or more
 * @param folds 1 or more: the number of folds or data sets ranked
 * @param alpha level of the test, between 0 and 1
 * @throws InputError for other numbers.
 */
export function criticalDifference(models: number, folds: number, alpha = 0.05): number {
  if (!(Number.isInteger(models) && models >= 2))
    throw new InputError(`models must be a whole number of at least 2, not ${models}.`);
  if (!(Number.isInteger(folds) && folds >= 1))
    throw new InputError(`folds must be a whole number of at least 1, not ${folds}.`);
  checkShare('alpha', alpha);
  return (studentizedRangeIsf(alpha, models) / Math.SQRT2) * rankDeviation(models, folds);
}

/**
 * The bars of a critical-difference diagram: the greatest sets of two or more models, no two of which differ by the critical difference
 * or more. Models of a set, and the sets, are in the order of their ranks; a model can be in several sets or in none.
 */
export function criticalDifferenceGroups(ranks: ArrayLike<number>, difference: number): number[][] {
  const order = Array.from(ranks, (_, model) => model).sort((a, b) => ranks[a]! - ranks[b]! || a - b);
  const groups: number[][] = [];
  let covered = 0;
  for (let start = 0; start < order.length; start++) {
    let end = start + 1;
    while (end < order.length && ranks[order[end]!]! - ranks[order[start]!]! < difference) end++;
    if (end > covered && end - start > 1) groups.push(order.slice(start, end));
    covered = Math.max(covered, end);
  }
  return groups;
}
