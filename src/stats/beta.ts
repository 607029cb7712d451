import { deviance, stirlingError } from './gamma.ts';

/**
 * The regularised incomplete beta function I_x(a, b) for a, b > 0 and 0 ≤ x ≤ 1 (`scipy.special.betainc`), accurate relative to itself
 * down to the smallest numbers. The continued fraction of Didonato and Morris, "Algorithm 708", ACM TOMS 1992, which converges fast
 * below the mean; above it, 1 − I_y(b, a).
 * @param y 1 − x, for callers that know it more exactly
 */
export function betainc(a: number, b: number, x: number, y = 1 - x): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  return x < (a + 1) / (a + b + 2) ? lowerTail(a, b, x, y) : 1 - lowerTail(b, a, y, x);
}

function lowerTail(a: number, b: number, x: number, y: number): number {
  return betaPower(a, b, x, y) / continuedFraction(a, b, x, y);
}

/** x^a y^b / B(a, b), from the binomial probability of a successes in a + b. */
function betaPower(a: number, b: number, x: number, y: number): number {
  const n = a + b;
  const logarithm =
    stirlingError(n) - stirlingError(a) - stirlingError(b) - deviance(a, n * x) - deviance(b, n * y);
  return Math.sqrt((a * b) / (2 * Math.PI * n)) * Math.exp(logarithm);
}

/** By Lentz's method. With many degrees of freedom x is nearly 1 and all depends on y, which 1 − x would not give. */
function continuedFraction(a: number, b: number, x: number, y: number): number {
  const fromMean = a * y - b * x;
  const term = (m: number) =>
    m + (m * (b - m) * x) / (a + 2 * m - 1) + ((a + m) * (fromMean + 1 + m * (1 + y))) / (a + 2 * m + 1);
  let fraction = (a * (fromMean + 1)) / (a + 1);
  let c = fraction;
  let d = 0;
  let factor: number;
  let m = 0;
  do {
    m++;
    const numerator = (((a + m - 1) * (a + b + m - 1)) / (a + 2 * m - 1) ** 2) * m * (b - m) * x * x;
    d = 1 / (term(m) + numerator * d);
    c = term(m) + numerator / c;
    factor = c * d;
    fraction *= factor;
  } while (Math.abs(factor - 1) > 1e-15);
  return fraction;
}
