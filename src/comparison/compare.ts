import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DecidingTest, PAIR_TESTS, type PairTestName } from '../config/comparison-tests.ts';
import { InputError, InterruptedError } from '../errors.ts';
import { type Direction, type MetricName, metricDirection } from '../metrics/metrics.ts';
import { overfittingRatio } from '../metrics/overfitting.ts';
import { friedmanTest, averageRanks as ranksOf } from '../stats/friedman.ts';
import { criticalDifference, criticalDifferenceGroups, nemenyiTest } from '../stats/nemenyi.ts';
import { compareRanks, holm } from '../stats/pairwise.ts';
import { meanAndSquares } from '../stats/sum.ts';
import { type Calibration, calibration } from './calibration.ts';
import {
  type Basis,
  type ComparedModel,
  meanOf,
  predictionsOf,
  type Ranking,
  rankModels,
  scoreOn,
  type TestRows,
} from './compared-model.ts';
import { type Decision, decide } from './decide.ts';
import { type BootstrapRecord, type RowIntervals, rowIntervals } from './intervals.ts';
import {
  type EffectSizes,
  effectSizes,
  foldTests,
  type Interval,
  isFoldTest,
  meanDifference,
  type PairSetting,
  type PairTestRecord,
  RowTests,
  rowProblem,
  type UnadjustedTest,
} from './pair-tests.ts';
import { verdictOf } from './verdict.ts';

/** Of more models than these, the best are shown in full: intervals, curves, and the test of all pairs. */
export const SHOWN_MODELS = 20;

