import { InputError } from '../errors.ts';
import { checkSameRows, countClasses } from './checks.ts';
import { sortPlaces } from './order.ts';

/**
 * Where each row stands among those of the other class. Their mean is the area under the ROC curve, and all that DeLong's test and the
 * jackknife need of the scores. By one sort.
 */
export interface Placements {
  /** Rows in the order of ascending scores, class 0 before class 1 where scores tie, then as they stand. */
  readonly order: Uint32Array;
  /** For a row of class 1 twice the rows of class 0 below it, for one of class 0 twice those of class 1 above it; a tie counts 1. */
  readonly doubled: Float64Array;
  readonly positives: number;
  readonly negatives: number;
  /** Sum over the rows of class 1, which is that over those of class 0: 2 · positives · negatives · AUC. */
  readonly doubledWins: number;
  readonly auc: number;
}

/** Rows in the order of ascending scores, class 0 before class 1 where scores tie, then as they stand; scores are not NaN. */
export function ascending(labels: ArrayLike<number>, scores: ArrayLike<number>): Uint32Array {
  const byClass = new Uint32Array(labels.length);
  let next = 0;
  for (const ofClass of [0, 1])
    for (let row = 0; row < labels.length; row++) if (labels[row] === ofClass) byClass[next++] = row;
  return sortPlaces(scores, byClass);
}

/**
 * @param labels 0 or 1, one a row; fewer than 2^26 rows
 * @param scores one a row; infinite ones are allowed
 * @throws InputError for labels that are neither, without both classes, for NaN, and where lengths differ.
 */
export function placements(labels: ArrayLike<number>, scores: ArrayLike<number>): Placements {
  const { positives, negatives } = checkScored(labels, scores);
  const order = ascending(labels, scores);
  const doubled = new Float64Array(order.length);
  let doubledWins = 0;
  const below = [0, 0];
  for (let start = 0; start < order.length; ) {
    const tied = [0, 0];
    let end = start;
    while (end < order.length && scores[order[end]!] === scores[order[start]!])
      tied[labels[order[end++]!]!]!++;
    const ofPositive = 2 * below[0]! + tied[0]!;
    const ofNegative = 2 * (positives - below[1]!) - tied[1]!;
    for (let place = start; place < end; place++) {
      const row = order[place]!;
      doubled[row] = labels[row] === 1 ? ofPositive : ofNegative;
    }
    doubledWins += tied[1]! * ofPositive;
    below[0]! += tied[0]!;
    below[1]! += tied[1]!;
    start = end;
  }
  return {
    order,
    doubled,
    positives,
    negatives,
    doubledWins,
    auc: doubledWins / (2 * positives * negatives),
  };
}

function checkScored(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
): { positives: number; negatives: number } {
  checkSameRows(labels, scores, 'scores');
  const counts = countClasses(labels);
  if (counts.positives === 0 || counts.negatives === 0)
    throw new InputError(
      `All ${labels.length} rows are of one class: an area under the ROC curve needs rows of both.`,
    );
  for (let row = 0; row < scores.length; row++) {
    if (Number.isNaN(scores[row]))
      throw new InputError(`The score of row ${row} is NaN: rows without a score cannot be ranked.`);
  }
  return counts;
}
