import { LOG_SQRT_2PI } from '../numerics/normal.ts';
import { normSf } from './distributions.ts';

/** Beyond this distance from the peak the integrand is below e^−84 of it. */
const REACH = 13;
/** Step of the trapezoidal rule with k = 1; the error falls as e^−2π²/step², a step below that of binary64 at half this many. */
const STEP = 0.35;

/**
 * P(Q > q) for the range Q of k independent standard normal variables: the studentised range with infinite degrees of freedom
 * (`scipy.stats.studentized_range.sf(q, k, inf)`), accurate relative to itself in the right tail.
 *
 * With S the survival function of the normal distribution and z the least of the variables, it is
 * k ∫ φ(z) (S(z)^(k−1) − (S(z) − S(z + q))^(k−1)) dz, whose integrand is nowhere negative. It is an entire function that falls off as a
 * normal density, so that the trapezoidal rule converges exponentially (Trefethen and Weideman, SIAM Review 2014).
 * @param k a whole number of at least 2
 */
export function studentizedRangeSf(q: number, k: number): number {
  if (q <= 0) return 1;
  if (q === Number.POSITIVE_INFINITY) return 0;
  const step = STEP / Math.sqrt(k);
  const points = Math.ceil(REACH / step);
  let sum = 0;
  for (let i = -points; i <= points; i++) {
    const z = i * step - q / 2;
    const above = normSf(z);
    const share = Math.log1p(-normSf(z + q) / above);
    sum += Math.exp(-0.5 * z * z - LOG_SQRT_2PI) * above ** (k - 1) * -Math.expm1((k - 1) * share);
  }
  return Math.min(1, k * step * sum);
}

/**
 * The q for which studentizedRangeSf(q, k) is p, 0 < p < 1, by bisection to neighbouring numbers
 * (`scipy.stats.studentized_range.isf(p, k, inf)`).
 */
export function studentizedRangeIsf(p: number, k: number): number {
  let low = 0;
  let high = 1;
  while (studentizedRangeSf(high, k) > p) high *= 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return middle;
    if (studentizedRangeSf(middle, k) > p) low = middle;
    else high = middle;
  }
}
