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
