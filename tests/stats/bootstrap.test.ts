import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { metricsFor } from '../../src/metrics/metrics.ts';
import { type ScoredRows, scoreMargins } from '../../src/metrics/score.ts';
import { bootstrapInterval } from '../../src/stats/bootstrap.ts';
import { chi2Sf } from '../../src/stats/distributions.ts';
import { drawCounts } from '../../src/stats/resampling.ts';
import {
  aucMetric,
  differenceOf,
  leaveOneOut,
  meanMetric,
  metricOfRows,
  type RowMetric,
} from '../../src/stats/row-metric.ts';
import { referencePhilox } from '../reference/philox.ts';
import { expectClose, fixture } from './support.ts';

const MASK = 0xffffffffn;
const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (32n - by))) & MASK;

/** xoshiro128++ in BigInt, as its authors write it. */
function* xoshiro(state: readonly number[]): Generator<bigint> {
  let [a, b, c, d] = state.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield (rotate((a + d) & MASK, 7n) + a) & MASK;
    const shifted = (b << 9n) & MASK;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11n);
  }
}

/** drawCounts as plainly as possible. */
function naiveCounts(seed: number, resample: number, rows: number): number[] {
  const bits = rows <= 65536 ? 16n : 32n;
  const counts = new Array<number>(rows).fill(0);
  let drawn = 0;
  for (const word of xoshiro(referencePhilox([resample, 0, 0x424f4f54, 0], seed))) {
    for (const part of bits === 16n ? [word & 0xffffn, word >> 16n] : [word]) {
      const product = part * BigInt(rows);
      const isRejected = product % (1n << bits) < (1n << bits) % BigInt(rows);
      if (isRejected || drawn === rows) continue;
      counts[Number(product >> bits)]!++;
      drawn++;
    }
    if (drawn === rows) return counts;
  }
  return counts;
}

function draw(seed: number, resample: number, rows: number): Uint32Array {
  const counts = new Uint32Array(rows);
  drawCounts(seed, resample, counts);
  return counts;
}

describe('drawCounts', () => {
  it('its twin has the published words of xoshiro128++', () => {
    const words = xoshiro([1, 2, 3, 4]);
    expect(Array.from({ length: 5 }, () => Number(words.next().value))).toEqual([
      641, 1573767, 3222811527, 3517856514, 836907274,
    ]);
  });

  it('equals its twin in big integers', () => {
    const anything = fc.tuple(
      fc.oneof(fc.nat(100), fc.maxSafeNat()),
      fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    );
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 300 }), ([seed, resample], rows) => {
        expect([...draw(seed, resample, rows)]).toEqual(naiveCounts(seed, resample, rows));
      }),
    );
    for (const rows of [65536, 65537, 70_001]) expect([...draw(5, 6, rows)]).toEqual(naiveCounts(5, 6, rows));
  });

  it('chooses rows beyond 2^21, where products no longer fit 53 bits, as its twin does', () => {
    const rows = 2 ** 21 + 12345;
    const counts = draw(3, 1, rows);
    expect(counts.reduce((sum, count) => sum + count)).toBe(rows);
    let row = 0;
    for (const word of xoshiro(referencePhilox([1, 0, 0x424f4f54, 0], 3))) {
      const product = word * BigInt(rows);
      if ((product & MASK) >= (1n << 32n) % BigInt(rows))
        expect(counts[Number(product >> 32n)]).toBeGreaterThan(0);
      if (++row === 20_000) break;
    }
  });

  it('draws every row alike, as often as a fair die would', () => {
    for (const rows of [2, 7, 100]) {
      const total = new Float64Array(rows);
      const resamples = 4000;
      for (let r = 0; r < resamples; r++) {
        draw(11, r, rows).forEach((count, row) => {
          total[row]! += count;
        });
      }
      const chi2 = total.reduce((sum, count) => sum + (count - resamples) ** 2 / resamples, 0);
      const p = chi2Sf(chi2, rows - 1);
      expect(p).toBeGreaterThan(1e-3);
      expect(p).toBeLessThan(1 - 1e-3);
    }
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('refuses the seed %s', (seed) => {
    expect(() => draw(seed, 0, 3)).toThrow(/^seed must be an integer from 0 to 2\^53 − 1, not/);
  });
});

const scored = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: -5, max: 5 }), fc.nat(3)), {
    maxLength: 30,
  })
  .map((some) => [[0, 1, 1], [1, 0, 2], [0, 3, 1], [1, 4, 0], ...some])
  .map((rows) => ({
    labels: rows.map(([label]) => label!),
    scores: rows.map(([, score]) => score!),
    counts: Uint32Array.from(rows, ([, , count]) => count!),
  }));

