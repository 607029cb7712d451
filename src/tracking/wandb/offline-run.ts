import { createHash, randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder, writeError, writeFileAtomically } from '../../files.ts';
import { cutText } from '../mlflow/limits.ts';
import type { TrackedRecord, TrackedRun } from '../tracked-run.ts';
import { field, integerField } from './protobuf.ts';
import { transactionLog } from './transaction-log.ts';

/*
 * An offline run as wandb 0.31.0 leaves it for `wandb sync`. Numbers of fields are those of wandb_internal.proto; values are
 * JSON as Python writes it, with bare NaN and Infinity.
 */

/** The folder of offline runs, below a run's output folder. */
export const WANDB_FOLDER = 'wandb';
/** Of the run's files: wandb has names of its own beside it. */
const FILES_FOLDER = 'lockstep';
const LATEST = 'latest-run';

/** The release whose format is written, and the oldest that reads it, as it says itself. */
const PRODUCER = '0.31.0';
const MIN_CONSUMER = '0.70.0';

/** What W&B takes at most, in characters. */
const MAX_PROJECT = 128;
const MAX_TAG = 64;

/** Fields of Record. */
const RECORD = {
  num: 1,
  history: 2,
  summary: 3,
  files: 6,
  metric: 12,
  run: 17,
  exit: 18,
  header: 21,
} as const;

