/**
 * The gamma function by Stirling's formula and its remainder, and the parts of binomial and Poisson probabilities that Loader ("Fast and
 * accurate computation of binomial probabilities", 2000) takes them from: differences of logarithms of factorials would cancel.
 */
import { LOG_SQRT_2PI } from '../numerics/normal.ts';

/** From here on the series below is exact to the last place. */
const SERIES_FROM = 16;
const SERIES = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360];

/** ln Γ(z + 1) less Stirling's (z + ½) ln z − z + ½ ln 2π, for z > 0; absolute error of about 1e-15. */
export function stirlingError(z: number): number {
  let step = 0;
  let shifted = z;
  for (; shifted < SERIES_FROM; shifted++) step += (shifted + 0.5) * Math.log1p(1 / shifted) - 1;
  const square = 1 / (shifted * shifted);
  return step + SERIES.reduceRight((sum, term) => sum * square + term, 0) / shifted;
}

/** ln Γ(z) for z > 0. */
export function logGamma(z: number): number {
  return stirlingError(z) + (z - 0.5) * Math.log(z) - z + LOG_SQRT_2PI;
}

/** x ln(x / mean) + mean − x for x, mean > 0, without cancellation where they are close. */
export function deviance(x: number, mean: number): number {
  if (Math.abs(x - mean) >= 0.1 * (x + mean)) return x * Math.log(x / mean) + mean - x;
  // With r = (mean − x) / (mean + x): ln(mean / x) = 2(r + r³/3 + r⁵/5 + …).
  const r = (mean - x) / (mean + x);
  const square = r * r;
  let sum = 0;
  let power = r * square;
  for (let n = 3; Math.abs(power) > 1e-18 * Math.abs(r); n += 2) {
    sum += power / n;
    power *= square;
  }
  return (mean - x) * r - 2 * x * sum;
}

/** x^a e^−x / Γ(a + 1) for a, x > 0. */
function poissonProbability(a: number, x: number): number {
  return Math.exp(-stirlingError(a) - deviance(a, x)) / Math.sqrt(2 * Math.PI * a);
}

/**
 * The regularised upper incomplete gamma function Q(a, x) for a > 0, x ≥ 0 (`scipy.special.gammaincc`), accurate relative to itself in
 * the right tail. A power series of 1 − Q below x = a + 1, above it Lentz's evaluation of the continued fraction (Abramowitz and
 * Stegun 6.5.31).
 */
export function gammaincc(a: number, x: number): number {
  if (x <= 0) return 1;
  if (x === Number.POSITIVE_INFINITY) return 0;
  if (x < a + 1) {
    let sum = 1;
    let term = 1;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - poissonProbability(a, x) * sum;
  }
  let b = x + 1 - a;
  let c = Number.POSITIVE_INFINITY;
  let d = 1 / b;
  let fraction = d;
  let factor: number;
  let n = 0;
  do {
    n++;
    const numerator = n * (a - n);
    b += 2;
    d = 1 / (b + numerator * d);
    c = b + numerator / c;
    factor = c * d;
    fraction *= factor;
  } while (Math.abs(factor - 1) > 1e-15);
  return a * poissonProbability(a, x) * fraction;
}
