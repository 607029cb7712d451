import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { METRIC_NAMES, type MetricName } from '../config/metric-names.ts';
import type { ModelKind } from '../config/objectives.ts';
import type { SplitName } from '../data/types.ts';
import { InputError } from '../errors.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import type { FoldMethod } from '../tuning/folds.ts';
import type { FoldsRecord, ScoringRecord } from './run-data.ts';

/** One model of a finished run; what the run did not leave is absent. */
export interface FinishedModel {
  readonly foldScores?: readonly number[];
  readonly metrics: SplitMetrics;
  readonly fingerprint?: string;
  readonly trainingSeconds?: number;
  readonly bytes?: number;
  readonly latencyUs?: number;
}

/** What a run has left in its folder, as far as comparisons need it. */
export interface FinishedRun {
  /** As the user wrote it. */
  readonly folder: string;
  readonly experiment: string;
  readonly seed: number;
  /** Files that were read. */
  readonly sources: readonly { readonly path: string; readonly sha256: string }[];
  /** By part of the data. */
  readonly rows: Readonly<Record<string, number>>;
  readonly scoring: ScoringRecord;
  readonly models: ReadonlyMap<string, FinishedModel>;
}

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The records of a run, with errors that name the file. */
class RunReader {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A JSON object; undefined where there is no such file. */
  async object(name: string): Promise<Json | undefined> {
    const path = join(this.#folder, name);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw new InputError(`${path} cannot be read: ${message}.`, { cause });
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new InputError(`${path} is not a whole JSON file; run the experiment again.`, { cause });
    }
    if (!isRecord(value)) throw this.wrong(name, 'it is not an object');
    return value;
  }

  wrong(name: string, problem: string): InputError {
    return new InputError(
      `${join(this.#folder, name)} is not what this version of lockstep run writes: ${problem}; run the experiment again.`,
    );
  }

  number(name: string, key: string, value: unknown): number {
    if (typeof value === 'number') return value;
    throw this.wrong(name, `${key} is not a number`);
  }

  string(name: string, key: string, value: unknown): string {
    if (typeof value === 'string') return value;
    throw this.wrong(name, `${key} is not a text`);
  }

  record(name: string, key: string, value: unknown): Json {
    if (isRecord(value)) return value;
    throw this.wrong(name, `${key} is not an object`);
  }

  oneOf<T extends string>(name: string, key: string, value: unknown, allowed: readonly T[]): T {
    const found = allowed.find((item) => item === value);
    if (found !== undefined) return found;
    throw this.wrong(name, `${key} is not one of ${allowed.join(', ')}`);
  }

  /** Scores, where null stands for an undefined one. */
  scores(name: string, key: string, value: unknown): number[] {
    if (!Array.isArray(value)) throw this.wrong(name, `${key} is not a list`);
    return value.map((item, i) => (item === null ? Number.NaN : this.number(name, `${key}[${i}]`, item)));
  }
}

const RUN = 'run.json';
const KINDS: readonly ModelKind[] = ['binary', 'multiclass', 'regression'];
const METHODS: readonly FoldMethod[] = ['stratified', 'random', 'grouped', 'time'];
const METRIC_FILES: readonly [SplitName, string][] = [
  ['train', 'metrics/training_metrics.json'],
  ['val', 'metrics/validation_metrics.json'],
  ['test', 'metrics/test_metrics.json'],
];

function foldsOf(reader: RunReader, value: unknown): FoldsRecord {
  const folds = reader.record(RUN, 'scoring.folds', value);
  return {
    count: reader.number(RUN, 'scoring.folds.count', folds.count),
    method: reader.oneOf(RUN, 'scoring.folds.method', folds.method, METHODS),
    sha256: reader.string(RUN, 'scoring.folds.sha256', folds.sha256),
  };
}

function scoringOf(reader: RunReader, value: unknown): ScoringRecord {
  const scoring = reader.record(RUN, 'scoring', value);
  return {
    metric: reader.oneOf(RUN, 'scoring.metric', scoring.metric, METRIC_NAMES),
    kind: reader.oneOf(RUN, 'scoring.kind', scoring.kind, KINDS),
    classes: reader.number(RUN, 'scoring.classes', scoring.classes),
    rows_sha256: reader.string(RUN, 'scoring.rows_sha256', scoring.rows_sha256),
    ...(scoring.folds !== undefined && { folds: foldsOf(reader, scoring.folds) }),
  };
}

