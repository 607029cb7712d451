import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latencyRows, measureLatency } from '../../src/protocol/latency.ts';
import type { PreparedExperiment } from '../../src/protocol/prepare.ts';

/** Ten rows of a number and a category, the last four of them for testing. */
const experiment = {
  binned: {
    stride: 2,
    bins: Uint8Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? (i / 2) % 4 : i % 3)),
    features: [
      { cuts: Float32Array.of(1.5, 2.5), binOfCategory: new Uint8Array(0) },
      { cuts: new Float32Array(0), binOfCategory: Uint8Array.of(2, 1) },
    ],
  },
  data: {
    schema: {
      features: [
        { name: 'a', type: 'numeric' },
        { name: 'b', type: 'categorical', categories: ['x', 'y'] },
      ],
    },
  },
  splits: [
    { name: 'train', rows: { start: 0, end: 6 } },
    { name: 'test', rows: { start: 6, end: 10 } },
  ],
} as unknown as PreparedExperiment;

const WARM_UP = 500;
const CALLS = 2000;

describe('the latency of a model', () => {
  it('is the median of the calls in microseconds, by a clock of milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 9 }), (slow, fast) => {
        let now = 0;
        let calls = 0;
        const predictRow = () => {
          // A few slow calls, as of a garbage collection, do not count; nor do those before the clock runs.
          now += calls++ < WARM_UP ? 1000 : calls % 2000 < slow * 0.9 ? 50 : fast;
        };
        expect(measureLatency(experiment, { predictRow }, () => now)).toBe(fast * 1000);
        expect(calls).toBe(WARM_UP + CALLS);
      }),
      { numRuns: 20 },
    );
  });

  it('reads the clock right before and after each call, and not while the model is warming up', () => {
    const events: string[] = [];
    measureLatency(experiment, { predictRow: () => events.push('row') }, () => events.push('clock'));
    expect(events.slice(0, WARM_UP).every((event) => event === 'row')).toBe(true);
    expect(events.slice(WARM_UP)).toEqual(
      Array.from({ length: CALLS }, () => ['clock', 'row', 'clock']).flat(),
    );
  });

  it('is of the rows of the last part, one after the other', () => {
    const seen: unknown[] = [];
    measureLatency(experiment, { predictRow: (row) => seen.push(row) }, () => 0);
    const rows = latencyRows(experiment, { start: 6, end: 10 });
    expect(rows).toHaveLength(4);
    expect(seen.slice(0, 8)).toEqual([...rows, ...rows]);
  });

  it('takes values that fall into the bins of the rows', () => {
    // Codes of a are 0 … 3 in turn: missing, below 1.5, below 2.5, above.
    const values = latencyRows(experiment, { start: 0, end: 4 }).map(({ a }) => a);
    expect(values[0]).toBeNull();
    expect(values[1]).toBeLessThan(1.5);
    expect(values.slice(2)).toEqual([1.5, 2.5]);
    // Codes of b are 1, 0, 2: the category y, a missing one, the category x.
    expect(latencyRows(experiment, { start: 0, end: 3 }).map(({ b }) => b)).toEqual(['y', null, 'x']);
  });
});
