import { InputError } from '../errors.ts';
import type { Direction } from '../metrics/metrics.ts';
import { normSf } from './distributions.ts';
import { averageRanks, type ScoreTable } from './friedman.ts';
import { rankDeviation } from './nemenyi.ts';

/** One of several comparisons of two models. */
export interface PairComparison {
  /** Indices of the models. */
  readonly first: number;
  readonly second: number;
  readonly statistic: number;
  /** Two-sided, as if it were the only comparison. */
  readonly pValue: number;
  /** By Holm's procedure over all comparisons. */
  readonly adjustedPValue: number;
}

/** Any paired test: pairedTTest, wilcoxonTest, or nadeauBengioTTest with its ratio bound. */
export type PairedTest = (
  first: ArrayLike<number>,
  second: ArrayLike<number>,
) => { readonly statistic: number; readonly pValue: number };

/** All pairs of models, or one model, by its index, against each other one. */
export type Against = 'all pairs' | number;

/**
 * p-values adjusted for the number of tests, in the order given: the chance of one or more false positives among them stays below the
 * level that these are compared with, however the tests depend on each other (`statsmodels.stats.multitest.multipletests` with
 * `method='holm'`). Holm, Scandinavian Journal of Statistics 1979.
 * @throws InputError for a p-value outside 0…1.
 */
export function holm(pValues: ArrayLike<number>): Float64Array {
  const order = Array.from(pValues, (p, i) => {
    if (!(p >= 0 && p <= 1)) throw new InputError(`p-value ${i} is ${p}: p-values lie between 0 and 1.`);
    return i;
  }).sort((a, b) => pValues[a]! - pValues[b]!);
  const adjusted = new Float64Array(order.length);
  let greatest = 0;
  order.forEach((i, place) => {
    greatest = Math.max(greatest, Math.min(1, (order.length - place) * pValues[i]!));
    adjusted[i] = greatest;
  });
  return adjusted;
}

/**
 * A paired test of several pairs of models, with Holm's correction.
 * @param scores (models, folds)
 * @throws InputError for a model to compare with that is not there, and what the test throws.
 */
export function comparePairs(scores: ScoreTable, against: Against, test: PairedTest): PairComparison[] {
  return adjusted(
    pairsOf(scores.length, against).map(([first, second]) => {
      const { statistic, pValue } = test(scores[first]!, scores[second]!);
      return { first, second, statistic, pValue };
    }),
  );
}

/**
 * Differences of average ranks as normal deviates, z = (R₁ − R₂) / √(k(k + 1) / 6N), with Holm's correction: after Friedman's test, the
 * comparison of one model with all others that Demšar (JMLR 2006) recommends over Nemenyi's. z is positive where the first model
 * ranks worse.
 * @param scores (models, folds), of 2 or more models on 2 or more folds
 * @throws InputError as averageRanks does, and for a model to compare with that is not there.
 */
export function compareRanks(scores: ScoreTable, against: Against, direction: Direction): PairComparison[] {
  const ranks = averageRanks(scores, direction);
  const unit = rankDeviation(scores.length, scores[0]!.length);
  return adjusted(
    pairsOf(scores.length, against).map(([first, second]) => {
      const statistic = (ranks[first]! - ranks[second]!) / unit;
      return { first, second, statistic, pValue: 2 * normSf(Math.abs(statistic)) };
    }),
  );
}

function pairsOf(models: number, against: Against): [number, number][] {
  const indices = Array.from({ length: models }, (_, model) => model);
  if (against === 'all pairs')
    return indices.flatMap((first) =>
      indices.slice(first + 1).map((second): [number, number] => [first, second]),
    );
  if (indices[against] === undefined)
    throw new InputError(`There is no model ${against} to compare with: models are 0 to ${models - 1}.`);
  return indices.filter((model) => model !== against).map((model) => [against, model]);
}

function adjusted(comparisons: readonly Omit<PairComparison, 'adjustedPValue'>[]): PairComparison[] {
  const pValues = holm(comparisons.map(({ pValue }) => pValue));
  return comparisons.map((comparison, i) => ({ ...comparison, adjustedPValue: pValues[i]! }));
}