/** What W&B holds in another form than MLflow. */
export interface WandbDetails {
  /** Nested as in the experiment file, without secrets. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly labels: readonly string[];
  readonly exitCode: number;
}

type Row = Record<string, unknown>;

/** JSON as Python writes it: numbers may be NaN, Infinity and -Infinity. */
function pythonJson(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${pythonJson(inner)}`).join(',')}}`;
}

/** Items of a config, under a key. */
const configItems = (values: Row) =>
  Object.entries(values).map(([key, value]) => field(1, [field(1, key), field(16, pythonJson(value))]));

/** Items of a history row or the summary, under a path of one key. */
const items = (values: Row) =>
  Object.entries(values).map(([key, value]) => field(1, [field(2, key), field(16, pythonJson(value))]));

/** The part of a name before its last slash. */
const groupOf = (name: string) => name.slice(0, Math.max(0, name.lastIndexOf('/')));

const axisOf = (group: string) => (group === '' ? 'step' : `${group}/step`);

function paramOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** One trial: what it tried, how it ended, and its values; those with several steps are lists. */
function trialRow({ params, tags, metrics }: TrackedRecord): Row {
  const values = metrics.flatMap(({ name, points }) => {
    if (points.length === 0) return [];
    const all = points.map(({ value }) => value);
    return [[`search/trial/${name}`, all.length === 1 ? all[0] : all]];
  });
  return {
    'search/trial/state': tags['lockstep.state'],
    ...Object.fromEntries(
      Object.entries(params).map(([name, text]) => [`search/trial/params/${name}`, paramOf(text)]),
    ),
    ...Object.fromEntries(values),
  };
}

/** Rows of history by axis: the metrics that have several steps, and the trials. */
function historyOf({ metrics, nested }: TrackedRun): Map<string, Row[]> {
  const axes = new Map<string, Map<number, Row>>();
  const add = (axis: string, step: number, values: Row) => {
    if (!axes.has(axis)) axes.set(axis, new Map());
    const rows = axes.get(axis)!;
    rows.set(step, { [axis]: step, ...rows.get(step), ...values });
  };
  for (const { name, points } of metrics) {
    if (points.length < 2) continue;
    for (const { step, value } of points) add(axisOf(groupOf(name)), step, { [name]: value });
  }
  for (const [i, trial] of nested.entries()) {
    add(axisOf('search'), Number(trial.tags['lockstep.trial'] ?? i), trialRow(trial));
  }
  return new Map(
    [...axes].map(([axis, rows]) => [axis, [...rows].sort(([a], [b]) => a - b).map(([, row]) => row)]),
  );
}

/** Tells W&B to draw a metric over its axis; axes have no chart of their own. */
function metricRecords(history: ReadonlyMap<string, readonly Row[]>): Buffer[] {
  const defined = integerField(3, 1);
  return [...history].flatMap(([axis, rows]) => {
    const names = new Set(rows.flatMap(Object.keys));
    names.delete(axis);
    return [
      field(RECORD.metric, [field(1, axis), field(6, [integerField(2, 1), defined])]),
      ...[...names].map((name) =>
        field(RECORD.metric, [field(1, name), field(4, axis), field(6, [integerField(1, 1), defined])]),
      ),
    ];
  });
}

function runRecord(id: string, run: TrackedRun, { config, labels }: WandbDetails): Buffer {
  const tags = new Set(labels.map((label) => cutText(label, MAX_TAG)).filter((label) => label !== ''));
  const time = run.started.getTime();
  return field(RECORD.run, [
    field(1, id),
    field(3, cutText(run.experiment.replace(/[/\\#?%:]/g, '_'), MAX_PROJECT)),
    field(4, configItems({ ...config, _wandb: {} })),
    field(8, run.name),
    field(9, run.description),
    ...[...tags].map((tag) => field(10, tag)),
    field(17, [integerField(1, Math.floor(time / 1000)), integerField(2, (time % 1000) * 1e6)]),
  ]);
}

/** The last value of everything, and what the tags say of the outcome. */
function summaryOf(run: TrackedRun, rows: readonly Row[]): Row {
  const facts = Object.entries(run.tags).filter(([key]) => /^lockstep\.(?!tags$)/.test(key));
  const last = run.metrics.flatMap(({ name, points }) =>
    points.length === 0 ? [] : [[name, points.at(-1)!.value]],
  );
  return Object.assign({}, ...rows, Object.fromEntries([...facts, ...last]));
}

function recordsOf(id: string, run: TrackedRun, details: WandbDetails): Buffer[] {
  const history = historyOf(run);
  const seconds = (run.ended.getTime() - run.started.getTime()) / 1000;
  const time = { _runtime: seconds, _timestamp: run.ended.getTime() / 1000 };
  const rows = [...history.values()].flat().map((row, i): Row => ({ ...row, ...time, _step: i }));
  const runtime = integerField(2, Math.max(0, Math.floor(seconds)));
  const files = run.artifacts.map(({ name }) => field(1, [field(1, `${FILES_FOLDER}/${name}`)]));
  const records = [
    field(RECORD.header, [field(1, [field(1, PRODUCER), field(2, MIN_CONSUMER)])]),
    runRecord(id, run, details),
    ...metricRecords(history),
    ...rows.map((row, i) => field(RECORD.history, [...items(row), field(2, [integerField(1, i)])])),
    field(RECORD.summary, items({ ...summaryOf(run, rows), ...time })),
    ...(files.length > 0 ? [field(RECORD.files, files)] : []),
    field(RECORD.exit, [integerField(1, details.exitCode), runtime]),
  ];
  return records.map((record, i) => Buffer.concat([integerField(RECORD.num, i + 1), record]));
}

/** Eight letters and digits, as W&B's own ids; it counts up where the folder has it. */
function freeId(run: TrackedRun, taken: readonly string[]): string {
  for (let attempt = 0; ; attempt++) {
    const text = `${attempt}\n${run.started.getTime()}\n${run.identity}`;
    const hash = createHash('sha256').update(text).digest('hex');
    const id = BigInt(`0x${hash}`).toString(36).slice(0, 8);
    if (!taken.some((name) => name.endsWith(`-${id}`))) return id;
  }
}

/** Not every file system has links, and nothing depends on this one. */
async function linkLatest(folder: string, target: string): Promise<void> {
  const temporary = join(folder, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await symlink(target, temporary);
    await rename(temporary, join(folder, LATEST));
  } catch {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/**
 * Adds a run to a folder of W&B's offline runs, which is made where there is none: whole or not at all, beside those it holds.
 * The same run recorded elsewhere has another id unless it began in the same millisecond, since a W&B project has an id once.
 * @param folder The folder `wandb`.
 * @returns the run's folder
 * @throws InputError or EnvironmentError where it cannot be written; nothing of the run is left then.
 */
export async function writeOfflineRun(
  folder: string,
  run: TrackedRun,
  details: WandbDetails,
): Promise<string> {
  const root = resolve(folder);
  const temporary = join(root, `.${randomBytes(6).toString('hex')}.tmp`);
  const isNew = !existsSync(root);
  await makeFolder(root);
  try {
    const id = freeId(run, await readdir(root));
    const time = run.started.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15);
    const name = `offline-run-${time}-${id}`;
    await mkdir(join(temporary, 'files'), { recursive: true });
    for (const artifact of run.artifacts) {
      const target = join(temporary, 'files', FILES_FOLDER, artifact.name);
      await mkdir(dirname(target), { recursive: true });
      await copyFile(artifact.path, target, constants.COPYFILE_FICLONE);
    }
    await writeFileAtomically(
      join(temporary, `run-${id}.wandb`),
      transactionLog(recordsOf(id, run, details)),
    );
    await rename(temporary, join(root, name));
    await linkLatest(root, name);
    return join(root, name);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (isNew) await rmdir(root).catch(() => {});
    throw writeError(root, cause);
  }
}
