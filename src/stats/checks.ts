import { InputError } from '../errors.ts';

/**
 * Scores of the first model less those of the second, fold by fold.
 * @throws InputError for fewer than two folds, for lengths that differ and for scores that are not finite.
 */
export function foldDifferences(first: ArrayLike<number>, second: ArrayLike<number>): Float64Array {
  if (first.length !== second.length)
    throw new InputError(
      `The first model has ${count(first.length, 'score')} and the second ${second.length}: pass both models' scores on the same folds.`,
    );
  if (first.length < 2)
    throw new InputError(
      `A paired comparison needs scores on at least 2 folds, not ${first.length}: use more folds.`,
    );
  checkFinite(first, 'the first model');
  checkFinite(second, 'the second model');
  return Float64Array.from(first, (score, fold) => score - second[fold]!);
}

/** @throws InputError naming the first fold whose score is not finite. */
export function checkFinite(scores: ArrayLike<number>, owner: string): void {
  for (let fold = 0; fold < scores.length; fold++) {
    if (!Number.isFinite(scores[fold]))
      throw new InputError(
        `The score of ${owner} on fold ${fold} is ${scores[fold]}: leave the fold out of all models or mend it.`,
      );
  }
}

/** @throws InputError unless 0 < value < 1. */
export function checkShare(name: string, value: number): void {
  if (!(value > 0 && value < 1))
    throw new InputError(`${name} must lie between 0 and 1, both excluded, not be ${value}; 0.95 is usual.`);
}

/**
 * Rows of class 1 and of class 0.
 * @throws InputError for a label that is neither.
 */
export function countClasses(labels: ArrayLike<number>): { positives: number; negatives: number } {
  let positives = 0;
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] !== 0 && labels[row] !== 1)
      throw new InputError(`The label of row ${row} is ${labels[row]}: labels must be 0 or 1.`);
    positives += labels[row]!;
  }
  return { positives, negatives: labels.length - positives };
}

/** @throws InputError where the lengths differ. */
export function checkSameRows(labels: ArrayLike<unknown>, other: ArrayLike<unknown>, name: string): void {
  if (labels.length !== other.length)
    throw new InputError(
      `There are ${count(labels.length, 'label')} and ${other.length} ${name}: pass one of each a row.`,
    );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
