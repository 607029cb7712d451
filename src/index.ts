/** Lockstep as a library: everything that the command line does. See docs/library.md. */
export {
  type BoostOptions,
  type BoostResult,
  boost,
  type EarlyStopping,
  type NamedRows,
  type RoundEvent,
} from './boosting/boost.ts';
export { canonicalBytes, NUMERICS_VERSION } from './boosting/fingerprint.ts';
export type { FeatureImportance } from './boosting/importance.ts';
export { Model, type RowValue, type TrainingResult } from './boosting/model.ts';
export { type BoosterParams, DEFAULT_PARAMS, resolveParams } from './boosting/params.ts';
export { type TrainingArrays, type TrainOptions, type TrainOutcome, train } from './boosting/train.ts';
export { ConfigError, type ConfigIssue, type LoadedConfig, loadConfig, parseConfig } from './config/load.ts';
export { metricDirection } from './config/metric-names.ts';
export type { ExperimentConfig } from './config/schema.ts';
export { type BinningOptions, binDataset } from './data/binning.ts';
export {
  datasetFromArrays,
  type ExperimentData,
  loadExperimentData,
  loadForPrediction,
} from './data/load.ts';
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
export { writePredictions } from './data/write.ts';
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
export { type ConfusionMatrix, confusionMatrix, type ScoredRows, scoreMargins } from './metrics/score.ts';
export type { Reporter } from './protocol/reporter.ts';
export { type RunOptions, type RunOutcome, runExperiment, STAGES, type StageName } from './protocol/run.ts';
export { type VerifyOptions, type VerifyOutcome, verifyDeterminism } from './protocol/verify.ts';
