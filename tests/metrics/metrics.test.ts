import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BinaryScores, loadAddon, type RegressionScores } from '../../src/addon.ts';
import type { MetricName } from '../../src/engine/engine.ts';
import {
  isBetter,
  metricDirection,
  metricLabels,
  metricNames,
  metricsFor,
} from '../../src/metrics/metrics.ts';
import { confusionMatrix, rocAndPrCurves, scoreMargins } from '../../src/metrics/score.ts';
import { agrees, metricFixtures } from './fixtures.ts';
import { naiveMetric } from './naive.ts';

const evaluators: readonly [string, (names: readonly MetricName[], scores: Scores) => Iterable<number>][] = [
  ['the naive reference', (names, scores) => names.map((name) => naiveMetric(name, scores))],
  ['the addon', (names, scores) => loadAddon().evaluateMetrics(names, scores)],
];

type Scores = BinaryScores | RegressionScores;

describe.each(evaluators)('%s', (_, evaluate) => {
  it.each(metricFixtures)('equals scikit-learn to 1e-6: $name', ({ scores, expected }) => {
    const values = [
      ...evaluate(
        expected.map(([metric]) => metric),
        scores,
      ),
    ];
    const wrong = expected.flatMap(([metric, value], i) =>
      agrees(scores, values[i]!, value) ? [] : [`${metric}: ${values[i]} instead of ${value}`],
    );
    expect(wrong).toEqual([]);
  });
});

const weight = fc.oneof(fc.constant(0), fc.constant(1 << 24), fc.integer({ min: 1, max: 1 << 24 }));
const limit = 1 << 30;
const margin = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -limit, max: limit }));

const binaryScores = fc
  .tuple(
    fc.array(fc.tuple(margin, fc.integer({ min: 0, max: 1 }), weight), { minLength: 1, maxLength: 40 }),
    fc.boolean(),
  )
  .map(([rows, weighted]) => ({
    margins: Int32Array.from(rows, ([m]) => m),
    labels: Uint8Array.from(rows, ([, label]) => label),
    ...(weighted && { weights: Uint32Array.from(rows, ([, , w]) => w) }),
  }));

const regressionScores = fc
  .tuple(
    fc.array(fc.tuple(margin, margin, fc.float({ noNaN: true, noDefaultInfinity: true }), weight), {
      minLength: 1,
      maxLength: 40,
    }),
    fc.boolean(),
    fc.integer({ min: -104, max: 100 }),
  )
  .map(([rows, weighted, marginBits]) => ({
    margins: Int32Array.from(rows, ([m]) => m),
    targets: Int32Array.from(rows, ([, t]) => t),
    raw: Float32Array.from(rows, ([, , y]) => y),
    ...(weighted && { weights: Uint32Array.from(rows, ([, , , w]) => w) }),
    marginBits,
  }));

describe('the addon', () => {
  it.each([
    ['classification', binaryScores],
    ['regression', regressionScores],
  ] as const)('equals the naive reference, bit for bit, on every metric of %s', (task, arbitrary) => {
    const names = metricsFor(task);
    fc.assert(
      fc.property(arbitrary as fc.Arbitrary<Scores>, (scores) => {
        const expected = names.map((name) => naiveMetric(name, scores));
        expect([...loadAddon().evaluateMetrics(names, scores)]).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe('logistic margins in other units', () => {
  const label = Float32Array.of(0, 1, 1, 0, 1, 0);
  const margins = Int32Array.of(-3_000_000, -1_000_001, 3, 4_000_000, 2_000_002, -5);
  const rows = { objective: 'binary:logistic' as const, label, baseValue: 0, marginBits: 20, margins };
  const names = ['accuracy', 'f1', 'auc_roc', 'auc_pr', 'logloss'] as const;

  it('score as the same margins in units of 2^-20 do', () => {
    const finer = { ...rows, marginBits: 24, margins: margins.map((m) => m * 16) };
    expect(scoreMargins(finer, names)).toEqual(scoreMargins(rows, names));
    expect(confusionMatrix(finer)).toEqual(confusionMatrix(rows));
    expect(rocAndPrCurves(finer)).toEqual(rocAndPrCurves(rows));
  });

  it('are rounded, to even, and limited to 2^30 where they are coarser', () => {
    const odd = { ...rows, marginBits: 21, margins: margins.map((m) => 2 * m + 1) };
    const even = margins.map((m) => (m % 2 === 0 ? m : m + 1));
    expect(scoreMargins(odd, names)).toEqual(scoreMargins({ ...rows, margins: even }, names));
    const coarse = { ...rows, marginBits: 0, margins: margins.map((m) => Math.sign(m) * 5000) };
    const limits = margins.map((m) => Math.sign(m) * 2 ** 30);
    expect(scoreMargins(coarse, names)).toEqual(scoreMargins({ ...rows, margins: limits }, names));
  });
});

describe('definitions', () => {
  it('every metric has a label, and the ones that fall as models improve are the losses', () => {
    expect(Object.keys(metricLabels).sort()).toEqual([...metricNames].sort());
    expect(metricNames.filter((name) => metricDirection(name) === 'minimize')).toEqual([
      'logloss',
      'mse',
      'rmse',
      'mae',
      'mape',
    ]);
  });

  it('a number is better than NaN, and NaN is better than nothing', () => {
    expect(isBetter('auc_roc', 0.6, 0.5)).toBe(true);
    expect(isBetter('logloss', 0.6, 0.5)).toBe(false);
    expect(isBetter('rmse', 1, Number.NaN)).toBe(true);
    expect(isBetter('r2', Number.NaN, -5)).toBe(false);
    expect(isBetter('r2', Number.NaN, Number.NaN)).toBe(false);
    expect(isBetter('mae', 2, 2)).toBe(false);
  });
});
