import {
  type Dimension,
  type Distribution,
  type FloatDistribution,
  type IntDistribution,
  isOnGrid,
  sameChoices,
} from '../space.ts';

export type NumericDistribution = FloatDistribution | IntDistribution;

/** Rounds to the nearest integer, halves to even: NumPy's round. */
export function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** The greatest value of a distribution: high, or the last value of the step grid below it. */
export function topOf({ low, high, step }: NumericDistribution): number {
  if (step === undefined) return high;
  // A grid in decimals, such as 0.1 from 0 to 1, reaches its end although 0.1 is not exact.
  const steps = Math.floor((high - low) / step + 1e-9);
  const top = low + steps * step;
  return Math.abs(top - high) <= 1e-9 * step ? high : top;
}

/** Narrower ranges have no width that could be divided by. */
const LEAST_WIDTH = 2 ** -1022;

/** Whether a distribution has one value only, or as good as one, which is then not drawn: `single()`. */
export function isSingle(distribution: Distribution): boolean {
  if (distribution.type === 'categorical') return distribution.choices.length === 1;
  return topOf(distribution) - distribution.low < LEAST_WIDTH;
}

/** The internal value of a distribution with one value. */
export function singleValue(distribution: Distribution): number {
  return distribution.type === 'categorical' ? 0 : distribution.low;
}

/** Whether an internal value lies in a distribution and on its grid. */
export function contains(distribution: Distribution, value: number): boolean {
  if (distribution.type === 'categorical')
    return Number.isInteger(value) && value >= 0 && value < distribution.choices.length;
  return value >= distribution.low && value <= topOf(distribution) && isOnGrid(distribution, value);
}

/** Whether two distributions are the same. */
export function sameDistribution(a: Distribution, b: Distribution): boolean {
  if (a === b) return true;
  if (a.type === 'categorical') return b.type === 'categorical' && sameChoices(a, b);
  return (
    a.type === b.type &&
    a.low === b.low &&
    a.high === b.high &&
    a.log === b.log &&
    (a.step ?? 0) === (b.step ?? 0)
  );
}

/**
 * The value that a trial has of a distribution, which may not be the one that it was drawn from; undefined where a category is no
 * longer a choice or the kinds differ.
 */
export function valueWithin(
  distribution: Distribution,
  from: Distribution,
  value: number,
): number | undefined {
  if (distribution === from || distribution.type !== 'categorical')
    return from.type === 'categorical' && distribution.type !== 'categorical' ? undefined : value;
  if (from.type !== 'categorical') return undefined;
  const index = distribution.choices.indexOf(from.choices[value]!);
  return index < 0 ? undefined : index;
}

/** Compares by code points, as Python sorts strings. */
export function compareNames(
  { name: a }: Pick<Dimension, 'name'>,
  { name: b }: Pick<Dimension, 'name'>,
): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
