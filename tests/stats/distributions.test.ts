import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as distributions from '../../src/stats/distributions.ts';
import { studentizedRangeIsf, studentizedRangeSf } from '../../src/stats/studentized-range.ts';
import { exactSum } from '../../src/stats/sum.ts';
import { expectClose, fixture } from './support.ts';

/** Arguments, then the value. */
type Table = readonly (readonly number[])[];

const functions: Readonly<Record<string, (...args: number[]) => number>> = {
  ...distributions,
  studentizedRangeSf,
  studentizedRangeIsf,
} as never;
const tables = fixture<Readonly<Record<string, Table>>>('distributions');

describe('beside mpmath and SciPy', () => {
  it.each(Object.entries(tables))('%s agrees to 1e-12 relative', (name, rows) => {
    expectClose(
      rows.map((row) => functions[name]!(...row.slice(0, -1))),
      rows.map((row) => row.at(-1)!),
      1e-12,
    );
  });

  it('the tables reach p-values below 1e-250', () => {
    const least = Object.entries(tables)
      .filter(([name]) => /^(t|chi2|f|norm|binom|studentizedRange)Sf$/.test(name))
      .map(([name, rows]) => [name, Math.min(...rows.map((row) => row.at(-1)!))] as const);
    expect(least.filter(([, p]) => p > 1e-250)).toEqual([]);
    expect(least.length).toBe(6);
  });
});

const { binomSf, chi2Sf, fSf, normPpf, normSf, tIsf, tSf } = distributions;
const df = fc.double({ min: 1, max: 500, noNaN: true });
const quantile = fc.double({ min: 0, max: 60, noNaN: true });

describe('survival functions', () => {
  it('are those of each other: t² has the F distribution, z² the chi-square one, and t becomes normal', () => {
    fc.assert(
      fc.property(quantile, df, (x, n) => {
        expectClose([2 * tSf(x, n)], [fSf(x * x, 1, n)], 1e-9);
        if (x < 37) expectClose([2 * normSf(x)], [chi2Sf(x * x, 1)], 1e-11);
        if (x < 5) expectClose([tSf(x, 1e12)], [normSf(x)], 1e-6);
      }),
    );
  });

  it('never rise, and stay within 0 and 1', () => {
    fc.assert(
      fc.property(quantile, quantile, df, fc.integer({ min: 2, max: 30 }), (x, y, n, k) => {
        const [low, high] = [Math.min(x, y), Math.max(x, y)];
        for (const sf of [
          (at: number) => tSf(at, n),
          (at: number) => chi2Sf(at, n),
          (at: number) => fSf(at, n, 7),
          (at: number) => studentizedRangeSf(at, k),
          normSf,
        ]) {
          expect(sf(high)).toBeLessThanOrEqual(sf(low) * (1 + 1e-12));
          expect(sf(low)).toBeLessThanOrEqual(1);
          expect(sf(high)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it('have the ends of their supports', () => {
    const ends = (sf: (x: number) => number) => [sf(0), sf(Number.POSITIVE_INFINITY)];
    expect(ends((x) => tSf(x, 3))).toEqual([0.5, 0]);
    expect(ends((x) => chi2Sf(x, 3))).toEqual([1, 0]);
    expect(ends((x) => fSf(x, 3, 4))).toEqual([1, 0]);
    expect(ends((x) => studentizedRangeSf(x, 3))).toEqual([1, 0]);
    expect(ends(normSf)).toEqual([0.5, 0]);
    expect([binomSf(-1, 5, 0.5), binomSf(5, 5, 0.5)]).toEqual([1, 0]);
    expect(tSf(-2, 5)).toBe(1 - tSf(2, 5));
  });

  it('are inverted by the quantiles', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true }),
        fc.integer({ min: 2, max: 12 }),
        (p, k) => {
          expectClose([normSf(-normPpf(p))], [p], 1e-12);
          expectClose([studentizedRangeSf(studentizedRangeIsf(p, k), k)], [p], 1e-12);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("Student's t is inverted down to small p-values, by a quantile that falls as p rises and with more degrees of freedom", () => {
    const p = fc.integer({ min: -300, max: 0 }).map((exponent) => 0.5 * 10 ** (exponent / 10));
    fc.assert(
      fc.property(p, p, df, df, (one, other, n, m) => {
        const t = tIsf(one, n);
        expectClose([tSf(t, n)], [one], 1e-10);
        expect(t).toBeGreaterThanOrEqual(0);
        if (one < other) expect(t).toBeGreaterThan(tIsf(other, n));
        if (n < m) expect(tIsf(one, m)).toBeLessThanOrEqual(t * (1 + 1e-10));
      }),
    );
    expect(tIsf(0.5, 3)).toBeLessThan(1e-15);
    // Tables have 2.776 for 4 degrees of freedom, and with one the quantile is that of Cauchy.
    expectClose([tIsf(0.025, 4), tIsf(0.01, 1)], [2.7764451051977987, 1 / Math.tan(Math.PI * 0.01)], 1e-12);
  });

  it('the range of two is the difference of two normal variables', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 52, noNaN: true }), (q) => {
        expectClose([studentizedRangeSf(q, 2)], [2 * normSf(q / Math.SQRT2)], 1e-11);
      }),
    );
  });
});

describe('exactSum', () => {
  const number = fc.oneof(
    fc.double({ min: -1e300, max: 1e300, noNaN: true }),
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.constantFrom(1, 2 ** -53, -(2 ** -53), 2 ** -54, 2 ** 53, -(2 ** 53), 2 ** -106),
  );

  it('is the sum rounded once, as integers of the least unit have it', () => {
    const unit = (x: number) => BigInt(x * 2 ** 60);
    const narrow = fc
      .integer({ min: -(2 ** 31), max: 2 ** 31 })
      .chain((m) => fc.integer({ min: -60, max: 10 }).map((e) => m * 2 ** e));
    fc.assert(
      fc.property(fc.array(narrow, { maxLength: 30 }), (values) => {
        const exact = values.reduce((sum, x) => sum + unit(x), 0n);
        expect(exactSum(values)).toBe(Number(exact) * 2 ** -60);
      }),
      { numRuns: 1000 },
    );
  });

  it('does not depend on order, and turns its sign with the values', () => {
    fc.assert(
      fc.property(fc.array(number, { maxLength: 20 }), (values) => {
        const sum = exactSum(values);
        expect(exactSum([...values].reverse())).toBe(sum);
        expect(exactSum([...values].sort((a, b) => a - b))).toBe(sum);
        expect(exactSum(values.map((x) => -x)) + 0).toBe(-sum + 0);
      }),
      { numRuns: 1000 },
    );
  });
});
