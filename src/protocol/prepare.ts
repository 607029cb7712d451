import type { BoosterParams } from '../boosting/params.ts';
import { fitParams, resolveParams } from '../boosting/params.ts';
import { loadFeatureList } from '../config/features.ts';
import type { LoadedConfig } from '../config/load.ts';
import { binDataset } from '../data/binning.ts';
import { concatDatasets } from '../data/concat.ts';
import { type ExperimentData, loadExperimentData } from '../data/load.ts';
import type { BinnedDataset, Dataset, RowSet, SplitName } from '../data/types.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { MetricName } from '../engine/engine.ts';
import { BudgetError } from '../errors.ts';
import type { Reporter } from './reporter.ts';

/** An experiment with its data binned, ready for any engine. */
export interface PreparedExperiment {
  readonly loaded: LoadedConfig;
  readonly data: ExperimentData;
  readonly binned: BinnedDataset;
  /** Row ranges of the parts that exist, in the order in which they lie in the binned table. */
  readonly splits: readonly {
    readonly name: SplitName;
    readonly rows: { readonly start: number; readonly end: number };
  }[];
  readonly params: BoosterParams;
  readonly seed: number;
  readonly threads: number;
  /** The primary metric first. */
  readonly metrics: readonly MetricName[];
  readonly lossMetric: MetricName;
  readonly timings: { readonly load_s: number; readonly bin_s: number };
}

/** Rough peak of training in bytes: columns, bins, and 28 bytes a row for one model. */
export function estimateMemory(rows: number, features: number, depth: number): number {
  const columns = rows * features * 4;
  const bins = rows * Math.ceil(features / 4) * 4;
  const histograms = (depth + 2) * features * 256 * 16;
  return 2 * columns + bins + 28 * rows + histograms;
}

function checkMemory(parts: readonly Dataset[], depth: number, limitGb: number): void {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const features = parts[0]!.columns.length;
  const estimate = estimateMemory(rows, features, depth) / 2 ** 30;
  if (estimate > limitGb) {
    throw new BudgetError(
      `Training on ${rows} rows × ${features} features needs about ${estimate.toPrecision(3)} GiB, more than resources.max_memory_gb ${limitGb}: raise it, or use fewer rows (data.query) or features.`,
    );
  }
}

const seconds = (from: number) => (performance.now() - from) / 1000;

/**
 * Reads, checks and bins the data of a config.
 * @throws InputError for data that cannot be used, BudgetError where training would not fit max_memory_gb,
 *   InterruptedError on abort.
 */
export async function prepareExperiment(
  loaded: LoadedConfig,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<PreparedExperiment> {
  const { config } = loaded;
  const threads = resolveThreads(config.resources.n_jobs);
  const given = resolveParams({ ...config.hyperparameters, objective: config.model.objective });

  const loadStarted = performance.now();
  reporter.step(`Reading ${config.data.train_path}`);
  const features =
    config.data.features === undefined ? undefined : await loadFeatureList(config.data.features);
  const data = await loadExperimentData({
    trainPath: config.data.train_path,
    valPath: config.data.val_path,
    testPath: config.data.test_path,
    query: config.data.query,
    features,
    target: config.data.target,
    weight: config.data.weight,
    group: config.data.group,
    taskType: config.model.task_type,
    split: config.data.split,
    seed: config.environment.random_seed,
    signal,
  });
  for (const warning of data.warnings) reporter.warn(warning);
  const params = fitParams(given, data.schema);
  const parts = [
    { name: 'train' as const, part: data.train },
    { name: 'val' as const, part: data.val },
    { name: 'test' as const, part: data.test },
  ].flatMap(({ name, part }) => (part === undefined ? [] : [{ name, part }]));
  const tables = parts.map(({ part }) => part);
  checkMemory(tables, params.max_depth, config.resources.max_memory_gb);
  const joined = concatDatasets(tables);
  const load_s = seconds(loadStarted);

  const binStarted = performance.now();
  reporter.step(`Binning ${joined.data.rows} rows × ${joined.data.columns.length} features`);
  const binned = await binDataset(joined.data, data.schema.features, {
    training: joined.ranges[0] as RowSet,
    maxBin: params.max_bin,
    threads,
    signal,
  });
  return {
    loaded,
    data,
    binned,
    splits: parts.map(({ name }, i) => ({ name, rows: joined.ranges[i] as { start: number; end: number } })),
    params,
    seed: config.environment.random_seed,
    threads,
    metrics: [...new Set([config.metrics.primary, ...config.metrics.secondary])],
    lossMetric: params.objective === 'binary:logistic' ? 'logloss' : 'mse',
    timings: { load_s, bin_s: seconds(binStarted) },
  };
}
