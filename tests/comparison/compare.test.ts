import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Comparison, compareModels, SHOWN_MODELS } from '../../src/comparison/compare.ts';
import { type ComparedModel, rankModels } from '../../src/comparison/compared-model.ts';
import { InputError, InterruptedError } from '../../src/errors.ts';
import { delongTest } from '../../src/stats/delong.ts';
import { friedmanTest } from '../../src/stats/friedman.ts';
import { discordantRows, mcnemarTest } from '../../src/stats/mcnemar.ts';
import { nadeauBengioTTest, pairedTTest } from '../../src/stats/paired-t.ts';
import { compareRanks, holm } from '../../src/stats/pairwise.ts';
import { wilcoxonTest } from '../../src/stats/wilcoxon.ts';
import { binaryPredictions, binaryRows, drawn, model } from './support.ts';

const GOOD = [0.91, 0.93, 0.92, 0.94, 0.95];
const POOR = [0.85, 0.86, 0.88, 0.87, 0.9];
const LIKE_GOOD = [0.92, 0.925, 0.915, 0.945, 0.94];
const auc = { metric: 'auc_roc' } as const;

const two = (metric: 'auc_roc' | 'logloss' | 'rmse' = 'auc_roc') =>
  compareModels([model('a', GOOD), model('b', POOR)], { metric });

const reasonOf = ({ not_run: tests }: Comparison, name: string) =>
  tests.find(({ test }) => test === name)?.reason;

describe('two models on the same folds', () => {
  it("are tested by the protocol's paired t-test under its keys, best less other", async () => {
    const { statistical_tests: tests } = await two();
    const expected = pairedTTest(GOOD, POOR);
    expect(tests.paired_ttest).toMatchObject({
      t_statistic: expected.statistic,
      p_value: expected.pValue,
      significant: true,
    });
    expect(expected.statistic).toBeGreaterThan(0);
    expect(tests).not.toHaveProperty('friedman_test');
  });

  it('are decided by the corrected t-test with test/train rows 1 / (k − 1)', async () => {
    const { statistical_tests: tests, decision, pairs } = await two();
    const expected = nadeauBengioTTest(GOOD, POOR, { testTrainRatio: 1 / 4 });
    expect(tests.nadeau_bengio).toMatchObject({
      t_statistic: expected.statistic,
      p_value: expected.pValue,
      test_train_ratio: 0.25,
    });
    expect(decision).toMatchObject({ asked: 'auto', test: 'nadeau_bengio', p_value: expected.pValue });
    // 2.7764451051977987 is the t that 4 degrees of freedom exceed with probability 0.025.
    const { estimate, low, high } = pairs[0]!.mean_difference!;
    expect(estimate).toBe(expected.meanDifference);
    expect(high - estimate).toBeCloseTo(2.7764451051977987 * expected.standardError, 12);
    expect(estimate - low).toBeCloseTo(high - estimate, 12);
  });

  it('take another ratio of test to training rows where one is given', async () => {
    const options = { ...auc, testTrainRatio: 0.5 };
    const { decision } = await compareModels([model('a', GOOD), model('b', POOR)], options);
    expect(decision.p_value).toBe(nadeauBengioTTest(GOOD, POOR, { testTrainRatio: 0.5 }).pValue);
  });

  it.each(['logloss', 'rmse'] as const)('with the lower %s are the better', async (metric) => {
    const { best_model: best, direction, pairs, decision, statistical_tests: tests } = await two(metric);
    expect(direction).toBe('minimize');
    expect(best.name).toBe('b');
    expect(pairs[0]!.mean_difference!.estimate).toBeLessThan(0);
    expect(tests.paired_ttest!.t_statistic).toBeLessThan(0);
    for (const test of ['nadeau_bengio', 'paired_ttest', 'wilcoxon'] as const) {
      expect(tests[test]!.favours).toBe('b');
    }
    expect(decision.worse).toEqual(['a']);
  });

  it('that differ significantly are called so, with the margin in the direction of better', async () => {
    const { verdict, decision } = await two('logloss');
    expect(decision).toMatchObject({ significant: true, worse: ['a'], tied: [], better: [] });
    expect(verdict).toMatch(
      /^b has the best logloss, 0\.872 on average over the folds, 0\.058 better than a \(95 % interval 0\.0\d+ to 0\.0\d+\)\. By Nadeau and Bengio's corrected t-test the difference is significant/,
    );
  });

  it('that do not differ significantly are tied, and the smaller one is pointed at', async () => {
    const models = [
      model('a', GOOD, { bytes: 900 }),
      model(
        'b',
        LIKE_GOOD.map((s) => s - 0.001),
        { bytes: 20 },
      ),
    ];
    const { best_model: best, verdict } = await compareModels(models, auc);
    expect(best).toMatchObject({ name: 'a', tied_with: ['b'], smallest_of_tied: 'b', basis: 'cv' });
    expect(verdict).toContain('not significant');
    expect(verdict).toContain('b has the smallest file');
  });

  it('that are equal have p = 1, and the smaller file, then the first name, is called best', async () => {
    const models = [model('b', GOOD, { bytes: 5 }), model('a', GOOD, { bytes: 9 })];
    const { best_model: best, statistical_tests: tests, verdict, pairs } = await compareModels(models, auc);
    expect(best.name).toBe('b');
    expect(tests.paired_ttest).toMatchObject({ t_statistic: 0, p_value: 1, degenerate: 'no difference' });
    expect(tests.wilcoxon).toMatchObject({ p_value: 1, favours: null });
    expect(pairs[0]!.effect_sizes).toEqual({ cohens_d: 0, hedges_g: 0, rank_biserial: 0, cliffs_delta: 0 });
    expect(verdict).toContain('there is no difference at all');
    const unsized = await compareModels([model('b', GOOD), model('a', GOOD)], auc);
    expect(unsized.best_model.name).toBe('a');
  });

  it('that differ by the same on every fold are told apart without a variance', async () => {
    const other = [0.25, 0.5, 0.75];
    const models = [
      model(
        'a',
        other.map((score) => score + 0.125),
      ),
      model('b', other),
    ];
    const { statistical_tests: tests, pairs } = await compareModels(models, auc);
    expect(tests.nadeau_bengio).toMatchObject({ p_value: 0, degenerate: 'no variance', significant: true });
    expect(pairs[0]!.mean_difference).toMatchObject({ estimate: 0.125, low: 0.125, high: 0.125 });
    expect(JSON.parse(JSON.stringify(tests)).nadeau_bengio.t_statistic).toBeNull();
  });
});

