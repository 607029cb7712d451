import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { averageRanks, bestByRank, friedmanTest } from '../../src/stats/friedman.ts';
import { criticalDifference, criticalDifferenceGroups, nemenyiTest } from '../../src/stats/nemenyi.ts';
import { pairedTTest } from '../../src/stats/paired-t.ts';
import { comparePairs, compareRanks, holm } from '../../src/stats/pairwise.ts';
import { expectClose, fixture, permuted, scoreTable } from './support.ts';

type Expected = readonly [number, number];

interface Case {
  readonly name: string;
  readonly scores: readonly (readonly number[])[];
  readonly friedman: Expected;
  readonly iman_davenport: Expected;
  readonly ranks: readonly number[];
  readonly nemenyi: readonly (readonly number[])[];
  readonly pairs: readonly (readonly [number, number])[];
  readonly holm_t: readonly number[];
  readonly rank_z: readonly number[];
  readonly holm_z: readonly number[];
}

const cases = fixture<readonly Case[]>('several');

describe.each(cases)('beside SciPy, statsmodels and scikit-posthocs, $name', ({ scores, ...expected }) => {
  it("Friedman's and Iman and Davenport's tests agree", () => {
    const { statistic, pValue, imanDavenport } = friedmanTest(scores);
    expectClose([statistic, pValue], expected.friedman);
    expectClose([imanDavenport.statistic, imanDavenport.pValue], expected.iman_davenport);
  });

  it('average ranks agree', () => {
    expectClose(averageRanks(scores, 'maximize'), expected.ranks, 1e-14);
  });

  it("Nemenyi's p-values agree as far as SciPy's have digits, which it finds as 1 − cdf", () => {
    const wrong = nemenyiTest(scores).flatMap((row, i) =>
      row.filter((p, j) => !(Math.abs(p - expected.nemenyi[i]![j]!) < 1e-11)),
    );
    expect(wrong).toEqual([]);
  });

  it("Holm's p-values agree, of all pairs and of one model against the others", () => {
    const all = comparePairs(scores, 'all pairs', pairedTTest);
    expect(all.map(({ first, second }) => [first, second])).toEqual(expected.pairs);
    expectClose(
      all.map(({ adjustedPValue }) => adjustedPValue),
      expected.holm_t,
    );
    const one = compareRanks(scores, 0, 'maximize');
    expectClose(
      one.map(({ statistic }) => statistic),
      expected.rank_z,
      1e-9,
    );
    expectClose(
      one.map(({ adjustedPValue }) => adjustedPValue),
      expected.holm_z,
      1e-9,
    );
  });
});

const models = fc.integer({ min: 3, max: 6 }).chain((count) => scoreTable(count));

describe('tests of several models', () => {
  it('are unaffected by a rising transform of all scores of a fold', () => {
    fc.assert(
      fc.property(models, (scores) => {
        const transformed = scores.map((model) =>
          model.map((x, fold) => (fold + 1) * 8 ** Math.round(64 * x)),
        );
        const rounded = scores.map((model) => model.map((x) => Math.round(64 * x)));
        expect(friedmanTest(transformed)).toEqual(friedmanTest(rounded));
        expect(nemenyiTest(transformed)).toEqual(nemenyiTest(rounded));
      }),
    );
  });

  it('depend on no order of folds, and follow that of models', () => {
    fc.assert(
      fc.property(models, fc.nat(), (scores, seed) => {
        const shuffled = scores.map((model) => permuted(model, seed));
        expect(friedmanTest(shuffled)).toEqual(friedmanTest(scores));
        expect(friedmanTest(permuted(scores, seed))).toEqual(friedmanTest(scores));
        expect(permuted([...averageRanks(scores, 'minimize')], seed)).toEqual([
          ...averageRanks(permuted(scores, seed), 'minimize'),
        ]);
      }),
    );
  });

  it('give p-values within 0 and 1, symmetric and 1 of a model with itself', () => {
    fc.assert(
      fc.property(models, (scores) => {
        const { pValue, imanDavenport } = friedmanTest(scores);
        const nemenyi = nemenyiTest(scores);
        for (const p of [pValue, imanDavenport.pValue, ...nemenyi.flat()]) {
          expect(p).toBeGreaterThanOrEqual(0);
          expect(p).toBeLessThanOrEqual(1);
        }
        nemenyi.forEach((row, i) => {
          expect(row[i]).toBe(1);
          row.forEach((p, j) => {
            expect(nemenyi[j]![i]).toBe(p);
          });
        });
      }),
    );
  });

  it('average ranks add up to k(k + 1)/2, and turn with the direction', () => {
    fc.assert(
      fc.property(models, (scores) => {
        const up = averageRanks(scores, 'maximize');
        const k = scores.length;
        expectClose([up.reduce((sum, rank) => sum + rank)], [(k * (k + 1)) / 2], 1e-12);
        expectClose(
          averageRanks(
            scores.map((model) => model.map((x) => -x)),
            'minimize',
          ),
          up,
          1e-14,
        );
      }),
    );
  });

  it('find no difference where no model differs, and are certain where all folds agree', () => {
    const same = [0.3, 0.5, 0.4];
    const nothing = { statistic: 0, pValue: 1 };
    expect(friedmanTest([same, same, same])).toEqual({
      ...nothing,
      df: 2,
      imanDavenport: nothing,
      degenerate: 'no difference',
    });
    const agreeing = [same, same.map((x) => x + 1), same.map((x) => x + 2)];
    expect(friedmanTest(agreeing)).toMatchObject({
      statistic: 6,
      imanDavenport: { statistic: Number.POSITIVE_INFINITY, pValue: 0 },
    });
    expect([bestByRank(agreeing, 'maximize'), bestByRank(agreeing, 'minimize')]).toEqual([2, 0]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'two models',
      () =>
        friedmanTest([
          [1, 2],
          [2, 1],
        ]),
      /3 or more models, not 2/,
    ],
    ['one model', () => nemenyiTest([[1, 2]]), /2 or more models, not 1/],
    ['one fold', () => friedmanTest([[1], [2], [3]]), /at least 2 folds, not 1/],
    ['other folds', () => averageRanks([[1, 2], [1]], 'maximize'), /Model 0 has 2 scores and model 1 1:/],
    [
      'a NaN',
      () =>
        averageRanks(
          [
            [1, 2],
            [1, Number.NaN],
          ],
          'maximize',
        ),
      /model 1 on fold 1 is NaN/,
    ],
    [
      'a model that is not there',
      () =>
        compareRanks(
          [
            [1, 2],
            [2, 1],
          ],
          2,
          'maximize',
        ),
      /no model 2 .* 0 to 1/,
    ],
    ['a p-value above 1', () => holm([0.5, 1.5]), /p-value 1 is 1.5/],
    ['no models', () => criticalDifference(1, 5), /models must be a whole number of at least 2, not 1/],
    ['no folds', () => criticalDifference(3, 0), /folds must be a whole number of at least 1, not 0/],
    ['a level of 1', () => criticalDifference(3, 5, 1), /alpha must lie between 0 and 1/],
  ])('refuse %s', (_, call, message) => {
    expect(call).toThrow(InputError);
    expect(call).toThrow(message);
  });
});

