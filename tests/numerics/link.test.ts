import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expNegative,
  logisticGradient,
  logitMargin,
  negativeLogMargin,
  probability,
  scaledProbability,
  sigmoidQ30,
  softplusNegAbsQ30,
} from '../../src/numerics/link.ts';
import { sigmoidTable, softplusTable } from '../../src/numerics/tables.ts';

const ONE_Q30 = 2 ** 30;
const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.integer({ min: -(2 ** 25), max: 2 ** 25 }),
);

/** FNV-1a, 32 bits, over the bytes of words, low byte first. */
function fnv1a(words: Iterable<number>): number {
  let hash = 2166136261;
  for (const word of words) {
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((word >>> shift) & 255), 16777619);
  }
  return hash >>> 0;
}

/** A segment as docs/metrics.md describes it, in integers of any size. */
function segmentByFormula(table: Int32Array, t: bigint, slopeBits: bigint): bigint {
  const i = Number(t / 16384n);
  const f = (t % 16384n) - 8192n;
  const c12 = BigInt(table[2 * i + 1]!);
  const c2 = BigInt.asIntN(12, c12);
  const c1 = (c12 - BigInt.asUintN(12, c12)) / 4096n;
  const slope = c1 + ((f * c2 + 8192n) >> 14n);
  const product = f * slope;
  expect(product).toBe(BigInt.asIntN(32, product));
  return BigInt(table[2 * i]!) + ((product + (1n << (slopeBits - 17n))) >> (slopeBits - 16n));
}

describe('tables', () => {
  it('are what the generator makes', () => {
    const script = fileURLToPath(new URL('../../scripts/generate-tables.mjs', import.meta.url));
    execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' });
  });
});

describe('the integer link', () => {
  it('follows the documented formula without leaving 32 bits', () => {
    fc.assert(
      fc.property(int32, (m) => {
        const magnitude = BigInt(Math.abs(m));
        const saturated = magnitude < 2n ** 24n ? magnitude : 2n ** 24n - 1n;
        const q = segmentByFormula(sigmoidTable, saturated, 26n);
        const { p, h } = logisticGradient(m);
        expect(p).toBe(Number(m < 0 ? q : 2n ** 30n - q));
        expect(sigmoidQ30(m)).toBe(p);
        const [a, b] = [q / 32768n, q % 32768n];
        expect(h).toBe(Number(q - (a * a + ((a + 1n) * b + 16383n) / 16384n)));
        const softplus = magnitude < 2n ** 25n ? segmentByFormula(softplusTable, magnitude, 25n) : 0n;
        expect(softplusNegAbsQ30(m)).toBe(Number(softplus));
      }),
      { numRuns: 5000 },
    );
  });

  it('has the hash of the native link', () => {
    function* words() {
      const end = 2 ** 24 + 4096;
      for (let m = -end; m <= end; m += 4099) {
        const { p, h } = logisticGradient(m);
        yield* [p, h, softplusNegAbsQ30(m)];
      }
    }
    expect(fnv1a(words())).toBe(2902267930);
  });

  it('keeps p and h within the documented errors and ranges for every margin', () => {
    let worstP = 0;
    let worstH = 0;
    let [lowestP, highestP, lowestH, highestH] = [ONE_Q30, 0, ONE_Q30, 0];
    for (let t = 0; t < 2 ** 24; t++) {
      const { p, h } = logisticGradient(-t);
      const e = Math.exp(-t / 2 ** 20);
      const exact = e / (1 + e);
      worstP = Math.max(worstP, Math.abs(p - exact * ONE_Q30));
      worstH = Math.max(worstH, Math.abs(h - (exact / (1 + e)) * ONE_Q30));
      lowestP = Math.min(lowestP, p);
      highestP = Math.max(highestP, p);
      lowestH = Math.min(lowestH, h);
      highestH = Math.max(highestH, h);
    }
    expect(worstP).toBeLessThan(13.7);
    expect(worstH).toBeLessThan(11.3);
    expect([lowestP, highestP, lowestH, highestH]).toEqual([122, 2 ** 29, 121, 2 ** 28]);
  });

  it('keeps softplus within the documented error and never below 0', () => {
    let worst = 0;
    let lowest = ONE_Q30;
    for (let t = 0; t < 2 ** 25; t += 3) {
      const value = softplusNegAbsQ30(t);
      lowest = Math.min(lowest, value);
      worst = Math.max(worst, Math.abs(value - Math.log1p(Math.exp(-t / 2 ** 20)) * ONE_Q30));
    }
    expect(worst).toBeLessThan(22.7);
    expect(lowest).toBe(0);
  });

  it('is symmetric, and one half at 0', () => {
    expect(sigmoidQ30(0)).toBe(2 ** 29);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (m) => {
        expect(sigmoidQ30(m) + sigmoidQ30(-m)).toBe(ONE_Q30);
        expect(logisticGradient(m).h).toBe(logisticGradient(-m).h);
      }),
    );
  });
});

