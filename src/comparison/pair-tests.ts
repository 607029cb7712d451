import type { PairTestName } from '../config/comparison-tests.ts';
import { type MetricName, metricDirection } from '../metrics/metrics.ts';
import { delongOfPlacements } from '../stats/delong.ts';
import { tIsf } from '../stats/distributions.ts';
import { cliffsDelta, cohensD, hedgesG, rankBiserial } from '../stats/effect-sizes.ts';
import { discordantRows, mcnemarTest } from '../stats/mcnemar.ts';
import { nadeauBengioTTest, pairedTTest } from '../stats/paired-t.ts';
import { type Placements, placements } from '../stats/placements.ts';
import { wilcoxonTest } from '../stats/wilcoxon.ts';
import type { ComparedModel, TestRows } from './compared-model.ts';
import { predictedClasses } from './row-metrics.ts';

/** Tests of the models' predictions on the same test rows. */
const ROW_TESTS = ['mcnemar', 'delong'] as const;
type RowTestName = (typeof ROW_TESTS)[number];

/** Whether a test is one of the models' scores on the same folds; the others are of their predictions on the same test rows. */
export const isFoldTest = (name: PairTestName): name is Exclude<PairTestName, RowTestName> =>
  !(ROW_TESTS as readonly PairTestName[]).includes(name);

/** Ends of a confidence interval. */
export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Of confidence. */
  readonly level: number;
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
}

/** A model with its predictions of the test rows. */
export interface Predicted {
  readonly name: string;
  readonly predictions: Float64Array;
}

type Named = Pick<ComparedModel, 'name'>;

const favoured = (first: Named, second: Named, sign: number) =>
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

/** Why a test cannot run on the test rows; undefined where it can. */
export function rowProblem(name: RowTestName, { kind, labels, weights }: TestRows): string | undefined {
  if (kind === 'regression') return 'it is for classifiers';
  if (name === 'delong') {
    if (kind !== 'binary') return 'it is for two classes';
    let positives = 0;
    for (let row = 0; row < labels.length; row++) positives += labels[row]!;
    if (positives < 2 || labels.length - positives < 2)
      return `it needs 2 test rows of each class, and there are ${positives} and ${labels.length - positives}`;
  }
  for (let row = 1; row < (weights?.length ?? 0); row++)
    if (weights![row] !== weights![0])
      return 'it counts all rows alike, and the test rows have weights that differ; the bootstrap heeds them';
  return undefined;
}

/** Tests of one model against others by their predictions of the same rows; what they need of the one is made once. */
export class RowTests {
  readonly #rows: TestRows;
  readonly #first: Predicted;
  readonly #classes: Uint8Array | undefined;
  readonly #placements: Placements | undefined;

  constructor(rows: TestRows, first: Predicted) {
    this.#rows = rows;
    this.#first = first;
    if (rowProblem('mcnemar', rows) === undefined) this.#classes = predictedClasses(rows, first.predictions);
    if (rowProblem('delong', rows) === undefined)
      this.#placements = placements(rows.labels, first.predictions);
  }

  /** The tests that the rows allow: McNemar's for classifiers, DeLong's for two classes. */
  against(second: Predicted): Partial<Record<RowTestName, UnadjustedTest>> {
    return {
      ...(this.#classes && { mcnemar: this.#mcnemar(this.#classes, second) }),
      ...(this.#placements && { delong: this.#delong(this.#placements, second) }),
    };
  }

  #mcnemar(classes: Uint8Array, second: Predicted): UnadjustedTest {
    const others = predictedClasses(this.#rows, second.predictions);
    const test = mcnemarTest(discordantRows(this.#rows.labels, classes, others));
    return {
      statistic: test.statistic,
      p_value: test.pValue,
      method: test.method,
      only_first: test.onlyFirst,
      only_second: test.onlySecond,
      favours: favoured(this.#first, second, test.onlyFirst - test.onlySecond),
    };
  }

  #delong(placed: Placements, second: Predicted): UnadjustedTest {
    const { labels } = this.#rows;
    const test = delongOfPlacements(labels, placed, placements(labels, second.predictions));
    return {
      statistic: test.statistic,
      p_value: test.pValue,
      aucs: test.aucs,
      favours: favoured(this.#first, second, test.difference),
      ...(test.degenerate && { degenerate: test.degenerate }),
    };
  }
}
