import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logisticGradient } from '../../src/numerics/link.ts';
import {
  expNegQ24,
  expNegQ30,
  lnQ30,
  logOdds,
  predictedClass,
  priorDistance,
  softmaxGradient,
  softmaxLoss,
  softmaxProbabilities,
} from '../../src/numerics/softmax.ts';

const ONE_Q30 = 2 ** 30;
const LIMIT = 2 ** 30;
const margin = fc.oneof(
  fc.integer({ min: -LIMIT, max: LIMIT }),
  fc.integer({ min: -(2 ** 24), max: 2 ** 24 }),
  fc.integer({ min: -2, max: 2 }),
);
const rowOfMargins = fc
  .oneof(fc.integer({ min: 2, max: 6 }), fc.constantFrom(100, 255))
  .chain((classes) => fc.array(margin, { minLength: classes, maxLength: classes }))
  .map((margins) => Int32Array.from(margins));

/** The softmax by the library's functions, to about 1e-14. */
function softmax(margins: Int32Array): number[] {
  const top = Math.max(...margins);
  const e = [...margins].map((m) => Math.exp((m - top) / 2 ** 20));
  const sum = [...e].sort((a, b) => a - b).reduce((a, b) => a + b);
  return e.map((x) => x / sum);
}

describe('the integer exponential and logarithm', () => {
  it('have the hash of the native ones', () => {
    let hash = 2166136261;
    const add = (word: number) => {
      for (let shift = 0; shift < 32; shift += 8) {
        hash = Math.imul(hash ^ ((word >>> shift) & 255), 16777619);
      }
    };
    for (let t = 0; t < 2 ** 25 + 8192; t += 4099) {
      add(expNegQ30(t));
      add(expNegQ24(t));
      const log = lnQ30(2 ** 30 + t * 7919);
      add(log % 2 ** 32);
      add(Math.floor(log / 2 ** 32));
    }
    for (let i = 0; i <= 1000; i++) add(priorDistance(i / 1000));
    expect(hash >>> 0).toBe(2702868496);
  });

  it('stay within the documented errors and ranges', () => {
    let [worst, worstQ24] = [0, 0];
    for (let t = 0; t < 2 ** 25; t += 7) {
      const exact = Math.exp(-t / 2 ** 20);
      const value = expNegQ30(t);
      if (value < 0 || value > ONE_Q30) throw new Error(`exp30(${t}) is ${value}`);
      worst = Math.max(worst, Math.abs(value - exact * ONE_Q30));
      if (t < 2 ** 24) worstQ24 = Math.max(worstQ24, Math.abs(expNegQ24(t) - exact * 2 ** 24));
    }
    expect(worst).toBeLessThan(55.6);
    expect(worstQ24).toBeLessThan(1.3);
    expect([expNegQ30(0), expNegQ30(2 ** 25), expNegQ24(0), expNegQ24(2 ** 31)]).toEqual([
      ONE_Q30,
      0,
      2 ** 24,
      expNegQ24(2 ** 24 - 1),
    ]);
    expect(lnQ30(ONE_Q30)).toBe(0);
    fc.assert(
      fc.property(fc.integer({ min: ONE_Q30, max: 2 ** 38 - 1 }), (sum) => {
        expect(Math.abs(lnQ30(sum) - Math.log(sum / ONE_Q30) * ONE_Q30)).toBeLessThan(35.7);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('the softmax of a row', () => {
  it('has shares that sum to at most one, Hessians in range, and the documented error', () => {
    fc.assert(
      fc.property(rowOfMargins, (margins) => {
        const found = softmaxGradient(margins);
        const exact = softmax(margins);
        expect(found.reduce((sum, { p }) => sum + p, 0)).toBeLessThanOrEqual(ONE_Q30);
        found.forEach(({ p, h }, c) => {
          expect(p).toBeGreaterThanOrEqual(0);
          expect(Math.abs(p / ONE_Q30 - exact[c]!)).toBeLessThan(margins.length * 2 ** -22.2);
          expect(h).toBeGreaterThanOrEqual(0);
          expect(h).toBeLessThanOrEqual(2 ** 29);
          expect(Math.abs(h / ONE_Q30 - 2 * (p / ONE_Q30) * (1 - p / ONE_Q30))).toBeLessThan(4 * 2 ** -30);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('of two classes is the logistic function, with twice its Hessian', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), (m) => {
        const [, second] = softmaxGradient(Int32Array.of(5, 5 + m));
        const { p, h } = logisticGradient(m);
        expect(Math.abs(second!.p - p)).toBeLessThan(200);
        expect(Math.abs(second!.h - 2 * h)).toBeLessThan(400);
      }),
    );
  });

  it('gives losses and log-odds that are those of its probabilities', () => {
    fc.assert(
      fc.property(rowOfMargins, fc.nat(254), (margins, index) => {
        const c = index % margins.length;
        const top = Math.max(...margins);
        const logSum = (of: readonly number[]) => {
          const greatest = Math.max(...of);
          return (
            greatest / 2 ** 20 + Math.log(of.reduce((s, m) => s + Math.exp((m - greatest) / 2 ** 20), 0))
          );
        };
        const all = [...margins];
        const bound = margins.length * 2 ** -24.2 + 2 ** -24;
        const loss = logSum(all) - margins[c]! / 2 ** 20;
        expect(Math.abs(softmaxLoss(margins, c) / ONE_Q30 - loss)).toBeLessThan(bound + 1e-12);
        const odds = margins[c]! / 2 ** 20 - logSum(all.filter((_, k) => k !== c));
        const limited = Math.min(Math.max(odds, -1024), 1024);
        expect(Math.abs(logOdds(margins, c) / 2 ** 20 - limited)).toBeLessThan(bound + 2 ** -21);
        expect(predictedClass(margins)).toBe(all.indexOf(top));
      }),
      { numRuns: 500 },
    );
  });

  it('shown to people is within 2^-44 of the softmax, sums to one, and keeps the order of the margins', () => {
    fc.assert(
      fc.property(rowOfMargins, (margins) => {
        const shown = softmaxProbabilities(margins);
        expect(Math.abs(shown.reduce((a, b) => a + b) - 1)).toBeLessThan(2 ** -44);
        softmax(margins).forEach((exact, c) => {
          expect(Math.abs(shown[c]! - exact)).toBeLessThanOrEqual(exact * 2 ** -42);
        });
        for (let c = 1; c < margins.length; c++) {
          if (margins[c]! >= margins[c - 1]!) expect(shown[c]!).toBeGreaterThanOrEqual(shown[c - 1]!);
          else expect(shown[c]!).toBeLessThanOrEqual(shown[c - 1]!);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('priorDistance', () => {
  it('is minus the logarithm of a share, 0 for all and 16 for nothing', () => {
    expect([priorDistance(1), priorDistance(0)]).toEqual([0, 2 ** 24 - 1]);
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1, noNaN: true }), (share) => {
        expect(Math.abs(priorDistance(share) / 2 ** 20 + Math.log(share))).toBeLessThan(
          2 ** -22 / share + 2 ** -20,
        );
      }),
    );
  });
});