describe("Holm's procedure", () => {
  const pValues = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 });

  it('keeps the order of p-values, lowers none, and raises none beyond Bonferroni', () => {
    fc.assert(
      fc.property(pValues, (p) => {
        const adjusted = holm(p);
        p.forEach((value, i) => {
          expect(adjusted[i]).toBeGreaterThanOrEqual(value);
          expect(adjusted[i]).toBeLessThanOrEqual(Math.min(1, value * p.length));
          p.forEach((other, j) => {
            if (value < other) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j]!);
          });
        });
      }),
    );
  });

  it('rejects step by step what its definition rejects', () => {
    fc.assert(
      fc.property(pValues, fc.double({ min: 0.01, max: 0.3, noNaN: true }), (p, alpha) => {
        const sorted = [...p].sort((a, b) => a - b);
        const kept = sorted.findIndex((value, i) => value * (sorted.length - i) > alpha);
        const rejected = kept === -1 ? sorted.length : kept;
        expect(holm(p).filter((value) => value <= alpha).length).toBe(rejected);
      }),
    );
  });
});

describe('critical differences', () => {
  it("have the quantiles of Demšar's table 5", () => {
    const unit = (k: number) => Math.sqrt((k * (k + 1)) / 6);
    const at05 = [1.96, 2.343, 2.569, 2.728, 2.85, 2.949, 3.031, 3.102, 3.164];
    const at10 = [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.78, 2.855, 2.92];
    for (const [alpha, quantiles] of [
      [0.05, at05],
      [0.1, at10],
    ] as const) {
      quantiles.forEach((q, i) => {
        expect(Math.abs(criticalDifference(i + 2, 1, alpha) / unit(i + 2) - q)).toBeLessThan(1e-3);
      });
    }
  });

  it('are where the p-value of Nemenyi is alpha', () => {
    fc.assert(
      fc.property(models, (scores) => {
        const ranks = averageRanks(scores, 'maximize');
        const difference = criticalDifference(scores.length, scores[0]!.length, 0.2);
        nemenyiTest(scores).forEach((row, i) => {
          row.forEach((p, j) => {
            const apart = Math.abs(ranks[i]! - ranks[j]!);
            if (Math.abs(apart - difference) > 1e-9) expect(p < 0.2).toBe(apart > difference);
          });
        });
      }),
      { numRuns: 30 },
    );
  });

  it('group exactly the models that do not differ, each group as great as can be', () => {
    const ranks = fc.array(
      fc.integer({ min: 2, max: 14 }).map((x) => x / 2),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(ranks, fc.integer({ min: 1, max: 8 }), (of, width) => {
        const groups = criticalDifferenceGroups(of, width / 2);
        const differ = (i: number, j: number) => Math.abs(of[i]! - of[j]!) >= width / 2;
        const inOne = (i: number, j: number) =>
          groups.some((group) => group.includes(i) && group.includes(j));
        of.forEach((_, i) => {
          of.forEach((_, j) => {
            if (i !== j) expect(inOne(i, j)).toBe(!differ(i, j));
          });
        });
        for (const group of groups) {
          expect(group.length).toBeGreaterThan(1);
          const others = of.map((_, i) => i).filter((i) => !group.includes(i));
          expect(others.filter((i) => !group.some((j) => differ(i, j)))).toEqual([]);
          expect(group.map((i) => of[i]!)).toEqual(group.map((i) => of[i]!).sort((a, b) => a - b));
        }
      }),
    );
  });
});
