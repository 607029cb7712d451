import type { MetricName } from '../config/metric-names.ts';
import { type BootstrapMethod, intervalOfResamples } from '../stats/bootstrap.ts';
import { drawCounts } from '../stats/resampling.ts';
import { leaveOneOut, type RowMetric } from '../stats/row-metric.ts';
import type { TestRows } from './compared-model.ts';
import type { Interval } from './pair-tests.ts';
import { type MetricFamily, metricFamilies } from './row-metrics.ts';

export interface BootstrapRecord extends Interval {
  readonly method: BootstrapMethod;
  readonly resamples: number;
  /** Resamples on which the metric was undefined; they are left out. */
  readonly undefined_resamples: number;
}

/** Intervals of one model on the test rows. */
export interface RowIntervals {
  readonly metrics: Readonly<Partial<Record<MetricName, BootstrapRecord>>>;
  /** Of the primary metric, first model − this one; absent for the first one. */
  readonly difference?: BootstrapRecord | undefined;
}

/** Row times resamples that an interval takes at most, but for the least number of resamples. */
const BOOTSTRAP_WORK = 2e7;
const MOST_RESAMPLES = 2000;
const LEAST_RESAMPLES = 200;
/** A metric without a fast way to leave a row out takes a pass over all rows for each. */
const SLOW_JACKKNIFE_ROWS = 1000;
/** Rows times models that are resampled together: what metrics keep of them takes some 100 bytes each. */
const ROWS_AT_ONCE = 1e6;

/** How many resamples an interval has: 2,000, fewer from 10,000 rows on, 200 from 100,000 rows on. */
export function resamplesOf(rows: number): number {
  return Math.min(MOST_RESAMPLES, Math.max(LEAST_RESAMPLES, Math.floor(BOOTSTRAP_WORK / rows)));
}

/** A metric of one model with its values. */
interface Resampled {
  readonly estimate: number;
  /** A value a resample. */
  readonly values: Float64Array;
  readonly isFast: boolean;
  readonly jackknife: () => Float64Array;
}

/** What resampling needs beside the models. */
export interface ResamplingOptions {
  readonly rows: TestRows;
  /** The metric of which differences are taken. */
  readonly primary: MetricName;
  readonly metrics: readonly MetricName[];
  readonly seed: number;
  /** Of confidence. */
  readonly level: number;
  /** Asked between resamples, so that timers and signals have their turn. */
  readonly turn: () => Promise<void>;
  /** Rows times models that are resampled together, 10^6 by default; changes nothing but time and memory. */
  readonly rowsAtOnce?: number | undefined;
}

/**
 * Bootstrap intervals of the metrics of several models, and of the differences of the first one from the others in the primary metric. All
 * of them see the same resamples, those of bootstrapInterval with the same seed, and each resample is drawn once for as many models as
 * memory allows. Metrics that are undefined on all rows, or on all resamples but one, have no interval.
 * @param predictions as ComparedModel has them; a model without any has no intervals
 */
export async function rowIntervals(
  predictions: readonly (Float64Array | undefined)[],
  options: ResamplingOptions,
): Promise<RowIntervals[]> {
  const { rows, primary, metrics, rowsAtOnce = ROWS_AT_ONCE } = options;
  const names = [...new Set([primary, ...metrics])];
  const atOnce = Math.max(1, Math.floor(rowsAtOnce / rows.labels.length));
  const found: RowIntervals[] = [];
  let first: Resampled | undefined;
  for (let start = 0; start < predictions.length; start += atOnce) {
    const batch = predictions
      .slice(start, start + atOnce)
      .map((of) => (of === undefined ? [] : metricFamilies(names, rows, of)));
    for (const resampled of await resample(batch, options)) {
      const own = resampled.get(primary);
      const apart = found.length > 0 && first && own && differenceOf(first, own);
      if (found.length === 0) first = own;
      const intervals = names.flatMap((name) => {
        const of = resampled.get(name);
        const interval = of && intervalOf(of, rows.labels.length, options.level);
        return interval === undefined ? [] : [[name, interval] as const];
      });
      found.push({
        metrics: Object.fromEntries(intervals),
        ...(apart && { difference: intervalOf(apart, rows.labels.length, options.level) }),
      });
    }
  }
  return found;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Values of the metrics of several models on the same resamples. */
async function resample(
  models: readonly (readonly MetricFamily[])[],
  { rows, primary, seed, turn }: ResamplingOptions,
): Promise<Map<MetricName, Resampled>[]> {
  const counts = new Uint32Array(rows.labels.length).fill(1);
  const resamples = resamplesOf(counts.length);
  const families = models.flat().map((family) => ({
    family,
    estimates: family.of(counts),
    values: Array.from(family.metrics, () => new Float64Array(resamples)),
  }));
  for (let r = 0; r < resamples; r++) {
    await turn();
    drawCounts(seed, r, counts);
    for (const { family, values } of families) {
      const drawn = family.of(counts);
      for (let i = 0; i < drawn.length; i++) values[i]![r] = drawn[i]!;
    }
  }
  const resampled = new Map(
    families.map(({ family, estimates, values }) => [
      family,
      Array.from(family.metrics, ([name, metric], i): [MetricName, Resampled] => [
        name,
        resampledOf(metric, estimates[i]!, values[i]!, name === primary),
      ]),
    ]),
  );
  return models.map((of) => new Map(of.flatMap((family) => resampled.get(family)!)));
}

function resampledOf(
  metric: RowMetric,
  estimate: number,
  values: Float64Array,
  isAskedAgain: boolean,
): Resampled {
  const jackknife = () => leaveOneOut(metric);
  return {
    estimate,
    values,
    isFast: metric.leaveOneOut !== undefined,
    jackknife: isAskedAgain ? once(jackknife) : jackknife,
  };
}

function differenceOf(first: Resampled, second: Resampled): Resampled {
  return {
    estimate: first.estimate - second.estimate,
    values: first.values.map((value, r) => value - second.values[r]!),
    isFast: first.isFast && second.isFast,
    jackknife() {
      const others = second.jackknife();
      return first.jackknife().map((value, row) => value - others[row]!);
    },
  };
}

function intervalOf(
  { estimate, values, isFast, jackknife }: Resampled,
  rows: number,
  level: number,
): BootstrapRecord | undefined {
  const defined = values.filter(Number.isFinite).length;
  if (rows < 2 || !Number.isFinite(estimate) || defined < 2) return undefined;
  const method = isFast || rows <= SLOW_JACKKNIFE_ROWS ? 'BCa' : 'percentile';
  const interval = intervalOfResamples(estimate, values, jackknife, { level, method });
  return {
    estimate,
    low: interval.low,
    high: interval.high,
    level,
    method: interval.method,
    resamples: values.length,
    undefined_resamples: interval.undefinedResamples,
  };
}
