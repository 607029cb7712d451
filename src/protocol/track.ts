import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { exportXgboost } from '../boosting/formats/xgboost.ts';
import { Model } from '../boosting/model.ts';
import { metricDirection } from '../config/metric-names.ts';
import type { MetricName } from '../engine/engine.ts';
import type { EnsembleModel } from '../ensemble/ensemble-model.ts';
import {
  BudgetError,
  EnvironmentError,
  ExitCode,
  InputError,
  InterruptedError,
  LockstepError,
} from '../errors.ts';
import { plainMean } from '../stats/sum.ts';
import { type MlflowServer, mlflowServer } from '../tracking/mlflow/client.ts';
import { type RecordedRun, writeFileStore } from '../tracking/mlflow/file-store.ts';
import {
  addToOutbox,
  readOutbox,
  type SendOptions,
  STORE_FOLDER,
  sendOutbox,
} from '../tracking/mlflow/outbox.ts';
import type {
  RunStatus,
  TrackedDataset,
  TrackedMetric,
  TrackedModel,
  TrackedRecord,
  TrackedRun,
} from '../tracking/tracked-run.ts';
import { WANDB_FOLDER, type WandbDetails, writeOfflineRun } from '../tracking/wandb/offline-run.ts';
import { openStorage } from '../tuning/open-storage.ts';
import { isFinished, type Trial, trialValues } from '../tuning/trial.ts';
import type { CompareResult } from './compare.ts';
import type { EnsembleResult } from './ensemble.ts';
import { JOURNAL_FILE, type OptimizeResult, studyNameOf } from './optimize.ts';
import type { OutputFolder } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import type { ModelName, ModelScores, TrainingHistory } from './trained-model.ts';

/** A run that has ended, well or not, as far as it got. */
export interface EndedRun {
  readonly experiment: PreparedExperiment;
  readonly output: OutputFolder;
  readonly engine: string;
  readonly started: Date;
  readonly models: Readonly<
    Partial<
      Record<
        ModelName,
        Pick<ModelScores, 'metrics'> & {
          readonly model: Model | EnsembleModel;
          readonly history?: TrainingHistory;
          readonly timings: Readonly<Record<string, number>>;
        }
      >
    >
  >;
  readonly search?: OptimizeResult | undefined;
  readonly ensemble?: EnsembleResult | undefined;
  readonly compared?: CompareResult | undefined;
  /** How it ended, where it ended well: with ExitCode.checkFailed where a gate failed. */
  readonly exit?: number | undefined;
  /** What ended it, unless it ended well. */
  readonly error?: unknown;
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Every leaf of nested objects under its dotted path; lists are leaves. */
function flatten(value: unknown, path: string, into: Record<string, string> = {}): Record<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value))
      flatten(inner, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== undefined) into[path] = textOf(value);
  return into;
}

/** The config without what is elsewhere in the record, or says where the record is kept. */
function paramsOf({ experiment, search }: EndedRun): Record<string, string> {
  const { experiment: about, optimization, tracking: _, ...settings } = experiment.loaded.config;
  const { search_space: space, ...others } = optimization;
  return {
    'experiment.name': about.name,
    ...flatten({ ...settings, optimization: others }, ''),
    ...Object.fromEntries(
      Object.entries(space).map(([name, dimension]) => [
        `optimization.search_space.${name}`,
        JSON.stringify(dimension),
      ]),
    ),
    ...(search && flatten(search.params, 'optimized')),
  };
}

const curve = (name: string, values: readonly number[]): TrackedMetric => ({
  name,
  points: values.map((value, step) => ({ step, value })),
});

const single = (name: string, value: number | undefined): TrackedMetric => ({
  name,
  points: value === undefined ? [] : [{ step: 0, value }],
});

function historyMetrics(model: string, history: TrainingHistory | undefined): TrackedMetric[] {
  if (history === undefined) return [];
  const { train_loss, val_loss, train_metrics, val_metrics } = history;
  const of = (set: string, metrics: TrainingHistory['train_metrics']) =>
    Object.entries(metrics).map(([metric, values]) => curve(`${model}/curve/${set}_${metric}`, values));
  return [
    curve(`${model}/curve/train_loss`, train_loss),
    curve(`${model}/curve/val_loss`, val_loss),
    ...of('train', train_metrics),
    ...of('val', val_metrics),
  ];
}

/** Final scores as `baseline/val/auc_roc`. */
function scoresOf(model: string, metrics: ModelScores['metrics']): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([split, ofSplit]) =>
      Object.entries(ofSplit).map(([metric, value]) => [`${model}/${split}/${metric}`, value]),
    ),
  );
}

