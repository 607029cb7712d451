import fc from 'fast-check';
import { expect, it } from 'vitest';
import { median, summarize } from '../../src/bench/summary.ts';
import { measurement, repeat } from './measurements.ts';

const work = { train_rows: 1000, features: 20, max_depth: 6 };

it('the median is a value with half of the others on either side, or the mean of the middle two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([Number.MAX_VALUE, Number.MAX_VALUE])).toBe(Number.MAX_VALUE);
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 9 }), (values) => {
      const middle = median(values);
      const below = values.filter((value) => value < middle).length;
      const above = values.filter((value) => value > middle).length;
      expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
    }),
  );
});

it('one thread counts by CPU time, several by wall time', () => {
  const [one, two] = summarize(
    [
      measurement('lockstep', [repeat(1, 3), repeat(2, 1), repeat(3, 2)]),
      measurement('lockstep', [repeat(1, 3)], { threads: 2 }),
    ],
    work,
  );
  expect(one).toMatchObject({ boost_s: { median: 2, min: 1, max: 3 }, bin_s: { median: 0.5 }, repeats: 3 });
  expect(one).toMatchObject({ models_per_s: 0.5, cells_per_s: (1000 * 20 * 6 * 10) / 2 });
  expect(two).toMatchObject({ boost_s: { median: 6 }, bin_s: { median: 1 } });
});

it('repeats on a busy machine do not count where there are others, and are said to be busy where there are not', () => {
  const [some, all, unknown] = summarize(
    [
      measurement('lockstep', [repeat(1, 9, { busy: 1.2 }), repeat(2, 1, { busy: 0.1 })]),
      measurement('xgboost', [repeat(1, 4, { busy: 0.7 }), repeat(2, 2, { busy: 0.2 })]),
      measurement('lightgbm', [repeat(1, 3, { busy: null })]),
    ],
    work,
  );
  expect(some).toMatchObject({ boost_s: { median: 1 }, repeats: 1, busy: false, busy_cores: 0.1 });
  expect(all).toMatchObject({ boost_s: { median: 3 }, repeats: 2, busy: true, busy_cores: 0.7 });
  expect(unknown).toMatchObject({ repeats: 1, busy: false, busy_cores: null });
});

it('ratios are to the fastest peer on as many threads, and absent for batches and without peers', () => {
  const summaries = summarize(
    [
      measurement('lockstep', [repeat(1, 1)]),
      measurement('lockstep', [repeat(1, 1)], { threads: 2 }),
      measurement('xgboost', [repeat(1, 4)]),
      measurement('lightgbm', [repeat(1, 2)]),
      measurement('catboost', [], { failure: 'it crashed' }),
      measurement('lockstep', [repeat(1, 4)], { batch: 8 }),
      measurement('lockstep', [repeat(1, 4)], { batch: 8, threads: 4 }),
    ],
    work,
  );
  expect(summaries.map((summary) => summary?.ratio)).toEqual([0.5, null, 2, 1, undefined, null, null]);
  expect(summaries.map((summary) => summary?.speedup)).toEqual([null, null, null, null, undefined, 2, null]);
  expect(summaries[5]!.models_per_s).toBe(2);
});

it('binning that is part of training has no time of its own', () => {
  const [summary] = summarize([measurement('catboost', [repeat(1, 1, { bin: null })])], work);
  expect(summary!.bin_s).toBeNull();
});
