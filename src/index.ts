/**
 * Lockstep as a library: everything that the command line does. See docs/library.md. What reads files (DuckDB) or
 * configs is loaded at its first call, so that importing this for training on arrays stays light.
 */
import './boosting/predict-native.ts';
import type { BenchOptions, BenchOutcome } from './bench/benchmark.ts';
import type { LoadOptions as ConfigOptions, LoadedConfig } from './config/load.ts';
import type { ExperimentData, LoadOptions } from './data/load.ts';
import type { Column, Schema } from './data/types.ts';
import type { OutputColumn } from './data/write.ts';
import type { CompareRunsOptions, CompareRunsOutcome } from './protocol/compare-runs.ts';
import type { RunOptions, RunOutcome } from './protocol/run.ts';
import type { SendUnsentOptions } from './protocol/track.ts';
import type { VerifyOptions, VerifyOutcome } from './protocol/verify.ts';

export type { BenchData, BenchOptions, BenchOutcome, BenchResult } from './bench/benchmark.ts';
export {
  type BoostOptions,
  type BoostResult,
  boost,
  type EarlyStopping,
  type NamedRows,
  type RoundEvent,
} from './boosting/boost.ts';
export type { MonotoneConstraints } from './boosting/constraints.ts';
export { canonicalBytes, NUMERICS_VERSION } from './boosting/fingerprint.ts';
export { exportXgboost, importXgboost, type XgboostImportOptions } from './boosting/formats/xgboost.ts';
export type { FeatureImportance } from './boosting/importance.ts';
export { Model, type Prediction, type RowValue, type TrainingResult } from './boosting/model.ts';
export {
  type BoosterParams,
  DEFAULT_PARAMS,
  fitParams,
  type GivenParams,
  resolveParams,
} from './boosting/params.ts';
export type { AsyncOptions } from './boosting/predict.ts';
export { type TrainingArrays, type TrainOptions, type TrainOutcome, train } from './boosting/train.ts';
export { type Calibration, type CalibrationBin, calibration } from './comparison/calibration.ts';
export { type Comparison, type ComparisonOptions, compareModels } from './comparison/compare.ts';
export type { ComparedModel, TestRows } from './comparison/compared-model.ts';
export type { Decision } from './comparison/decide.ts';
export type { DecidingTest } from './config/comparison-tests.ts';
export { ConfigError, type ConfigIssue } from './config/config-error.ts';
export type { LoadedConfig } from './config/load.ts';
export { metricDirection } from './config/metric-names.ts';
export type { ModelKind } from './config/objectives.ts';
export type { ExperimentConfig } from './config/schema.ts';
export { type ArrayColumn, type ArrayOptions, datasetFromArrays } from './data/arrays.ts';
export { type BinningOptions, binDataset } from './data/binning.ts';
export type { ExperimentData } from './data/load.ts';
export { kFold, splitRows } from './data/split.ts';
export type {
  BinnedDataset,
  BinnedFeature,
  Column,
  Dataset,
  FeatureSpec,
  FeatureType,
  RowSet,
  Schema,
  SplitName,
} from './data/types.ts';
export type { OutputColumn } from './data/write.ts';
export { chooseEngine, type EngineChoice, type EngineStatus, engineStatus } from './engine/choose.ts';
export { createCpuEngine } from './engine/cpu.ts';
export type {
  AdvanceOptions,
  Engine,
  EngineKind,
  MetricName,
  Objective,
  ResidentDataset,
  RoundResult,
  TrainingBatch,
  TrainingJob,
  TreeEnsemble,
  TreeParams,
} from './engine/engine.ts';
export type { Combiner } from './ensemble/combine.ts';
export { EnsembleModel, type Member } from './ensemble/ensemble-model.ts';
export { type FitOptions, type FittedEnsemble, fitEnsemble } from './ensemble/fit.ts';
export { loadModel } from './ensemble/load.ts';
export {
  ENSEMBLE_METHODS,
  type EnsembleMethod,
  fitCombiner,
  type MethodOptions,
} from './ensemble/methods.ts';
export { type MemberOutputs, outputsOfMargins } from './ensemble/outputs.ts';
export type { PassedFeature } from './ensemble/passthrough.ts';
export type { JudgedOutputs, Truth } from './ensemble/truth.ts';
export {
  BudgetError,
  CheckFailedError,
  EnvironmentError,
  ExitCode,
  InputError,
  InterruptedError,
  LockstepError,
} from './errors.ts';
export { metricsFor } from './metrics/metrics.ts';
export {
  type ClassConfusion,
  type ConfusionMatrix,
  classConfusion,
  confusionMatrix,
  type ScoredRows,
  scoreMargins,
} from './metrics/score.ts';
export type { CompareRunsOptions, CompareRunsOutcome } from './protocol/compare-runs.ts';
export type { Reporter } from './protocol/reporter.ts';
export type { RunOptions, RunOutcome } from './protocol/run.ts';
export { STAGES, type StageName } from './protocol/stages.ts';
export type { SendUnsentOptions } from './protocol/track.ts';
export type { VerifyOptions, VerifyOutcome } from './protocol/verify.ts';
export {
  type BootstrapInterval,
  type BootstrapMethod,
  type BootstrapOptions,
  bootstrapInterval,
} from './stats/bootstrap.ts';
export { type AucInterval, aucInterval, type DeLongTest, delongTest } from './stats/delong.ts';
export { cliffsDelta, cohensD, hedgesG, rankBiserial } from './stats/effect-sizes.ts';
export {
  averageRanks,
  bestByRank,
  type FriedmanTest,
  friedmanTest,
  type ScoreTable,
} from './stats/friedman.ts';
export { type DiscordantRows, discordantRows, type McNemarTest, mcnemarTest } from './stats/mcnemar.ts';
export { criticalDifference, criticalDifferenceGroups, nemenyiTest } from './stats/nemenyi.ts';
export {
  type Degenerate,
  nadeauBengioTTest,
  type PairedTTest,
  pairedTTest,
  type ResamplingOptions,
} from './stats/paired-t.ts';
export {
  type Against,
  comparePairs,
  compareRanks,
  holm,
  type PairComparison,
  type PairedTest,
} from './stats/pairwise.ts';
export { aucMetric, differenceOf, meanMetric, metricOfRows, type RowMetric } from './stats/row-metric.ts';
export { type WilcoxonTest, wilcoxonTest } from './stats/wilcoxon.ts';
export { parameterImportances } from './tuning/importance.ts';
export { openStorage } from './tuning/open-storage.ts';
export type { Pruner } from './tuning/pruner.ts';
export { createPruner, type PrunerConfig } from './tuning/pruners/create.ts';
export { createSampler, type SamplerConfig } from './tuning/samplers/create.ts';
export type { Sampler } from './tuning/samplers/sampler.ts';
export { bestTrial, runSearch, type SearchOptions } from './tuning/search.ts';
export type { Choice, Dimension, Distribution, SearchSpace } from './tuning/space.ts';
export type { StudyStorage } from './tuning/storage.ts';
export { Study, type StudyOptions, type TrialResult } from './tuning/study.ts';
export { type SweepOptions, type SweepOutcome, sweep } from './tuning/sweep.ts';
export type { Direction, Trial, TrialState } from './tuning/trial.ts';