describe('three and more models', () => {
  const models = [model('good', GOOD), model('like', LIKE_GOOD), model('poor', POOR)];

  it("are tested by Friedman's test under the protocol's keys, and by Holm's against the best", async () => {
    const { statistical_tests: tests, decision } = await compareModels(models, auc);
    const { statistic, pValue } = friedmanTest([GOOD, LIKE_GOOD, POOR]);
    expect(tests.friedman_test).toEqual({ statistic, p_value: pValue, significant: pValue < 0.05 });
    expect(tests).not.toHaveProperty('paired_ttest');
    const ranks = compareRanks([GOOD, LIKE_GOOD, POOR], 0, 'maximize');
    expect(tests.holm!.map(({ adjusted_p_value }) => adjusted_p_value)).toEqual(
      ranks.map(({ adjustedPValue }) => adjustedPValue),
    );
    expect(tests.average_ranks).toEqual({ good: 1.4, like: 1.6, poor: 3 });
    expect(decision).toMatchObject({ test: 'friedman', p_value: pValue, worse: ['poor'], tied: ['like'] });
  });

  it('rank by the lowest score where the metric is minimised', async () => {
    const { statistical_tests: tests, best_model: best } = await compareModels(models, { metric: 'mae' });
    expect(best.name).toBe('poor');
    expect(tests.average_ranks!.poor).toBe(1);
  });

  it('are all tied where Friedman does not reject, whatever the pairs say', async () => {
    const level = 0.005;
    const { decision, statistical_tests: tests } = await compareModels(models, { ...auc, alpha: level });
    expect(tests.friedman_test!.p_value).toBeGreaterThan(level);
    expect(decision).toMatchObject({ significant: false, worse: [], tied: ['like', 'poor'] });
  });

  it('correct each test of pairs by Holm over the pairs', async () => {
    const { pairs } = await compareModels(models, { ...auc, test: 'wilcoxon' });
    const raw = [LIKE_GOOD, POOR].map((scores) => wilcoxonTest(GOOD, scores).pValue);
    expect(pairs.map(({ tests }) => tests.wilcoxon!.p_value)).toEqual(raw);
    expect(pairs.map(({ tests }) => tests.wilcoxon!.adjusted_p_value)).toEqual([...holm(raw)]);
  });

  it('have critical differences for all pairs up to twenty models', async () => {
    const { statistical_tests: tests } = await compareModels(models, auc);
    expect(tests.nemenyi!.pairs.map(({ first, second }) => [first, second])).toEqual([
      ['good', 'like'],
      ['good', 'poor'],
      ['like', 'poor'],
    ]);
    const many = Array.from({ length: SHOWN_MODELS + 1 }, (_, i) =>
      model(
        `m${i}`,
        GOOD.map((s) => s - i / 100),
      ),
    );
    const comparison = await compareModels(many, auc);
    expect(comparison.statistical_tests).not.toHaveProperty('nemenyi');
    expect(reasonOf(comparison, 'nemenyi')).toContain('at most 20 models');
    expect(comparison.statistical_tests.holm).toHaveLength(SHOWN_MODELS);
  });
});

