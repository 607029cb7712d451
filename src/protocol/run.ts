import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Model } from '../boosting/model.ts';
import type { Comparison } from '../comparison/compare.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import type { SplitName } from '../data/types.ts';
import { chooseEngine, type EngineChoice } from '../engine/choose.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { MetricName } from '../engine/engine.ts';
import type { EnsembleModel } from '../ensemble/ensemble-model.ts';
import { seesFeatures } from '../ensemble/methods.ts';
import { checkPassed } from '../ensemble/passthrough.ts';
import { BudgetError, ExitCode, InputError, InterruptedError, type LockstepError } from '../errors.ts';
import { removeTornFiles } from '../files.ts';
import type { GatesRecord } from '../gates/gates.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import { gatesSummary } from '../reporting/gates-report.ts';
import { trainingReport } from '../reporting/training-report.ts';
import type { RecordedRun } from '../tracking/mlflow/file-store.ts';
import { Checkpoints } from './checkpoints.ts';
import { type CompareResult, runCompare } from './compare.ts';
import { buildImage, DOCKERFILE, dockerfileText } from './docker.ts';
import { type EnsembleResult, runEnsemble, type SkippedEnsemble } from './ensemble.ts';
import { writeEnsemble, writeSkippedEnsemble } from './ensemble-output.ts';
import {
  describeEnvironment,
  ENVIRONMENT_FILE,
  type EnvironmentRecord,
  environmentInfo,
  type Surroundings,
  surroundingsOf,
} from './environment.ts';
import { writeEvidence } from './evidence.ts';
import { runGates } from './gates.ts';
import { findLockfile, type Lockfile } from './installed.ts';
import { JOURNAL_FILE, type OptimizeResult, runOptimize } from './optimize.ts';
import { writeSearch } from './optimize-output.ts';
import { EVIDENCE_FOLDER, OutputFolder, toJson } from './output.ts';
import { experimentTables, type PreparedExperiment, prepareExperiment } from './prepare.ts';
import { writeReport } from './report.ts';
import { type Reporter, silentReporter } from './reporter.ts';
import {
  BASELINE_CONFIG,
  checkRunVersion,
  METRIC_FILES,
  ofModels,
  RUN_FILE,
  RUN_FORMAT_VERSION,
  type ScoringRecord,
  scoringRecord,
} from './run-data.ts';
import { lockRunFolder } from './run-lock.ts';
import { parseStages, STAGES, type StageName } from './stages.ts';
import { testRowsOf, writeTestPredictions } from './test-predictions.ts';
import { recordRun, sendRun } from './track.ts';
import {
  baselinePlan,
  type ModelName,
  type ModelScores,
  type PartialModel,
  type TrainedModel,
  type TrainingHistory,
  toModel,
  trainAndScore,
} from './trained-model.ts';

