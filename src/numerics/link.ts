/**
 * The logistic link in integers, the twin of native/core/link.h, bit for bit: margins are int32 in units of 2^−20,
 * probabilities and losses in units of 2^−30. Formulas and errors: docs/metrics.md, "The integer link".
 */
import { rint } from './power.ts';
import { sigmoidTable, softplusTable } from './tables.ts';

const ONE_Q30 = 1 << 30;
const LOGIT_LIMIT = 1 << 24;

/** The quadratic of the segment of 2^14 arguments that holds t, about the segment's middle. */
export function evaluateSegment(table: Int32Array, t: number, slopeBits: number): number {
  const segment = (t >>> 14) * 2;
  const f = (t & 16383) - 8192;
  const c12 = table[segment + 1]!;
  const slope = (c12 >> 12) + ((Math.imul(f, (c12 << 20) >> 20) + 8192) >> 14);
  return table[segment]! + ((Math.imul(f, slope) + (1 << (slopeBits - 17))) >> (slopeBits - 16));
}

/** sigmoid(−|m|), 122…2^29, for an int32 m; constant for |m| ≥ 2^24 − 1. */
export function sigmoidNegAbsQ30(m: number): number {
  return evaluateSegment(sigmoidTable, Math.min(Math.abs(m), 0xffffff), 26);
}

/** sigmoid(m) for an int32 m; sigmoidQ30(−m) = 2^30 − sigmoidQ30(m), and sigmoidQ30(0) = 2^29. */
export function sigmoidQ30(m: number): number {
  const q = sigmoidNegAbsQ30(m);
  return m < 0 ? q : ONE_Q30 - q;
}

/** q(1 − q) for a whole 0 ≤ q ≤ 2^29 in units of 2^−30, at most 2^28. */
export function bernoulliVariance(q: number): number {
  const a = q >> 15;
  const b = q & 32767;
  return q - (a * a + (((a + 1) * b + 16383) >> 14));
}

/** p = sigmoid(m) and h = p(1 − p) for an int32 m; h is the same for m and −m, and 121 ≤ h ≤ 2^28. */
export function logisticGradient(m: number): { p: number; h: number } {
  const q = sigmoidNegAbsQ30(m);
  return { p: m < 0 ? q : ONE_Q30 - q, h: bernoulliVariance(q) };
}

/** ln(1 + e^−|m|), 0…ln 2, for an int32 m; 0 for |m| ≥ 2^25. */
export function softplusNegAbsQ30(m: number): number {
  const t = Math.abs(m);
  return t > 0x1ffffff ? 0 : evaluateSegment(softplusTable, t, 25);
}

/** Brackets of the bisection whose middles are looked up: 12 of its 24 steps. */
const FIRST_STEPS = 4096;
let firstSteps: Int32Array | undefined;

/** The integer sigmoid in the middle of each bracket, as a heap: bracket n is cut into 2n, the lower one, and 2n + 1. */
function sigmoidsOfFirstSteps(): Int32Array {
  return Int32Array.from({ length: FIRST_STEPS }, (_, n) => {
    const brackets = 2 ** (31 - Math.clz32(n));
    return n === 0 ? 0 : sigmoidQ30(-LOGIT_LIMIT + ((n - brackets + 0.5) * LOGIT_LIMIT) / brackets);
  });
}

/**
 * The margin whose integer sigmoid is `prob`: the upper end of the bracket that bisection of [−2^24, 0] leaves around
 * rint(prob · 2^30), mirrored for prob > ½. Odd about ½, and 0 for ½. Probabilities at or beyond those of ±2^24,
 * and 0 and 1, give ±2^24; NaN gives −2^24.
 */
