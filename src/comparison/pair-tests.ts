import type { PairTestName } from '../config/comparison-tests.ts';
import { type MetricName, metricDirection } from '../metrics/metrics.ts';
import { bootstrapInterval } from '../stats/bootstrap.ts';
import { delongTest } from '../stats/delong.ts';
import { tIsf } from '../stats/distributions.ts';
import { cliffsDelta, cohensD, hedgesG, rankBiserial } from '../stats/effect-sizes.ts';
import { discordantRows, mcnemarTest } from '../stats/mcnemar.ts';
import { nadeauBengioTTest, pairedTTest } from '../stats/paired-t.ts';
import { differenceOf, type RowMetric } from '../stats/row-metric.ts';
import { wilcoxonTest } from '../stats/wilcoxon.ts';
import type { ComparedModel, TestRows } from './compared-model.ts';
import { predictedClasses } from './row-metrics.ts';

/** Tests of the models' scores on the same folds; the others are of their predictions on the same test rows. */
const FOLD_TESTS: ReadonlySet<PairTestName> = new Set(['nadeau_bengio', 'paired_ttest', 'wilcoxon']);

export const isFoldTest = (name: PairTestName) => FOLD_TESTS.has(name);

/** Ends of a confidence interval. */
export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Of confidence. */
  readonly level: number;
}

export interface BootstrapRecord extends Interval {
  readonly method: 'BCa' | 'percentile';
  readonly resamples: number;
  /** Resamples on which the metric was undefined; they are left out. */
  readonly undefined_resamples: number;
}

/** What a test of two models says; the sign of a statistic is that of first − second. */
export interface PairTestRecord {
  readonly p_value: number;
  /** By Holm's procedure over all pairs of the comparison. */
  readonly adjusted_p_value: number;
  /** adjusted_p_value < alpha. */
  readonly significant: boolean;
  /** The model that does better by this test's own measure; null where neither does. */
  readonly favours: string | null;
  readonly t_statistic?: number;
  readonly statistic?: number;
  readonly df?: number;
  readonly test_train_ratio?: number;
  readonly method?: string;
  readonly only_first?: number;
  readonly only_second?: number;
  readonly aucs?: readonly [number, number];
  readonly degenerate?: 'no difference' | 'no variance';
}

export type UnadjustedTest = Omit<PairTestRecord, 'adjusted_p_value' | 'significant'>;

/** Of first − second in the unit of the metric, or without unit. */
export interface EffectSizes {
  readonly cohens_d: number;
  /** Absent with two folds. */
  readonly hedges_g?: number;
  readonly rank_biserial: number;
  readonly cliffs_delta: number;
}

/** What the tests of one pair need. */
export interface PairSetting {
  readonly metric: MetricName;
  readonly alpha: number;
  /** Why fold scores cannot be paired; absent where they can. */
  readonly foldsReason?: string | undefined;
  readonly testTrainRatio: number;
  /** Absent where there are no test rows common to the models. */
  readonly rows?: TestRows | undefined;
}

const favoured = (first: ComparedModel, second: ComparedModel, sign: number) =>
  sign === 0 ? null : sign > 0 ? first.name : second.name;

/** The tests of two models by their scores on the same folds, without a correction for other pairs. */
export function foldTests(
  first: ComparedModel,
  second: ComparedModel,
  setting: PairSetting,
): Readonly<Record<'nadeau_bengio' | 'paired_ttest' | 'wilcoxon', UnadjustedTest>> {
  const [a, b] = [first.foldScores!, second.foldScores!];
  const { testTrainRatio } = setting;
  const sign = metricDirection(setting.metric) === 'maximize' ? 1 : -1;
  const plain = pairedTTest(a, b);
  const corrected = nadeauBengioTTest(a, b, { testTrainRatio });
  const ranks = wilcoxonTest(a, b);
  const ofT = ({ statistic, pValue, df, meanDifference, degenerate }: typeof plain) => ({
    t_statistic: statistic,
    p_value: pValue,
    df,
    favours: favoured(first, second, sign * meanDifference),
    ...(degenerate && { degenerate }),
  });
  return {
    nadeau_bengio: { ...ofT(corrected), test_train_ratio: testTrainRatio },
    paired_ttest: ofT(plain),
    wilcoxon: {
      statistic: ranks.statistic,
      p_value: ranks.pValue,
      method: ranks.method,
      favours: favoured(first, second, sign * (ranks.rankSums[0] - ranks.rankSums[1])),
      ...(ranks.degenerate && { degenerate: ranks.degenerate }),
    },
  };
}

