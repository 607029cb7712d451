import { InputError } from '../errors.ts';
import { checkShare } from './checks.ts';
import { normPpf, normSf } from './distributions.ts';
import { quantile } from './quantile.ts';
import { drawCounts } from './resampling.ts';
import { leaveOneOut, type RowMetric } from './row-metric.ts';
import { meanAndSquares } from './sum.ts';

const MAX_RESAMPLES = 1e7;

export type BootstrapMethod = 'percentile' | 'BCa';

export interface BootstrapOptions {
  /** 0 … 2^53 − 1 */
  readonly seed: number;
  /** Number of resamples, 2 … 10^7; 10,000 by default. */
  readonly resamples?: number;
  /** Of confidence, between 0 and 1; 0.95 by default. */
  readonly level?: number;
  /** BCa by default. */
  readonly method?: BootstrapMethod;
}

export interface BootstrapInterval {
  /** The metric of all rows. */
  readonly estimate: number;
  /** Ends of the confidence interval. */
  readonly low: number;
  readonly high: number;
  /** Standard deviation of the resamples' values. */
  readonly standardError: number;
  /** 'percentile' also where BCa is asked for and undefined: see bcaLevels. */
  readonly method: BootstrapMethod;
  /** Resamples on which the metric was NaN or infinite; they are left out. */
  readonly undefinedResamples: number;
}

/**
 * Confidence interval of a metric by the bootstrap over rows; of the difference of two models with the metric of differenceOf. Depends
 * on nothing but metric and options. Efron, "Better bootstrap confidence intervals", JASA 1987; the values are those that
 * `scipy.stats.bootstrap` finds from the same resamples.
 * @throws InputError for options out of range, without rows, where the metric of all rows is not finite, and where fewer than two
 * resamples have a finite one.
 */
export function bootstrapInterval(
  metric: RowMetric,
  { seed, resamples = 10_000, level = 0.95, method = 'BCa' }: BootstrapOptions,
): BootstrapInterval {
  checkShare('level', level);
  if (!(Number.isInteger(resamples) && resamples >= 2 && resamples <= MAX_RESAMPLES))
    throw new InputError(
      `resamples must be a whole number from 2 to 10^7, not ${resamples}; 10000 is usual.`,
    );
  const counts = new Uint32Array(metric.rows).fill(1);
  const estimate = metric.of(counts);
  if (!Number.isFinite(estimate))
    throw new InputError(
      `The metric of all ${metric.rows} rows is ${estimate}: the bootstrap needs rows on which it is finite.`,
    );
  const drawn = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    drawCounts(seed, resample, counts);
    drawn[resample] = metric.of(counts);
  }
  return intervalOfResamples(estimate, drawn, () => leaveOneOut(metric), { level, method });
}

/**
 * The interval that the metric's values on resamples bound; bootstrapInterval without the drawing.
 * @param estimate the metric of all rows
 * @param drawn a value a resample; NaN or infinite where it is undefined
 * @param jackknife the values without each row in turn, asked for BCa alone
 * @throws InputError where fewer than two values are finite.
 */
export function intervalOfResamples(
  estimate: number,
  drawn: Float64Array,
  jackknife: () => Float64Array,
  { level, method }: Required<Pick<BootstrapOptions, 'level' | 'method'>>,
): BootstrapInterval {
  const resamples = drawn.length;
  const values = drawn.filter(Number.isFinite).sort();
  if (values.length < 2)
    throw new InputError(
      `The metric is undefined on ${resamples - values.length} of ${resamples} resamples: the rows are too few for a bootstrap.`,
    );
  const tail = (1 - level) / 2;
  const corrected = method === 'BCa' ? bcaLevels(estimate, values, jackknife(), tail) : undefined;
  const [low, high] = corrected ?? [tail, 1 - tail];
  return {
    estimate,
    low: quantile(values, low),
    high: quantile(values, high),
    standardError: Math.sqrt(meanAndSquares(values).squares / (values.length - 1)),
    method: corrected === undefined ? 'percentile' : 'BCa',
    undefinedResamples: resamples - values.length,
  };
}

/**
 * The levels of the quantiles that bound the BCa interval: corrected for bias, by the share of resamples below the estimate, and for
 * acceleration, by the skewness of the leave-one-out values.
 * @param sorted values of the resamples, ascending
 * @param jackknife values without each row in turn
 * @param tail probability on either side of the interval
 * @returns undefined where all resamples lie on one side of the estimate or a leave-one-out value is not finite.
 */
export function bcaLevels(
  estimate: number,
  sorted: Float64Array,
  jackknife: Float64Array,
  tail: number,
): readonly [number, number] | undefined {
  let doubledBelow = 0;
  for (const value of sorted) doubledBelow += value < estimate ? 2 : value === estimate ? 1 : 0;
  const share = doubledBelow / (2 * sorted.length);
  if (share === 0 || share === 1 || !jackknife.every(Number.isFinite)) return undefined;
  const bias = normPpf(share);
  const acceleration = accelerationOf(jackknife);
  const level = (probability: number) => {
    const shifted = bias + normPpf(probability);
    return normSf(-(bias + shifted / (1 - acceleration * shifted)));
  };
  return [level(tail), level(1 - tail)];
}

/** 0 where no row matters more than another. */
function accelerationOf(jackknife: Float64Array): number {
  const { mean, squares } = meanAndSquares(jackknife);
  if (squares === 0) return 0;
  let cubes = 0;
  for (const value of jackknife) cubes += (mean - value) ** 3;
  return cubes / (6 * squares ** 1.5);
}