export function logitMargin(prob: number): number {
  if (!(prob > 0)) return -LOGIT_LIMIT;
  if (prob >= 1) return LOGIT_LIMIT;
  const target = rint(prob * ONE_Q30);
  const mirrored = target > ONE_Q30 / 2;
  const wanted = mirrored ? ONE_Q30 - target : target;
  if (sigmoidQ30(-LOGIT_LIMIT) >= wanted) return mirrored ? LOGIT_LIMIT : -LOGIT_LIMIT;
  firstSteps ??= sigmoidsOfFirstSteps();
  let node = 1;
  while (node < FIRST_STEPS) node = 2 * node + (firstSteps[node]! >= wanted ? 0 : 1);
  let below = (node - 2 * FIRST_STEPS) * (LOGIT_LIMIT / FIRST_STEPS);
  let reached = below + LOGIT_LIMIT / FIRST_STEPS;
  while (reached - below > 1) {
    const middle = (below + reached) >> 1;
    if (sigmoidQ30(middle) >= wanted) reached = middle;
    else below = middle;
  }
  return mirrored && reached !== 0 ? -reached : reached;
}

const LN2_HIGH = 762123384785 / 1099511627776; // ln 2 cut to 40 bits: its multiples here are exact
const LN2_LOW = 7.371002565167799e-13;
const INVERSE_FACTORIAL = [
  1,
  1,
  1 / 2,
  1 / 6,
  1 / 24,
  1 / 120,
  1 / 720,
  1 / 5040,
  1 / 40320,
  1 / 362880,
  1 / 3628800,
  1 / 39916800,
  1 / 479001600,
  1 / 6227020800,
];

const binary64 = new DataView(new ArrayBuffer(8));

/**
 * 2^−k as a binary64 number, 0 ≤ k ≤ 1022, built from its exponent field: `2 ** −k` is the engine's pow, which the
 * language does not promise to be exact.
 */
function inversePowerOfTwo(k: number): number {
  binary64.setUint32(0, (1023 - k) << 20);
  return binary64.getFloat64(0);
}

/**
 * e^−x for 0 ≤ x ≤ 2048 and x a multiple of 2^−40, to about 2^−52 relative, below 2^−1022 to the spacing of subnormal
 * numbers. Reduces by multiples of ln 2 in two parts (Cody and Waite) and sums the Taylor series to r^13; every step is
 * one binary64 operation.
 */
export function expNegative(x: number): number {
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = k * LN2_HIGH - x + k * LN2_LOW;
  let sum = INVERSE_FACTORIAL[13]!;
  for (let n = 12; n >= 0; n--) sum = sum * r + INVERSE_FACTORIAL[n]!;
  const first = Math.min(k, 1000);
  let scaled = sum * inversePowerOfTwo(first);
  for (let rest = k - first; rest > 0; rest -= 1000) scaled *= inversePowerOfTwo(Math.min(rest, 1000));
  return scaled;
}

/**
 * The whole number of units of 2^−20 that is nearest to −ln p, for e^−16 ≤ p ≤ 1. The platform's logarithm only says where to look;
 * `expNegative` at the borders between two numbers decides.
 */
export function negativeLogMargin(p: number): number {
  const unit = 1 / 1048576;
  let distance = rint(-Math.log(p) / unit) + 0;
  while (distance > 0 && expNegative((distance - 0.5) * unit) <= p) distance--;
  while (expNegative((distance + 0.5) * unit) > p) distance++;
  return distance;
}

/**
 * The probability shown to people, within 2^−50 relative of sigmoid(m · unit) for an int32 m; never decreasing in m,
 * exactly ½ at 0. Below margins of about −709 it is subnormal and from about −745 it is 0.
 * @param unit A power of two, at least 2^−40: neighbouring margins must differ by more than the rounding errors.
 */
export function scaledProbability(m: number, unit: number): number {
  const e = expNegative(Math.min(Math.abs(m) * unit, 2048));
  return (m < 0 ? e : 1) / (1 + e);
}

/** `scaledProbability` of a margin in the units of training, 2^−20. */
export function probability(m: number): number {
  return scaledProbability(m, 1 / 1048576);
}
