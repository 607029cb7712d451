import { describe, expect, it } from 'vitest';
import { calibration } from '../../src/comparison/calibration.ts';
import type { TestRows } from '../../src/comparison/compared-model.ts';
import { resamplesOf } from '../../src/comparison/intervals.ts';
import { rocPoints } from '../../src/comparison/roc.ts';
import { rowMetric } from '../../src/comparison/row-metrics.ts';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import type { ModelKind } from '../../src/config/objectives.ts';
import { type ScoredRows, scoreMargins } from '../../src/metrics/score.ts';
import { probability } from '../../src/numerics/link.ts';
import { softmaxProbabilities } from '../../src/numerics/softmax.ts';
import { leaveOneOut } from '../../src/stats/row-metric.ts';
import { binaryPredictions, binaryRows, drawn } from './support.ts';

const ROWS = 60;
const CLASSES = { binary: 2, multiclass: 3, regression: 1 } as const;
const OBJECTIVES = {
  binary: 'binary:logistic',
  multiclass: 'multi:softprob',
  regression: 'reg:squarederror',
} as const;

/** Rows with margins, and the same as a comparison has them. */
function scored(
  kind: ModelKind,
  weighted: boolean,
): { rows: TestRows; predictions: Float64Array; margins: ScoredRows } {
  const next = drawn(11);
  const classes = CLASSES[kind];
  const outputs = kind === 'multiclass' ? classes : 1;
  const label = Float32Array.from({ length: ROWS }, () =>
    kind === 'regression' ? Math.fround(4 * next() - 1) : Math.floor(classes * next()),
  );
  // Coarse margins, so that scores tie.
  const margins = Int32Array.from({ length: ROWS * outputs }, () => Math.round(8 * next() - 4) * 2 ** 18);
  const weight = Float32Array.from({ length: ROWS }, () => Math.floor(4 * next()) / 2);
  const predictions =
    kind === 'regression'
      ? Float64Array.from(margins, (margin) => margin / 2 ** 20)
      : kind === 'binary'
        ? Float64Array.from(margins, probability)
        : Float64Array.from({ length: ROWS }, (_, row) => row).reduce(
            (all, row) => {
              all.set(
                softmaxProbabilities(margins.subarray(row * outputs, (row + 1) * outputs)),
                row * outputs,
              );
              return all;
            },
            new Float64Array(ROWS * outputs),
          );
  return {
    rows: { kind, classes, labels: label, ...(weighted && { weights: weight }) },
    predictions,
    margins: {
      objective: OBJECTIVES[kind],
      margins,
      label,
      marginBits: 20,
      baseValue: 0,
      ...(weighted && { weight }),
    },
  };
}

describe.each([false, true])('metrics of predictions, with weights: %s', (weighted) => {
  const cases = Object.entries(METRICS_BY_KIND).flatMap(([kind, names]) =>
    names.map((name) => [kind as ModelKind, name] as const),
  );

  it.each(cases)('%s %s is that of the margins, of all rows and of resamples', (kind, name) => {
    const { rows, predictions, margins } = scored(kind, weighted);
    const metric = rowMetric(name, rows, predictions)!;
    const next = drawn(5);
    const counts = Uint32Array.from({ length: ROWS }, () => Math.floor(3 * next()));
    for (const drawnCounts of [new Uint32Array(ROWS).fill(1), counts]) {
      const weight = Float32Array.from(drawnCounts, (count, row) => count * (margins.weight?.[row] ?? 1));
      const expected = scoreMargins({ ...margins, weight }, [name])[name]!;
      expect(Math.abs(metric.of(drawnCounts) - expected)).toBeLessThan(
        1e-6 * Math.max(1, Math.abs(expected)),
      );
    }
  });

  it.each(cases)('%s %s leaves each row out as a pass over the others would', (kind, name) => {
    const { rows, predictions } = scored(kind, weighted);
    const metric = rowMetric(name, rows, predictions)!;
    const { leaveOneOut: fast, ...slow } = metric;
    const expected = leaveOneOut(slow);
    const actual = leaveOneOut(metric);
    for (const [row, value] of expected.entries()) expect(actual[row]).toBeCloseTo(value, 10);
    if (!weighted && name !== 'auc_pr') expect(fast).toBeDefined();
  });
});

