// Writes the tables of the integer sigmoid, softplus, exponential and logarithm: native/core/tables.h and
// src/numerics/tables.ts.
// `--check` writes nothing and fails where either file is out of date.
//
// All transcendental values come from big-integer fixed point, so every machine generates the same bytes.
import { readFileSync, writeFileSync } from 'node:fs';

const WORK_BITS = 160n; // fixed point of the reference values
const ONE = 1n << WORK_BITS;
const SAMPLE_BITS = 7; // a segment of 2^14 margins is fitted on 2^7 + 1 of them
const STEP = 1 << (14 - SAMPLE_BITS);
const SAMPLES = (1 << SAMPLE_BITS) + 1;
const REFERENCE_BITS = 46n; // reference values as exact integers below 2^53

/** e^−x of a fixed-point 0 ≤ x < 1, by its Taylor series. */
function expNegative(x) {
  let sum = ONE;
  let term = ONE;
  for (let n = 1n; term !== 0n; n++) {
    term = (term * x) / (n << WORK_BITS);
    sum += n % 2n === 1n ? -term : term;
  }
  return sum;
}

/** atanh of a fixed-point 0 ≤ x < 1. */
function atanh(x) {
  const square = (x * x) >> WORK_BITS;
  let sum = 0n;
  for (let power = x, n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power = (power * square) >> WORK_BITS;
  }
  return sum;
}

/** A fixed-point value in units of 2^−46. */
const round = (x) => Number((x + (1n << (WORK_BITS - REFERENCE_BITS - 1n))) >> (WORK_BITS - REFERENCE_BITS));

/**
 * Reference values at t = 0, STEP, 2·STEP, … (units of 2^−20) in units of 2^−46: e^−t, sigmoid(−t), and ln(1 + e^−t) by
 * increments of 2·atanh, whose argument is small.
 */
function references(segments) {
  const ratio = expNegative((BigInt(STEP) * ONE) >> 20n);
  const exponential = [];
  const sigmoid = [];
  const softplus = [];
  let exp = ONE;
  let log = 2n * atanh(ONE / 3n);
  for (let i = 0; i <= segments << SAMPLE_BITS; i++) {
    exponential.push(round(exp));
    sigmoid.push(round((exp << WORK_BITS) / (ONE + exp)));
    softplus.push(round(log));
    const next = (exp * ratio) >> WORK_BITS;
    log -= 2n * atanh(((exp - next) << WORK_BITS) / (2n * ONE + exp + next));
    exp = next;
  }
  return { exponential, sigmoid, softplus };
}

/** ln(1 + t) at t = 0, STEP, 2·STEP, … (units of 2^−24) in units of 2^−46, by the same increments. */
function logReferences(segments) {
  const step = (BigInt(STEP) * ONE) >> 24n;
  const logarithm = [];
  let log = 0n;
  for (let i = 0n; i <= segments << SAMPLE_BITS; i++) {
    logarithm.push(round(log));
    log += 2n * atanh((step << WORK_BITS) / (2n * ONE + (2n * i + 1n) * step));
  }
  return logarithm;
}

/** The evaluation of native/core/link.h without c0; f is the distance from the segment's middle. */
const evaluate = (f, c1, c2, slopeBits) => {
  const slope = c1 + ((f * c2 + 8192) >> 14);
  return (f * slope + (1 << (slopeBits - 17))) >> (slopeBits - 16);
};

/** Coefficients of one segment with the least largest error of the integer evaluation over the samples. */
function fitSegment(values, slopeBits, pinnedStart) {
  const unit = 2 ** Number(REFERENCE_BITS - 30n);
  const slopeUnit = 2 ** (Number(REFERENCE_BITS) - slopeBits);
  const [first, middle, last] = [values[0], values[(SAMPLES - 1) / 2], values[SAMPLES - 1]];
  const slope = Math.round((last - first) / slopeUnit);
  const curvature = Math.round((2 * (first + last - 2 * middle)) / slopeUnit);
  let best = { error: Infinity };
  for (let c2 = curvature - 2; c2 <= curvature + 2; c2++) {
    for (let c1 = slope - 3; c1 <= slope + 3; c1++) {
      let low = Infinity;
      let high = -Infinity;
      for (let s = 0; s < SAMPLES; s++) {
        const difference = values[s] - evaluate(s * STEP - 8192, c1, c2, slopeBits) * unit;
        low = Math.min(low, difference);
        high = Math.max(high, difference);
      }
      const c0 =
        pinnedStart === undefined
          ? Math.round((low + high) / 2 / unit)
          : pinnedStart - evaluate(-8192, c1, c2, slopeBits);
      const error = Math.max(high - c0 * unit, c0 * unit - low);
      if (error < best.error) best = { error, c0, c1, c2 };
    }
  }
  const { c0, c1, c2 } = best;
  if (Math.abs(c1) >= 1 << 19 || Math.abs(c2) >= 1 << 11)
    throw new Error('a coefficient does not fit its field');
  for (const f of [-8192, 8192]) {
    if (Math.abs(f * (c1 + ((f * c2 + 8192) >> 14))) >= 2 ** 31 - 512)
      throw new Error('the evaluation overflows');
  }
  return [c0, (c1 << 12) | (c2 & 0xfff)];
}

