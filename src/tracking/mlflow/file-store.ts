import { createHash } from 'node:crypto';
import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { copyFile, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { makeFolder, writeError } from '../../files.ts';
import type {
  RunStatus,
  TrackedDataset,
  TrackedMetric,
  TrackedModel,
  TrackedRecord,
  TrackedRun,
} from '../tracked-run.ts';
import { cutText, MLFLOW_LIMITS, mlflowEntries, mlflowKeys } from './limits.ts';
import { modelFiles } from './model-files.ts';
import { toYaml } from './yaml.ts';

/*
 * MLflow's file store, as release 3.17 reads it (mlflow/store/tracking/file_store.py): meta.yaml of experiments, runs,
 * datasets and models, one file a parameter, tag and metric, whose key is the path. A folder without meta.yaml is no run:
 * it is written last, so that a run is there whole or not at all.
 */

/** The numbers of RunStatus in MLflow's service.proto. */
const STATUS: Readonly<Record<RunStatus, number>> = { FINISHED: 3, FAILED: 4, KILLED: 5 };
/** LOCAL of SourceType, and LOGGED_MODEL_READY of LoggedModelStatus. */
const SOURCE_TYPE = 4;
const MODEL_READY = 2;

const DEFAULT_EXPERIMENT = { id: '0', name: 'Default' } as const;
const META = 'meta.yaml';

/** MLflow's words for the parts of the data. */
const CONTEXTS = { train: 'training', val: 'validation', test: 'testing' } as const;

const hexOf = (algorithm: 'md5' | 'sha256', ...parts: string[]) => {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** 18 digits, as MLflow's own ids have; equal for equal names. */
function experimentIdOf(name: string): string {
  const number = BigInt(`0x${hexOf('sha256', name).slice(0, 16)}`) % 900_000_000_000_000_000n;
  return String(number + 100_000_000_000_000_000n);
}

/** Many small files: one after another is several times faster than through promises. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The file of a key in a folder that is there; each slash of the key opens another one. */
function writeKey(folder: string, key: string, text: string): void {
  if (key.includes('/')) write(join(folder, key), text);
  else writeFileSync(join(folder, key), text);
}

function writeMeta(folder: string, meta: object): void {
  write(join(folder, META), toYaml(meta));
}

function writeEntries(folder: string, values: Readonly<Record<string, string>>, limit: number): void {
  mkdirSync(folder, { recursive: true });
  for (const [key, value] of mlflowEntries(values, limit)) writeKey(folder, key, value);
}

/** As Python reads it. */
function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}

function writeMetrics(folder: string, metrics: readonly TrackedMetric[], time: number): void {
  mkdirSync(folder, { recursive: true });
  const keys = mlflowKeys(metrics.map(({ name }) => name));
  for (const [i, { points }] of metrics.entries()) {
    if (points.length === 0) continue;
    const lines = points.map(({ step, value }) => `${time} ${numberText(value)} ${step}\n`);
    writeKey(folder, keys[i]!, lines.join(''));
  }
}

interface Experiment {
  readonly id: string;
  readonly folder: string;
  /** URI of the folder. */
  readonly uri: string;
}

const uriOf = (folder: string) => pathToFileURL(folder).href;

function writeExperiment(root: string, id: string, name: string, time: number): void {
  const folder = join(root, id);
  writeMeta(folder, {
    artifact_location: uriOf(folder),
    creation_time: time,
    experiment_id: id,
    last_update_time: time,
    lifecycle_stage: 'active',
    name,
  });
}

/** Ids of the experiments of a store by name, without deleted ones. */
async function experimentsOf(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const id of await readdir(root)) {
    const text = await readFile(join(root, id, META), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const meta: unknown = parse(text, { version: '1.1' });
    const { name, lifecycle_stage: stage } = (meta ?? {}) as Record<string, unknown>;
    if (typeof name === 'string' && stage === 'active') found.set(name, id);
  }
  return found;
}

/** The experiment of that name, made where there is none. */
async function openExperiment(root: string, run: TrackedRun, made: string[]): Promise<Experiment> {
  const time = run.started.getTime();
  if (!existsSync(root)) made.push(root);
  await makeFolder(join(root, '.trash'));
  const known = await experimentsOf(root);
  if (![...known.values()].includes(DEFAULT_EXPERIMENT.id)) {
    writeExperiment(root, DEFAULT_EXPERIMENT.id, DEFAULT_EXPERIMENT.name, time);
    known.set(DEFAULT_EXPERIMENT.name, DEFAULT_EXPERIMENT.id);
  }
  let id = known.get(run.experiment);
  if (id === undefined) {
    id = experimentIdOf(run.experiment);
    made.push(join(root, id));
    writeExperiment(root, id, run.experiment, time);
  }
  const folder = join(root, id);
  if (run.description !== '') {
    writeEntries(
      join(folder, 'tags'),
      { 'mlflow.note.content': run.description },
      MLFLOW_LIMITS.experimentTag,
    );
  }
  return { id, folder, uri: uriOf(folder) };
}

/** Removes runs that were cut off while they were recorded: a folder is a run once it has its meta.yaml. */
async function removeTornRuns({ folder }: Experiment): Promise<void> {
  for (const name of readdirSync(folder)) {
    const isTorn = /^[0-9a-f]{32}$/.test(name) && !existsSync(join(folder, name, META));
    if (isTorn) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Takes a folder for a run: its id counts up where the same run has been recorded before. */
function takeRunId(experiment: Experiment, identity: string): string {
  for (let attempt = 0; ; attempt++) {
    const id = hexOf('sha256', `${attempt}\n`, identity).slice(0, 32);
    try {
      mkdirSync(join(experiment.folder, id));
      return id;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function writeRunMeta(experiment: Experiment, id: string, record: TrackedRecord, user: string): void {
  writeMeta(join(experiment.folder, id), {
    artifact_uri: `${experiment.uri}/${id}/artifacts`,
    deleted_time: null,
    end_time: record.ended.getTime(),
    entry_point_name: '',
    experiment_id: experiment.id,
    lifecycle_stage: 'active',
    run_id: id,
    run_name: record.name,
    source_name: '',
    source_type: SOURCE_TYPE,
    source_version: '',
    start_time: record.started.getTime(),
    status: STATUS[record.status],
    tags: [],
    user_id: user,
  });
}

/** All of a run but its meta.yaml. */
function writeRecord(folder: string, record: TrackedRecord, tags: Readonly<Record<string, string>>): void {
  mkdirSync(join(folder, 'artifacts'), { recursive: true });
  writeEntries(join(folder, 'params'), record.params, MLFLOW_LIMITS.param);
  writeEntries(
    join(folder, 'tags'),
    { ...record.tags, ...tags, 'mlflow.runName': record.name },
    MLFLOW_LIMITS.tag,
  );
  writeMetrics(join(folder, 'metrics'), record.metrics, record.ended.getTime());
}

function schemaOf({ columns }: TrackedDataset): string | undefined {
  const spec = columns.map(({ name, type }) => ({ type, name, required: false }));
  const text = JSON.stringify({ mlflow_colspec: spec });
  return text.length > MLFLOW_LIMITS.datasetSchema ? undefined : text;
}

/** @returns the folder of the data set, which runs share. */
function writeDataset(experiment: Experiment, runId: string, dataset: TrackedDataset): string {
  const name = cutText(dataset.name, MLFLOW_LIMITS.datasetName);
  const digest = dataset.sha256.slice(0, MLFLOW_LIMITS.datasetDigest);
  const id = hexOf('md5', name, digest);
  const schema = schemaOf(dataset);
  const folder = join(experiment.folder, 'datasets', id);
  writeMeta(folder, {
    digest,
    name,
    profile: JSON.stringify({ num_rows: dataset.rows }),
    ...(schema !== undefined && { schema }),
    source: JSON.stringify({ uri: dataset.path, sha256: dataset.sha256 }),
    source_type: 'local',
  });
  const inputId = hexOf('md5', id, runId);
  writeMeta(join(experiment.folder, runId, 'inputs', inputId), {
    destination_id: id,
    destination_type: 'RUN',
    source_id: id,
    source_type: 'DATASET',
    tags: { 'mlflow.data.context': CONTEXTS[dataset.role] },
  });
  return folder;
}

function writeModel(
  experiment: Experiment,
  { runId, modelId, folder }: { readonly runId: string; readonly modelId: string; readonly folder: string },
  run: TrackedRun,
  model: TrackedModel,
): void {
  const location = `${experiment.uri}/models/${modelId}/artifacts`;
  const time = run.ended.getTime();
  const files = modelFiles(model, { modelId, runId, location, created: run.ended });
  for (const [name, text] of Object.entries(files)) write(join(folder, 'artifacts', name), text);
  writeEntries(join(folder, 'params'), model.params, MLFLOW_LIMITS.param);
  writeEntries(join(folder, 'tags'), model.tags, MLFLOW_LIMITS.tag);
  const scores = join(folder, 'metrics');
  mkdirSync(scores, { recursive: true });
  const keys = mlflowKeys(Object.keys(model.scores));
  for (const [i, score] of Object.values(model.scores).entries()) {
    writeKey(scores, keys[i]!, `${time} ${numberText(score)} 0 ${runId}\n`);
  }
  writeMeta(folder, {
    artifact_location: location,
    creation_timestamp: time,
    experiment_id: experiment.id,
    last_updated_timestamp: time,
    lifecycle_stage: 'active',
    model_id: modelId,
    model_type: null,
    name: model.name,
    source_run_id: runId,
    status: MODEL_READY,
    status_message: null,
  });
  writeMeta(join(experiment.folder, runId, 'outputs', modelId), {
    destination_id: modelId,
    destination_type: 'MODEL_OUTPUT',
    source_id: modelId,
    source_type: 'RUN_OUTPUT',
    step: 0,
    tags: {},
  });
}

/** Where a run was recorded. */
export interface RecordedRun {
  readonly experimentId: string;
  readonly runId: string;
  /** The folder of the store. */
  readonly root: string;
  /** Everything of the run and its experiment, relative to the store. */
  readonly paths: readonly string[];
}

/**
 * Adds a run, with its nested runs, to the file store of a folder, which is made where there is none. What the store holds
 * stays as it is: recording the same run again adds another one.
 * @param root The folder mlruns.
 * @throws InputError or EnvironmentError where it cannot be written; nothing of the run is left then.
 */
export async function writeFileStore(root: string, run: TrackedRun): Promise<RecordedRun> {
  const folder = resolve(root);
  const made: string[] = [];
  try {
    return await addRun(folder, run, made);
  } catch (cause) {
    for (const path of made) await rm(path, { recursive: true, force: true }).catch(() => {});
    throw writeError(folder, cause);
  }
}

/** @param made OUT: what is to be removed when the rest cannot be written */
async function addRun(root: string, run: TrackedRun, made: string[]): Promise<RecordedRun> {
  const experiment = await openExperiment(root, run, made);
  await removeTornRuns(experiment);
  const runId = takeRunId(experiment, run.identity);
  const folder = join(experiment.folder, runId);
  const folders = [folder];
  const begin = (path: string) => {
    made.push(path);
    folders.push(path);
    return path;
  };
  made.push(folder);
  writeRecord(folder, run, {});
  for (const dataset of run.datasets) folders.push(writeDataset(experiment, runId, dataset));
  for (const { name, path } of run.artifacts) {
    const target = join(folder, 'artifacts', name);
    mkdirSync(dirname(target), { recursive: true });
    await copyFile(path, target, constants.COPYFILE_FICLONE);
  }
  for (const model of run.models) {
    const modelId = `m-${hexOf('sha256', runId, model.name).slice(0, 32)}`;
    writeModel(
      experiment,
      { runId, modelId, folder: begin(join(experiment.folder, 'models', modelId)) },
      run,
      model,
    );
  }
  for (const [i, nested] of run.nested.entries()) {
    const id = hexOf('sha256', runId, `nested ${i}`).slice(0, 32);
    writeRecord(begin(join(experiment.folder, id)), nested, { 'mlflow.parentRunId': runId });
    writeRunMeta(experiment, id, nested, run.user);
  }
  writeRunMeta(experiment, runId, run, run.user);
  const shared = [
    join(root, DEFAULT_EXPERIMENT.id, META),
    join(experiment.folder, META),
    join(experiment.folder, 'tags'),
  ];
  return {
    experimentId: experiment.id,
    runId,
    root,
    paths: [...shared.filter(existsSync), ...folders].map((path) => relative(root, path)),
  };
}

/** Another name for a file, or a copy where the file system has none. */
function linkFile(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** Files that name the folder of the store. */
const HAS_URI = new Set([META, 'MLmodel']);

function mirrorPath(root: string, target: string, path: string): void {
  const from = join(root, path);
  const to = join(target, path);
  if (statSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) mirrorPath(root, target, join(path, name));
  } else if (HAS_URI.has(basename(path))) {
    write(to, readFileSync(from, 'utf8').replaceAll(uriOf(root), uriOf(target)));
  } else if (path.split(sep).includes('tags')) {
    // MLflow changes tags in place: those of a record elsewhere must stay.
    copyFileSync(from, to);
  } else {
    linkFile(from, to);
  }
}

/**
 * Repeats a recorded run in another store of the same file system. Files are hard links, which cost a fraction of new ones.
 * @throws InputError or EnvironmentError where it cannot be written.
 */
export async function mirrorRun(recorded: RecordedRun, target: string): Promise<void> {
  const folder = resolve(target);
  try {
    await makeFolder(join(folder, '.trash'));
    for (const path of recorded.paths) {
      await rm(join(folder, path), { recursive: true, force: true });
      mirrorPath(recorded.root, folder, path);
    }
  } catch (cause) {
    throw writeError(folder, cause);
  }
}