function foldMetrics({ experiment, search, ensemble }: EndedRun): TrackedMetric[] {
  if (search === undefined) return [];
  const metric = experiment.metrics[0]!;
  const scores = { ...search.cvScores, ...(ensemble && { ensemble: ensemble.best.foldScores }) };
  return Object.entries(scores).flatMap(([model, values]) => [
    single(`${model}/cv/${metric}`, plainMean(values)),
    curve(`${model}/cv_folds/${metric}`, values),
  ]);
}

/** The values of the trials and the best so far, by trial. */
function searchMetrics(metric: MetricName, trials: readonly Trial[]): TrackedMetric[] {
  const points = trials.flatMap(({ number, state, value }) =>
    state === 'complete' && value !== undefined ? [{ step: number, value }] : [],
  );
  const better = metricDirection(metric) === 'maximize' ? Math.max : Math.min;
  let best: number | undefined;
  const bestPoints = points.map(({ step, value }) => {
    best = best === undefined ? value : better(best, value);
    return { step, value: best };
  });
  return [
    { name: `search/${metric}`, points },
    { name: `search/best_${metric}`, points: bestPoints },
  ];
}

function metricsOf(run: EndedRun, trials: readonly Trial[]): TrackedMetric[] {
  const { experiment, models, search, compared } = run;
  const ofModels = Object.entries(models).flatMap(([name, model]) => [
    ...Object.entries(scoresOf(name, model.metrics)).map(([score, value]) => single(score, value)),
    ...historyMetrics(name, model.history),
    ...Object.entries(model.timings).map(([step, value]) => single(`${name}/${step}`, value)),
    single(`${name}/latency_us`, compared?.latencies[name]),
  ]);
  return [
    ...ofModels,
    ...foldMetrics(run),
    ...searchMetrics(experiment.metrics[0]!, trials),
    single('search/search_s', search?.timings.search_s),
    ...Object.entries(experiment.timings).map(([step, value]) => single(`data/${step}`, value)),
  ];
}

/** Labels become tags of their own; MLflow's own names keep their meaning. */
function labelTags(labels: readonly string[]): Record<string, string> {
  const own = labels.filter((label) => !label.startsWith('mlflow.'));
  return {
    ...Object.fromEntries(own.map((label) => [label, 'true'])),
    ...(labels.length > 0 && { 'lockstep.tags': JSON.stringify(labels) }),
  };
}

