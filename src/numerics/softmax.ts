/**
 * The softmax in integers, the twin of native/core/softmax.h, bit for bit. Margins are int32 in units of 2^−20 with
 * |m| ≤ 2^30; a row has one for each of 2 to 255 classes. Formulas and errors: docs/metrics.md, "Several classes".
 */
import { bernoulliVariance, evaluateSegment, expNegative } from './link.ts';
import { rint } from './power.ts';
import { expTable, logTable } from './tables.ts';

const ONE_Q30 = 2 ** 30;
const ONE_Q24 = 2 ** 24;
const SOFTMAX_LIMIT = 2 ** 24 - 1;
const LN2_Q30 = 744261118;
const MARGIN_LIMIT = 2 ** 30;

/** e^−t in units of 2^−30 for a whole t ≥ 0 in units of 2^−20; exactly 2^30 at 0, and 0 for t ≥ 2^25. */
export function expNegQ30(t: number): number {
  return t > 0x1ffffff ? 0 : evaluateSegment(expTable, t, 24);
}

/** e^−t in units of 2^−24, 1…2^24; constant for t ≥ 2^24 − 1. */
export function expNegQ24(t: number): number {
  return (expNegQ30(Math.min(t, SOFTMAX_LIMIT)) + 32) >> 6;
}

/**
 * p, and h = 2p(1 − p), of every class of a row in units of 2^−30; the shares sum to at most 2^30, and h ≤ 2^29.
 * @param margins One for each class.
 */
export function softmaxGradient(margins: Int32Array): { p: number; h: number }[] {
  const top = Math.max(...margins);
  const exponentials = Array.from(margins, (m) => expNegQ24(top - m));
  const sum = exponentials.reduce((a, b) => a + b);
  const reciprocal = (1n << 54n) / BigInt(sum);
  return exponentials.map((e) => {
    const p = Number((BigInt(e) * reciprocal) >> 24n);
    return { p, h: 2 * bernoulliVariance(Math.min(p, ONE_Q30 - p)) };
  });
}

/**
 * How far below the greatest margin a class starts: the upper end of the bracket that bisection of (−1, 2^24 − 1] leaves
 * around the least d with e^−d ≤ share. 0 for a share of 1, 2^24 − 1 for 0.
 */
export function priorDistance(share: number): number {
  const target = rint(share * ONE_Q24);
  let above = -1;
  let reached = SOFTMAX_LIMIT;
  while (reached - above > 1) {
    const middle = (above + reached) >> 1;
    if (expNegQ24(middle) <= target) reached = middle;
    else above = middle;
  }
  return reached;
}

/** ln(sum · 2^−30) in units of 2^−30 for a whole 2^30 ≤ sum < 2^38; exactly 0 at 2^30. */
export function lnQ30(sum: number): number {
  let power = 0;
  while (sum >= 2 ** (31 + power)) power++;
  let t = Math.floor((sum - 2 ** (30 + power) + 2 ** (5 + power)) / 2 ** (6 + power));
  if (t === 2 ** 24) {
    t = 0;
    power++;
  }
  return power * LN2_Q30 + evaluateSegment(logTable, t, 28);
}

function logSumExpQ30(margins: readonly number[]): { top: number; rest: number } {
  const top = Math.max(...margins);
  return { top, rest: lnQ30(margins.reduce((sum, m) => sum + expNegQ30(top - m), 0)) };
}

/** −ln p of one class of a row in units of 2^−30, below 2^42. */
export function softmaxLoss(margins: Int32Array, ownClass: number): number {
  const { top, rest } = logSumExpQ30([...margins]);
  return (top - margins[ownClass]!) * 1024 + rest;
}

/** ln(p / (1 − p)) of one class of a row against all others, in margin units, limited to ±2^30. */
export function logOdds(margins: Int32Array, ownClass: number): number {
  const { top, rest } = logSumExpQ30([...margins].filter((_, k) => k !== ownClass));
  const odds = margins[ownClass]! - top - Math.floor((rest + 512) / 1024);
  return Math.min(Math.max(odds, -MARGIN_LIMIT), MARGIN_LIMIT);
}

/**
 * The probabilities shown to people, one for each margin, an int32 in units of `unit`, a power of two ≥ 2^−40: e^(m − top) and their sum in the order of the classes, each
 * step one binary64 operation. Within 2^−44 relative of the softmax, and they sum to 1 within 2^−44.
 */
export function softmaxProbabilities(margins: ArrayLike<number>, unit = 1 / 1048576): number[] {
  const probabilities = new Array<number>(margins.length);
  softmaxInto(probabilities, 0, margins, 0, margins.length, unit);
  return probabilities;
}

/** The same for `count` margins from `first`, written to `out` from `at`. */
export function softmaxInto(
  out: { [index: number]: number },
  at: number,
  margins: ArrayLike<number>,
  first: number,
  count: number,
  unit: number,
): void {
  let top = margins[first]!;
  for (let k = 1; k < count; k++) top = Math.max(top, margins[first + k]!);
  let sum = 0;
  for (let k = 0; k < count; k++) {
    const exponential = expNegative(Math.min((top - margins[first + k]!) * unit, 2048));
    out[at + k] = exponential;
    sum += exponential;
  }
  for (let k = 0; k < count; k++) out[at + k]! /= sum;
}

/** The predicted class among `count` margins from `first`: that of the greatest, the lowest of them where margins tie. */
export function predictedClass(margins: ArrayLike<number>, first = 0, count = margins.length): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (margins[first + k]! > margins[first + best]!) best = k;
  return best;
}
