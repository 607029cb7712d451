import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { type BoosterParams, resolveParams } from '../boosting/params.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { kindOf, type ModelKind } from '../config/objectives.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { EngineKind, MetricName } from '../engine/engine.ts';
import { BudgetError, InputError, InterruptedError } from '../errors.ts';
import { writeError } from '../files.ts';
import { estimateMemory, loadExperiment } from '../protocol/prepare.ts';
import { type Reporter, silentReporter } from '../protocol/reporter.ts';
import { chosenEngines } from '../protocol/verify.ts';
import { PEERS, type Peer } from './job.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Measurement, measure, type Subject } from './measure.ts';
import { findPeers, type NotRun, type PythonPeers } from './peers.ts';
import { type Summary, summarize } from './summary.ts';
import { generateSynthetic, parseSynthetic, syntheticName, validationRows } from './synthetic.ts';
import { type BenchTable, BenchTableWriter, writeDatasets } from './table.ts';

export interface BenchOptions {
  /** An experiment file: its data and hyperparameters; without one, synthetic sets. */
  readonly configPath?: string | undefined;
  /** Synthetic sets, each `synth:ROWSxFEATURES`; not together with a config. */
  readonly data?: readonly string[] | undefined;
  /** Absent: every engine that can run here; the others are listed as not run. */
  readonly engines?: readonly EngineKind[] | undefined;
  /** Threads of the CPU engine and of the peers, each of them once; 1 by default. */
  readonly threads?: readonly number[] | undefined;
  /** Absent: all. Those that the Python lacks are listed as not run. */
  readonly peers?: readonly Peer[] | undefined;
  /** Command or path of the Python that has the peers; by default `environment.python` of the config, or `python3`. */
  readonly python?: string | undefined;
  /** Boosting rounds, in place of `n_estimators`, and levels, in place of `max_depth`. */
  readonly rounds?: number | undefined;
  readonly depth?: number | undefined;
  /** Computed each round on training and validation rows, by all alike; by default the primary metric, or the loss. */
  readonly metric?: string | undefined;
  /** Numbers of models to train at once, on Lockstep's engines. */
  readonly batch?: readonly number[] | undefined;
  /** Timings of each subject on each data set, 3 by default. */
  readonly repeats?: number | undefined;
  /** The longest wait for an idle machine before each timed section, in seconds; 10 by default, 0 for none. */
  readonly wait?: number | undefined;
  /** Seconds after which a timing is given up; 600 by default. */
  readonly timeout?: number | undefined;
  /** `key.path=value` settings that override the file. */
  readonly overrides?: readonly string[] | undefined;
  readonly reporter?: Reporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A data set that was measured, with the task on it. */
export interface BenchData {
  readonly name: string;
  readonly train_rows: number;
  readonly val_rows: number;
  readonly features: number;
  readonly categorical_features: number;
  readonly metric: MetricName;
  readonly seed: number;
  readonly params: BoosterParams;
}

/** A measurement with what its repeats come to; null where there is none. */
export interface BenchResult extends Measurement {
  readonly summary: Summary | null;
}

export interface BenchOutcome {
  /** When it began, in UTC. */
  readonly started: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** The Python that was asked for peers; null where none was. */
  readonly python: { readonly command: string; readonly version: string | null } | null;
  readonly settings: {
    readonly repeats: number;
    readonly wait_s: number;
    readonly timeout_s: number;
  };
  readonly data: readonly BenchData[];
  readonly results: readonly BenchResult[];
  /** Engines and peers that cannot be measured here. */
  readonly not_run: readonly NotRun[];
  readonly interrupted: boolean;
}

/** A data set that is yet to be written for the timing processes. */
interface Source {
  readonly name: string;
  readonly params: BoosterParams;
  readonly metric: MetricName;
  readonly seed: number;
  write(folder: string): Promise<BenchTable>;
}

const DEFAULT_DATA = ['synth:10000x28', 'synth:100000x50'];
const DEFAULT_SEED = 42;

/** Metrics that all libraries compute alike, by kind of model; the loss is the last. */
const COMPARABLE: Readonly<Record<ModelKind, readonly MetricName[]>> = {
  binary: ['auc_roc', 'logloss'],
  multiclass: ['logloss'],
  regression: ['mae', 'rmse'],
};

function chooseMetric(kind: ModelKind, wanted: string | undefined): MetricName {
  const names = COMPARABLE[kind];
  if (wanted === undefined) return names[0]!;
  const metric = names.find((name) => name === wanted);
  if (metric !== undefined) return metric;
  throw new InputError(
    `${wanted} is not a metric that all libraries compute alike for this task: take ${names.join(' or ')}.`,
  );
}

function syntheticSources(options: BenchOptions): Source[] {
  const { rounds, depth } = options;
  const params = resolveParams({
    objective: 'binary:logistic',
    learning_rate: 0.1,
    ...(rounds !== undefined && { n_estimators: rounds }),
    ...(depth !== undefined && { max_depth: depth }),
  });
  const metric = chooseMetric('binary', options.metric);
  const specs = new Map(
    (options.data ?? DEFAULT_DATA).map(parseSynthetic).map((spec) => [syntheticName(spec), spec]),
  );
  return Array.from(specs, ([name, { rows: train_rows, features }]) => {
    const rows = train_rows + validationRows(train_rows);
    const need = estimateMemory(rows, features, params.max_depth, 1);
    if (need > totalmem()) {
      throw new BudgetError(
        `Training on ${name} needs about ${(need / 2 ** 30).toPrecision(3)} GiB and this machine has ${(totalmem() / 2 ** 30).toPrecision(3)}: take a smaller set.`,
      );
    }
    const write = async (folder: string) => {
      const writer = new BenchTableWriter(folder);
      const label = await generateSynthetic({ rows, features, seed: DEFAULT_SEED }, async (f, values) => {
        if (options.signal?.aborted) throw new InterruptedError();
        await writer.column(f, [values]);
      });
      await writer.column('label', [label]);
      const numeric = { kind: 'numeric' } as const;
      return writer.finish({
        rows,
        train_rows,
        features: Array.from({ length: features }, () => numeric),
        weighted: false,
      });
    };
    return { name, params, metric, seed: DEFAULT_SEED, write };
  });
}

async function configSource(
  loaded: LoadedConfig,
  options: BenchOptions,
  reporter: Reporter,
): Promise<Source> {
  const { config, data, params } = await loadExperiment(loaded, reporter, options.signal);
  const kind = kindOf(params.objective);
  const { primary } = config.metrics;
  const comparable = COMPARABLE[kind];
  let metric = options.metric === undefined ? undefined : chooseMetric(kind, options.metric);
  if (metric === undefined) {
    metric = comparable.includes(primary) ? primary : comparable.at(-1)!;
    if (metric !== primary) {
      reporter.warn(
        `${primary}, the primary metric, is not one that all libraries compute alike: ${metric} stands in for it.`,
      );
    }
  }
  return {
    name: config.experiment.name,
    params,
    metric,
    seed: config.environment.random_seed,
    write: (folder) => writeDatasets(folder, data.train, data.val),
  };
}

/** The settings of a config that options stand for. */
function overridesOf({ overrides = [], rounds, depth }: BenchOptions): string[] {
  return [
    ...overrides,
    ...(rounds === undefined ? [] : [`hyperparameters.n_estimators=${rounds}`]),
    ...(depth === undefined ? [] : [`hyperparameters.max_depth=${depth}`]),
  ];
}

/** Runs `body` with a folder of its own, which is gone afterwards, even where the process is told to end at once. */
export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-')).catch((cause: unknown) => {
    throw writeError(tmpdir(), cause);
  });
  const removeNow = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeNow);
  try {
    return await body(folder);
  } finally {
    process.off('exit', removeNow);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Engines and peers, each with each number of threads, then batches. */
function subjectsOf(
  engines: readonly EngineKind[],
  peers: readonly Peer[],
  threads: readonly number[],
  batch: readonly number[],
): Subject[] {
  const own = engines.flatMap((engine) =>
    // Threads are the CPU engine's; a device is measured once.
    (engine === 'cpu' ? threads : threads.slice(0, 1)).map(
      (count): Subject => ({ library: 'lockstep', engine, threads: count }),
    ),
  );
  return [
    ...own,
    ...peers.flatMap((library) => threads.map((count): Subject => ({ library, threads: count }))),
    ...own.flatMap((subject) => batch.map((models): Subject => ({ ...subject, batch: models }))),
  ];
}

/**
 * Measures engines, thread counts and peers side by side: docs/cli.md, `lockstep bench`, says how.
 *
 * A peer that is missing, fails or takes too long is in the outcome with its reason; an abort ends the measuring and gives
 * what there is until then, with `interrupted`.
 *
 * @throws InputError for options, config or data that cannot be used; BudgetError where the data would not fit;
 *   EnvironmentError for an engine of `engines` that cannot run here
 */
export async function runBenchmark(options: BenchOptions): Promise<BenchOutcome> {
  const started = new Date().toISOString();
  const clock = performance.now();
  const reporter = options.reporter ?? silentReporter;
  const { configPath, signal, repeats = 3, wait = 10, timeout = 600, batch = [] } = options;
  if (configPath === undefined && (options.overrides ?? []).length > 0) {
    throw new InputError(
      '--set overrides keys of a config, and none is named: name one, or leave --set out.',
    );
  }
  if (configPath !== undefined && options.data !== undefined) {
    throw new InputError(
      '--data names synthetic sets and the config has data of its own: leave one of them out.',
    );
  }
  const { engines, not_run } = await chosenEngines(options.engines);
  const threads = [...new Set((options.threads ?? [1]).map(resolveThreads))];
  const loaded =
    configPath === undefined ? undefined : await loadConfig(configPath, { overrides: overridesOf(options) });
  const synthetic = loaded === undefined ? syntheticSources(options) : [];
  const machine = describeMachine();

  const wanted = options.peers ?? PEERS;
  const python = options.python ?? loaded?.config.environment.python ?? 'python3';
  const data: BenchData[] = [];
  const measurements: Measurement[][] = [];
  let found: PythonPeers | undefined;
  let interrupted = false;
  try {
    if (wanted.length > 0) {
      reporter.step(`Asking ${python} for ${wanted.join(', ')}`);
      found = await findPeers(python, wanted, signal);
    }
    const peers = wanted.filter((peer) => found?.versions[peer] !== undefined);
    const subjects = subjectsOf(engines, peers, threads, batch);
    const sources = loaded === undefined ? synthetic : [await configSource(loaded, options, reporter)];
    for (const { name, params, metric, seed, write } of sources) {
      await withFolder(async (folder) => {
        reporter.step(`Writing ${name} for all to read`);
        const table = await write(folder);
        data.push({
          name,
          train_rows: table.train_rows,
          val_rows: table.rows - table.train_rows,
          features: table.features.length,
          categorical_features: table.features.filter(({ kind }) => kind === 'categorical').length,
          metric,
          seed,
          params,
        });
        const ofSet: Measurement[] = [];
        measurements.push(ofSet);
        const plan = { data: name, table: folder, params, metric, seed, subjects, repeats, wait, timeout };
        await measure({ ...plan, python, signal, onStep: (text) => reporter.step(text) }, ofSet);
      });
    }
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    interrupted = true;
  }
  return {
    started,
    seconds: (performance.now() - clock) / 1000,
    machine,
    python: found === undefined ? null : { command: python, version: found.python },
    settings: { repeats, wait_s: wait, timeout_s: timeout },
    data,
    results: measurements.flatMap((ofSet, i) => resultsOf(ofSet, data[i]!)),
    not_run: [
      ...not_run.map(({ engine, reason }) => ({ name: `engine ${engine}`, reason })),
      ...(found?.not_run ?? []),
    ],
    interrupted,
  };
}

/** The measurements of one data set with their summaries, but for those that an abort left without a timing. */
export function resultsOf(
  measurements: readonly Measurement[],
  { train_rows, features, params }: Pick<BenchData, 'train_rows' | 'features' | 'params'>,
): BenchResult[] {
  const summaries = summarize(measurements, { train_rows, features, max_depth: params.max_depth });
  return measurements.flatMap((measurement, i) =>
    measurement.repeats.length === 0 && measurement.failure === null
      ? []
      : [{ ...measurement, summary: summaries[i] ?? null }],
  );
}
