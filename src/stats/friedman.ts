import { InputError } from '../errors.ts';
import type { Direction } from '../metrics/metrics.ts';
import { checkFinite } from './checks.ts';
import { chi2Sf, fSf } from './distributions.ts';
import type { Degenerate } from './paired-t.ts';
import { doubledRanks } from './ranks.ts';

/** Scores of several models on the same folds or data sets: scores[model][fold]. */
export type ScoreTable = readonly ArrayLike<number>[];

/** Of the hypothesis that all models are equally good. */
export interface FriedmanTest {
  /** Friedman's χ². */
  readonly statistic: number;
  readonly pValue: number;
  readonly df: number;
  /**
   * The F statistic of Iman and Davenport (1980), which Demšar (JMLR 2006) prefers, since χ² is conservative; with df and df·(folds − 1)
   * degrees of freedom. Infinity, and a p-value of 0, where all folds rank the models the same.
   */
  readonly imanDavenport: { readonly statistic: number; readonly pValue: number };
  /** Every fold scores all models the same: both statistics are 0, both p-values 1. */
  readonly degenerate?: Extract<Degenerate, 'no difference'>;
}

/**
 * Friedman's test, corrected for ties (`scipy.stats.friedmanchisquare`). It sees only the order of models within a fold. The χ²
 * approximation is good from about 10 folds and 5 models on.
 * @param scores (models, folds), of 3 or more models on 2 or more folds
 * @throws InputError for fewer models or folds, lengths that differ, scores that are not finite.
 */
export function friedmanTest(scores: ScoreTable): FriedmanTest {
  if (scores.length < 3)
    throw new InputError(
      `Friedman's test compares 3 or more models, not ${scores.length}: compare two by a paired test.`,
    );
  const { doubledSums, ties } = rankSums(scores);
  const models = scores.length;
  const folds = scores[0]!.length;
  const df = models - 1;
  const untied = models * (models ** 2 - 1) * folds - ties;
  if (untied === 0) {
    const nothing = { statistic: 0, pValue: 1 };
    return { ...nothing, df, imanDavenport: nothing, degenerate: 'no difference' };
  }
  const squares = doubledSums.reduce((sum, rank) => sum + rank * rank, 0);
  // Whole numbers up to the division: the usual difference of two terms would cancel.
  const statistic = (3 * (squares - folds ** 2 * models * (models + 1) ** 2) * df) / untied;
  const f = ((folds - 1) * statistic) / (folds * df - statistic);
  return {
    statistic,
    pValue: chi2Sf(statistic, df),
    df,
    imanDavenport: { statistic: f, pValue: fSf(f, df, df * (folds - 1)) },
  };
}

/**
 * Mean over the folds of each model's rank, 1 for the best; models that tie share the mean of their ranks.
 * @param scores (models, folds), of 2 or more models on 2 or more folds
 * @throws InputError for fewer models or folds, lengths that differ, scores that are not finite.
 */
export function averageRanks(scores: ScoreTable, direction: Direction): Float64Array {
  const { doubledSums } = rankSums(scores);
  const folds = scores[0]!.length;
  return doubledSums.map((sum) => {
    const rank = sum / 2 / folds;
    return direction === 'minimize' ? rank : scores.length + 1 - rank;
  });
}

/** The first model of the least average rank. Errors as those of averageRanks. */
export function bestByRank(scores: ScoreTable, direction: Direction): number {
  const ranks = averageRanks(scores, direction);
  return ranks.indexOf(Math.min(...ranks));
}

/** Twice the sum of each model's ranks, the least score first, and Σ(t³ − t) over all ties within folds. */
function rankSums(scores: ScoreTable): { doubledSums: Float64Array; ties: number } {
  checkTable(scores);
  const doubledSums = new Float64Array(scores.length);
  let ties = 0;
  for (let fold = 0; fold < scores[0]!.length; fold++) {
    const ranks = doubledRanks(scores.map((model) => model[fold]!));
    ranks.doubled.forEach((rank, model) => {
      doubledSums[model]! += rank;
    });
    ties += ranks.ties;
  }
  return { doubledSums, ties };
}

function checkTable(scores: ScoreTable): void {
  if (scores.length < 2)
    throw new InputError(
      `A comparison needs 2 or more models, not ${scores.length}: pass the scores of each.`,
    );
  const folds = scores[0]!.length;
  if (folds < 2) throw new InputError(`Ranks need scores on at least 2 folds, not ${folds}: use more folds.`);
  scores.forEach((model, i) => {
    if (model.length !== folds)
      throw new InputError(
        `Model 0 has ${folds} scores and model ${i} ${model.length}: pass all models' scores on the same folds.`,
      );
    checkFinite(model, `model ${i}`);
  });
}
