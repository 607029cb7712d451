import { type LinearRows, widthOf } from './linear-rows.ts';
import type { LinearModel } from './logistic-regression.ts';

export interface ValuedRows extends LinearRows {
  readonly value: ArrayLike<number>;
  /** One a row; all ones by default. */
  readonly weight?: ArrayLike<number> | undefined;
}

/** A pivot below this part of its diagonal is rounding: the column is a linear combination of those before it. */
const LEAST_PIVOT = 1e-13;

/**
 * Ridge regression: minimises Σ weight · error² + alpha Σ penalty · coefficient², the intercept free, as
 * `sklearn.linear_model.Ridge(alpha)`, by Cholesky's decomposition of the centred normal equations. The coefficient of a column that the
 * others determine, as far as binary64 can tell, is 0.
 * @param alpha > 0
 */
export function fitRidge({ value, weight, ...columns }: ValuedRows, alpha = 1): LinearModel {
  const { x, features, hot, penalty } = columns;
  const rows = value.length;
  const width = widthOf(columns);
  const perRow = hot?.perRow ?? 0;
  const hotIndex = hot?.index ?? new Int32Array(0);
  const weightOf = (row: number) => (weight === undefined ? 1 : weight[row]!);
  const means = new Float64Array(width);
  let mean = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const w = weightOf(row);
    total += w;
    mean += w * value[row]!;
    for (let j = 0; j < features; j++) means[j]! += w * x[row * features + j]!;
    for (let h = row * perRow; h < (row + 1) * perRow; h++) {
      if (hotIndex[h]! >= 0) means[features + hotIndex[h]!]! += w;
    }
  }
  mean /= total;
  for (let j = 0; j < width; j++) means[j]! /= total;

  const gram = new Float64Array(width * width);
  const moments = new Float64Array(width);
  const centred = new Float64Array(features);
  for (let row = 0; row < rows; row++) {
    const w = weightOf(row);
    const error = value[row]! - mean;
    for (let i = 0; i < features; i++) centred[i] = x[row * features + i]! - means[i]!;
    for (let i = 0; i < features; i++) {
      const a = w * centred[i]!;
      moments[i]! += a * error;
      for (let j = 0; j <= i; j++) gram[i * width + j]! += a * centred[j]!;
    }
    for (let h = row * perRow; h < (row + 1) * perRow; h++) {
      if (hotIndex[h]! < 0) continue;
      const i = features + hotIndex[h]!;
      moments[i]! += w * error;
      for (let j = 0; j < features; j++) gram[i * width + j]! += w * centred[j]!;
      for (let g = row * perRow; g <= h; g++) {
        if (hotIndex[g]! >= 0) gram[i * width + features + hotIndex[g]!]! += w;
      }
    }
  }
  for (let i = 0; i < width; i++) {
    for (let j = features; j <= i; j++) gram[i * width + j]! -= total * means[i]! * means[j]!;
    gram[i * width + i]! += i < features && penalty ? alpha * penalty[i]! : alpha;
  }
  const coefficients = solveCholesky(gram, moments);
  const intercept = coefficients.reduce((rest, c, j) => rest - c * means[j]!, mean);
  return { coefficients: [Array.from(coefficients)], intercept: [intercept] };
}

/**
 * The solution of a positive definite system, whose matrix is given by its lower triangle and overwritten; 0 for an unknown whose pivot is
 * rounding.
 */
function solveCholesky(lower: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const solution = right.slice();
  for (let i = 0; i < n; i++) {
    const least = LEAST_PIVOT * lower[i * n + i]!;
    for (let j = 0; j <= i; j++) {
      let sum = lower[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!;
      if (i !== j) lower[i * n + j] = sum / lower[j * n + j]!;
      // Divided by infinity, all that hangs on this unknown is 0.
      else lower[i * n + i] = sum > least ? Math.sqrt(sum) : Number.POSITIVE_INFINITY;
    }
    for (let k = 0; k < i; k++) solution[i]! -= lower[i * n + k]! * solution[k]!;
    solution[i]! /= lower[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) solution[i]! -= lower[k * n + i]! * solution[k]!;
    solution[i]! /= lower[i * n + i]!;
  }
  return solution;
}
