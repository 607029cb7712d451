/**
 * Survival functions: probabilities of a value above the given one, computed themselves and not as 1 − cdf, so that they are accurate
 * relative to themselves as far as binary64 reaches. The names are SciPy's.
 */
import { erfc, inverseLogNdtr } from '../numerics/normal.ts';
import { betainc } from './beta.ts';
import { gammaincc, logGamma } from './gamma.ts';

/** Where 1 + t²/df is t²/df in binary64 and the square may overflow. */
const FAR = 1e100;

/** P(Z > z) of a standard normal variable. */
export function normSf(z: number): number {
  return 0.5 * erfc(z / Math.SQRT2);
}

/** The z that a standard normal variable stays below with probability p, 0 < p < 1. */
export function normPpf(p: number): number {
  return p <= 0.5 ? inverseLogNdtr(Math.log(p)) : -inverseLogNdtr(Math.log1p(-p));
}

/** P(T > t) of Student's t distribution with df > 0 degrees of freedom. */
export function tSf(t: number, df: number): number {
  if (t < 0) return 1 - tSf(-t, df);
  const u = t / Math.sqrt(df);
  if (u > FAR) {
    // The leading term of the beta function, x^a / (a B(a, ½)) at x = u⁻², which would underflow.
    const logBeta = logGamma(df / 2 + 1) + 0.5 * Math.log(Math.PI) - logGamma((df + 1) / 2);
    return 0.5 * Math.exp(-df * Math.log(u) - logBeta);
  }
  const square = u * u;
  return 0.5 * betainc(df / 2, 0.5, 1 / (1 + square), square / (1 + square));
}

/** The t that Student's t distribution with df > 0 degrees of freedom exceeds with probability p, 0 < p ≤ ½, by bisection to neighbouring numbers. */
export function tIsf(p: number, df: number): number {
  let low = 0;
  let high = 1;
  while (tSf(high, df) > p) high *= 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return middle;
    if (tSf(middle, df) > p) low = middle;
    else high = middle;
  }
}

/** P(X > x) of the chi-square distribution with df > 0 degrees of freedom. */
export function chi2Sf(x: number, df: number): number {
  return gammaincc(df / 2, x / 2);
}

/** P(X > x) of the F distribution with dfn and dfd > 0 degrees of freedom of numerator and denominator. */
export function fSf(x: number, dfn: number, dfd: number): number {
  if (x <= 0) return 1;
  if (x === Number.POSITIVE_INFINITY) return 0;
  const ratio = (dfn / dfd) * x;
  return betainc(dfd / 2, dfn / 2, 1 / (1 + ratio), ratio / (1 + ratio));
}

/** P(X > k) of the number of successes in n trials that succeed with probability p each; k and n are whole numbers. */
export function binomSf(k: number, n: number, p: number): number {
  if (k < 0) return 1;
  return k >= n ? 0 : betainc(k + 1, n - k, p);
}
