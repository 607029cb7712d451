import type { BoosterParams } from '../boosting/params.ts';
import { fitParams, resolveParams } from '../boosting/params.ts';
import { loadFeatureList } from '../config/features.ts';
import { type FittedConfig, fitConfig } from '../config/fit.ts';
import type { LoadedConfig } from '../config/load.ts';
import { kindOf } from '../config/objectives.ts';
import { type BinningOptions, binTables, type RowRange, rowStride } from '../data/binning.ts';
import { type ExperimentData, loadExperimentData } from '../data/load.ts';
import type { BinnedDataset, Column, Dataset, Schema, SplitName } from '../data/types.ts';
import { resolveThreads } from '../engine/cpu.ts';
import { type Engine, type MetricName, outputsOf } from '../engine/engine.ts';
import { BudgetError } from '../errors.ts';
import { BinnedTables } from '../tuning/tables.ts';
import type { Reporter } from './reporter.ts';

/** An experiment with its data binned, ready for any engine. */
export interface PreparedExperiment {
  readonly loaded: LoadedConfig & { readonly config: FittedConfig };
  /** What is known of the tables; their columns are let go once binned, but where `columns` has them. */
  readonly data: Pick<ExperimentData, 'schema' | 'sources'>;
  readonly binned: BinnedDataset;
  /** Bins the tables with another number of bins; only where max_bin is searched, as the columns stay in memory for it. */
  readonly binAgain?: ((maxBin: number) => Promise<BinnedDataset>) | undefined;
  /** Group number of each training row, where data.group names a column. */
  readonly groups?: Int32Array | undefined;
  /** Row ranges of the parts that exist, in the order in which they lie in the binned table. */
  readonly splits: readonly {
    readonly name: SplitName;
    readonly rows: RowRange;
    /** The features, only where prepareExperiment is told to keep them. */
    readonly columns?: readonly Column[] | undefined;
  }[];
  readonly params: BoosterParams;
  readonly seed: number;
  readonly threads: number;
  /** The primary metric first. */
  readonly metrics: readonly MetricName[];
  readonly lossMetric: MetricName;
  readonly timings: { readonly load_s: number; readonly bin_s: number };
}

/** An experiment's data in an engine, with each number of bins that its models ask for; the caller disposes of them. */
export function experimentTables(experiment: PreparedExperiment, engine: Engine): BinnedTables {
  const { binned, params, binAgain } = experiment;
  return new BinnedTables(engine, async (maxBin) => (maxBin === params.max_bin ? binned : binAgain!(maxBin)));
}

/** Bytes that the histograms of one model take at most. */
export const histogramBytes = (features: number, depth: number) => (depth + 2) * features * 256 * 16;

/**
 * Rough peak of training in bytes: columns, bins, and for one model 12 bytes a row and 20 for each of its outputs, with 12
 * more for several while they are scored.
 */
export function estimateMemory(rows: number, features: number, depth: number, outputs: number): number {
  const columns = rows * features * 4;
  const bins = rows * rowStride(features);
  const model = rows * (12 + outputs * (outputs > 1 ? 32 : 20));
  return 2 * columns + bins + model + histogramBytes(features, depth);
}

function checkMemory(parts: readonly Dataset[], params: BoosterParams, limitGb: number): void {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const features = parts[0]!.columns.length;
  const estimate = estimateMemory(rows, features, params.max_depth, outputsOf(params)) / 2 ** 30;
  if (estimate > limitGb) {
    throw new BudgetError(
      `Training on ${rows} rows × ${features} features needs about ${estimate.toPrecision(3)} GiB, more than resources.max_memory_gb ${limitGb}: raise it, or use fewer rows (data.query) or features.`,
    );
  }
}

/** What a user should hear about the classes that were found. */
function classWarnings({ schema, val }: ExperimentData, config: FittedConfig, chosen: boolean): string[] {
  const { name, classes } = schema.target;
  if (classes === undefined || kindOf(config.model.objective) !== 'multiclass') return [];
  const warnings: string[] = [];
  if (!chosen && classes.some((value) => typeof value === 'number' && !Number.isInteger(value))) {
    warnings.push(
      `The target ${name} has ${classes.length} numbers, which are taken as classes; if it is a quantity, set model.task_type to regression.`,
    );
  }
  const found = new Set(val?.label);
  const absent = classes.find((_, c) => !found.has(c));
  if (val !== undefined && absent !== undefined && config.metrics.primary === 'auc_roc') {
    warnings.push(
      `The validation rows have none of the class ${absent}, so that auc_roc, the primary metric, is undefined on them and cannot stop the training early.`,
    );
  }
  return warnings;
}