export interface RunOptions {
  /** The experiment file. */
  readonly configPath: string;
  /** The output folder; `experiments/<name of the experiment>` by default. */
  readonly out?: string | undefined;
  /** Overrides model.backend. */
  readonly engine?: EngineChoice | undefined;
  /** All by default, but for those that the config switches off. */
  readonly stages?: readonly StageName[] | undefined;
  /** Of these stages, those that are left out. */
  readonly skip?: readonly StageName[] | undefined;
  /** Go on where a run into the folder was cut off, or with the study that it has. */
  readonly resume?: boolean | undefined;
  /** `key.path=value` settings that override the file. */
  readonly overrides?: readonly string[] | undefined;
  /** Repeats a run that has ended: without time limits, and nothing is sent to a server. */
  readonly replay?: Replay | undefined;
  readonly reporter?: Reporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What decided a run beside its config. */
export interface Replay {
  /** Sizes of the generations of its search. */
  readonly generations: readonly number[];
}

/** What a finished run leaves, beside its files. */
export interface RunOutcome {
  readonly out: string;
  readonly files: readonly string[];
  readonly engine: string;
  readonly fingerprints: Readonly<Partial<Record<ModelName, string>>>;
  readonly metrics: Readonly<Partial<Record<ModelName, SplitMetrics>>>;
  readonly primary: MetricName;
  /** Absent without the stage baseline. */
  readonly baseline?: TrainedModel;
  /** Absent without the stage optimize. */
  readonly search?: OptimizeResult;
  /** Absent without the stage ensemble, and where that had no time. */
  readonly ensemble?: EnsembleResult;
  /** Absent without the stage compare. */
  readonly comparison?: Comparison;
  /** Absent without the stage gates. */
  readonly gates?: GatesRecord;
  /** The package's folder, below `out`; absent without the stage evidence. */
  readonly evidence?: string;
  /** ExitCode.checkFailed where a gate failed. */
  readonly exit: number;
  readonly warnings: readonly string[];
}

/** What a run records of a model. */
interface RunModel extends ModelScores {
  readonly model: Model | EnsembleModel;
  readonly history?: TrainingHistory;
  /** boosting_s is the time of training the model. */
  readonly timings: Readonly<Record<string, number>> & { readonly boosting_s: number };
}

/** The models of a run, by name. */
type Models = Partial<Record<ModelName, RunModel>>;

/** Round-by-round scores and final metrics under the protocol's file names. */
async function writeMetrics(output: OutputFolder, models: Models): Promise<void> {
  for (const [split, file] of Object.entries(METRIC_FILES) as [SplitName, string][]) {
    const values = ofModels(models, ({ metrics }) => metrics[split]);
    if (Object.keys(values).length > 0) await output.writeDeliverable(file, toJson(values));
  }
  await output.writeDeliverable('metrics/history.json', toJson(ofModels(models, ({ history }) => history)));
  const curves = ofModels(models, ({ details }) => (Object.keys(details).length > 0 ? details : undefined));
  if (Object.keys(curves).length > 0) await output.writeDeliverable('metrics/curves.json', toJson(curves));
}

interface RunRecord {
  readonly experiment: PreparedExperiment;
  readonly environment: EnvironmentRecord;
  readonly engine: string;
  readonly stages: readonly StageName[];
  readonly warnings: readonly string[];
  readonly started: Date;
  readonly exit: number;
  readonly error?: string;
  readonly models?: Models;
  readonly search?: OptimizeResult | undefined;
  /** Why there is no search. */
  readonly noSearch?: string | undefined;
  readonly ensemble?: EnsembleResult | SkippedEnsemble | undefined;
  readonly scoring?: ScoringRecord;
  readonly compared?: CompareResult | undefined;
  readonly gates?: GatesRecord | undefined;
}

/** The machine and the threads used, for a report. */
function machineText(environment: EnvironmentRecord, threads: number): string {
  const { cpu, cpu_count, memory_gb, platform, node_version } = environment;
  const used = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return `${cpu}, ${cpu_count} logical cores, ${memory_gb} GiB, ${platform}, Node ${node_version}; ${used}`;
}

/** The report's input from what the run knows. */
function reportOf(record: Omit<RunRecord, 'exit'>, baseline: TrainedModel, engine: string): string {
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
    machine: machineText(environment, experiment.threads),
    warnings: record.warnings,
    configPath: path,
  });
}

/** What run.json says of the stage ensemble: what it has made and left out, or why it has made nothing. */
function ensembleJson(ensemble: EnsembleResult | SkippedEnsemble) {
  if ('skipped' in ensemble) return ensemble;
  const { fitted, best, leftOut } = ensemble;
  return { methods: fitted.map(({ method }) => method), best: best.method, left_out: leftOut };
}