const replicate = <T>(values: readonly T[], counts: Uint32Array): T[] =>
  values.flatMap((value, row) => new Array<T>(counts[row]!).fill(value));

const binary = (labels: readonly number[], margins: readonly number[]): ScoredRows => ({
  objective: 'binary:logistic',
  margins: Int32Array.from(margins),
  label: Float32Array.from(labels),
  marginBits: 20,
  baseValue: 0,
});

describe('metrics of counts', () => {
  it('are those of src/metrics on the rows repeated as often, bit for bit', () => {
    const regression = (labels: readonly number[], margins: readonly number[]): ScoredRows => ({
      ...binary(labels, margins),
      objective: 'reg:squarederror',
      marginBits: 2,
    });
    fc.assert(
      fc.property(scored, ({ labels, scores, counts }) => {
        for (const [make, kind] of [
          [binary, 'binary'],
          [regression, 'regression'],
        ] as const) {
          const names = metricsFor(kind);
          const repeated = make(replicate(labels, counts), replicate(scores, counts));
          fc.pre(repeated.label.length > 1);
          const expected = scoreMargins(repeated, names);
          const actual = names.map((name) => [name, metricOfRows(make(labels, scores), name).of(counts)]);
          expect(Object.fromEntries(actual)).toEqual(expected);
        }
      }),
    );
  });

  it("multiply the rows' own weights, and are undefined where none is left", () => {
    const rows = { ...binary([0, 1, 1], [-1, 1, -1]), weight: Float32Array.of(1, 2, 5) };
    const accuracy = metricOfRows(rows, 'accuracy');
    expect(accuracy.of(Uint32Array.of(3, 1, 1))).toBe(5 / 10);
    expect(accuracy.of(Uint32Array.of(0, 0, 0))).toBeNaN();
  });

  it('the AUC by one pass is that of src/metrics, and of each row left out, bit for bit', () => {
    fc.assert(
      fc.property(scored, ({ labels, scores, counts }) => {
        const fast = aucMetric(labels, scores);
        const slow = metricOfRows(binary(labels, scores), 'auc_roc');
        expect(fast.of(counts)).toEqual(slow.of(counts));
        expect(leaveOneOut(fast)).toEqual(leaveOneOut(slow));
        expect(leaveOneOut(fast)).toEqual(leaveOneOut({ rows: fast.rows, of: fast.of }));
      }),
    );
  });

  it('the mean is that of the rows repeated as often', () => {
    fc.assert(
      fc.property(scored, ({ scores, counts }) => {
        const repeated = replicate(scores, counts);
        expect(meanMetric(scores).of(counts)).toEqual(
          repeated.reduce((sum, x) => sum + x, 0) / repeated.length,
        );
      }),
    );
  });

  it('a difference sees the same rows of both models, in resamples and left out', () => {
    fc.assert(
      fc.property(scored, ({ labels, scores, counts }) => {
        const [first, second] = [aucMetric(labels, scores), meanMetric(scores)];
        const difference = differenceOf(first, second);
        expect(difference.of(counts)).toEqual(first.of(counts) - second.of(counts));
        expect(leaveOneOut(difference)).toEqual(leaveOneOut({ rows: difference.rows, of: difference.of }));
      }),
    );
    expect(() => differenceOf(meanMetric([1, 2]), meanMetric([1]))).toThrow(/2 rows and the second 1/);
  });
});

interface BootstrapCase {
  readonly name: string;
  readonly level: number;
  readonly estimate: number;
  /** Of the resamples. */
  readonly values: readonly number[];
  readonly jackknife: readonly number[];
  readonly percentile: readonly [number, number];
  readonly bca: readonly [number, number];
  readonly standard_error: number;
}

/** A metric that has the estimate, then each of the values in turn. */
function scripted(estimate: number, values: readonly number[], jackknife: readonly number[]): RowMetric {
  const answers = [estimate, ...values];
  return {
    rows: jackknife.length,
    of: () => answers.shift()!,
    leaveOneOut: () => Float64Array.from(jackknife),
  };
}

describe.each(fixture<readonly BootstrapCase[]>('bootstrap'))('beside SciPy, $name', (expected) => {
  const { level, estimate, values, jackknife } = expected;

  it.each(['percentile', 'BCa'] as const)('the interval %s agrees', (method) => {
    const metric = scripted(estimate, values, jackknife);
    const interval = bootstrapInterval(metric, { seed: 1, resamples: values.length, level, method });
    expectClose([interval.low, interval.high], method === 'BCa' ? expected.bca : expected.percentile);
    expectClose([interval.standardError], [expected.standard_error]);
    expect(interval).toMatchObject({ estimate, method, undefinedResamples: 0 });
  });
});

