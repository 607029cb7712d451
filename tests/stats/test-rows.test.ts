import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { scoreMargins } from '../../src/metrics/score.ts';
import { aucInterval, delongTest } from '../../src/stats/delong.ts';
import { binomSf, chi2Sf, normPpf } from '../../src/stats/distributions.ts';
import { discordantRows, mcnemarTest } from '../../src/stats/mcnemar.ts';
import { expectClose, fixture, permuted } from './support.ts';

describe("McNemar's test", () => {
  it.each(fixture<readonly [number, number, number, number][]>('mcnemar'))(
    'of %i and %i rows is that of statsmodels',
    (onlyFirst, onlySecond, statistic, pValue) => {
      const result = mcnemarTest({ onlyFirst, onlySecond });
      expectClose([result.statistic, result.pValue], [statistic, pValue]);
      expect(result.method).toBe(onlyFirst + onlySecond < 25 ? 'exact' : 'chi-square');
    },
  );

  it('finds no difference between equal counts, unlike statsmodels, and in none', () => {
    expect(mcnemarTest({ onlyFirst: 40, onlySecond: 40 })).toMatchObject({ statistic: 0, pValue: 1 });
    expect(mcnemarTest({ onlyFirst: 0, onlySecond: 0 })).toMatchObject({ statistic: 0, pValue: 1 });
  });

  it('does not change when the models change places, and stays within 0 and 1', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (b, c) => {
        const { statistic, pValue } = mcnemarTest({ onlyFirst: b, onlySecond: c });
        expect(mcnemarTest({ onlyFirst: c, onlySecond: b })).toMatchObject({ statistic, pValue });
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
        const rows = b + c;
        if (rows < 25 && b > c) expect(pValue).toBeGreaterThan(binomSf(b - 1, rows, 0.5));
        if (rows >= 25) expect(pValue).toBeGreaterThanOrEqual(chi2Sf((b - c) ** 2 / rows, 1));
      }),
    );
  });

  it('counts the rows on which one model alone is right, of any number of classes', () => {
    expect(discordantRows([0, 1, 2, 2, 1], [0, 1, 2, 0, 0], [1, 1, 0, 2, 2])).toEqual({
      onlyFirst: 2,
      onlySecond: 1,
    });
    expect(() => discordantRows([0, 1], [0], [1, 1])).toThrow(
      /2 labels and 1 predictions of the first model/,
    );
    expect(() => discordantRows([0], [0], [1, 1])).toThrow(/1 label and 2 predictions of the second model/);
  });

  it.each([-1, 0.5, Number.NaN])('refuses %s rows', (onlyFirst) => {
    expect(() => mcnemarTest({ onlyFirst, onlySecond: 3 })).toThrow(InputError);
  });
});

interface DeLongCase {
  readonly name: string;
  readonly labels: readonly number[];
  readonly scores: readonly [readonly number[], readonly number[]];
  readonly aucs: readonly [number, number];
  readonly errors: readonly [number, number];
  /** Difference, its standard error, deviate, p-value. */
  readonly difference: readonly number[];
  readonly reach99: number;
}

const cases = fixture<readonly DeLongCase[]>('delong');

describe.each(cases)(
  "DeLong's double sums, $name",
  ({ labels, scores, aucs, errors, difference, reach99 }) => {
    it('give the AUCs and their standard errors', () => {
      scores.forEach((of, model) => {
        const { auc, standardError } = aucInterval(labels, of);
        expectClose([auc, standardError], [aucs[model]!, errors[model]!]);
      });
    });

    it('give the test of the difference and its interval', () => {
      const test = delongTest(labels, ...scores, 0.99);
      expectClose(test.aucs, aucs, 1e-15);
      expectClose([test.difference, test.standardError, test.statistic, test.pValue], difference);
      expectClose(
        [test.low, test.high],
        [Math.max(-1, difference[0]! - reach99), Math.min(1, difference[0]! + reach99)],
      );
    });
  },
);

const margin = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -(2 ** 30), max: 2 ** 30 }));
const row = fc.tuple(fc.integer({ min: 0, max: 1 }), margin, margin);
const rows = fc
  .array(row, { maxLength: 40 })
  .map((some) => [[0, 1, 1], [1, 0, 2], [0, 0, 0], [1, 2, 0], ...some] as [number, number, number][]);
const columns = (of: readonly (readonly [number, number, number])[]) =>
  [0, 1, 2].map((i) => of.map((values) => values[i]!)) as [number[], number[], number[]];