function sourcesOf(reader: RunReader, value: unknown): FinishedRun['sources'] {
  if (!Array.isArray(value)) throw reader.wrong(RUN, 'sources is not a list');
  return value.map((item, i) => {
    const source = reader.record(RUN, `sources[${i}]`, item);
    return {
      path: reader.string(RUN, `sources[${i}].path`, source.path),
      sha256: reader.string(RUN, `sources[${i}].sha256`, source.sha256),
    };
  });
}

function metricsOf(reader: RunReader, file: string, model: string, value: unknown) {
  const metrics: Partial<Record<MetricName, number>> = {};
  for (const [name, score] of Object.entries(reader.record(file, model, value))) {
    const metric = METRIC_NAMES.find((known) => known === name);
    if (metric !== undefined)
      metrics[metric] = score === null ? Number.NaN : reader.number(file, `${model}.${name}`, score);
  }
  return metrics;
}

/** A number of a record of a record, where there is one. */
function inner(record: Json, key: string, name: string): number | undefined {
  const of = record[key];
  const value = isRecord(of) ? of[name] : undefined;
  return typeof value === 'number' ? value : undefined;
}

async function modelsOf(reader: RunReader, folder: string, run: Json): Promise<Map<string, FinishedModel>> {
  const splits = await Promise.all(
    METRIC_FILES.map(async ([split, file]) => [split, file, (await reader.object(file)) ?? {}] as const),
  );
  const scoresFile = 'metrics/cv_scores.json';
  const scores = (await reader.object(scoresFile)) ?? {};
  const names = new Set([...splits.flatMap(([, , models]) => Object.keys(models)), ...Object.keys(scores)]);
  const timings = isRecord(run.timings) ? run.timings : {};
  const models = new Map<string, FinishedModel>();
  for (const name of names) {
    const metrics: SplitMetrics = {};
    for (const [split, file, ofModels] of splits) {
      if (Object.hasOwn(ofModels, name)) metrics[split] = metricsOf(reader, file, name, ofModels[name]);
    }
    const fingerprint = isRecord(run.fingerprints) ? run.fingerprints[name] : undefined;
    const file = await stat(join(folder, 'models', `${basename(name)}_model.json`)).catch(() => undefined);
    const trainingSeconds = inner(timings, name, 'boosting_s');
    const latencyUs = inner(run, 'latency_us', name);
    models.set(name, {
      ...(Object.hasOwn(scores, name) && { foldScores: reader.scores(scoresFile, name, scores[name]) }),
      metrics,
      ...(typeof fingerprint === 'string' && { fingerprint }),
      ...(trainingSeconds !== undefined && { trainingSeconds }),
      ...(file !== undefined && { bytes: file.size }),
      ...(latencyUs !== undefined && { latencyUs }),
    });
  }
  return models;
}

/**
 * Reads what a run has left in its folder.
 * @throws InputError where the folder holds no run that has ended well, or one that cannot be read.
 */
export async function readFinishedRun(folder: string): Promise<FinishedRun> {
  const reader = new RunReader(folder);
  const run = await reader.object(RUN);
  if (run === undefined)
    throw new InputError(
      `${folder} holds no finished run: it has no run.json; name the output folder of lockstep run.`,
    );
  if (run.exit !== 0)
    throw new InputError(
      `${folder} holds a run that did not finish: it ended with ${String(run.exit)}; run the experiment again, with --resume if it was searching.`,
    );
  const scoring = scoringOf(reader, run.scoring);
  const models = await modelsOf(reader, folder, run);
  const rows = Object.entries(reader.record(RUN, 'rows', run.rows));
  return {
    folder,
    experiment: reader.string(RUN, 'experiment', run.experiment),
    seed: reader.number(RUN, 'seed', run.seed),
    sources: sourcesOf(reader, run.sources),
    rows: Object.fromEntries(rows.map(([name, count]) => [name, reader.number(RUN, `rows.${name}`, count)])),
    scoring,
    models,
  };
}
