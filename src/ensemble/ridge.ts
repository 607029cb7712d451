import type { LinearModel } from './logistic-regression.ts';

export interface ValuedRows {
  /** (rows, features), row-major. */
  readonly x: Float64Array;
  readonly features: number;
  readonly value: ArrayLike<number>;
  /** One a row; all ones by default. */
  readonly weight?: ArrayLike<number> | undefined;
}

/**
 * Ridge regression: minimises Σ weight · error² + alpha ‖coefficients‖², the intercept free, as `sklearn.linear_model.Ridge(alpha)`, by
 * Cholesky's decomposition of the centred normal equations.
 * @param alpha > 0
 */
export function fitRidge({ x, features, value, weight }: ValuedRows, alpha = 1): LinearModel {
  const rows = value.length;
  const weightOf = (row: number) => (weight === undefined ? 1 : weight[row]!);
  const means = new Float64Array(features);
  let mean = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const w = weightOf(row);
    total += w;
    mean += w * value[row]!;
    for (let j = 0; j < features; j++) means[j]! += w * x[row * features + j]!;
  }
  mean /= total;
  for (let j = 0; j < features; j++) means[j]! /= total;

  const gram = new Float64Array(features * features);
  const moments = new Float64Array(features);
  for (let row = 0; row < rows; row++) {
    const w = weightOf(row);
    const error = value[row]! - mean;
    for (let i = 0; i < features; i++) {
      const a = w * (x[row * features + i]! - means[i]!);
      moments[i]! += a * error;
      for (let j = 0; j <= i; j++) gram[i * features + j]! += a * (x[row * features + j]! - means[j]!);
    }
  }
  for (let i = 0; i < features; i++) gram[i * features + i]! += alpha;
  const coefficients = solveCholesky(gram, moments);
  const intercept = coefficients.reduce((rest, c, j) => rest - c * means[j]!, mean);
  return { coefficients: [Array.from(coefficients)], intercept: [intercept] };
}

/** The solution of a positive definite system, whose matrix is given by its lower triangle and overwritten. */
function solveCholesky(lower: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const solution = right.slice();
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = lower[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!;
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j]!;
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