describe('the test that decides', () => {
  it.each(['paired_ttest', 'wilcoxon', 'nadeau_bengio'] as const)(
    'is %s where that is asked for',
    async (test) => {
      const {
        decision,
        statistical_tests: tests,
        verdict,
      } = await compareModels([model('a', GOOD), model('b', POOR)], { ...auc, test });
      expect(decision).toMatchObject({ asked: test, test, p_value: tests[test]!.p_value });
      expect(verdict).toContain(
        { paired_ttest: 'paired t-test', wilcoxon: 'Wilcoxon', nadeau_bengio: 'Nadeau' }[test],
      );
    },
  );

  it('decides nothing where it cannot run, and says why', async () => {
    const pair = [model('a', GOOD), model('b', POOR)];
    for (const test of ['friedman', 'delong', 'mcnemar'] as const) {
      const { decision, verdict, best_model: best } = await compareModels(pair, { ...auc, test });
      expect(decision).toMatchObject({ significant: null, p_value: null, worse: [], tied: [] });
      expect(verdict).toContain(`(${decision.not_run})`);
      expect(best.tied_with).toEqual([]);
    }
  });

  it('may contradict the ranking, which is said', async () => {
    const rows = binaryRows(2000, 3);
    const models = [
      model('folds', GOOD, { predictions: binaryPredictions(rows, 0.1, 4) }),
      model('rows', POOR, { predictions: binaryPredictions(rows, 0.5, 5) }),
    ];
    const {
      decision,
      best_model: best,
      verdict,
    } = await compareModels(models, { ...auc, rows, test: 'delong' });
    expect(best.name).toBe('folds');
    expect(decision).toMatchObject({ worse: [], better: ['rows'], significant: true });
    expect(verdict).toContain('in favour of rows');
  });
});

