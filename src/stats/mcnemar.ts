import { InputError } from '../errors.ts';
import { checkSameRows } from './checks.ts';
import { binomSf, chi2Sf } from './distributions.ts';

/** From so many rows on which one model alone is right the chi-square approximation is used. */
const APPROXIMATE_FROM = 25;

/** Rows that only one of two models predicts rightly. */
export interface DiscordantRows {
  readonly onlyFirst: number;
  readonly onlySecond: number;
}

/** Two-sided, of the hypothesis that both models are right equally often. */
export interface McNemarTest extends DiscordantRows {
  /** 'exact': the lesser of the two counts. 'chi-square': χ² with one degree of freedom. */
  readonly statistic: number;
  readonly pValue: number;
  readonly method: 'exact' | 'chi-square';
}

/**
 * Counts the rows on which exactly one model predicts the label.
 * @param labels classes, one a row
 * @param first predicted classes, one a row
 * @param second predicted classes, one a row
 * @throws InputError where lengths differ.
 */
export function discordantRows(
  labels: ArrayLike<number>,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
): DiscordantRows {
  checkSameRows(labels, first, 'predictions of the first model');
  checkSameRows(labels, second, 'predictions of the second model');
  let onlyFirst = 0;
  let onlySecond = 0;
  for (let row = 0; row < labels.length; row++) {
    const firstIsRight = first[row] === labels[row];
    if (firstIsRight === (second[row] === labels[row])) continue;
    if (firstIsRight) onlyFirst++;
    else onlySecond++;
  }
  return { onlyFirst, onlySecond };
}

/**
 * McNemar's test (Psychometrika 1947) as `statsmodels.stats.contingency_tables.mcnemar`: exact, by the binomial distribution, for fewer
 * than 25 discordant rows; from there on χ² with the correction for continuity, (|b − c| − 1)² / (b + c). Where both counts are equal
 * the p-value is 1: as in R, the correction does not turn no difference into one.
 * @throws InputError for counts that are not whole numbers of at least 0.
 */
export function mcnemarTest({ onlyFirst, onlySecond }: DiscordantRows): McNemarTest {
  for (const count of [onlyFirst, onlySecond]) {
    if (!(Number.isSafeInteger(count) && count >= 0))
      throw new InputError(`Counts of rows must be whole numbers of at least 0, not ${count}.`);
  }
  const rows = onlyFirst + onlySecond;
  if (rows < APPROXIMATE_FROM) {
    const lesser = Math.min(onlyFirst, onlySecond);
    const pValue = Math.min(1, 2 * binomSf(rows - lesser - 1, rows, 0.5));
    return { statistic: lesser, pValue, method: 'exact', onlyFirst, onlySecond };
  }
  const statistic = Math.max(0, Math.abs(onlyFirst - onlySecond) - 1) ** 2 / rows;
  return { statistic, pValue: chi2Sf(statistic, 1), method: 'chi-square', onlyFirst, onlySecond };
}