const seconds = (from: number) => (performance.now() - from) / 1000;

/** An experiment's tables, read and checked but not binned. */
export interface LoadedExperiment {
  readonly config: FittedConfig;
  readonly data: ExperimentData;
  readonly params: BoosterParams;
}

/**
 * Reads and checks the data of a config.
 * @throws InputError for data that cannot be used, BudgetError where training would not fit max_memory_gb,
 *   InterruptedError on abort.
 */
export async function loadExperiment(
  loaded: LoadedConfig,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<LoadedExperiment> {
  const { config: given } = loaded;
  reporter.step(`Reading ${given.data.train_path}`);
  const features = given.data.features === undefined ? undefined : await loadFeatureList(given.data.features);
  const data = await loadExperimentData({
    trainPath: given.data.train_path,
    valPath: given.data.val_path,
    testPath: given.data.test_path,
    query: given.data.query,
    features,
    target: given.data.target,
    weight: given.data.weight,
    group: given.data.group,
    taskType: given.model.task_type,
    split: given.data.split,
    seed: given.environment.random_seed,
    signal,
  });
  for (const warning of data.warnings) reporter.warn(warning);
  const config = fitConfig(loaded, data.schema.target.classes?.length);
  const params = fitParams(
    resolveParams({ ...config.hyperparameters, objective: config.model.objective }),
    data.schema,
  );
  for (const warning of classWarnings(data, config, given.model.objective !== undefined))
    reporter.warn(warning);
  checkMemory(tablesOf(data), params, config.resources.max_memory_gb);
  return { config, data, params };
}

const SPLITS = ['train', 'val', 'test'] as const;

/** The tables that there are, in the order of SPLITS. */
function tablesOf({ train, val, test }: ExperimentData): [Dataset, ...Dataset[]] {
  return [train, ...[val, test].filter((table) => table !== undefined)];
}

/** A function of its own, so that nothing else keeps hold of the tables. */
function binner(
  tables: readonly [Dataset, ...Dataset[]],
  features: Schema['features'],
  options: Omit<BinningOptions, 'maxBin'>,
): (maxBin: number) => Promise<BinnedDataset> {
  return async (maxBin) => (await binTables(tables, features, { ...options, maxBin })).binned;
}

/**
 * Reads, checks and bins the data of a config.
 * @param keepColumns whether the features stay in memory, for ensembles that see them
 * @throws InputError for data that cannot be used, BudgetError where training would not fit max_memory_gb,
 *   InterruptedError on abort.
 */
export async function prepareExperiment(
  loaded: LoadedConfig,
  reporter: Reporter,
  signal?: AbortSignal,
  keepColumns = false,
): Promise<PreparedExperiment> {
  const threads = resolveThreads(loaded.config.resources.n_jobs);

  const loadStarted = performance.now();
  const { config, data, params } = await loadExperiment(loaded, reporter, signal);
  const load_s = seconds(loadStarted);

  const binStarted = performance.now();
  const tables = tablesOf(data);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  reporter.step(`Binning ${rows} rows × ${data.schema.features.length} features`);
  const { features } = data.schema;
  const { binned, ranges } = await binTables(tables, features, { maxBin: params.max_bin, threads, signal });
  const searchesBins = 'max_bin' in config.optimization.search_space;
  return {
    loaded: { ...loaded, config },
    data: { schema: data.schema, sources: data.sources },
    binned,
    binAgain: searchesBins ? binner(tables, features, { threads, signal }) : undefined,
    groups: data.groups,
    splits: SPLITS.filter((name) => data[name] !== undefined).map((name, i) => ({
      name,
      rows: ranges[i]!,
      ...(keepColumns && { columns: data[name]!.columns }),
    })),
    params,
    seed: config.environment.random_seed,
    threads,
    metrics: [config.metrics.primary, ...config.metrics.secondary],
    lossMetric: kindOf(params.objective) === 'regression' ? 'mse' : 'logloss',
    timings: { load_s, bin_s: seconds(binStarted) },
  };
}
