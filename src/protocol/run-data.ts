import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kindOf, type ModelKind } from '../config/objectives.ts';
import type { SplitName } from '../data/types.ts';
import { type MetricName, outputsOf } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import type { Fold, FoldMethod } from '../tuning/folds.ts';
import { experimentFolds, foldMethod } from './optimize.ts';
import type { PreparedExperiment } from './prepare.ts';

/** Files of metrics of models by part of the data, and of scores by fold, below a run's folder. */
export const METRIC_FILES = {
  train: 'metrics/training_metrics.json',
  val: 'metrics/validation_metrics.json',
  test: 'metrics/test_metrics.json',
} as const satisfies Record<SplitName, string>;
/** The config that the run was started with, whole and with absolute paths. */
export const BASELINE_CONFIG = 'configs/baseline_config.yaml';
/** What the run has come to. */
export const RUN_FILE = 'run.json';
export const CV_SCORES_FILE = 'metrics/cv_scores.json';

/** Of what run.json and the files beside it mean; a later one may be unlike it. */
export const RUN_FORMAT_VERSION = 1;

/**
 * Checks that a folder can be written into by this version.
 * @throws InputError where a newer version has left its run there.
 */
export async function checkRunVersion(folder: string): Promise<void> {
  const text = await readFile(join(folder, RUN_FILE), 'utf8').catch(() => '{}');
  let version: unknown;
  try {
    version = JSON.parse(text).format_version;
  } catch {
    // A damaged run.json is written anew.
  }
  if (typeof version === 'number' && version > RUN_FORMAT_VERSION) {
    throw new InputError(
      `${folder} has a run of a newer Lockstep (format ${version}, known are formats up to ${RUN_FORMAT_VERSION}): install that version, or name another folder with --out.`,
    );
  }
}

/** What there is of each model by its name; models that have nothing of it are left out. */
export function ofModels<Name extends string, Model, Value>(
  models: Readonly<Partial<Record<Name, Model>>>,
  pick: (model: Model) => Value | undefined,
): Partial<Record<Name, Value>> {
  return Object.fromEntries(
    (Object.entries(models) as [Name, Model][]).flatMap(([name, model]) => {
      const value = pick(model);
      return value === undefined ? [] : [[name, value]];
    }),
  ) as Partial<Record<Name, Value>>;
}

/** The folds of a search, as run.json has them. */
export interface FoldsRecord {
  readonly count: number;
  readonly method: FoldMethod;
  /** Of the rows of each fold: equal where folds are the same. */
  readonly sha256: string;
}

/** What run.json says of how models were scored, so that another run can be compared with it. */
export interface ScoringRecord {
  /** The primary metric. */
  readonly metric: MetricName;
  readonly kind: ModelKind;
  /** 2 for binary models, 1 for a regression. */
  readonly classes: number;
  /** Of the labels and weights of all rows in their order: equal where the rows are the same. */
  readonly rows_sha256: string;
  /** Absent without a search. */
  readonly folds?: FoldsRecord;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer, byteOffset, byteLength);

function hashOfFolds(folds: readonly Fold[]): string {
  const hash = createHash('sha256');
  for (const [i, { validation }] of folds.entries()) {
    if ('folds' in validation) {
      // One array says of every row in which fold it is.
      if (i === 0) hash.update(validation.folds);
    } else if (validation instanceof Uint32Array) hash.update(bytesOf(validation));
    else hash.update(`${validation.start}-${validation.end};`);
  }
  return hash.digest('hex');
}

/** How an experiment's models were scored; with the folds where a search used them. */
export function scoringRecord(experiment: PreparedExperiment, hasFolds: boolean): ScoringRecord {
  const { binned, params, metrics } = experiment;
  const kind = kindOf(params.objective);
  const hash = createHash('sha256').update(bytesOf(binned.label));
  if (binned.weight !== undefined) hash.update(bytesOf(binned.weight));
  const folds = hasFolds ? experimentFolds(experiment) : undefined;
  return {
    metric: metrics[0]!,
    kind,
    classes: kind === 'binary' ? 2 : outputsOf(params),
    rows_sha256: hash.digest('hex'),
    ...(folds && {
      folds: { count: folds.length, method: foldMethod(experiment), sha256: hashOfFolds(folds) },
    }),
  };
}

/** Test rows over training rows of a fold, on average over the folds, as Nadeau and Bengio's test needs it. */
export function testTrainRatio({ count, method }: Pick<FoldsRecord, 'count' | 'method'>): number {
  if (method !== 'time') return 1 / (count - 1);
  // Forward chaining: fold i is scored on one block and trained on i + 1.
  let sum = 0;
  for (let blocks = 1; blocks <= count; blocks++) sum += 1 / blocks;
  return sum / count;
}