function runJson(record: RunRecord) {
  const { experiment, models = {}, search, noSearch, ensemble, scoring, compared, gates } = record;
  return {
    format_version: RUN_FORMAT_VERSION,
    experiment: experiment.loaded.config.experiment.name,
    fingerprints: ofModels(models, ({ model }) => model.fingerprint),
    timings: {
      ...ofModels(models, ({ timings }) => timings),
      baseline: { ...experiment.timings, ...models.baseline?.timings },
      ...(search && { search: search.timings }),
    },
    ...(search && { trials: search.trials.length, best_trial: search.best.number }),
    ...(noSearch !== undefined && { search: { skipped: noSearch } }),
    ...(ensemble && { ensemble: ensembleJson(ensemble) }),
    engine: record.engine,
    stages: record.stages,
    threads: experiment.threads,
    exit: record.exit,
    ...(record.error !== undefined && { error: record.error }),
    seed: experiment.seed,
    started: record.started.toISOString(),
    finished: new Date().toISOString(),
    rows: Object.fromEntries(experiment.splits.map(({ name, rows }) => [name, rows.end - rows.start])),
    features: experiment.binned.features.length,
    ...(scoring && { scoring }),
    ...(compared && { latency_us: compared.latencies, best_model: compared.comparison.best_model.name }),
    ...(gates && { gates: gatesSummary(gates) }),
    sources: experiment.data.sources,
    environment: record.environment,
    warnings: record.warnings,
  };
}

/** Writes what the run took place in: environment_info.json, the lockfile and a Dockerfile. */
async function writeSurroundings(
  output: OutputFolder,
  record: Pick<RunRecord, 'experiment' | 'environment' | 'engine'> & {
    readonly surroundings: Surroundings;
    readonly lockfile: Lockfile;
    readonly models: Models;
  },
): Promise<void> {
  const { lockfile, models } = record;
  const fingerprints = ofModels(models, ({ model }) => model.fingerprint) as Record<string, string>;
  await output.writeDeliverable(ENVIRONMENT_FILE, toJson(environmentInfo({ ...record, fingerprints })));
  await output.writeDeliverable(lockfile.file, lockfile.text);
  await output.write(DOCKERFILE, dockerfileText(lockfile));
}

/**
 * The stages of a run in their order: those that were asked for, or all that the config does not switch off, but for those to be skipped.
 * @throws InputError for a stage that the config leaves nothing to do for, and where what is left cannot be run.
 */
function stagesOf(
  { stages: asked, skip = [] }: Pick<RunOptions, 'stages' | 'skip'>,
  config: LoadedConfig['config'],
): Set<StageName> {
  const { optimization, ensemble } = config;
  if (asked?.includes('ensemble') && ensemble.methods.length === 0) {
    throw new InputError('ensemble.methods is empty; name a method, or leave out the stage ensemble.');
  }
  const isOn: Partial<Record<StageName, boolean>> = {
    optimize: optimization.enabled,
    ensemble: optimization.enabled && ensemble.methods.length > 0,
    // Without a search there is neither an improvement nor a cross-validation to judge.
    gates: optimization.enabled,
  };
  const chosen = STAGES.filter((stage) => asked?.includes(stage) ?? isOn[stage] ?? true);
  return new Set(parseStages(chosen.filter((stage) => !skip.includes(stage))));
}

/**
 * Runs an experiment: reads the config and the data, trains, scores, searches, compares, and writes the protocol's deliverables and
 * evidence package. Bad input is refused before anything is written. After an interrupt or at the end of the time
 * budget the rounds finished so far are saved as models/NAME_model.partial.json, and the finished trials are in study.journal.
 *
 * @throws LockstepError; its exitCode is the command's.
 */
