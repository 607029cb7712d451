import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { cliffsDelta, cohensD, hedgesG, rankBiserial } from '../../src/stats/effect-sizes.ts';
import { nadeauBengioTTest, pairedTTest } from '../../src/stats/paired-t.ts';
import { wilcoxonTest } from '../../src/stats/wilcoxon.ts';
import { expectClose, fixture, permuted, score } from './support.ts';

type Scores = readonly number[];
/** Statistic and p-value. */
type Expected = readonly [number, number];

interface Case {
  readonly name: string;
  readonly first: Scores;
  readonly second: Scores;
  readonly ttest_rel: Expected;
  readonly nadeau_bengio: Expected;
  readonly wilcoxon: Expected;
  readonly cohens_d: number;
  readonly hedges_g: number | null;
  readonly cliffs_delta: number;
}

const cases = fixture<readonly Case[]>('paired');
const tenFold = { testTrainRatio: 1 / 9 };
const correctedTest = (first: Scores, second: Scores) => nadeauBengioTTest(first, second, tenFold);
const tests = [
  ['pairedTTest', pairedTTest],
  ['nadeauBengioTTest', correctedTest],
  ['wilcoxonTest', wilcoxonTest],
] as const;
const effects = [
  ['cohensD', cohensD],
  ['hedgesG', hedgesG],
  ['rankBiserial', rankBiserial],
  ['cliffsDelta', cliffsDelta],
] as const;

describe.each(cases)('beside SciPy, $name', ({ first, second, ...expected }) => {
  it('t-tests agree', () => {
    const plain = pairedTTest(first, second);
    expectClose([plain.statistic, plain.pValue], expected.ttest_rel);
    const corrected = correctedTest(first, second);
    expectClose([corrected.statistic, corrected.pValue], expected.nadeau_bengio);
  });

  it("Wilcoxon's test agrees", () => {
    const { statistic, pValue } = wilcoxonTest(first, second);
    expectClose([statistic, pValue], expected.wilcoxon);
  });

  it('effect sizes agree', () => {
    expectClose([cohensD(first, second)], [expected.cohens_d]);
    expectClose([cliffsDelta(first, second)], [expected.cliffs_delta]);
    if (expected.hedges_g === null) expect(() => hedgesG(first, second)).toThrow(/at least 3 folds, not 2/);
    else expectClose([hedgesG(first, second)], [expected.hedges_g]);
  });
});

const folds = fc.array(fc.tuple(score, score), { minLength: 3, maxLength: 20 });
const sides = (pairs: readonly (readonly [number, number])[]) =>
  [pairs.map(([a]) => a), pairs.map(([, b]) => b)] as const;

describe.each(tests)('%s', (name, test) => {
  it('gives a p-value within 0 and 1, the same when the models change places', () => {
    fc.assert(
      fc.property(folds, (pairs) => {
        const [first, second] = sides(pairs);
        const { statistic, pValue } = test(first, second);
        expect(pValue).toBeGreaterThanOrEqual(0);
        expect(pValue).toBeLessThanOrEqual(1);
        const swapped = test(second, first);
        expect(swapped.pValue).toBe(pValue);
        expect(swapped.statistic + 0).toBe((name === 'wilcoxonTest' ? statistic : -statistic) + 0);
      }),
    );
  });

  it('does not depend on the order of folds', () => {
    fc.assert(
      fc.property(folds, fc.nat(), (pairs, seed) => {
        expect(test(...sides(permuted(pairs, seed)))).toEqual(test(...sides(pairs)));
      }),
    );
  });

  it('finds no difference where all scores are equal', () => {
    fc.assert(
      fc.property(fc.array(score, { minLength: 2, maxLength: 60 }), (scores) => {
        expect(test(scores, scores)).toMatchObject({
          statistic: 0,
          pValue: 1,
          degenerate: 'no difference',
        });
      }),
    );
  });

  it.each<[string, Scores, Scores, RegExp]>([
    ['one fold', [1], [2], /at least 2 folds, not 1/],
    ['no folds', [], [], /at least 2 folds, not 0/],
    ['other folds', [1, 2], [1, 2, 3], /first model has 2 scores and the second 3/],
    ['a NaN', [1, Number.NaN], [1, 2], /score of the first model on fold 1 is NaN/],
    ['an infinity', [1, 2], [Number.NEGATIVE_INFINITY, 2], /the second model on fold 0 is -Infinity/],
  ])('refuses %s', (_, first, second, message) => {
    expect(() => test(first, second)).toThrow(InputError);
    expect(() => test(first, second)).toThrow(message);
  });
});