describe('test rows', () => {
  const rows = binaryRows(400, 1);
  const predictions = [binaryPredictions(rows, 0.4, 2), binaryPredictions(rows, 0.2, 3)] as const;
  const models = [
    model('a', GOOD, { predictions: predictions[0] }),
    model('b', POOR, { predictions: predictions[1] }),
  ];

  it('are tested by McNemar and DeLong, best less other', async () => {
    const { statistical_tests: tests } = await compareModels(models, { ...auc, rows });
    const expected = delongTest(rows.labels, ...predictions);
    expect(tests.delong).toMatchObject({ statistic: expected.statistic, p_value: expected.pValue });
    const classes = predictions.map((of) => Array.from(of, (p) => Number(p > 0.5)));
    const { pValue, onlyFirst } = mcnemarTest(discordantRows(rows.labels, classes[0]!, classes[1]!));
    expect(tests.mcnemar).toMatchObject({ p_value: pValue, only_first: onlyFirst, favours: 'a' });
  });

  it('give an interval for every metric that is asked for, around its value', async () => {
    const metrics = ['accuracy', 'logloss', 'auc_pr'] as const;
    const { experiments, pairs } = await compareModels(models, { ...auc, metrics, rows });
    const { intervals } = experiments[0]!;
    expect(Object.keys(intervals!)).toEqual(['auc_roc', ...metrics]);
    for (const { low, high, estimate } of Object.values(intervals!)) {
      expect(low).toBeLessThan(estimate);
      expect(high).toBeGreaterThan(estimate);
    }
    const { estimate } = pairs[0]!.test_difference!;
    expect(estimate).toBe(
      experiments[0]!.intervals!.auc_roc!.estimate - experiments[1]!.intervals!.auc_roc!.estimate,
    );
  });

  it('with weights that differ leave out what counts all rows alike, and keep the intervals', async () => {
    const weights = Float64Array.from({ length: 400 }, (_, row) => (row % 2) + 0.5);
    const asked = { ...auc, rows: { ...rows, weights }, test: 'delong' } as const;
    const { statistical_tests: tests, decision, pairs, ...rest } = await compareModels(models, asked);
    expect(tests).not.toHaveProperty('mcnemar');
    expect(tests).not.toHaveProperty('delong');
    expect(decision).toMatchObject({
      significant: null,
      not_run: expect.stringContaining('weights that differ'),
    });
    expect(reasonOf({ ...rest, statistical_tests: tests, decision, pairs }, 'mcnemar')).toContain(
      'weights that differ',
    );
    expect(pairs[0]!.test_difference).toBeDefined();
    const even = { ...auc, rows: { ...rows, weights: weights.map(() => 2) } };
    const plain = await compareModels(models, { ...auc, rows });
    expect((await compareModels(models, even)).statistical_tests).toEqual(plain.statistical_tests);
  });

  it('are missed by name where there are none, or one model has no predictions', async () => {
    const without = await compareModels(models, { ...auc, noRows: 'the data has no test rows' });
    for (const test of ['mcnemar', 'delong', 'bootstrap'])
      expect(reasonOf(without, test)).toBe('the data has no test rows');
    const half = await compareModels([models[0]!, model('b', POOR)], { ...auc, rows });
    expect(reasonOf(half, 'delong')).toBe('b has no predictions of the test rows');
  });

  it('of one class leave AUCs out and the rest in', async () => {
    const ones = { ...rows, labels: new Float64Array(400).fill(1) };
    const comparison = await compareModels(models, { ...auc, metrics: ['accuracy'], rows: ones });
    expect(reasonOf(comparison, 'delong')).toContain('2 test rows of each class, and there are 400 and 0');
    expect(comparison.statistical_tests.mcnemar).toBeDefined();
    expect(Object.keys(comparison.experiments[0]!.intervals!)).toEqual(['accuracy']);
  });

  it('that the predictions do not fit are refused, as are predictions that are NaN', async () => {
    const short = model('b', POOR, { predictions: predictions[1].subarray(1) });
    await expect(compareModels([models[0]!, short], { ...auc, rows })).rejects.toThrow(
      new InputError('b has 399 predictions and the test rows need 400: predict the same rows.'),
    );
    const bad = model('b', POOR, { predictions: predictions[1].map((p, i) => (i === 7 ? Number.NaN : p)) });
    await expect(compareModels([models[0]!, bad], { ...auc, rows })).rejects.toThrow(
      'Prediction 7 of b is NaN',
    );
  });
});

describe('what cannot be compared', () => {
  const refused: [string, ComparedModel[], string][] = [
    [
      'an absent score',
      [model('a', GOOD), { name: 'b', metrics: { val: { auc_roc: 0.5 } } }],
      'common to all 2 models',
    ],
    ['two models of one name', [model('a', GOOD), model('a', POOR)], 'Two models are named a'],
    ['no model', [], 'There is no model to compare'],
  ];

  it.each(refused)('is refused: %s', async (_, models, message) => {
    await expect(compareModels(models, auc)).rejects.toThrow(message);
    await expect(compareModels(models, auc)).rejects.toBeInstanceOf(InputError);
  });

  it('is one model: it is the best, and nothing is tested', async () => {
    const {
      statistical_tests: tests,
      best_model: best,
      verdict,
      pairs,
    } = await compareModels([model('a', GOOD)], auc);
    expect([tests, pairs]).toEqual([{}, []]);
    expect(best.name).toBe('a');
    expect(verdict).toContain('It is the only model');
  });

  it.each([
    ['one fold', [[0.5], [0.6]], 'scores on 2 folds at least are needed, and there are 1'],
    ['differing numbers of folds', [GOOD, GOOD.slice(1)], /has [45] fold scores and/],
    ['an undefined score', [GOOD, [0.8, Number.NaN, 0.9, 0.9, 0.9]], 'the score of b on fold 2 is undefined'],
  ] as const)('is left out by name: %s', async (_, [first, second], reason) => {
    const comparison = await compareModels([model('a', first), model('b', second)], auc);
    for (const test of ['paired_ttest', 'nadeau_bengio', 'wilcoxon'])
      expect(reasonOf(comparison, test)).toMatch(reason);
    expect(comparison.statistical_tests).toEqual({});
    expect(comparison.decision.significant).toBeNull();
  });

  it('are fold scores that are not of the same folds', async () => {
    const options = { ...auc, unpairedFolds: 'the folds differ' };
    const comparison = await compareModels([model('a', GOOD), model('b', POOR)], options);
    expect(reasonOf(comparison, 'nadeau_bengio')).toBe('the folds differ');
    expect(comparison.pairs[0]).not.toHaveProperty('mean_difference');
  });

  it('is an alpha out of range', async () => {
    await expect(compareModels([model('a', GOOD)], { ...auc, alpha: 1 })).rejects.toThrow(
      'alpha must lie between',
    );
  });

  it('a model whose score is NaN comes last', () => {
    const metrics = (auc_roc: number) => ({ val: { auc_roc } });
    const models = [
      { name: 'a', metrics: metrics(Number.NaN) },
      { name: 'b', metrics: metrics(0.1) },
    ];
    const ranking = rankModels(models, 'auc_roc');
    expect(ranking.basis).toBe('val');
    expect(ranking.models.map(({ name }) => name)).toEqual(['b', 'a']);
    expect(rankModels(models, 'auc_roc').models).toEqual(rankModels([...models].reverse(), 'auc_roc').models);
  });
});

