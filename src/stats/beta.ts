import { deviance, stirlingError } from './gamma.ts';

/** Keeps denominators of Lentz's method from being zero. */
const TINY = 1e-300;

/**
 * The regularised incomplete beta function I_x(a, b) for a, b > 0 and 0 ≤ x ≤ 1 (`scipy.special.betainc`), accurate relative to itself
 * down to the smallest numbers. Lentz's evaluation of the continued fraction (DLMF 8.17.22), which converges fast below the mean;
 * above it, 1 − I_y(b, a).
 * @param y 1 − x, for callers that know it more exactly
 */
export function betainc(a: number, b: number, x: number, y = 1 - x): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  return x < (a + 1) / (a + b + 2) ? lowerTail(a, b, x, y) : 1 - lowerTail(b, a, y, x);
}

function lowerTail(a: number, b: number, x: number, y: number): number {
  return (betaPower(a, b, x, y) / a) * continuedFraction(a, b, x);
}

/** x^a y^b / B(a, b), from the binomial probability of a successes in a + b. */
function betaPower(a: number, b: number, x: number, y: number): number {
  const n = a + b;
  const logarithm =
    stirlingError(n) - stirlingError(a) - stirlingError(b) - deviance(a, n * x) - deviance(b, n * y);
  return Math.sqrt((a * b) / (2 * Math.PI * n)) * Math.exp(logarithm);
}

function continuedFraction(a: number, b: number, x: number): number {
  const awayFromZero = (value: number) => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  let factor: number;
  let m = 0;
  const advance = (numerator: number) => {
    d = 1 / awayFromZero(1 + numerator * d);
    c = awayFromZero(1 + numerator / c);
    factor = c * d;
    fraction *= factor;
  };
  do {
    m++;
    advance((m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)));
    advance((-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)));
  } while (Math.abs(factor! - 1) > 1e-15);
  return fraction;
}
