import { join } from 'node:path';
import type { BoosterParams } from '../boosting/params.ts';
import { metricDirection } from '../config/metric-names.ts';
import { kindOf } from '../config/objectives.ts';
import { outputsOf } from '../engine/engine.ts';
import { BudgetError, InputError } from '../errors.ts';
import { BestFolds, type FoldStore } from '../tuning/best-folds.ts';
import { BASE_NUMBER, searchBoosters } from '../tuning/booster-search.ts';
import type { CrossValidateOptions } from '../tuning/cross-validate.ts';
import { defaultFoldMethod, type Fold, type FoldMethod, makeFolds } from '../tuning/folds.ts';
import { parameterImportances } from '../tuning/importance.ts';
import { openStorage } from '../tuning/open-storage.ts';
import type { SearchEnd } from '../tuning/search.ts';
import { toSearchSpace } from '../tuning/space.ts';
import type { StudyStorage } from '../tuning/storage.ts';
import type { Study } from '../tuning/study.ts';
import type { BinnedTables } from '../tuning/tables.ts';
import { type Direction, isFinished, type Trial } from '../tuning/trial.ts';
import { type FinishedWork, NO_CHECKPOINTS, type WorkInputs } from './checkpoints.ts';
import { estimateMemory, histogramBytes, type PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import { type ModelPlan, type TrainedModel, trainAndScore } from './trained-model.ts';

/** The study's file, below the output folder. */
export const JOURNAL_FILE = 'study.journal';

/** The name of an experiment's study in its file. */
export function studyNameOf({ loaded }: PreparedExperiment): string {
  return `${loaded.config.experiment.name}_optimization`;
}

/** Models that are looked at for each that takes part in ensembles. */
export const CANDIDATES_PER_MEMBER = 2;

/** Scores of one model on each fold. */
export interface CvScores {
  readonly baseline: readonly number[];
  readonly optimized: readonly number[];
}

/** What the search found. */
export interface OptimizeResult {
  readonly studyName: string;
  readonly direction: Direction;
  readonly trials: readonly Trial[];
  /** Trials that were trained together. */
  readonly generation: number;
  /** Trials of this run; the others are from earlier ones. */
  readonly newTrials: number;
  readonly best: Trial;
  /** Those of the optimised model: the best trial's, with the rounds that it trains. */
  readonly params: BoosterParams;
  readonly cvScores: CvScores;
  /** How much each parameter matters (PED-ANOVA), falling; empty after too few trials. */
  readonly importances: ReadonlyMap<string, number>;
  /** What the fold models of the best trials, and of the baseline, predict; of trials of this run alone. */
  readonly keptFolds: BestFolds;
  readonly optimized: TrainedModel;
  readonly end: SearchEnd;
  readonly timings: { readonly search_s: number };
}

export interface OptimizeOptions {
  /** Folder of the study's file; without it the study is kept in memory. */
  readonly folder?: string | undefined;
  /** Go on with the study that the folder holds. */
  readonly resume?: boolean | undefined;
  /** Repeats a search of generations of these sizes, without a time limit. */
  readonly generations?: readonly number[] | undefined;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** `performance.now()` time at which the run must end. */
  readonly deadline?: number | undefined;
  /** How long the baseline took to train: the search ends that much earlier that what follows it has time. */
  readonly baselineSeconds?: number | undefined;
  /** Where the run keeps finished work. */
  readonly checkpoints?: FinishedWork | undefined;
}

/** How an experiment's rows are divided for cross-validation. */
export function foldMethod({ groups, params, loaded }: PreparedExperiment): FoldMethod {
  const { cv_method: method } = loaded.config.optimization;
  return method === 'auto' ? defaultFoldMethod(kindOf(params.objective), groups !== undefined) : method;
}

/** The folds of an experiment's search, over its training rows. */
export function experimentFolds(experiment: PreparedExperiment): Fold[] {
  const { binned, splits, groups, params, seed } = experiment;
  return makeFolds({
    method: foldMethod(experiment),
    k: experiment.loaded.config.optimization.cv,
    rows: splits[0]!.rows.end,
    tableRows: binned.rows,
    labels: kindOf(params.objective) === 'regression' ? undefined : binned.label,
    groups,
    seed,
  });
}

/** How the folds of an experiment's trials are trained and scored. */
export function searchScoring(
  experiment: PreparedExperiment,
  tables: BinnedTables,
): Omit<CrossValidateOptions, 'direction'> {
  return {
    resident: async (maxBin) => (await tables.get(maxBin)).resident,
    folds: experimentFolds(experiment),
    metric: experiment.metrics[0]!,
    seed: experiment.seed,
    earlyStoppingRounds: experiment.loaded.config.optimization.early_stopping_rounds,
    base: experiment.params,
    schema: experiment.data.schema,
  };
}

/** All that the fold models of a trial depend on. */
export function foldWork(experiment: PreparedExperiment, number: number, params: BoosterParams): WorkInputs {
  const { groups, seed, metrics, splits } = experiment;
  const { cv, early_stopping_rounds: patience } = experiment.loaded.config.optimization;
  const folds = { method: foldMethod(experiment), cv, groups, rows: splits[0]!.rows };
  return { number, params, folds, seed, metric: metrics[0], patience };
}

/** The kind of checkpoint that has what fold models predict. */
export const FOLD_OUTPUTS = 'folds';

function foldStore(experiment: PreparedExperiment, checkpoints: FinishedWork): FoldStore {
  return {
    put: (number, params, outputs) =>
      checkpoints.put(FOLD_OUTPUTS, foldWork(experiment, number, params), outputs),
    drop: (number, params) => checkpoints.drop(FOLD_OUTPUTS, foldWork(experiment, number, params)),
  };
}

/** Bytes a row that a model in flight takes at most, for each of its outputs. */
const MODEL_ROW_BYTES = 30;
/** Models that have histograms at the same time: a figure for any machine. */
const HISTOGRAMS_AT_ONCE = 16;

/**
 * How many trials are trained together: as the config says, or as many as resources.max_memory_gb has room for. It follows from the
 * config and the size of the data alone, so that a repetition finds the same.
 * @throws BudgetError where one is too many.
 */
function generationOf(experiment: PreparedExperiment, reporter: Reporter): number {
  const { binned, params, loaded } = experiment;
  const { optimization, resources } = loaded.config;
  const { cv, generation, search_space: space } = optimization;
  const depth = space.max_depth;
  const deepest = depth?.type === 'int' ? Math.max(depth.high, params.max_depth) : params.max_depth;
  const outputs = outputsOf(params);
  const features = binned.features.length;
  const histograms = (HISTOGRAMS_AT_ONCE - 1) * histogramBytes(features, deepest);
  const fixed = estimateMemory(binned.rows, features, deepest, outputs) + histograms;
  const ofTrial = cv * binned.rows * outputs * MODEL_ROW_BYTES;
  const limit = resources.max_memory_gb * 2 ** 30;
  const fitting = Math.floor((limit - fixed) / ofTrial);
  if (fitting < 1) {
    const needed = ((fixed + ofTrial) / 2 ** 30).toPrecision(3);
    throw new BudgetError(
      `The search needs about ${needed} GiB for the ${cv} models of a trial, more than resources.max_memory_gb ${resources.max_memory_gb}: raise it, or lower optimization.cv.`,
    );
  }
  if (fitting >= generation) return generation;
  reporter.warn(
    `the search goes in generations of ${fitting} instead of ${generation} trials, which resources.max_memory_gb ${resources.max_memory_gb} has room for`,
  );
  return fitting;
}

/** Share of the time left that is kept for what follows a search, at most. */
const MOST_RESERVED = 0.2;

/** Seconds that the best model, the members of ensembles, their weights, comparison and reports will take: a rough guess, on the safe side. */
function secondsAfterSearch({ loaded }: PreparedExperiment, baselineSeconds: number): number {
  return 5 + (loaded.config.ensemble.top_k + 2) * 4 * baselineSeconds;
}

/** When a search ends: some time before the run does, and no later than its own limit. */
function endOfSearch(
  experiment: PreparedExperiment,
  now: number,
  { deadline = Number.POSITIVE_INFINITY, baselineSeconds, generations }: OptimizeOptions,
): number | undefined {
  if (generations !== undefined) return undefined;
  const { timeout_hours: hours = Number.POSITIVE_INFINITY } = experiment.loaded.config.optimization;
  const most = MOST_RESERVED * (deadline - now);
  const reserved =
    baselineSeconds === undefined
      ? most
      : Math.min(most, secondsAfterSearch(experiment, baselineSeconds) * 1000);
  const end = Math.min(deadline - reserved, now + hours * 3_600_000);
  return Number.isFinite(end) ? end : undefined;
}

/** The study of the folder, which must be new unless it is to go on. */
async function openStudy(
  studyName: string,
  direction: Direction,
  { folder, resume, reporter }: OptimizeOptions,
): Promise<StudyStorage> {
  const path = folder === undefined ? undefined : join(folder, JOURNAL_FILE);
  const storage = await openStorage(path, { studyName, direction });
  const before = storage.trials.length;
  if (before > 0 && !resume) {
    await storage.close();
    throw new InputError(
      `${path} already holds a study of ${before} trials: add --resume to go on with it, or name another folder with --out.`,
    );
  }
  if (before > 0) reporter.step(`Going on with the ${before} trials of ${path}`);
  return storage;
}

/** Reports how far the search is. */
class SearchReport {
  readonly #nTrials: number;
  readonly #metric: string;
  readonly #deadline: number | undefined;
  readonly #reporter: Reporter;
  readonly #started = performance.now();
  /** Trials that an earlier process has finished. */
  #before: number | undefined;

  constructor(nTrials: number, metric: string, deadline: number | undefined, reporter: Reporter) {
    this.#nTrials = nTrials;
    this.#metric = metric;
    this.#deadline = deadline;
    this.#reporter = reporter;
  }

  send(study: Study, running: number): void {
    const done = study.finished;
    this.#before ??= done;
    const now = performance.now();
    const trialsPerSecond = ((done - this.#before) / (now - this.#started)) * 1000;
    const bySpeed = trialsPerSecond > 0 ? (this.#nTrials - done) / trialsPerSecond : undefined;
    const byTime = this.#deadline === undefined ? undefined : Math.max(0, this.#deadline - now) / 1000;
    this.#reporter.search({
      done,
      pruned: study.ended.pruned,
      failed: study.ended.fail,
      running,
      trials: this.#nTrials,
      best: study.best?.value,
      metric: this.#metric,
      trialsPerSecond,
      remaining: bySpeed === undefined ? byTime : Math.min(bySpeed, byTime ?? bySpeed),
    });
  }
}

/**
 * The optimize stage: searches hyperparameters by cross-validation over the training rows, scores the baseline on the same
 * folds, and trains the best parameters on all training rows.
 * @throws as `searchBoosters` does; the study's file keeps every finished generation.
 */
export async function runOptimize(
  experiment: PreparedExperiment,
  tables: BinnedTables,
  options: OptimizeOptions,
): Promise<OptimizeResult> {
  const { config } = experiment.loaded;
  const { optimization } = config;
  const { reporter, signal } = options;
  const started = performance.now();
  const metric = experiment.metrics[0]!;
  const direction = metricDirection(metric);
  const studyName = studyNameOf(experiment);
  const { checkpoints = NO_CHECKPOINTS, generations } = options;
  const deadline = endOfSearch(experiment, started, options);
  const generation = generationOf(experiment, reporter);
  const { methods, top_k: topK } = config.ensemble;
  const kept = methods.length > 0 ? CANDIDATES_PER_MEMBER * topK : 0;
  const keep = new BestFolds(kept, direction, foldStore(experiment, checkpoints));
  const storage = await openStudy(studyName, direction, options);
  try {
    const nTrials = generations?.reduce((sum, size) => sum + size, 0) ?? optimization.n_trials;
    const finishedBefore = storage.trials.filter(isFinished).length;
    const report = new SearchReport(nTrials, metric, deadline, reporter);
    const search = await searchBoosters({
      storage,
      space: toSearchSpace(optimization.search_space),
      sampler: optimization.sampler,
      pruner: optimization.pruner,
      enqueue: optimization.enqueue,
      nTrials,
      generation,
      generations,
      refitRounds: optimization.refit_rounds,
      validation: {
        ...searchScoring(experiment, tables),
        keep,
        signal,
      },
      deadline,
      rememberBaseline: (score) =>
        checkpoints.once('scores', foldWork(experiment, BASE_NUMBER, experiment.params), score),
      onProgress: (study, running) => report.send(study, running),
    });
    const { study, best, end, params } = search;
    if (end === 'time') {
      reporter.warn(`the search ended after ${study.finished} of ${nTrials} trials: its time was up`);
    }
    const search_s = (performance.now() - started) / 1000;
    reporter.step('Training the best parameters on all training rows');
    const plan: ModelPlan = {
      name: 'optimized',
      params,
      earlyStoppingRounds: search.fixedRounds ? 0 : config.training.early_stopping_rounds,
    };
    const { binned, resident: ofPlan } = await tables.get(params.max_bin);
    const optimized = await trainAndScore({ ...experiment, binned }, ofPlan, plan, {
      reporter,
      signal,
      deadline: options.deadline,
      cutAtDeadline: true,
      checkpoints,
    });
    const n_estimators = Number(optimized.model.params.n_estimators);
    return {
      studyName,
      direction,
      trials: [...study.trials],
      generation,
      newTrials: study.finished - finishedBefore,
      best,
      params: { ...params, n_estimators },
      cvScores: { baseline: search.baselineScores, optimized: search.bestScores },
      importances: parameterImportances(study.trials, direction),
      keptFolds: keep,
      optimized,
      end,
      timings: { search_s },
    };
  } finally {
    await storage.close();
  }
}