/** Runs the experiment of a config file: see `lockstep run` in docs/cli.md. */
export async function runExperiment(options: RunOptions): Promise<RunOutcome> {
  return (await import('./protocol/run.ts')).runExperiment(options);
}

/** Trains an experiment's baseline on every engine and thread count and compares fingerprints: see `lockstep verify`. */
export async function verifyDeterminism(options: VerifyOptions): Promise<VerifyOutcome> {
  return (await import('./protocol/verify.ts')).verifyDeterminism(options);
}

/** Compares the models of finished runs: see `lockstep compare` in docs/cli.md. */
export async function compareRuns(options: CompareRunsOptions): Promise<CompareRunsOutcome> {
  return (await import('./protocol/compare-runs.ts')).compareRuns(options);
}

/** Sends the runs of an output folder that their MLflow servers have not got yet: see `lockstep track` in docs/cli.md. */
export async function sendUnsent(
  folder: string,
  options: SendUnsentOptions,
): Promise<{ readonly sent: number }> {
  return (await import('./protocol/track.ts')).sendUnsent(folder, options);
}

/** Times engines, thread counts and peers side by side: see `lockstep bench` in docs/cli.md. */
export async function runBenchmark(options: BenchOptions = {}): Promise<BenchOutcome> {
  return (await import('./bench/benchmark.ts')).runBenchmark(options);
}

/**
 * Reads and checks a config file.
 * @throws ConfigError listing all errors of the file with line and column.
 */
export async function loadConfig(path: string, options?: ConfigOptions): Promise<LoadedConfig> {
  return (await import('./config/load.ts')).loadConfig(path, options);
}

/**
 * Reads the tables of an experiment: docs/data.md has the rules.
 * @throws InputError for data that cannot be used.
 */
export async function loadExperimentData(options: LoadOptions): Promise<ExperimentData> {
  return (await import('./data/load.ts')).loadExperimentData(options);
}

/**
 * Reads the features of a table through a model's schema; no target is needed.
 * @throws InputError for a missing column or values that cannot be used.
 */
export async function loadForPrediction(
  path: string,
  schema: Schema,
  options?: { query?: string; signal?: AbortSignal },
): Promise<{ rows: number; columns: readonly Column[] }> {
  return (await import('./data/load.ts')).loadForPrediction(path, schema, options);
}

/** Writes columns as CSV or Parquet, by the ending of the file's name, whole or not at all. */
export async function writePredictions(path: string, columns: readonly OutputColumn[]): Promise<void> {
  return (await import('./data/write.ts')).writePredictions(path, columns);
}
