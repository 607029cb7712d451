import type { BoosterParams } from '../boosting/params.ts';
import { resolveParams } from '../boosting/params.ts';
import { loadFeatureList } from '../config/features.ts';
import type { LoadedConfig } from '../config/load.ts';
import { binTables, type RowRange, rowStride } from '../data/binning.ts';
import { type ExperimentData, loadExperimentData } from '../data/load.ts';
import type { BinnedDataset, Dataset, SplitName } from '../data/types.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { MetricName } from '../engine/engine.ts';
import { BudgetError } from '../errors.ts';
import type { Reporter } from './reporter.ts';

/** An experiment with its data binned, ready for any engine. */
export interface PreparedExperiment {
  readonly loaded: LoadedConfig;
  /** What is known of the tables; their columns are let go once binned. */
  readonly data: Pick<ExperimentData, 'schema' | 'sources'>;
  readonly binned: BinnedDataset;
  /** Row ranges of the parts that exist, in the order in which they lie in the binned table. */
  readonly splits: readonly {
    readonly name: SplitName;
    readonly rows: RowRange;
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
  const bins = rows * rowStride(features);
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
  const params = resolveParams({ ...config.hyperparameters, objective: config.model.objective });

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
  const others = (['val', 'test'] as const).filter((name) => data[name] !== undefined);
  const tables: [Dataset, ...Dataset[]] = [data.train, ...others.map((name) => data[name]!)];
  checkMemory(tables, params.max_depth, config.resources.max_memory_gb);
  const load_s = seconds(loadStarted);

  const binStarted = performance.now();
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  reporter.step(`Binning ${rows} rows × ${data.schema.features.length} features`);
  const { binned, ranges } = await binTables(tables, data.schema.features, {
    maxBin: params.max_bin,
    threads,
    signal,
  });
  return {
    loaded,
    data: { schema: data.schema, sources: data.sources },
    binned,
    splits: (['train', ...others] as const).map((name, i) => ({ name, rows: ranges[i]! })),
    params,
    seed: config.environment.random_seed,
    threads,
    metrics: [...new Set([config.metrics.primary, ...config.metrics.secondary])],
    lossMetric: params.objective === 'binary:logistic' ? 'logloss' : 'mse',
    timings: { load_s, bin_s: seconds(binStarted) },
  };
}