/** The mean difference first − second over the folds with its interval by Nadeau and Bengio's corrected variance. */
export function meanDifference(first: ComparedModel, second: ComparedModel, setting: PairSetting): Interval {
  const { testTrainRatio, alpha } = setting;
  const test = nadeauBengioTTest(first.foldScores!, second.foldScores!, { testTrainRatio });
  const reach = test.standardError === 0 ? 0 : tIsf(alpha / 2, test.df) * test.standardError;
  const estimate = test.meanDifference;
  return { estimate, low: estimate - reach, high: estimate + reach, level: 1 - alpha };
}

/** Effect sizes of first − second over the folds. */
export function effectSizes(first: ComparedModel, second: ComparedModel): EffectSizes {
  const [a, b] = [first.foldScores!, second.foldScores!];
  return {
    cohens_d: cohensD(a, b),
    ...(a.length > 2 && { hedges_g: hedgesG(a, b) }),
    rank_biserial: rankBiserial(a, b),
    cliffs_delta: cliffsDelta(a, b),
  };
}

/** McNemar's test, for classifiers that both have predictions. */
export function mcnemar(first: ComparedModel, second: ComparedModel, rows: TestRows): UnadjustedTest {
  const { statistic, pValue, method, onlyFirst, onlySecond } = mcnemarTest(
    discordantRows(
      rows.labels,
      predictedClasses(rows, first.predictions!),
      predictedClasses(rows, second.predictions!),
    ),
  );
  return {
    statistic,
    p_value: pValue,
    method,
    only_first: onlyFirst,
    only_second: onlySecond,
    favours: favoured(first, second, onlyFirst - onlySecond),
  };
}

/** DeLong's test, for models of two classes that both have predictions. */
export function delong(first: ComparedModel, second: ComparedModel, rows: TestRows): UnadjustedTest {
  const test = delongTest(rows.labels, first.predictions!, second.predictions!);
  return {
    statistic: test.statistic,
    p_value: test.pValue,
    aucs: test.aucs,
    favours: favoured(first, second, test.difference),
    ...(test.degenerate && { degenerate: test.degenerate }),
  };
}

/** Row times resamples that an interval takes at most, but for the least number of resamples. */
const BOOTSTRAP_WORK = 2e7;
const MOST_RESAMPLES = 2000;
const LEAST_RESAMPLES = 200;
/** A metric without a fast way to leave a row out takes a pass over all rows for each. */
const SLOW_JACKKNIFE_ROWS = 1000;

/** How many resamples an interval has: 2,000, fewer from 10,000 rows on, 200 from 100,000 rows on. */
export function resamplesOf(rows: number): number {
  return Math.min(MOST_RESAMPLES, Math.max(LEAST_RESAMPLES, Math.floor(BOOTSTRAP_WORK / rows)));
}

/**
 * The bootstrap interval of a metric of the test rows.
 * @returns undefined where the metric is undefined on all rows, or on all resamples but one.
 */
export function bootstrap(
  metric: RowMetric,
  { seed, level, isFast }: { readonly seed: number; readonly level: number; readonly isFast: boolean },
): BootstrapRecord | undefined {
  const { rows } = metric;
  if (rows < 2 || !Number.isFinite(metric.of(new Uint32Array(rows).fill(1)))) return undefined;
  const resamples = resamplesOf(rows);
  const method = isFast || rows <= SLOW_JACKKNIFE_ROWS ? 'BCa' : 'percentile';
  const interval = bootstrapInterval(metric, { seed, resamples, level, method });
  return {
    estimate: interval.estimate,
    low: interval.low,
    high: interval.high,
    level,
    method: interval.method,
    resamples,
    undefined_resamples: interval.undefinedResamples,
  };
}

/** The bootstrap interval of the difference of two models' metrics, first − second, on the same resamples. */
export function bootstrapDifference(
  first: RowMetric,
  second: RowMetric,
  options: { readonly seed: number; readonly level: number },
): BootstrapRecord | undefined {
  const isFast = first.leaveOneOut !== undefined && second.leaveOneOut !== undefined;
  return bootstrap(differenceOf(first, second), { ...options, isFast });
}
