import { join } from 'node:path';
import { stringify } from 'yaml';
import type { PartialBoost } from '../boosting/boost.ts';
import { loadConfig } from '../config/load.ts';
import { chooseEngine, type EngineChoice } from '../engine/choose.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { MetricName } from '../engine/engine.ts';
import { BudgetError, InterruptedError, type LockstepError } from '../errors.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import { trainingReport } from '../reporting/training-report.ts';
import { type BaselineResult, runBaseline, toModel } from './baseline.ts';
import { describeEnvironment, type EnvironmentRecord } from './environment.ts';
import { OutputFolder, toJson } from './output.ts';
import { type PreparedExperiment, prepareExperiment } from './prepare.ts';
import { type Reporter, silentReporter } from './reporter.ts';
import { AVAILABLE_STAGES, parseStages, type StageName } from './stages.ts';

export interface RunOptions {
  /** The experiment file. */
  readonly configPath: string;
  /** The output folder; `experiments/<name of the experiment>` by default. */
  readonly out?: string | undefined;
  /** Overrides model.backend. */
  readonly engine?: EngineChoice | undefined;
  /** All available ones by default. */
  readonly stages?: readonly StageName[] | undefined;
  /** `key.path=value` settings that override the file. */
  readonly overrides?: readonly string[] | undefined;
  readonly reporter?: Reporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a finished run leaves, beside its files. */
export interface RunOutcome {
  readonly out: string;
  readonly files: readonly string[];
  readonly engine: string;
  readonly fingerprints: { readonly baseline: string };
  readonly metrics: { readonly baseline: SplitMetrics };
  readonly primary: MetricName;
  readonly baseline: BaselineResult;
  readonly warnings: readonly string[];
}

/** Round-by-round scores and final metrics under the protocol's file names. */
async function writeMetrics(output: OutputFolder, baseline: BaselineResult): Promise<void> {
  const files = { train: 'training_metrics', val: 'validation_metrics', test: 'test_metrics' } as const;
  for (const [split, file] of Object.entries(files) as [keyof typeof files, string][]) {
    const values = baseline.metrics[split];
    if (values !== undefined)
      await output.writeDeliverable(`metrics/${file}.json`, toJson({ baseline: values }));
  }
  await output.writeDeliverable('metrics/history.json', toJson({ baseline: baseline.history }));
  if (Object.keys(baseline.details).length > 0) {
    await output.writeDeliverable('metrics/curves.json', toJson({ baseline: baseline.details }));
  }
}

interface RunRecord {
  readonly experiment: PreparedExperiment;
  readonly environment: EnvironmentRecord;
  readonly engine: string;
  readonly warnings: readonly string[];
  readonly started: Date;
  readonly exit: number;
  readonly error?: string;
  readonly baseline?: BaselineResult;
}

/** The report's input from what the run knows. */
function reportOf(record: Omit<RunRecord, 'exit'>, baseline: BaselineResult, engine: string): string {
  const { experiment, environment } = record;
  const { config, path } = experiment.loaded;
  return trainingReport({
    name: config.experiment.name,
    description: config.experiment.description,
    engine,
    model: baseline.model,
    boosting: baseline.boosting,
    splits: experiment.splits.map(({ name, rows }) => ({ name, rows: rows.end - rows.start })),
    metricNames: [...new Set([...experiment.metrics, experiment.lossMetric])],
    metrics: baseline.metrics,
    confusion: Object.fromEntries(
      Object.entries(baseline.details).map(([split, details]) => [split, details.confusion_matrix]),
    ),
    classes: experiment.data.schema.target.classes?.map(String) ?? [],
    sources: experiment.data.sources,
    params: {
      ...baseline.model.params,
      early_stopping_rounds: config.training.early_stopping_rounds,
      random_seed: experiment.seed,
    },
    timings: { ...experiment.timings, ...baseline.timings },
    machine: `${environment.cpu}, ${environment.cpu_count} logical cores, ${environment.memory_gb} GiB, ${environment.platform}, Node ${environment.node_version}; ${experiment.threads} ${experiment.threads === 1 ? 'thread' : 'threads'}`,
    warnings: record.warnings,
    configPath: path,
  });
}

function runJson(record: RunRecord) {
  const { experiment, baseline } = record;
  return {
    experiment: experiment.loaded.config.experiment.name,
    fingerprints: baseline === undefined ? {} : { baseline: baseline.model.fingerprint },
    timings: { baseline: { ...experiment.timings, ...baseline?.timings } },
    engine: record.engine,
    threads: experiment.threads,
    exit: record.exit,
    ...(record.error !== undefined && { error: record.error }),
    seed: experiment.seed,
    started: record.started.toISOString(),
    finished: new Date().toISOString(),
    rows: Object.fromEntries(experiment.splits.map(({ name, rows }) => [name, rows.end - rows.start])),
    features: experiment.binned.features.length,
    sources: experiment.data.sources,
    environment: record.environment,
    warnings: record.warnings,
  };
}

/**
 * Runs an experiment: reads the config and the data, trains, scores, and writes the protocol's deliverables and
 * evidence package. Bad input is refused before anything is written. After an interrupt or at the end of the time
 * budget the rounds finished so far are saved as models/baseline_model.partial.json.
 *
 * @throws LockstepError; its exitCode is the command's.
 */
export async function runExperiment(options: RunOptions): Promise<RunOutcome> {
  parseStages(options.stages ?? AVAILABLE_STAGES);
  const started = new Date();
  const clock = performance.now();
  const warnings: string[] = [];
  const outer = options.reporter ?? silentReporter;
  const reporter: Reporter = {
    step: (text) => outer.step(text),
    round: (stage, event) => outer.round(stage, event),
    warn: (text) => {
      warnings.push(text);
      outer.warn(text);
    },
  };

  const loaded = await loadConfig(options.configPath, { overrides: [...(options.overrides ?? [])] });
  const { config } = loaded;
  const threads = resolveThreads(config.resources.n_jobs);
  const engine = await chooseEngine(options.engine ?? config.model.backend, { threads });
  const experiment = await prepareExperiment(loaded, reporter, options.signal);
  const environment = await describeEnvironment({
    pythonVersion: config.environment.python_version,
    cudaVersion: config.environment.cuda_version,
    python: config.environment.python,
  });
  for (const warning of environment.warnings) reporter.warn(warning);
  const output = await OutputFolder.create(options.out ?? join('experiments', config.experiment.name));
  const record = { experiment, environment: environment.record, engine: engine.kind, warnings, started };

  try {
    reporter.step(`Training the baseline on ${engine.description}`);
    const baseline = await runBaseline(experiment, engine, {
      reporter,
      signal: options.signal,
      deadline: clock + config.resources.max_time_hours * 3_600_000,
    });
    await output.writeDeliverable('models/baseline_model.json', baseline.model.toText());
    await writeMetrics(output, baseline);
    await output.writeDeliverable('configs/baseline_config.yaml', stringify(experiment.loaded.config));
    await output.writeDeliverable(
      'reports/training_report.md',
      reportOf(record, baseline, engine.description),
    );
    await output.writeJson('run.json', runJson({ ...record, exit: 0, baseline }));
    return {
      out: output.path,
      files: output.written,
      engine: engine.kind,
      fingerprints: { baseline: baseline.model.fingerprint },
      metrics: { baseline: baseline.metrics },
      primary: experiment.metrics[0]!,
      baseline,
      warnings,
    };
  } catch (error) {
    if (error instanceof InterruptedError || error instanceof BudgetError) {
      const { partial } = error as LockstepError & Partial<PartialBoost>;
      if (partial !== undefined && partial.bestRound > 0) {
        await output.write('models/baseline_model.partial.json', toModel(experiment, partial).toText());
      }
      await output.writeJson('run.json', runJson({ ...record, exit: error.exitCode, error: error.message }));
    }
    throw error;
  }
}