describe('t-tests', () => {
  it('are certain where every fold differs by the same amount, and say so', () => {
    for (const test of [pairedTTest, correctedTest]) {
      expect(test([2, 3, 5], [1, 2, 4])).toEqual({
        statistic: Number.POSITIVE_INFINITY,
        pValue: 0,
        df: 2,
        meanDifference: 1,
        standardError: 0,
        degenerate: 'no variance',
      });
      expect(test([1, 2, 4], [2, 3, 5]).statistic).toBe(Number.NEGATIVE_INFINITY);
    }
  });

  it('the corrected statistic is the plain one over √(1 + n · test/train)', () => {
    fc.assert(
      fc.property(folds, fc.double({ min: 0.01, max: 2, noNaN: true }), (pairs, testTrainRatio) => {
        const [first, second] = sides(pairs);
        const plain = pairedTTest(first, second);
        fc.pre(plain.degenerate === undefined);
        const corrected = nadeauBengioTTest(first, second, { testTrainRatio });
        expectClose(
          [corrected.statistic],
          [plain.statistic / Math.sqrt(1 + pairs.length * testTrainRatio)],
          1e-12,
        );
        expect(corrected.pValue).toBeGreaterThanOrEqual(plain.pValue);
      }),
    );
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuse the ratio %s', (testTrainRatio) => {
    expect(() => nadeauBengioTTest([1, 2], [2, 1], { testTrainRatio })).toThrow(
      /^testTrainRatio must be positive and finite, not/,
    );
  });
});

/** All 2^n signs of the ranks, one by one. */
function enumeratedPValue(differences: readonly number[]): number {
  const d = differences.filter((x) => x !== 0);
  const rank = d.map(
    (x) =>
      d.filter((y) => Math.abs(y) < Math.abs(x)).length +
      (d.filter((y) => Math.abs(y) === Math.abs(x)).length + 1) / 2,
  );
  const sumOf = (isPositive: (i: number) => boolean) =>
    rank.reduce((sum, r, i) => sum + (isPositive(i) ? r : 0), 0);
  const observed = sumOf((i) => d[i]! > 0);
  const sums = Array.from({ length: 2 ** d.length }, (_, signs) => sumOf((i) => ((signs >> i) & 1) === 1));
  const share = (holds: (sum: number) => boolean) => sums.filter(holds).length / sums.length;
  return Math.min(
    1,
    2 *
      Math.min(
        share((sum) => sum <= observed),
        share((sum) => sum >= observed),
      ),
  );
}

describe("Wilcoxon's test", () => {
  it('is, up to 13 folds, the share of all signs that are as extreme, ties and zeros included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -4, max: 6 }), { minLength: 2, maxLength: 10 }),
        (differences) => {
          const { pValue, method } = wilcoxonTest(
            differences,
            differences.map(() => 0),
          );
          expect(method).toBe('exact');
          expectClose([pValue], [enumeratedPValue(differences)], 1e-14);
        },
      ),
    );
  });

  it('goes from exact to asymptotic where SciPy does', () => {
    const methodOf = (differences: Scores) =>
      wilcoxonTest(
        differences,
        differences.map(() => 0),
      ).method;
    const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
    expect([methodOf(upTo(50)), methodOf(upTo(51))]).toEqual(['exact', 'asymptotic']);
    expect([methodOf([1, ...upTo(12)]), methodOf([1, ...upTo(13)])]).toEqual(['exact', 'asymptotic']);
    expect([methodOf([0, ...upTo(12)]), methodOf([0, ...upTo(13)])]).toEqual(['exact', 'asymptotic']);
  });

  it('sees only the order of the differences', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 2, maxLength: 30 }),
        (differences) => {
          const zeros = differences.map(() => 0);
          expect(
            wilcoxonTest(
              differences.map((d) => d ** 3),
              zeros,
            ),
          ).toEqual(wilcoxonTest(differences, zeros));
        },
      ),
    );
  });
});

describe.each(effects)('%s', (name, effect) => {
  it('turns its sign when the models change places, and is 0 for equal ones', () => {
    fc.assert(
      fc.property(folds, (pairs) => {
        const [first, second] = sides(pairs);
        expect(effect(second, first) + 0).toBe(-effect(first, second) + 0);
        expect(effect(first, first)).toBe(0);
      }),
    );
  });

  it('has its bounds where one model is always better', () => {
    const bound = name === 'cohensD' || name === 'hedgesG' ? Number.POSITIVE_INFINITY : 1;
    expect(effect([3, 4, 5], [0, 1, 2])).toBe(bound);
    expect(effect([0, 1, 2], [3, 4, 5])).toBe(-bound);
  });
});

describe('effect sizes', () => {
  it('by ranks lie within −1 and 1, and Hedges brings d nearer to 0', () => {
    fc.assert(
      fc.property(folds, (pairs) => {
        const [first, second] = sides(pairs);
        for (const effect of [rankBiserial(first, second), cliffsDelta(first, second)])
          expect(Math.abs(effect)).toBeLessThanOrEqual(1);
        const d = cohensD(first, second);
        if (d !== 0 && Number.isFinite(d)) expect(Math.abs(hedgesG(first, second))).toBeLessThan(Math.abs(d));
      }),
    );
  });

  it("Cliff's delta counts pairs, and needs a score of each model", () => {
    fc.assert(
      fc.property(
        fc.array(score, { minLength: 1, maxLength: 9 }),
        fc.array(score, { minLength: 1, maxLength: 9 }),
        (first, second) => {
          const signs = first.flatMap((a) => second.map((b): number => Math.sign(a - b)));
          expect(cliffsDelta(first, second)).toBe(signs.reduce((sum, sign) => sum + sign) / signs.length);
        },
      ),
    );
    expect(() => cliffsDelta([], [1])).toThrow(/needs a score of each model/);
    expect(() => cliffsDelta([1], [Number.NaN])).toThrow(/the second model on fold 0 is NaN/);
  });
});