describe('bootstrapInterval', () => {
  const options = { seed: 3, resamples: 300 };
  const labels = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? 1 : 0));
  const scores = labels.map((label, i) => label + ((i * 37) % 60) / 30);

  it('is the same at every call, and another for another seed', () => {
    const metric = aucMetric(labels, scores);
    const interval = bootstrapInterval(metric, options);
    expect(bootstrapInterval(metric, options)).toEqual(interval);
    expect(bootstrapInterval(metric, { ...options, seed: 4 })).not.toEqual(interval);
    expect(interval.low).toBeLessThan(interval.estimate);
    expect(interval.high).toBeGreaterThan(interval.estimate);
  });

  it('has quantiles of the metric on the rows that drawCounts draws', () => {
    const metric = meanMetric(scores);
    const values = Array.from({ length: 201 }, (_, r) => metric.of(draw(8, r, 60))).sort((a, b) => a - b);
    const { low, high } = bootstrapInterval(metric, {
      seed: 8,
      resamples: 201,
      level: 0.9,
      method: 'percentile',
    });
    expectClose([low, high], [values[10]!, values[190]!], 1e-12);
  });

  it('turns when the models change places, since both see the same resamples', () => {
    const [first, second] = [
      aucMetric(labels, scores),
      aucMetric(
        labels,
        scores.map((x) => x ** 2 % 1),
      ),
    ];
    const one = bootstrapInterval(differenceOf(first, second), { ...options, method: 'percentile' });
    const other = bootstrapInterval(differenceOf(second, first), { ...options, method: 'percentile' });
    expectClose([other.low, other.high, other.estimate], [-one.high, -one.low, -one.estimate], 1e-12);
    const same = bootstrapInterval(differenceOf(first, aucMetric(labels, scores)), options);
    expect(same).toMatchObject({ estimate: 0, low: 0, high: 0, standardError: 0, method: 'BCa' });
  });

  it('covers the mean of skewed values in about 19 samples of 20', () => {
    let held = 0;
    for (let trial = 0; trial < 200; trial++) {
      const counts = draw(trial, 0, 80);
      // Counts of draws are nearly Poisson with mean 1; their squares are skewed, with mean 2 − 1/80.
      const values = Float64Array.from(counts.subarray(0, 40), (count) => count ** 2);
      const { low, high } = bootstrapInterval(meanMetric(values), { seed: trial, resamples: 400 });
      if (low <= 2 - 1 / 80 && 2 - 1 / 80 <= high) held++;
    }
    expect(held).toBeGreaterThan(175);
    expect(held).toBeLessThan(200);
  });

  it('counts resamples on which the metric is undefined and leaves them out', () => {
    const rare = aucMetric([1, 1, 0, 0, 0, 0, 0, 0], [3, 5, 1, 2, 3, 4, 5, 6]);
    const lacking = Array.from({ length: 300 }, (_, r) => draw(3, r, 8)).filter(
      (counts) => counts[0]! + counts[1]! === 0,
    );
    expect(bootstrapInterval(rare, options).undefinedResamples).toBe(lacking.length);
    expect(lacking.length).toBeGreaterThan(0);
  });

  it('falls back on percentiles where BCa is undefined, and says so', () => {
    const onlyPositive = aucMetric([1, 0, 0, 0], [3, 1, 5, 2]);
    expect(bootstrapInterval(onlyPositive, options).method).toBe('percentile');
    const above = scripted(
      0,
      Array.from({ length: 300 }, (_, i) => i + 1),
      [1, 2, 3],
    );
    expect(bootstrapInterval(above, options).method).toBe('percentile');
  });

  const undefinedLater = () => scripted(1, new Array(300).fill(Number.NaN), [1, 2]);
  it.each<[string, () => RowMetric, object, RegExp]>([
    ['one resample', () => meanMetric([1, 2]), { resamples: 1 }, /resamples must be a whole number from 2/],
    ['a level of 0', () => meanMetric([1, 2]), { level: 0 }, /level must lie between 0 and 1/],
    ['no rows', () => meanMetric([]), {}, /metric of all 0 rows is NaN/],
    ['an undefined metric', () => meanMetric([1, Number.NaN]), {}, /metric of all 2 rows is NaN/],
    ['no defined resample', undefinedLater, {}, /undefined on 300 of 300 resamples/],
  ])('refuses %s', (_, metric, given, message) => {
    expect(() => bootstrapInterval(metric(), { ...options, ...given })).toThrow(InputError);
    expect(() => bootstrapInterval(metric(), { ...options, ...given })).toThrow(message);
  });
});
