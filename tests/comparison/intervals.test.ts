import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TestRows } from '../../src/comparison/compared-model.ts';
import { type ResamplingOptions, resamplesOf, rowIntervals } from '../../src/comparison/intervals.ts';
import { rowMetric } from '../../src/comparison/row-metrics.ts';
import { METRICS_BY_KIND, type MetricName } from '../../src/config/metric-names.ts';
import type { ModelKind } from '../../src/config/objectives.ts';
import { bootstrapInterval } from '../../src/stats/bootstrap.ts';
import { differenceOf, type RowMetric } from '../../src/stats/row-metric.ts';
import { drawn } from './support.ts';

const CLASSES = { binary: 2, multiclass: 3, regression: 1 } as const;
const ROWS = 25;

function rowsOf(kind: ModelKind, weighted: boolean): TestRows {
  const next = drawn(3);
  const labels = Float64Array.from({ length: ROWS }, () =>
    kind === 'regression' ? next() : Math.floor(CLASSES[kind] * next()),
  );
  return {
    kind,
    classes: CLASSES[kind],
    labels,
    ...(weighted && { weights: labels.map(() => next() + 0.5) }),
  };
}

function predictionsOf(rows: TestRows, seed: number): Float64Array {
  const next = drawn(seed);
  const width = rows.kind === 'multiclass' ? rows.classes : 1;
  return Float64Array.from({ length: ROWS * width }, () => Math.round(8 * next()) / 8);
}

const options = (rows: TestRows, more: Partial<ResamplingOptions> = {}): ResamplingOptions => ({
  rows,
  primary: METRICS_BY_KIND[rows.kind][0],
  metrics: METRICS_BY_KIND[rows.kind],
  seed: 7,
  level: 0.9,
  turn: async () => {},
  ...more,
});

/** The interval by resamples of its own. */
function alone(metric: RowMetric | undefined, seed: number) {
  if (metric === undefined) return undefined;
  const { estimate, low, high, method } = bootstrapInterval(metric, {
    seed,
    resamples: resamplesOf(ROWS),
    level: 0.9,
  });
  return { estimate, low, high, method };
}

const kinds = ['binary', 'multiclass', 'regression'] as const;

describe.each(kinds.flatMap((kind) => [[kind, false] as const, [kind, true] as const]))(
  'intervals of several metrics and models, %s, weights: %s',
  (kind, weighted) => {
    const rows = rowsOf(kind, weighted);
    const models = [predictionsOf(rows, 5), undefined, predictionsOf(rows, 6), predictionsOf(rows, 7)];

    it('are those that each metric has by itself with the same seed', async () => {
      const names: readonly MetricName[] = METRICS_BY_KIND[kind];
      const primary = names[1]!;
      const seed = 7;
      const found = await rowIntervals(models, options(rows, { primary, seed }));
      for (const [i, predictions] of models.entries()) {
        if (predictions === undefined) {
          expect(found[i]).toEqual({ metrics: {} });
          continue;
        }
        for (const name of names) {
          const expected = alone(rowMetric(name, rows, predictions), seed);
          if (expected === undefined) expect(found[i]!.metrics).not.toHaveProperty(name);
          else expect(found[i]!.metrics[name]).toMatchObject(expected);
        }
        const [first, own] = [models[0]!, predictions].map((of) => rowMetric(primary, rows, of)!);
        if (i === 0) expect(found[i]).not.toHaveProperty('difference');
        else expect(found[i]!.difference).toMatchObject(alone(differenceOf(first!, own!), seed)!);
      }
    });

    it('do not depend on how many models are resampled together, nor on the other models', async () => {
      const all = await rowIntervals(models, options(rows));
      expect(await rowIntervals(models, options(rows, { rowsAtOnce: 1 }))).toEqual(all);
      expect((await rowIntervals([models[3]], options(rows)))[0]!.metrics).toEqual(all[3]!.metrics);
    });
  },
);

describe('intervals that cannot be had', () => {
  it('are those of one row, and of rows without weight', async () => {
    const one: TestRows = { kind: 'regression', classes: 1, labels: Float64Array.of(1) };
    const [found] = await rowIntervals([Float64Array.of(2)], options(one));
    expect(found!.metrics).toEqual({});
    // Without weight every mean is 0 / 0.
    const weightless: TestRows = { ...one, labels: Float64Array.of(1, 2), weights: [0, 0] };
    expect((await rowIntervals([Float64Array.of(2, 1)], options(weightless)))[0]!.metrics).toEqual({});
  });

  it('are none once the turn throws', async () => {
    const rows = rowsOf('binary', false);
    let turns = 0;
    const turn = async () => {
      if (++turns === 3) throw new Error('stop');
    };
    await expect(rowIntervals([predictionsOf(rows, 5)], options(rows, { turn }))).rejects.toThrow('stop');
    expect(turns).toBe(3);
  });
});

it('resamples of other seeds differ, so that the seed is heeded', async () => {
  const rows = rowsOf('regression', false);
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), async (seed) => {
      const [one] = await rowIntervals([predictionsOf(rows, 5)], options(rows, { seed, metrics: [] }));
      const [other] = await rowIntervals(
        [predictionsOf(rows, 5)],
        options(rows, { seed: seed + 1, metrics: [] }),
      );
      expect(one!.metrics.mse!.estimate).toBe(other!.metrics.mse!.estimate);
      expect([one!.metrics.mse!.low, one!.metrics.mse!.high]).not.toEqual([
        other!.metrics.mse!.low,
        other!.metrics.mse!.high,
      ]);
    }),
    { numRuns: 5 },
  );
});