describe('negativeLogMargin', () => {
  it('is the nearest number of units of 2^-20, also right beside the border between two', () => {
    expect([1, 0.5, expNegative(1), expNegative(16)].map(negativeLogMargin)).toEqual([
      0,
      726817,
      2 ** 20,
      2 ** 24,
    ]);
    // To 40 digits, -ln p is 13485657.4999999998977 and 6903036.5000000001009 units.
    expect(negativeLogMargin(0.000002597593294450907)).toBe(13485657);
    expect(negativeLogMargin(0.0013833480218421157)).toBe(6903037);
    fc.assert(
      fc.property(fc.double({ min: expNegative(16), max: 1, noNaN: true }), (p) => {
        const distance = negativeLogMargin(p);
        expect(Math.abs(distance + Math.log(p) * 2 ** 20)).toBeLessThan(0.5 + 1e-6);
        expect(expNegative((distance + 0.5) / 2 ** 20)).toBeLessThanOrEqual(p);
      }),
    );
  });
});

describe('logitMargin', () => {
  it('inverts the integer sigmoid as closely as it is monotone', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.0001, max: 0.9999, noNaN: true }), (p) => {
        const m = logitMargin(p);
        expect(Math.abs(sigmoidQ30(m) - p * ONE_Q30)).toBeLessThan(256 + 28);
        expect(Math.abs(m / 2 ** 20 - Math.log(p / (1 - p)))).toBeLessThan(3e-4);
      }),
    );
  });

  it('is odd about one half', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 20 - 1 }), (i) => {
        expect(logitMargin(1 - i / 2 ** 20) + logitMargin(i / 2 ** 20)).toBe(0);
      }),
    );
    expect(logitMargin(0.5)).toBe(0);
  });

  it('saturates at 16, for NaN at the lower end', () => {
    expect([0, -1, Number.NaN, 1e-12, 1, 2, 1 - 1e-12].map(logitMargin)).toEqual(
      [-1, -1, -1, -1, 1, 1, 1].map((sign) => sign * 2 ** 24),
    );
  });
});

describe('probability', () => {
  /** e^|x| for x = m · 2^−k, |x| ≤ 80, in units of 2^−200, by halving the argument and squaring. */
  function expInteger(m: number, k = 20n): bigint {
    const bits = 400n;
    const x = (BigInt(Math.abs(m)) << bits) / 2n ** (k + 8n);
    let term = 1n << bits;
    let total = term;
    for (let n = 1n; term !== 0n; n++) {
      term = (term * x) / (n << bits);
      total += term;
    }
    for (let i = 0; i < 8; i++) total = (total * total) >> bits;
    return total >> 200n;
  }

  it('is within 2^-50 of the exact sigmoid', () => {
    fc.assert(
      fc.property(fc.integer({ min: -80 * 2 ** 20, max: 80 * 2 ** 20 }), (m) => {
        const one = 2n ** 200n;
        const grown = expInteger(m);
        const exact = ((m < 0 ? one : grown) << 200n) / (one + grown);
        const bits = BigInt(Math.round(probability(m) * 2 ** 52 * 2 ** 120)) << 28n;
        const difference = bits > exact ? bits - exact : exact - bits;
        expect(difference << 50n <= exact).toBe(true);
      }),
    );
  });

  it('is one half at 0, never decreases, and reaches 0 and 1', () => {
    expect(probability(0)).toBe(0.5);
    expect(probability(-(2 ** 31))).toBe(0);
    expect(probability(2 ** 31 - 1)).toBe(1);
    fc.assert(
      fc.property(int32, fc.integer({ min: 1, max: 64 }), (m, step) => {
        expect(probability(Math.min(m + step, 2 ** 31 - 1))).toBeGreaterThanOrEqual(probability(m));
      }),
      { numRuns: 5000 },
    );
  });

  it('in other units is within 2^-50 of the exact sigmoid, one half at 0, and never decreases', () => {
    const bits = fc.integer({ min: -104, max: 40 });
    const near = fc.integer({ min: -(2 ** 26), max: 2 ** 26 });
    fc.assert(
      fc.property(bits, fc.oneof(int32, near), fc.integer({ min: 1, max: 64 }), (k, m, step) => {
        const unit = 2 ** -k;
        const p = scaledProbability(m, unit);
        expect(scaledProbability(0, unit)).toBe(0.5);
        expect(scaledProbability(Math.min(m + step, 2 ** 31 - 1), unit)).toBeGreaterThanOrEqual(p);
        // Coarser margins are whole numbers of units of 2^-20.
        const scaled = m * 2 ** (20 - k);
        if (Number.isInteger(scaled) && Math.abs(scaled) < 2 ** 31) expect(p).toBe(probability(scaled));
        if (k > 20 && Math.abs(m) * unit < 40) {
          const one = 2n ** 200n;
          const grown = expInteger(m, BigInt(k));
          const exact = ((m < 0 ? one : grown) << 200n) / (one + grown);
          const found = BigInt(Math.round(p * 2 ** 52 * 2 ** 60)) << 88n;
          const difference = found > exact ? found - exact : exact - found;
          expect(difference << 50n <= exact).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('has the bits that the native tests expect', () => {
    const bits = (m: number) => new BigUint64Array(Float64Array.of(probability(m)).buffer)[0];
    expect([-770000000, -742391808, -33554433, -1048577, 5, 1048577].map(bits)).toEqual([
      0x6021n,
      0x17c8ab2288c9acn,
      0x3d0c84632f1b22cen,
      0x3fd136554b0019f2n,
      0x3fe0000280000000n,
      0x3fe764d55a7ff308n,
    ]);
  });
});