/** How models are compared. */
export interface ComparisonOptions {
  /** The primary metric, of which fold scores are. */
  readonly metric: MetricName;
  /** Metrics that get an interval on the test rows; the primary one in any case. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** The test that decides; by default Nadeau and Bengio's for two models and Friedman's with Holm's correction for more. */
  readonly test?: DecidingTest | 'auto' | undefined;
  /** Significance level, between 0 and 1; 0.05 by default. Intervals have confidence 1 − alpha. */
  readonly alpha?: number | undefined;
  /** Test rows over training rows of a fold; 1 / (k − 1) by default, as in k-fold cross-validation. */
  readonly testTrainRatio?: number | undefined;
  /** Why scores on folds are not paired though all models have some, such as other folds. */
  readonly unpairedFolds?: string | undefined;
  /** Rows of the models' predictions; their absence is explained by `noRows`. */
  readonly rows?: TestRows | undefined;
  readonly noRows?: string | undefined;
  /** Least ratio of validation to training score, inverted for minimised metrics; 0 is off, 0.9 the default. */
  readonly overfittingRatio?: number | undefined;
  /** Of the bootstrap, 0 … 2^53 − 1; 0 by default. */
  readonly seed?: number | undefined;
  /** What readers should heed, copied into the result. */
  readonly caveats?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One model of a comparison. Absent: not known. JSON has null for NaN. */
export interface ExperimentRecord {
  /** From 1, the best. */
  readonly rank: number;
  readonly name: string;
  readonly fingerprint?: string;
  readonly cv_scores?: readonly number[];
  readonly cv_mean?: number;
  /** Sample standard deviation over the folds. */
  readonly cv_std?: number;
  readonly metrics: ComparedModel['metrics'];
  /** On the test rows, by metric; of the first SHOWN_MODELS models. */
  readonly intervals?: Readonly<Partial<Record<MetricName, BootstrapRecord>>>;
  /** Validation against training score of the primary metric. */
  readonly overfitting?: OverfittingRecord;
  readonly calibration?: Calibration;
  readonly training_seconds?: number;
  readonly bytes?: number;
  readonly latency_us?: number;
}

export interface OverfittingRecord {
  readonly train: number;
  readonly val: number;
  /** Validation / training, inverted for minimised metrics: 1 is no loss, less is worse. NaN where a score is not positive. */
  readonly ratio: number;
  /** ratio below the least one that is asked for. */
  readonly overfitted: boolean;
}

/** The best model beside another one; differences are first − second. */
export interface PairRecord {
  readonly first: string;
  readonly second: string;
  /** Over the folds, with Nadeau and Bengio's interval. */
  readonly mean_difference?: Interval;
  /** Of the primary metric on the test rows. */
  readonly test_difference?: BootstrapRecord;
  readonly effect_sizes?: EffectSizes;
  readonly tests: Readonly<Partial<Record<PairTestName, PairTestRecord>>>;
}

/** Tests of the models together; those of a pair stand here too where it is the only one. */
export interface StatisticalTests extends Readonly<Partial<Record<PairTestName, PairTestRecord>>> {
  /** Friedman's χ², as the protocol asks for three and more models. */
  readonly friedman_test?: {
    readonly statistic: number;
    readonly p_value: number;
    readonly significant: boolean;
  };
  readonly iman_davenport?: {
    readonly statistic: number;
    readonly p_value: number;
    readonly significant: boolean;
  };
  /** By model, 1 for the best. */
  readonly average_ranks?: Readonly<Record<string, number>>;
  /** After Friedman's test: the best model against each other one, corrected by Holm's procedure. */
  readonly holm?: readonly HolmRecord[];
  /** After Friedman's test: all pairs. */
  readonly nemenyi?: {
    readonly critical_difference: number;
    /** The greatest sets of models whose average ranks differ by less. */
    readonly groups: readonly (readonly string[])[];
    readonly pairs: readonly {
      readonly first: string;
      readonly second: string;
      readonly p_value: number;
      readonly significant: boolean;
    }[];
  };
}

export interface HolmRecord {
  readonly first: string;
  readonly second: string;
  /** Negative where the first model ranks better. */
  readonly z_statistic: number;
  readonly p_value: number;
  readonly adjusted_p_value: number;
  readonly significant: boolean;
}

export interface BestModel {
  readonly name: string;
  readonly metric: MetricName;
  readonly score: number;
  /** What models are ranked by. */
  readonly basis: Basis;
  /** Models that the deciding test cannot tell from it. */
  readonly tied_with: readonly string[];
  /** Of it and those, the one with the smallest model file, where that is another one. */
  readonly smallest_of_tied?: string;
}

/** A comparison, as experiment_comparison.json has it. */
export interface Comparison {
  readonly metric: MetricName;
  readonly direction: Direction;
  readonly alpha: number;
  /** From the best to the worst. */
  readonly experiments: readonly ExperimentRecord[];
  readonly best_model: BestModel;
  readonly statistical_tests: StatisticalTests;
  readonly pairs: readonly PairRecord[];
  readonly decision: Decision;
  /** The decision in words. */
  readonly verdict: string;
  readonly not_run: readonly { readonly test: string; readonly reason: string }[];
  readonly caveats: readonly string[];
}

/**
 * Compares models: ranks them by the primary metric, tests the best against the others, and says in words what follows. The result does not
 * depend on the order in which models are given. What cannot be computed is listed in `not_run` with the reason.
 * @param models one or more, with names that differ
 * @throws InputError for no models, for equal names, where the models have no score in common, where predictions do not fit the test rows,
 *   and for an alpha, ratio or seed out of range; InterruptedError on abort.
 */
export async function compareModels(
  models: readonly ComparedModel[],
  options: ComparisonOptions,
): Promise<Comparison> {
  const { metric, alpha = 0.05, caveats = [] } = options;
  if (!(alpha > 0 && alpha < 1))
    throw new InputError(`alpha must lie between 0 and 1, both excluded, not be ${alpha}; 0.05 is usual.`);
  const ranking = rankModels(models, metric);
  const ranked = ranking.models;
  const folds = foldsOf(ranked, options);
  const setting: PairSetting = {
    metric,
    alpha,
    foldsReason: folds.reason,
    testTrainRatio: options.testTrainRatio ?? 1 / (folds.count - 1),
  };
  const intervals = await intervalsOf(ranked.slice(0, SHOWN_MODELS), options);
  const experiments: ExperimentRecord[] = [];
  const pairs: UnadjustedPair[] = [];
  let first: RowTests | undefined;
  for (const [place, model] of ranked.entries()) {
    await turn(options.signal);
    const { rows } = options;
    const predictions = rows && (await predictionsOf(model, rows));
    const predicted = predictions && { name: model.name, predictions };
    experiments.push(experimentRecord(model, place, options, predictions, intervals[place]?.metrics));
    if (place === 0) {
      first = predicted && new RowTests(rows!, predicted);
    } else {
      const ofRows = first && predicted && first.against(predicted);
      pairs.push(comparePair(ranked[0]!, model, setting, ofRows, intervals[place]?.difference));
    }
  }
  const adjusted = adjustPairs(pairs, alpha);
  const together = await testTogether(ranked, setting, options.signal);
  const missing = new Map<string, string>();
  explainMissing(missing, ranked, setting, options, adjusted, together);
  const single = adjusted.length === 1 ? adjusted[0]!.tests : {};
  const tests: StatisticalTests = { ...single, ...together };
  const decision = decide({
    asked: options.test ?? 'auto',
    ranked: ranked.map(({ name }) => name),
    pairs: adjusted,
    tests,
    missing,
  });
  const best = bestModel(ranking, metric, decision);
  return {
    metric,
    direction: metricDirection(metric),
    alpha,
    experiments,
    best_model: best,
    statistical_tests: tests,
    pairs: adjusted,
    decision,
    verdict: verdictOf({ best, decision, pairs: adjusted, tests, alpha, models: ranked.length }),
    not_run: Array.from(missing, ([test, reason]) => ({ test, reason })),
    caveats,
  };
}

/** Lets timers and signals have their turn. */
async function turn(signal: AbortSignal | undefined): Promise<void> {
  await nextTurn();
  if (signal?.aborted) throw new InterruptedError();
}

/** Bootstrap intervals of the models that are shown in full; none without test rows. */
async function intervalsOf(
  shown: readonly ComparedModel[],
  { rows, metric, metrics = [], seed = 0, alpha = 0.05, signal }: ComparisonOptions,
): Promise<RowIntervals[]> {
  if (rows === undefined) return [];
  const predictions: (Float64Array | undefined)[] = [];
  for (const model of shown) predictions.push(await predictionsOf(model, rows));
  return rowIntervals(predictions, {
    rows,
    primary: metric,
    metrics,
    seed,
    level: 1 - alpha,
    turn: () => turn(signal),
  });
}

/** The common number of folds, and why their scores cannot be paired where they cannot. */
function foldsOf(
  models: readonly ComparedModel[],
  { unpairedFolds }: ComparisonOptions,
): { readonly count: number; readonly reason?: string } {
  const count = models[0]!.foldScores?.length ?? 0;
  if (unpairedFolds !== undefined) return { count, reason: unpairedFolds };
  for (const { name, foldScores } of models) {
    if (foldScores === undefined) return { count, reason: `${name} has no scores on folds` };
    if (foldScores.length !== count)
      return {
        count,
        reason: `${models[0]!.name} has ${count} fold scores and ${name} ${foldScores.length}`,
      };
    const bad = foldScores.findIndex((score) => !Number.isFinite(score));
    if (bad >= 0) return { count, reason: `the score of ${name} on fold ${bad + 1} is undefined` };
  }
  if (count < 2) return { count, reason: `scores on 2 folds at least are needed, and there are ${count}` };
  return { count };
}

function experimentRecord(
  model: ComparedModel,
  place: number,
  { metric, rows, overfittingRatio = 0.9 }: ComparisonOptions,
  predictions: Float64Array | undefined,
  intervals: ExperimentRecord['intervals'] = {},
): ExperimentRecord {
  const { name, fingerprint, foldScores, metrics } = model;
  const calibrated = rows && predictions && calibration(rows, predictions);
  const overfitting = overfittingOf(model, metric, overfittingRatio);
  return {
    rank: place + 1,
    name,
    ...(fingerprint !== undefined && { fingerprint }),
    ...(foldScores !== undefined && {
      cv_scores: foldScores,
      cv_mean: meanOf(foldScores),
      cv_std: deviation(foldScores),
    }),
    metrics,
    ...(Object.keys(intervals).length > 0 && { intervals }),
    ...(overfitting && { overfitting }),
    ...(calibrated && { calibration: calibrated }),
    ...(model.trainingSeconds !== undefined && { training_seconds: model.trainingSeconds }),
    ...(model.bytes !== undefined && { bytes: model.bytes }),
    ...(model.latencyUs !== undefined && { latency_us: model.latencyUs }),
  };
}

function deviation(scores: readonly number[]): number {
  if (scores.length < 2 || !scores.every(Number.isFinite)) return Number.NaN;
  return Math.sqrt(meanAndSquares(scores).squares / (scores.length - 1));
}

function overfittingOf(
  model: ComparedModel,
  metric: MetricName,
  least: number,
): OverfittingRecord | undefined {
  const train = scoreOn(model, 'train', metric);
  const val = scoreOn(model, 'val', metric);
  if (train === undefined || val === undefined) return undefined;
  const ratio = overfittingRatio(metric, train, val);
  return { train, val, ratio, overfitted: ratio < least };
}

type UnadjustedPair = Omit<PairRecord, 'tests'> & {
  readonly tests: Readonly<Partial<Record<PairTestName, UnadjustedTest>>>;
};

function comparePair(
  first: ComparedModel,
  second: ComparedModel,
  setting: PairSetting,
  rowTests: UnadjustedPair['tests'] | undefined,
  apart: BootstrapRecord | undefined,
): UnadjustedPair {
  const hasFolds = setting.foldsReason === undefined;
  return {
    first: first.name,
    second: second.name,
    ...(hasFolds && {
      mean_difference: meanDifference(first, second, setting),
      effect_sizes: effectSizes(first, second),
    }),
    ...(apart && { test_difference: apart }),
    tests: { ...(hasFolds && foldTests(first, second, setting)), ...rowTests },
  };
}

/** Holm's correction of each test over the pairs that have it. */
function adjustPairs(pairs: readonly UnadjustedPair[], alpha: number): PairRecord[] {
  const adjusted = new Map<PairTestName, Float64Array>();
  for (const name of PAIR_TESTS) {
    const having = pairs.filter(({ tests }) => tests[name] !== undefined);
    adjusted.set(name, holm(having.map(({ tests }) => tests[name]!.p_value)));
  }
  const next = new Map<PairTestName, number>();
  return pairs.map(({ tests, ...pair }) => ({
    ...pair,
    tests: Object.fromEntries(
      Object.entries(tests).map(([key, test]) => {
        const name = key as PairTestName;
        const place = next.get(name) ?? 0;
        next.set(name, place + 1);
        const adjustedPValue = adjusted.get(name)![place]!;
        return [name, { ...test, adjusted_p_value: adjustedPValue, significant: adjustedPValue < alpha }];
      }),
    ),
  }));
}

/** The tests of three and more models together. */
async function testTogether(
  models: readonly ComparedModel[],
  { alpha, metric, foldsReason }: PairSetting,
  signal: AbortSignal | undefined,
): Promise<StatisticalTests> {
  if (models.length < 3 || foldsReason !== undefined) return {};
  const scores = models.map(({ foldScores }) => foldScores!);
  const direction = metricDirection(metric);
  const names = models.map(({ name }) => name);
  const friedman = friedmanTest(scores);
  const record = ({ statistic, pValue }: { statistic: number; pValue: number }) => ({
    statistic,
    p_value: pValue,
    significant: pValue < alpha,
  });
  const ranks = ranksOf(scores, direction);
  await turn(signal);
  return {
    friedman_test: record(friedman),
    iman_davenport: record(friedman.imanDavenport),
    average_ranks: Object.fromEntries(names.map((name, i) => [name, ranks[i]!])),
    holm: compareRanks(scores, 0, direction).map(({ first, second, statistic, pValue, adjustedPValue }) => ({
      first: names[first]!,
      second: names[second]!,
      z_statistic: statistic,
      p_value: pValue,
      adjusted_p_value: adjustedPValue,
      significant: adjustedPValue < alpha,
    })),
    ...(models.length <= SHOWN_MODELS && { nemenyi: nemenyiOf(scores, names, ranks, alpha) }),
  };
}

function nemenyiOf(
  scores: readonly (readonly number[])[],
  names: readonly string[],
  ranks: Float64Array,
  alpha: number,
): NonNullable<StatisticalTests['nemenyi']> {
  const difference = criticalDifference(names.length, scores[0]!.length, alpha);
  const pValues = nemenyiTest(scores);
  return {
    critical_difference: difference,
    groups: criticalDifferenceGroups(ranks, difference).map((group) => group.map((model) => names[model]!)),
    pairs: names.flatMap((first, i) =>
      names.slice(i + 1).map((second, j) => {
        const p_value = pValues[i]![i + 1 + j]!;
        return { first, second, p_value, significant: p_value < alpha };
      }),
    ),
  };
}

/** Why tests were not run, by name. */
function explainMissing(
  missing: Map<string, string>,
  models: readonly ComparedModel[],
  { foldsReason }: PairSetting,
  { rows, noRows }: ComparisonOptions,
  pairs: readonly PairRecord[],
  together: StatisticalTests,
): void {
  if (models.length < 2) return;
  const withoutPredictions = models.find(({ predictions }) => predictions === undefined);
  const rowsReason =
    rows === undefined
      ? (noRows ?? 'there are no predictions of test rows')
      : withoutPredictions && `${withoutPredictions.name} has no predictions of the test rows`;
  for (const name of PAIR_TESTS) {
    if (pairs.every(({ tests }) => tests[name] !== undefined)) continue;
    missing.set(name, isFoldTest(name) ? foldsReason! : ((rows && rowProblem(name, rows)) ?? rowsReason!));
  }
  if (rowsReason !== undefined) missing.set('bootstrap', rowsReason);
  if (models.length < 3) {
    missing.set('friedman_test', 'it compares 3 or more models');
  } else if (together.friedman_test === undefined) {
    missing.set('friedman_test', foldsReason!);
  } else if (together.nemenyi === undefined) {
    missing.set(
      'nemenyi',
      `it is for at most ${SHOWN_MODELS} models; Holm's procedure compares the best with all`,
    );
  }
}

function bestModel({ basis, models }: Ranking, metric: MetricName, decision: Decision): BestModel {
  const best = models[0]!;
  const tied = new Set(decision.tied);
  const sized = models.filter(
    ({ name, bytes }) => bytes !== undefined && (name === best.name || tied.has(name)),
  );
  const smallest = sized.reduce<ComparedModel | undefined>(
    (least, model) => (least === undefined || model.bytes! < least.bytes! ? model : least),
    undefined,
  );
  return {
    name: best.name,
    metric,
    score: scoreOn(best, basis, metric)!,
    basis,
    tied_with: decision.tied,
    ...(best.bytes !== undefined &&
      smallest !== undefined &&
      smallest.name !== best.name && { smallest_of_tied: smallest.name }),
  };
}
