import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BinaryScores,
  loadAddon,
  type MulticlassScores,
  type RegressionScores,
} from '../../src/addon.ts';
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

type Scores = BinaryScores | MulticlassScores | RegressionScores;

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

const multiclassScores = fc
  .tuple(fc.oneof(fc.integer({ min: 2, max: 6 }), fc.constantFrom(2, 40, 255)), fc.boolean())
  .chain(([classes, weighted]) =>
    fc
      .array(
        fc.tuple(fc.array(margin, { minLength: classes, maxLength: classes }), fc.nat(classes - 1), weight),
        { minLength: 1, maxLength: classes > 6 ? 6 : 25 },
      )
      .map((rows) => ({
        classes,
        margins: Int32Array.from(rows.flatMap(([margins]) => margins)),
        labels: Uint8Array.from(rows, ([, label]) => label),
        ...(weighted && { weights: Uint32Array.from(rows, ([, , w]) => w) }),
      })),
  );

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
    ['binary', binaryScores],
    ['multiclass', multiclassScores],
    ['regression', regressionScores],
  ] as const)(
    'equals the naive reference, bit for bit, on every metric of the kind %s',
    (kind, arbitrary) => {
      const names = metricsFor(kind);
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<Scores>, (scores) => {
          const expected = names.map((name) => naiveMetric(name, scores));
          expect([...loadAddon().evaluateMetrics(names, scores)]).toEqual(expected);
        }),
        { numRuns: 300 },
      );
    },
  );
});

describe('several classes', () => {
  it('of two classes the ranking, and nearly the loss, are those of a binary classifier', () => {
    fc.assert(
      fc.property(
        binaryScores,
        fc.integer({ min: -(2 ** 24), max: 2 ** 24 }),
        ({ margins, ...rest }, shift) => {
          const limited = margins.map((m) => Math.trunc(m / 4));
          const both = Int32Array.from([...limited].flatMap((m) => [shift, shift + m]));
          const names = ['auc_roc', 'logloss'] as const;
          const [area, loss] = loadAddon().evaluateMetrics(names, { ...rest, margins: limited });
          const [areas, losses] = loadAddon().evaluateMetrics(names, { ...rest, margins: both, classes: 2 });
          expect(areas).toBe(area);
          if (!Number.isNaN(loss)) expect(Math.abs(losses! - loss!)).toBeLessThan(2 ** -23);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('does not depend on the order of rows, nor on a shift of all margins of a row', () => {
    fc.assert(
      fc.property(
        multiclassScores,
        fc.infiniteStream(fc.integer({ min: -1000, max: 1000 })),
        (scores, shifts) => {
          const { classes } = scores;
          const inner = scores.margins.map((m) => Math.trunc(m / 2));
          const of = (order: readonly number[], moved: boolean) =>
            loadAddon().evaluateMetrics(metricsFor('multiclass'), {
              classes,
              margins: Int32Array.from(
                order.flatMap((row) => {
                  const shift = moved ? shifts.next().value : 0;
                  return [...inner.subarray(row * classes, (row + 1) * classes)].map((m) => m + shift);
                }),
              ),
              labels: Uint8Array.from(order, (row) => scores.labels[row]!),
              ...(scores.weights && { weights: Uint32Array.from(order, (row) => scores.weights![row]!) }),
            });
          const rows = [...scores.labels.keys()];
          expect(of([...rows].reverse(), true)).toEqual(of(rows, false));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('refuses metrics, labels and numbers of classes that do not fit', () => {
    const scores = { margins: Int32Array.of(1, 2, 3), labels: Uint8Array.of(0), classes: 3 };
    const evaluate = (name: MetricName, change: object) =>
      loadAddon().evaluateMetrics([name], { ...scores, ...change });
    expect(() => evaluate('auc_pr', {})).toThrow('auc_pr is a metric of two classes');
    expect(() => evaluate('mse', {})).toThrow('regression metric');
    expect(() => evaluate('accuracy', { labels: Uint8Array.of(3) })).toThrow('labels must be below classes');
    expect(() => evaluate('accuracy', { classes: 256 })).toThrow('classes must be 2 to 255');
    expect(() => evaluate('accuracy', { margins: Int32Array.of(1, 2) })).toThrow('3 are needed');
    const two = { margins: Int32Array.of(1), labels: Uint8Array.of(0) };
    expect(() => loadAddon().evaluateMetrics(['merror'], two)).toThrow('several classes cannot score two');
  });

  it('gives the curves of each class against the others, whose area is its auc_roc', () => {
    const found = metricFixtures.find(({ name }) => name === 'digits, weighted')!.scores as MulticlassScores;
    const areas = Array.from({ length: found.classes }, (_, ofClass) => {
      const curve = loadAddon().curves({ ...found, ofClass }, 10_000);
      let [area, x0, y0] = [0, 0, 0];
      curve.falsePositives.forEach((fp, i) => {
        const [x, y] = [fp / curve.negatives, curve.truePositives[i]! / curve.positives];
        area += ((x - x0) * (y + y0)) / 2;
        [x0, y0] = [x, y];
      });
      return area;
    });
    const [value] = loadAddon().evaluateMetrics(['auc_roc'], found);
    expect(areas.reduce((a, b) => a + b) / found.classes).toBeCloseTo(value!, 12);
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
      'merror',
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
