import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { parse } from 'yaml';

/** One value of a metric, as MLflow's log-batch takes it: NaN and infinities are texts. */
export interface StoredMetric {
  readonly key: string;
  readonly value: number | string;
  readonly timestamp: number;
  readonly step: number;
}

export interface StoredEntry {
  readonly key: string;
  readonly value: string;
}

/** A run as it lies in a file store. */
export interface StoredRecord {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly started: number;
  readonly ended: number;
  readonly params: readonly StoredEntry[];
  readonly tags: readonly StoredEntry[];
  readonly metrics: readonly StoredMetric[];
}

export interface StoredModel {
  readonly name: string;
  readonly params: readonly StoredEntry[];
  readonly tags: readonly StoredEntry[];
  /** Keys of the run's metrics that are about it. */
  readonly metricKeys: readonly string[];
  readonly files: readonly StoredFile[];
}

export interface StoredFile {
  /** With slashes. */
  readonly name: string;
  readonly path: string;
}

export interface StoredInput {
  readonly dataset: Readonly<Record<string, string>>;
  readonly tags: readonly StoredEntry[];
}

/** A run of an experiment with everything that belongs to it. */
export interface StoredRun extends StoredRecord {
  readonly experiment: string;
  readonly experimentTags: readonly StoredEntry[];
  readonly inputs: readonly StoredInput[];
  readonly artifacts: readonly StoredFile[];
  readonly models: readonly StoredModel[];
  readonly nested: readonly StoredRecord[];
}

type Meta = Readonly<Record<string, unknown>>;

const STATUS: Readonly<Record<number, string>> = { 1: 'RUNNING', 3: 'FINISHED', 4: 'FAILED', 5: 'KILLED' };

function readMeta(folder: string): Meta {
  return parse(readFileSync(join(folder, 'meta.yaml'), 'utf8'), { version: '1.1' }) as Meta;
}

function filesOf(folder: string): StoredFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({
      name: path
        .slice(folder.length + 1)
        .split(sep)
        .join('/'),
      path,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function entriesOf(folder: string): StoredEntry[] {
  return filesOf(folder).map(({ name, path }) => ({ key: name, value: readFileSync(path, 'utf8') }));
}

const WORDS: Readonly<Record<string, string>> = { nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity' };

function metricsOf(folder: string): StoredMetric[] {
  return filesOf(folder).flatMap(({ name, path }) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [timestamp = '', value = '', step = '0'] = line.split(' ');
        return {
          key: name,
          value: WORDS[value] ?? Number(value),
          timestamp: Number(timestamp),
          step: Number(step),
        };
      }),
  );
}

function readRecord(folder: string): StoredRecord {
  const { run_id: id, run_name: name, status, start_time: started, end_time: ended } = readMeta(folder);
  return {
    id: String(id),
    name: String(name),
    status: STATUS[Number(status)] ?? 'FINISHED',
    started: Number(started),
    ended: Number(ended),
    params: entriesOf(join(folder, 'params')),
    tags: entriesOf(join(folder, 'tags')),
    metrics: metricsOf(join(folder, 'metrics')),
  };
}

const foldersOf = (folder: string) => (existsSync(folder) ? readdirSync(folder).sort() : []);

function inputsOf(experiment: string, run: string): StoredInput[] {
  return foldersOf(join(run, 'inputs')).map((id) => {
    const { source_id: source, tags } = readMeta(join(run, 'inputs', id));
    return {
      dataset: readMeta(join(experiment, 'datasets', String(source))) as StoredInput['dataset'],
      tags: Object.entries(tags as Readonly<Record<string, string>>).map(([key, value]) => ({ key, value })),
    };
  });
}

function modelsOf(experiment: string, run: string): StoredModel[] {
  return foldersOf(join(run, 'outputs')).map((id) => {
    const folder = join(experiment, 'models', id);
    return {
      name: String(readMeta(folder).name),
      params: entriesOf(join(folder, 'params')),
      tags: entriesOf(join(folder, 'tags')),
      metricKeys: filesOf(join(folder, 'metrics')).map(({ name }) => name),
      files: filesOf(join(folder, 'artifacts')),
    };
  });
}

function isNestedIn(runId: string, folder: string): boolean {
  const parent = join(folder, 'tags', 'mlflow.parentRunId');
  return existsSync(parent) && readFileSync(parent, 'utf8') === runId;
}

/** Reads a run that `writeFileStore` wrote. */
export function readStoredRun(root: string, experimentId: string, runId: string): StoredRun {
  const experiment = join(root, experimentId);
  const folder = join(experiment, runId);
  return {
    ...readRecord(folder),
    experiment: String(readMeta(experiment).name),
    experimentTags: entriesOf(join(experiment, 'tags')),
    inputs: inputsOf(experiment, folder),
    artifacts: filesOf(join(folder, 'artifacts')),
    models: modelsOf(experiment, folder),
    nested: foldersOf(experiment)
      .map((name) => join(experiment, name))
      .filter((path) => isNestedIn(runId, path) && existsSync(join(path, 'meta.yaml')))
      .map(readRecord)
      .sort((a, b) => a.started - b.started || a.name.localeCompare(b.name, 'en', { numeric: true })),
  };
}