describe('metrics that cannot be had', () => {
  const rows = binaryRows(10, 1);
  const predictions = binaryPredictions(rows, 0.5, 2);

  it('are undefined: AUCs of one class, one-vs-rest of a class without rows', () => {
    const ones = { ...rows, labels: new Float64Array(10).fill(1) };
    expect(rowMetric('auc_roc', ones, predictions)).toBeUndefined();
    expect(rowMetric('auc_pr', ones, predictions)).toBeUndefined();
    const three: TestRows = { kind: 'multiclass', classes: 3, labels: Float64Array.of(0, 1, 0, 1) };
    const even = new Float64Array(12).fill(1 / 3);
    expect(rowMetric('auc_roc', three, even)).toBeUndefined();
    expect(rowMetric('auc_roc_weighted', three, even)!.of(new Uint32Array(4).fill(1))).toBe(0.5);
  });

  it('are those of another kind of model', () => {
    expect(rowMetric('rmse', rows, predictions)).toBeUndefined();
    expect(rowMetric('f1_weighted', rows, predictions)).toBeUndefined();
  });

  it('a probability of 0 for what came true counts as 2^−52', () => {
    const sure: TestRows = { kind: 'binary', classes: 2, labels: Float64Array.of(1, 0) };
    const metric = rowMetric('logloss', sure, Float64Array.of(0, 0))!;
    expect(metric.of(Uint32Array.of(1, 1))).toBeCloseTo(26 * Math.LN2, 12);
  });

  it('resamples are 2,000, fewer for many rows and 200 at least', () => {
    expect([10, 10_000, 20_000, 100_000, 10_000_000].map(resamplesOf)).toEqual([2000, 2000, 1000, 200, 200]);
  });
});

describe('calibration', () => {
  it('of two classes is the mean square and the mean gap between confidence and what came true', () => {
    const rows: TestRows = { kind: 'binary', classes: 2, labels: Float64Array.of(0, 1, 1, 1) };
    const result = calibration(rows, Float64Array.of(0.25, 0.25, 1, 0.75))!;
    expect(result.brier).toBe((0.0625 + 0.5625 + 0 + 0.0625) / 4);
    expect(result.ece).toBe((2 * Math.abs(0.25 - 0.5) + 0 + 0.25) / 4);
    expect(result.bins).toHaveLength(10);
    expect(result.bins[2]).toEqual({ low: 0.2, high: 0.3, weight: 2, confidence: 0.25, observed: 0.5 });
    expect(result.bins[9]).toMatchObject({ weight: 1, confidence: 1, observed: 1 });
    expect(result.bins[0]).toMatchObject({ weight: 0, confidence: null, observed: null });
  });

  it('of several classes takes the confidence of the predicted one', () => {
    const rows: TestRows = { kind: 'multiclass', classes: 3, labels: Float64Array.of(0, 2) };
    const result = calibration(rows, Float64Array.of(0.5, 0.25, 0.25, 0.75, 0.125, 0.125))!;
    expect(result.brier).toBeCloseTo((0.375 + (0.5625 + 0.015625 + 0.765625)) / 2, 12);
    expect(result.ece).toBeCloseTo((0.5 + 0.75) / 2, 12);
  });

  it('counts rows by weight, and is undefined without weight and for a regression', () => {
    const labels = Float64Array.of(0, 1);
    const rows: TestRows = { kind: 'binary', classes: 2, labels, weights: [0, 2] };
    expect(calibration(rows, Float64Array.of(1, 0.5))).toMatchObject({ brier: 0.25, ece: 0.5 });
    expect(calibration({ ...rows, weights: [0, 0] }, Float64Array.of(1, 0.5))).toBeUndefined();
    expect(calibration({ kind: 'regression', classes: 1, labels }, labels)).toBeUndefined();
  });
});

describe('ROC points', () => {
  const rows = binaryRows(500, 4);
  const scores = binaryPredictions(rows, 0.4, 6);
  const area = (points: readonly { fpr: number; tpr: number }[]) =>
    points
      .slice(1)
      .reduce((sum, { fpr, tpr }, i) => sum + ((fpr - points[i]!.fpr) * (tpr + points[i]!.tpr)) / 2, 0);

  it('go from corner to corner, and the area below them is the AUC', () => {
    const points = rocPoints(rows, scores, 1000)!;
    expect([points[0], points.at(-1)]).toEqual([
      { fpr: 0, tpr: 0 },
      { fpr: 1, tpr: 1 },
    ]);
    expect(area(points)).toBeCloseTo(
      rowMetric('auc_roc', rows, scores)!.of(new Uint32Array(500).fill(1)),
      12,
    );
  });

  it('are no more than asked for, with the corners', () => {
    const points = rocPoints(rows, scores, 20)!;
    expect(points).toHaveLength(20);
    expect(points.at(-1)).toEqual({ fpr: 1, tpr: 1 });
  });

  it('are undefined where a class has no rows', () => {
    expect(rocPoints({ ...rows, labels: new Float64Array(500) }, scores, 20)).toBeUndefined();
  });
});