it('the order of models does not change the comparison', async () => {
  const rows = binaryRows(60, 9);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }), {
        minLength: 2,
        maxLength: 5,
      }),
      fc.integer({ min: 1, max: 1000 }),
      async (scores, seed) => {
        const models = scores.map((of, i) =>
          model(
            `m${i}`,
            of.map((score) => score / 4),
            { predictions: binaryPredictions(rows, 0.1 * i, i + 1) },
          ),
        );
        const next = drawn(seed);
        const shuffled = models
          .map((of) => ({ of, key: next() }))
          .sort((a, b) => a.key - b.key)
          .map(({ of }) => of);
        expect(await compareModels(shuffled, { ...auc, rows })).toEqual(
          await compareModels(models, { ...auc, rows }),
        );
      },
    ),
    { numRuns: 10 },
  );
});

describe('side by side', () => {
  const at = (train: number, val: number) => ({
    train: { auc_roc: train, rmse: train },
    val: { auc_roc: val, rmse: val },
  });

  it('overfitting is the ratio of validation to training score, inverted for minimised metrics', async () => {
    const models = [model('a', GOOD, { metrics: at(0.8, 0.6) }), model('b', POOR, { metrics: at(0.5, 0.5) })];
    const byAuc = (await compareModels(models, auc)).experiments;
    expect(byAuc[0]!.overfitting).toEqual({ train: 0.8, val: 0.6, ratio: 0.6 / 0.8, overfitted: true });
    expect(byAuc[1]!.overfitting).toMatchObject({ ratio: 1, overfitted: false });
    const loss = [model('a', GOOD, { metrics: at(0.6, 0.8) })];
    expect((await compareModels(loss, { metric: 'rmse' })).experiments[0]!.overfitting!.ratio).toBe(
      0.6 / 0.8,
    );
    const lax = { metric: 'rmse', overfittingRatio: 0.7 } as const;
    expect((await compareModels(loss, lax)).experiments[0]!.overfitting!.overfitted).toBe(false);
  });

  it('a score that is not positive has no ratio and is not called overfitted', async () => {
    const models = [model('a', GOOD, { metrics: { train: { r2: 0.5 }, val: { r2: -0.1 } } })];
    const { overfitting } = (await compareModels(models, { metric: 'r2' })).experiments[0]!;
    expect(overfitting).toEqual({ train: 0.5, val: -0.1, ratio: Number.NaN, overfitted: false });
  });

  it('cost is copied and absent where it is not known', async () => {
    const models = [model('a', GOOD, { trainingSeconds: 2, bytes: 10, latencyUs: 3 }), model('b', POOR)];
    const [a, b] = (await compareModels(models, auc)).experiments;
    expect(a).toMatchObject({ training_seconds: 2, bytes: 10, latency_us: 3 });
    expect(b).not.toHaveProperty('bytes');
  });
});

it('a comparison stops when its signal aborts', async () => {
  const signal = AbortSignal.abort();
  await expect(
    compareModels([model('a', GOOD), model('b', POOR)], { ...auc, signal }),
  ).rejects.toBeInstanceOf(InterruptedError);
});
