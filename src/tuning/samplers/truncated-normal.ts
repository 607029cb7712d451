/** The truncated normal distribution, by the formulas of Optuna's `_truncnorm.py` (which are SciPy's). */
import { erf, inverseLogNdtr, LOG_SQRT_2PI, logNdtr } from '../../numerics/normal.ts';

function leftLogMass(a: number, b: number): number {
  const upper = logNdtr(b);
  return upper + Math.log1p(-Math.exp(logNdtr(a) - upper));
}

/**
 * Logarithm of the probability that a standard normal variable lies between a and b, a ≤ b. Works in the tail where the interval lies,
 * since 1 − Φ cancels in the other.
 */
export function logGaussMass(a: number, b: number): number {
  if (b <= 0) return leftLogMass(a, b);
  if (a > 0) return leftLogMass(-b, -a);
  return Math.log1p(-(0.5 + 0.5 * erf(a / Math.SQRT2)) - (0.5 + 0.5 * erf(-b / Math.SQRT2)));
}

function logAddExp(p: number, q: number): number {
  if (p === q) return p + Math.LN2;
  return Math.max(p, q) + Math.log1p(Math.exp(-Math.abs(p - q)));
}

/**
 * Quantile of the standard normal distribution truncated to [a, b].
 * @param q from 0 to 1
 * @returns NaN where a = b.
 */
export function ppf(q: number, a: number, b: number): number {
  if (a === b) return Number.NaN;
  if (q === 0) return a;
  if (q === 1) return b;
  const logMass = logGaussMass(a, b);
  if (a < 0) return inverseLogNdtr(logAddExp(logNdtr(a), Math.log(q) + logMass));
  return -inverseLogNdtr(logAddExp(logNdtr(-b), Math.log1p(-q) + logMass));
}

/**
 * Log-density at x of the normal distribution with a mean and a deviation, truncated to a and b, which are given in deviations from
 * the mean. −Infinity outside, NaN where a = b.
 */
export function logPdf(x: number, a: number, b: number, mean = 0, deviation = 1): number {
  if (a === b) return Number.NaN;
  const z = (x - mean) / deviation;
  if (z < a || z > b) return Number.NEGATIVE_INFINITY;
  return -(z * z) / 2 - LOG_SQRT_2PI - logGaussMass(a, b) - Math.log(deviation);
}