function tagsOf(run: EndedRun): Record<string, string> {
  const { experiment, engine, models, compared, error } = run;
  const { description, tags } = experiment.loaded.config.experiment;
  return {
    ...labelTags(tags),
    ...(description !== '' && { 'mlflow.note.content': description }),
    'mlflow.source.name': experiment.loaded.path,
    'mlflow.source.type': 'LOCAL',
    'mlflow.user': userName(),
    'lockstep.engine': engine,
    ...Object.fromEntries(
      Object.entries(models).map(([name, { model }]) => [`lockstep.fingerprint.${name}`, model.fingerprint]),
    ),
    ...(compared && { 'lockstep.best_model': compared.comparison.best_model.name }),
    ...(error !== undefined && { 'lockstep.error': error instanceof Error ? error.message : String(error) }),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}

/** As MLflow's own storage for Optuna has it. */
const TRIAL_STATUS = { complete: 'FINISHED', pruned: 'KILLED', fail: 'FAILED' } as const;

function trialRecord(metric: string, trial: Trial): TrackedRecord[] {
  const { number, state, value, intermediate, userAttrs, started, ended } = trial;
  if (state === 'running' || state === 'waiting') return [];
  const { fold_scores: folds, failure } = userAttrs;
  const begun = started ?? ended ?? new Date(0);
  return [
    {
      name: `trial_${number}`,
      status: TRIAL_STATUS[state],
      started: begun,
      ended: ended ?? begun,
      params: flatten(trialValues(trial), ''),
      tags: {
        'lockstep.trial': String(number),
        'lockstep.state': state,
        ...(failure !== undefined && { 'lockstep.error': textOf(failure) }),
      },
      metrics: [
        single(metric, value),
        {
          name: `${metric}_intermediate`,
          points: [...intermediate].map(([step, v]) => ({ step, value: v })),
        },
        curve(`${metric}_folds`, Array.isArray(folds) ? folds : []),
      ],
    },
  ];
}

/** Where a search was stopped, its journal has the trials that were finished. */
async function trialsOf({ search, experiment, output, started, error }: EndedRun): Promise<readonly Trial[]> {
  if (search !== undefined) return search.trials;
  const path = join(output.path, JOURNAL_FILE);
  if (!wasStopped(error) || !existsSync(path)) return [];
  const studyName = studyNameOf(experiment);
  const storage = await openStorage(path, { studyName, direction: metricDirection(experiment.metrics[0]!) });
  await storage.close();
  // Those of an earlier run into the folder are that run's.
  return storage.trials.filter((trial) => isFinished(trial) && trial.started! >= started);
}

function datasetsOf({ experiment }: EndedRun): TrackedDataset[] {
  const { schema, sources } = experiment.data;
  const columns: TrackedDataset['columns'] = [
    ...schema.features.map(({ name, type, categories }) => ({
      name,
      type: type === 'categorical' || categories !== undefined ? ('string' as const) : ('double' as const),
    })),
    { name: schema.target.name, type: targetType(schema.target.classes) },
  ];
  return sources.map(({ path, sha256, rows, role }) => ({
    name: basename(path),
    path,
    sha256,
    rows,
    role,
    columns,
  }));
}

function targetType(classes: readonly unknown[] | undefined): TrackedDataset['columns'][number]['type'] {
  const type = typeof classes?.[0];
  return type === 'string' || type === 'boolean' ? type : 'double';
}

/** The models that XGBoost can load; ensembles are recorded as files alone. */
function modelsOf({ models }: EndedRun, reporter: Reporter): TrackedModel[] {
  return Object.entries(models).flatMap(([name, { model, metrics }]) => {
    if (!(model instanceof Model)) return [];
    try {
      return [
        {
          name,
          xgboost: exportXgboost(model),
          features: model.features.map((feature) => ({
            name: feature.name,
            categorical: feature.type === 'categorical',
          })),
          outputs: model.objective === 'multi:softprob' ? model.outputs : 1,
          params: flatten(model.params, ''),
          tags: { 'lockstep.fingerprint': model.fingerprint },
          scores: scoresOf(name, metrics),
        },
      ];
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      reporter.warn(`The model ${name} is not recorded for MLflow: ${error.message}`);
      return [];
    }
  });
}

const wasStopped = (error: unknown) => error instanceof InterruptedError || error instanceof BudgetError;

function statusOf(error: unknown): RunStatus {
  if (error === undefined) return 'FINISHED';
  return error instanceof InterruptedError ? 'KILLED' : 'FAILED';
}

async function trackedRun(run: EndedRun, reporter: Reporter): Promise<TrackedRun> {
  const { experiment, output, started, models, error } = run;
  const { name, description } = experiment.loaded.config.experiment;
  const trials = await trialsOf(run);
  const params = paramsOf(run);
  const identity = {
    experiment: name,
    params,
    sources: experiment.data.sources.map(({ sha256 }) => sha256),
    fingerprints: Object.values(models).map(({ model }) => model.fingerprint),
  };
  return {
    experiment: name,
    description,
    name,
    user: userName(),
    identity: JSON.stringify(identity),
    status: statusOf(error),
    started,
    ended: new Date(),
    params,
    tags: tagsOf(run),
    metrics: metricsOf(run, trials),
    datasets: datasetsOf(run),
    artifacts: output.written.map((file) => ({ name: file, path: join(output.path, file) })),
    models: experiment.loaded.config.tracking.mlflow.enabled ? modelsOf(run, reporter) : [],
    nested: trials.flatMap((trial) => trialRecord(experiment.metrics[0]!, trial)),
  };
}

/** The server that a run is to be sent to, if any. */
function serverOf({ experiment }: EndedRun, reporter: Reporter): MlflowServer | undefined {
  const { uri } = experiment.loaded.config.tracking.mlflow;
  const given = uri ?? process.env.MLFLOW_TRACKING_URI;
  if (given === undefined || given === '') return undefined;
  const server = mlflowServer(given, process.env);
  if (server === undefined) {
    const key = uri === undefined ? 'MLFLOW_TRACKING_URI' : 'tracking.mlflow.uri';
    reporter.warn(
      `${key} is not the address of a server, http:// or https://; the run is in ${STORE_FOLDER} alone.`,
    );
  }
  return server;
}

async function send(run: EndedRun, recorded: RecordedRun, { reporter, signal }: TrackOptions): Promise<void> {
  const server = serverOf(run, reporter);
  if (server === undefined) return;
  const { path: folder } = run.output;
  const { experimentId, runId } = recorded;
  await addToOutbox(folder, { uri: server.uri, experimentId, runId });
  if (signal?.aborted) {
    reporter.warn(`The run is not on the server yet; send it with lockstep track ${folder}.`);
    return;
  }
  reporter.step(`Sending the run to ${server.uri}`);
  const { problem } = await sendOutbox(folder, server, { warn: (text) => reporter.warn(text), signal });
  if (problem !== undefined) {
    reporter.warn(
      `The run is not on the server, as ${problem}; send it later with lockstep track ${folder}.`,
    );
  }
}

export interface TrackOptions {
  readonly reporter: Reporter;
  /** Ends sending; what is not sent is kept. */
  readonly signal?: AbortSignal | undefined;
}

/** The config as it is nested in the file, without what says where the record is kept. */
function wandbDetails({ experiment, search, exit = ExitCode.done, error }: EndedRun): WandbDetails {
  const { tracking: _, ...config } = experiment.loaded.config;
  const failure = error instanceof LockstepError ? error.exitCode : ExitCode.checkFailed;
  return {
    config: { ...config, ...(search && { optimized: search.params }) },
    labels: config.experiment.tags,
    exitCode: error === undefined ? exit : failure,
  };
}

/**
 * Records a run that has ended: for MLflow in mlruns below its output folder, and for Weights & Biases, where the config asks for it, as an
 * offline run. What cannot be written is warned about: it is no reason to lose a run.
 * @returns where it was recorded for MLflow; undefined where it is not
 */
export async function recordRun(run: EndedRun, reporter: Reporter): Promise<RecordedRun | undefined> {
  const { experiment, output } = run;
  const { tracking, use_wandb: useWandb } = experiment.loaded.config;
  if (!tracking.mlflow.enabled && !useWandb) return undefined;
  const attempt = async (product: string, record: () => Promise<unknown>) => {
    try {
      await record();
    } catch (cause) {
      reporter.warn(`The run is not recorded for ${product}: ${(cause as Error).message}`);
    }
  };
  let recorded: RecordedRun | undefined;
  let tracked: TrackedRun | undefined;
  const gather = async () => {
    tracked ??= await trackedRun(run, reporter);
    return tracked;
  };
  if (useWandb) {
    await attempt('Weights & Biases', async () =>
      writeOfflineRun(join(output.path, WANDB_FOLDER), await gather(), wandbDetails(run)),
    );
  }
  if (tracking.mlflow.enabled) {
    await attempt('MLflow', async () => {
      recorded = await writeFileStore(join(output.path, STORE_FOLDER), await gather());
    });
  }
  return recorded;
}

/** Sends a recorded run to the tracking server, where one is named; what cannot be sent is kept and warned about. */
export async function sendRun(run: EndedRun, recorded: RecordedRun, options: TrackOptions): Promise<void> {
  try {
    await send(run, recorded, options);
  } catch (cause) {
    options.reporter.warn(`The run is not sent to MLflow: ${(cause as Error).message}`);
  }
}

export interface SendUnsentOptions extends SendOptions {
  /** Another server for all of them. */
  readonly uri?: string | undefined;
}

/**
 * Sends the runs of an output folder that their tracking servers have not got yet.
 * @returns how many were sent
 * @throws InputError where the folder holds no record or `uri` is not one of a server, EnvironmentError where a server does not take them;
 *   they are kept then.
 */
export async function sendUnsent(
  folder: string,
  { uri, ...options }: SendUnsentOptions,
): Promise<{ readonly sent: number }> {
  if (!existsSync(join(folder, STORE_FOLDER))) {
    throw new InputError(`${folder} holds no recorded run; name the output folder of lockstep run.`);
  }
  const other = uri === undefined ? undefined : mlflowServer(uri, process.env);
  if (uri !== undefined && other === undefined) {
    throw new InputError(
      '--uri is not the address of a server; give one that begins with http:// or https://.',
    );
  }
  let sent = 0;
  for (const of of new Set((await readOutbox(folder)).map((run) => run.uri))) {
    const server = other ?? mlflowServer(of, process.env);
    if (server === undefined) continue;
    const outcome = await sendOutbox(folder, server, { ...options, uri: of });
    sent += outcome.sent;
    if (outcome.problem !== undefined) {
      const runs = outcome.left === 1 ? 'a run is' : `${outcome.left} runs are`;
      throw new EnvironmentError(`${outcome.problem}; ${runs} still to be sent, so try again later.`);
    }
  }
  return { sent };
}