describe("DeLong's test", () => {
  it('has the AUC of src/metrics, bit for bit', () => {
    fc.assert(
      fc.property(rows, (of) => {
        const [labels, first, second] = columns(of);
        const metric = (margins: readonly number[]) =>
          scoreMargins(
            {
              objective: 'binary:logistic',
              margins: Int32Array.from(margins),
              label: Float32Array.from(labels),
              marginBits: 20,
              baseValue: 0,
            },
            ['auc_roc'],
          ).auc_roc;
        expect(delongTest(labels, first, second).aucs).toEqual([metric(first), metric(second)]);
        expect(aucInterval(labels, first).auc).toBe(metric(first));
      }),
    );
  });

  it('is unaffected by the order of rows and by a rising transform of scores', () => {
    fc.assert(
      fc.property(rows, fc.nat(), (of, seed) => {
        const [labels, first, second] = columns(of);
        const test = delongTest(labels, first, second);
        expect(delongTest(...columns(permuted(of, seed)))).toEqual(test);
        expect(
          delongTest(
            labels,
            first.map((x) => x ** 3),
            second.map((x) => x - 7),
          ),
        ).toEqual(test);
      }),
    );
  });

  it('turns its sign when the models, or the classes, change places', () => {
    fc.assert(
      fc.property(rows, (of) => {
        const [labels, first, second] = columns(of);
        const { statistic, pValue, low, high } = delongTest(labels, first, second);
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
        const swapped = delongTest(labels, second, first);
        expectClose([swapped.low, swapped.high, swapped.pValue], [-high, -low, pValue], 0);
        expect(swapped.statistic + 0).toBe(-statistic + 0);
        const others = labels.map((label) => 1 - label);
        expectClose([delongTest(others, first, second).pValue], [pValue], 1e-12);
      }),
    );
  });

  it('has intervals of ± the normal quantile, cut at what a difference and an AUC can be', () => {
    fc.assert(
      fc.property(rows, fc.double({ min: 0.5, max: 0.999, noNaN: true }), (of, level) => {
        const [labels, first, second] = columns(of);
        const reach = normPpf((1 + level) / 2);
        const { auc, standardError, low, high } = aucInterval(labels, first, level);
        expect(low).toBe(Math.max(0, auc - reach * standardError));
        expect(high).toBe(Math.min(1, auc + reach * standardError));
        const test = delongTest(labels, first, second, level);
        expect(test.low).toBe(Math.max(-1, test.difference - reach * test.standardError));
      }),
    );
  });

  it('says where nothing varies', () => {
    const labels = [0, 0, 1, 1];
    expect(delongTest(labels, [1, 3, 2, 4], [1, 3, 2, 4])).toMatchObject({
      statistic: 0,
      pValue: 1,
      degenerate: 'no difference',
    });
    expect(delongTest(labels, [1, 2, 3, 4], [1, 1, 1, 1])).toMatchObject({
      aucs: [1, 0.5],
      statistic: Number.POSITIVE_INFINITY,
      pValue: 0,
      degenerate: 'no variance',
    });
  });

  it.each<[string, readonly number[], readonly number[], RegExp]>([
    ['one class', [1, 1], [1, 2], /All 2 rows are of one class/],
    ['one row of a class', [0, 1, 1], [1, 2, 3], /2 rows of class 1 and 1 of class 0/],
    ['other labels', [0, 1, 2], [1, 2, 3], /label of row 2 is 2: labels must be 0 or 1/],
    ['a NaN', [0, 1], [1, Number.NaN], /score of row 1 is NaN/],
    ['too few scores', [0, 1], [1], /2 labels and 1 scores/],
  ])('refuses %s', (_, labels, scores, message) => {
    expect(() => delongTest(labels, scores, scores)).toThrow(InputError);
    expect(() => aucInterval(labels, scores)).toThrow(message);
  });

  it('refuses a level of 1', () => {
    expect(() => aucInterval([0, 1], [0, 1], 1)).toThrow(/^level must lie between 0 and 1/);
  });

  it('takes n log n time: 200,000 rows that tie in pairs need less than 5 s', () => {
    const scores = Float64Array.from({ length: 200_000 }, (_, i) => Math.imul(i >> 1, 0x9e3779b1));
    const labels = scores.map((_, i) => (i % 3 === 0 ? 1 : 0));
    const start = performance.now();
    delongTest(labels, scores, scores.slice().reverse());
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
