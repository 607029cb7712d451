// A smooth function through recorded trials: kernel ridge regression on the unit cube, with 1 / (1 + squared distance) as the
// kernel, which every language computes alike.
import type { FloatDistribution, IntDistribution } from '../../src/tuning/space.ts';

/** `mean` plus the sum of `weights[i]` / (1 + the squared distance to `points[i]`), with coordinates times `scale`. */
export interface Surrogate {
  readonly scale: readonly number[];
  readonly mean: number;
  readonly points: readonly (readonly number[])[];
  readonly weights: readonly number[];
}

/** Where a value lies between the bounds of its distribution, from 0 to 1. */
export function unit({ low, high, log }: FloatDistribution | IntDistribution, value: number): number {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

function kernel(a: readonly number[], b: readonly number[], scale: readonly number[]): number {
  let squares = 0;
  for (const [d, x] of a.entries()) {
    const difference = (x - b[d]!) * scale[d]!;
    squares += difference * difference;
  }
  return 1 / (1 + squares);
}

/** @param point in the unit cube */
export function predict({ scale, mean, points, weights }: Surrogate, point: readonly number[]): number {
  let sum = mean;
  for (const [i, other] of points.entries()) sum += weights[i]! * kernel(point, other, scale);
  return sum;
}

/** The inverse of a symmetric positive definite matrix, in its place: Gauss–Jordan without pivots. */
function invert(matrix: readonly Float64Array[]): void {
  for (const [k, pivotRow] of matrix.entries()) {
    const pivot = 1 / pivotRow[k]!;
    pivotRow[k] = 1;
    for (let j = 0; j < pivotRow.length; j++) pivotRow[j]! *= pivot;
    for (const row of matrix) {
      if (row === pivotRow) continue;
      const factor = row[k]!;
      row[k] = 0;
      for (let j = 0; j < row.length; j++) row[j]! -= factor * pivotRow[j]!;
    }
  }
}

export interface Fit {
  readonly surrogate: Surrogate;
  /** Share of the variance of the values that is explained where each is left out in turn. */
  readonly explained: number;
}

/** The regression at the given scale of coordinates and ridge. */
function regress(
  points: readonly (readonly number[])[],
  values: readonly number[],
  scale: readonly number[],
  ridge: number,
): Fit {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const inverse = points.map((a, i) =>
    Float64Array.from(points, (b, j) => kernel(a, b, scale) + (i === j ? ridge : 0)),
  );
  invert(inverse);
  const weights = inverse.map((row) => row.reduce((sum, x, j) => sum + x * (values[j]! - mean), 0));
  // Without point i the regression errs there by weights[i] / inverse[i][i].
  const squares = weights.reduce((sum, weight, i) => sum + (weight / inverse[i]![i]!) ** 2, 0);
  const total = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { surrogate: { scale, mean, points, weights }, explained: 1 - squares / total };
}

const RIDGES = [1e-4, 1e-3, 1e-2, 1e-1];
const FIRST_SCALE = 0.5;
/** Factors by which the scale of a coordinate is tried. */
const FACTORS = [0.5, 2];
const PASSES = 3;

/** The regression whose scales, one a coordinate, and ridge explain most of values left out, by coordinate search. */
export function fitSurrogate(points: readonly (readonly number[])[], values: readonly number[]): Fit {
  const start = points[0]!.map(() => FIRST_SCALE);
  const fits = RIDGES.map((ridge) => ({ ridge, ...regress(points, values, start, ridge) }));
  let best = fits.reduce((a, b) => (b.explained > a.explained ? b : a));
  for (let pass = 0; pass < PASSES; pass++) {
    for (const d of start.keys()) {
      for (const factor of FACTORS) {
        const scale = best.surrogate.scale.map((of, i) => (i === d ? of * factor : of));
        const tried = { ridge: best.ridge, ...regress(points, values, scale, best.ridge) };
        if (tried.explained > best.explained) best = tried;
      }
    }
    for (const ridge of RIDGES) {
      const tried = { ridge, ...regress(points, values, best.surrogate.scale, ridge) };
      if (tried.explained > best.explained) best = tried;
    }
  }
  return best;
}
