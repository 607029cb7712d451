import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { JsonReader } from '../boosting/json-reader.ts';
import { METRIC_NAMES, type MetricName } from '../config/metric-names.ts';
import type { ModelKind } from '../config/objectives.ts';
import type { SplitName } from '../data/types.ts';
import { ExitCode, InputError } from '../errors.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import type { FoldMethod } from '../tuning/folds.ts';
import { readJsonObject } from './json-file.ts';
import {
  CV_SCORES_FILE,
  checkRunVersion,
  type FoldsRecord,
  METRIC_FILES,
  RUN_FILE,
  type ScoringRecord,
} from './run-data.ts';

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

/** Reads values of a file that a run has left. */
class RunFile extends JsonReader {
  override error(problem: string): InputError {
    return new InputError(
      `${this.name} is not what this version of lockstep run writes: ${problem}; run the experiment again.`,
    );
  }

  /** A score, where null stands for an undefined one. */
  score(value: unknown, path: string): number {
    return value === null ? Number.NaN : this.number(value, path);
  }
}

/** A file of a run and its content, a JSON object; undefined where there is no such file. */
function readRunFile(
  folder: string,
  name: string,
): { readonly reader: RunFile; readonly content: Json } | undefined {
  const reader = new RunFile(join(folder, name), 'run');
  const content = readJsonObject(reader, 'run the experiment again');
  return content && { reader, content };
}

const KINDS: readonly ModelKind[] = ['binary', 'multiclass', 'regression'];
const METHODS: readonly FoldMethod[] = ['stratified', 'random', 'grouped', 'time'];

function foldsOf(reader: RunFile, value: unknown): FoldsRecord {
  const folds = reader.object(value, 'scoring.folds');
  return {
    count: reader.number(folds.count, 'scoring.folds.count'),
    method: reader.oneOf(folds.method, 'scoring.folds.method', METHODS),
    sha256: reader.string(folds.sha256, 'scoring.folds.sha256'),
  };
}

function scoringOf(reader: RunFile, value: unknown): ScoringRecord {
  const scoring = reader.object(value, 'scoring');
  return {
    metric: reader.oneOf(scoring.metric, 'scoring.metric', METRIC_NAMES),
    kind: reader.oneOf(scoring.kind, 'scoring.kind', KINDS),
    classes: reader.number(scoring.classes, 'scoring.classes'),
    rows_sha256: reader.string(scoring.rows_sha256, 'scoring.rows_sha256'),
    ...(scoring.folds !== undefined && { folds: foldsOf(reader, scoring.folds) }),
  };
}

function sourcesOf(reader: RunFile, value: unknown): FinishedRun['sources'] {
  return reader.array(value, 'sources').map((item, i) => {
    const source = reader.object(item, `sources[${i}]`);
    return {
      path: reader.string(source.path, `sources[${i}].path`),
      sha256: reader.string(source.sha256, `sources[${i}].sha256`),
    };
  });
}

function metricsOf(reader: RunFile, model: string, value: unknown) {
  const metrics: Partial<Record<MetricName, number>> = {};
  for (const [name, score] of Object.entries(reader.object(value, model))) {
    const metric = METRIC_NAMES.find((known) => known === name);
    if (metric !== undefined) metrics[metric] = reader.score(score, `${model}.${name}`);
  }
  return metrics;
}

/** A number of a record of a record, where there is one. */
function inner(record: Json, key: string, name: string): number | undefined {
  const of = record[key];
  const value = isRecord(of) ? of[name] : undefined;
  return typeof value === 'number' ? value : undefined;
}

async function modelsOf(folder: string, run: Json): Promise<Map<string, FinishedModel>> {
  const splits = Object.entries(METRIC_FILES).map(
    ([split, file]) => [split as SplitName, readRunFile(folder, file)] as const,
  );
  const scores = readRunFile(folder, CV_SCORES_FILE);
  const read = [...splits.map(([, file]) => file), scores];
  const names = new Set(read.flatMap((file) => Object.keys(file?.content ?? {})));
  const timings = isRecord(run.timings) ? run.timings : {};
  const models = new Map<string, FinishedModel>();
  for (const name of names) {
    const metrics: SplitMetrics = {};
    for (const [split, ofSplit] of splits) {
      if (ofSplit === undefined || !Object.hasOwn(ofSplit.content, name)) continue;
      metrics[split] = metricsOf(ofSplit.reader, name, ofSplit.content[name]);
    }
    const fingerprint = isRecord(run.fingerprints) ? run.fingerprints[name] : undefined;
    const file = await stat(join(folder, 'models', `${basename(name)}_model.json`)).catch(() => undefined);
    const trainingSeconds = inner(timings, name, 'boosting_s');
    const latencyUs = inner(run, 'latency_us', name);
    models.set(name, {
      ...(scores !== undefined &&
        Object.hasOwn(scores.content, name) && {
          foldScores: scores.reader
            .array(scores.content[name], name)
            .map((score, i) => scores.reader.score(score, `${name}[${i}]`)),
        }),
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
  await checkRunVersion(folder);
  const file = readRunFile(folder, RUN_FILE);
  if (file === undefined)
    throw new InputError(
      `${folder} holds no finished run: it has no run.json; name the output folder of lockstep run.`,
    );
  const { reader, content: run } = file;
  if (run.exit !== ExitCode.done && run.exit !== ExitCode.checkFailed)
    throw new InputError(
      `${folder} holds a run that did not finish: it ended with ${String(run.exit)}; run the experiment again, with --resume if it was searching.`,
    );
  const scoring = scoringOf(reader, run.scoring);
  const models = await modelsOf(folder, run);
  const rows = Object.entries(reader.object(run.rows, 'rows'));
  return {
    folder,
    experiment: reader.string(run.experiment, 'experiment'),
    seed: reader.number(run.seed, 'seed'),
    sources: sourcesOf(reader, run.sources),
    rows: Object.fromEntries(rows.map(([name, count]) => [name, reader.number(count, `rows.${name}`)])),
    scoring,
    models,
  };
}