function fitTable(values, segments, slopeBits, pinnedStart) {
  const table = [];
  for (let i = 0; i < segments; i++) {
    const start = i << SAMPLE_BITS;
    table.push(
      ...fitSegment(values.slice(start, start + SAMPLES), slopeBits, i === 0 ? pinnedStart : undefined),
    );
  }
  return table;
}

/** Lines of at most 118 characters. */
function wrap(items, indent) {
  const lines = [];
  let line = '';
  for (const item of items) {
    if (line.length + item.length + indent.length > 116) {
      lines.push(indent + line.trimEnd());
      line = '';
    }
    line += `${item} `;
  }
  return [...lines, indent + line.trimEnd()].join('\n');
}

const pairs = (table) => table.flatMap((c0, i) => (i % 2 === 0 ? [`{${c0}, ${table[i + 1]}},`] : []));
const numbers = (table) => table.map((x) => `${x},`);

const { exponential, sigmoid, softplus } = references(2048);
const sigmoidTable = fitTable(sigmoid, 1024, 26, 2 ** 29);
const softplusTable = fitTable(softplus, 2048, 25, undefined);
const expTable = fitTable(exponential, 2048, 24, 2 ** 30);
const logTable = fitTable(logReferences(1024), 1024, 28, 0);

const cpp = `// Generated by scripts/generate-tables.mjs; docs/metrics.md says how the coefficients are used.
#pragma once

#include <cstdint>

namespace lockstep {

/** c0 in units of 2^-30; c1 in the upper 20 and c2 in the lower 12 bits of c12, both signed. */
struct LinkSegment {
  int32_t c0;
  int32_t c12;
};

inline constexpr LinkSegment kSigmoidTable[1024] = {
${wrap(pairs(sigmoidTable), '    ')}
};

inline constexpr LinkSegment kSoftplusTable[2048] = {
${wrap(pairs(softplusTable), '    ')}
};

inline constexpr LinkSegment kExpTable[2048] = {
${wrap(pairs(expTable), '    ')}
};

inline constexpr LinkSegment kLogTable[1024] = {
${wrap(pairs(logTable), '    ')}
};

}  // namespace lockstep
`;

const ts = `// Generated by scripts/generate-tables.mjs; docs/metrics.md says how the coefficients are used.
// biome-ignore-all format: generated

/** Pairs (c0, c12) of 1024 segments, as in native/core/tables.h. */
export const sigmoidTable = Int32Array.of(
${wrap(numbers(sigmoidTable), '  ')}
);

/** Pairs (c0, c12) of 2048 segments. */
export const softplusTable = Int32Array.of(
${wrap(numbers(softplusTable), '  ')}
);

/** Pairs (c0, c12) of 2048 segments. */
export const expTable = Int32Array.of(
${wrap(numbers(expTable), '  ')}
);

/** Pairs (c0, c12) of 1024 segments. */
export const logTable = Int32Array.of(
${wrap(numbers(logTable), '  ')}
);
`;

const check = process.argv.includes('--check');
for (const [path, text] of [
  ['native/core/tables.h', cpp],
  ['src/numerics/tables.ts', ts],
]) {
  const url = new URL(`../${path}`, import.meta.url);
  if (!check) {
    writeFileSync(url, text);
  } else if (readFileSync(url, 'utf8') !== text) {
    console.error(`${path} is out of date: run node scripts/generate-tables.mjs.`);
    process.exitCode = 1;
  }
}