export async function runExperiment(options: RunOptions): Promise<RunOutcome> {
  if (options.stages !== undefined) parseStages(options.stages);
  const started = new Date();
  const clock = performance.now();
  const warnings: string[] = [];
  const outer = options.reporter ?? silentReporter;
  const reporter: Reporter = {
    step: (text) => outer.step(text),
    round: (stage, event) => outer.round(stage, event),
    search: (progress) => outer.search(progress),
    warn: (text) => {
      warnings.push(text);
      outer.warn(text);
    },
  };
  const { signal } = options;

  const loaded = await loadConfig(options.configPath, { overrides: [...(options.overrides ?? [])] });
  const { config } = loaded;
  const stages = stagesOf(options, config);
  const threads = resolveThreads(config.resources.n_jobs);
  const engine = await chooseEngine(options.engine ?? config.model.backend, { threads });
  const passes =
    stages.has('ensemble') && config.ensemble.passthrough && config.ensemble.methods.some(seesFeatures);
  const experiment = await prepareExperiment(loaded, reporter, signal, passes);
  if (passes) checkPassed(experiment.data.schema.features);
  const [environment, surroundings] = await Promise.all([
    describeEnvironment({
      pythonVersion: config.environment.python_version,
      cudaVersion: config.environment.cuda_version,
      python: config.environment.python,
    }),
    surroundingsOf(loaded),
  ]);
  for (const warning of environment.warnings) reporter.warn(warning);
  const output = await OutputFolder.create(options.out ?? join('experiments', config.experiment.name));
  await checkRunVersion(output.path);
  const record = {
    experiment,
    environment: environment.record,
    engine: engine.kind,
    stages: [...stages],
    warnings,
    started,
  };
  const { replay } = options;
  const deadline = replay === undefined ? clock + config.resources.max_time_hours * 3_600_000 : undefined;
  const lockfile = findLockfile();
  const models: Models = {};
  let search: OptimizeResult | undefined;
  let noSearch: string | undefined;
  let ensemble: EnsembleResult | undefined;
  let skipped: SkippedEnsemble | undefined;
  let baseline: TrainedModel | undefined;
  let compared: CompareResult | undefined;
  let recorded: RecordedRun | undefined;
  let searchCharts: readonly string[] = [];

  const tables = experimentTables(experiment, engine);
  const checkpoints = new Checkpoints(experiment, {
    folder: output.path,
    resume: options.resume === true,
    warn: (text) => reporter.warn(text),
  });
  const unlock = await lockRunFolder(output.path);
  try {
    await removeTornFiles(output.path);
    reporter.step(`Stages: ${[...stages].join(' → ')}`);
    if (stages.has('baseline')) {
      reporter.step(`Training the baseline on ${engine.description}`);
      const { resident } = await tables.get(experiment.params.max_bin);
      baseline = await trainAndScore(experiment, resident, baselinePlan(experiment), {
        reporter,
        signal,
        deadline,
        checkpoints,
      });
      models.baseline = baseline;
      await output.writeDeliverable('models/baseline_model.json', baseline.model.toText());
      await output.writeDeliverable(
        'reports/training_report.md',
        reportOf(record, baseline, engine.description),
      );
      await writeMetrics(output, models);
    }
    await output.writeDeliverable(BASELINE_CONFIG, stringify(experiment.loaded.config));
    if (stages.has('optimize')) {
      reporter.step(`Searching hyperparameters on ${engine.description}`);
      const { resume } = options;
      const optimizing = runOptimize(experiment, tables, {
        folder: output.path,
        resume,
        generations: replay?.generations,
        reporter,
        signal,
        deadline,
        baselineSeconds: baseline?.timings.boosting_s,
        checkpoints,
      });
      search = await optimizing.catch((error: unknown) => {
        // A baseline that fits its budgets is worth more than none.
        if (!(error instanceof BudgetError) || baseline === undefined) throw error;
        noSearch = error.message;
        reporter.warn(`there is no search: ${error.message.replace(/\.$/, '')}`);
        return undefined;
      });
    }
    if (search !== undefined) {
      models.optimized = search.optimized;
      searchCharts = await writeSearch(output, experiment, search, {
        engine: engine.description,
        machine: machineText(record.environment, threads),
        warnings,
      });
      await writeMetrics(output, models);
    }
    if (stages.has('ensemble') && search !== undefined) {
      const result = await runEnsemble(experiment, tables, search, baseline, {
        reporter,
        signal,
        deadline,
        checkpoints,
      });
      if ('skipped' in result) {
        skipped = result;
        await writeSkippedEnsemble(output, result);
      } else {
        ensemble = result;
        const { best, timings } = result;
        const { model, scores } = best;
        models.ensemble = { ...scores, model, timings: { boosting_s: timings.ensemble_s } };
        await writeEnsemble(output, result, search.cvScores);
        await writeMetrics(output, models);
      }
    }
    const scoring = scoringRecord(experiment, search !== undefined);
    await writeTestPredictions(output, testRowsOf(experiment), models);
    const cvScores = search && {
      ...search.cvScores,
      ...(ensemble && { ensemble: ensemble.best.foldScores }),
    };
    if (stages.has('compare')) {
      const run = { models, cvScores, folds: scoring.folds };
      compared = await runCompare(output, experiment, run, { reporter, signal, checkpoints });
    }
    const finished = {
      ...record,
      models,
      search,
      noSearch,
      ensemble: ensemble ?? skipped,
      scoring,
      compared,
    };
    let gates: GatesRecord | undefined;
    if (stages.has('gates')) {
      const run = {
        models,
        cvScores,
        comparison: compared?.comparison,
        record: runJson({ ...finished, exit: 0 }),
      };
      gates = await runGates(output, experiment, run, { reporter });
    }
    const exit = gates?.passed === false ? ExitCode.checkFailed : ExitCode.done;
    await writeSurroundings(output, { ...record, surroundings, lockfile, models });
    await output.writeDeliverable(RUN_FILE, toJson(runJson({ ...finished, exit, gates })));
    await writeReport(output, experiment, {
      ...{ models, search, compared, gates, started, warnings, charts: searchCharts },
      engine: engine.description,
      machine: machineText(record.environment, threads),
      overrides: options.overrides ?? [],
    });
    const ended = { ...record, output, models, search, ensemble, compared, exit };
    recorded = await recordRun(ended, reporter);
    if (stages.has('evidence')) {
      reporter.step('Writing the evidence package');
      await writeEvidence(output, recorded, config.experiment.name);
    }
    if (config.create_docker && stages.has('evidence')) {
      reporter.step('Building the Docker image');
      const built = await buildImage(output.path, config.experiment.name, signal);
      if ('problem' in built) reporter.warn(built.problem);
      else reporter.step(`The Docker image is ${built.image}`);
    }
    if (recorded !== undefined && replay === undefined) await sendRun(ended, recorded, { reporter, signal });
    await checkpoints.clear();
    return {
      out: output.path,
      files: [...output.written, ...(search ? [JOURNAL_FILE] : [])],
      engine: engine.kind,
      fingerprints: ofModels(models, ({ model }) => model.fingerprint),
      metrics: ofModels(models, ({ metrics }) => metrics),
      primary: experiment.metrics[0]!,
      ...(baseline && { baseline }),
      ...(search && { search }),
      ...(ensemble && { ensemble }),
      ...(compared && { comparison: compared.comparison }),
      ...(gates && { gates }),
      ...(stages.has('evidence') && { evidence: EVIDENCE_FOLDER }),
      exit,
      warnings,
    };
  } catch (error) {
    if (error instanceof InterruptedError || error instanceof BudgetError) {
      const { partial, plan } = error as LockstepError & Partial<PartialModel>;
      if (partial !== undefined && plan !== undefined && partial.bestRound > 0) {
        const text = toModel(experiment, plan.params, partial).toText();
        await output.write(`models/${plan.name}_model.partial.json`, text);
      }
      const { exitCode: exit, message } = error;
      await output.writeJson(RUN_FILE, runJson({ ...record, exit, error: message, models, search }));
      await writeSurroundings(output, { ...record, surroundings, lockfile, models });
    }
    const ended = { ...record, output, models, search, ensemble, error };
    // What fails after the record is no part of it.
    recorded ??= await recordRun(ended, reporter);
    if (recorded !== undefined && replay === undefined) await sendRun(ended, recorded, { reporter, signal });
    throw error;
  } finally {
    tables.dispose();
    await unlock();
  }
}
