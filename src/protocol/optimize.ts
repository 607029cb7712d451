import { join } from 'node:path';
import type { BoosterParams, GivenParams } from '../boosting/params.ts';
import { metricDirection } from '../config/metric-names.ts';
import type { Engine, ResidentDataset } from '../engine/engine.ts';
import { BudgetError, InputError } from '../errors.ts';
import { type CrossValidateOptions, crossValidate, paramsOfTrial } from '../tuning/cross-validate.ts';
import { evaluateTrials } from '../tuning/evaluate.ts';
import { type Fold, type FoldMethod, makeFolds } from '../tuning/folds.ts';
import { parameterImportances } from '../tuning/importance.ts';
import { Journal } from '../tuning/journal.ts';
import { createPruner } from '../tuning/pruners/create.ts';
import { createSampler } from '../tuning/samplers/create.ts';
import { bestTrial, runSearch, type SearchEnd } from '../tuning/search.ts';
import { toSearchSpace } from '../tuning/space.ts';
import { MemoryStorage, type StudyStorage } from '../tuning/storage.ts';
import { Study } from '../tuning/study.ts';
import type { Direction, Trial } from '../tuning/trial.ts';
import type { PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import { type ModelPlan, type TrainedModel, trainAndScore } from './trained-model.ts';

/** The study's file, below the output folder. */
export const JOURNAL_FILE = 'study.journal';

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
  readonly best: Trial;
  /** Those of the optimised model: the best trial's, with the rounds that it trains. */
  readonly params: BoosterParams;
  readonly cvScores: CvScores;
  /** Share of the scores' variation, by parameter, falling; empty after too few trials. */
  readonly importances: ReadonlyMap<string, number>;
  readonly optimized: TrainedModel;
  readonly end: SearchEnd;
  readonly timings: { readonly search_s: number };
}

export interface OptimizeOptions {
  /** Folder of the study's file; without it the study is kept in memory. */
  readonly folder?: string | undefined;
  /** Go on with the study that the folder holds. */
  readonly resume?: boolean | undefined;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** `performance.now()` time at which the run must end. */
  readonly deadline?: number | undefined;
}

type Optimization = PreparedExperiment['loaded']['config']['optimization'];

/** The folds of an experiment's search, over its training rows. */
export function experimentFolds(experiment: PreparedExperiment): Fold[] {
  const { binned, splits, groups, params, seed } = experiment;
  const { cv, cv_method: method } = experiment.loaded.config.optimization;
  const isRegression = params.objective.startsWith('reg:');
  const fitting: FoldMethod =
    method !== 'auto' ? method : groups !== undefined ? 'grouped' : isRegression ? 'random' : 'stratified';
  return makeFolds({
    method: fitting,
    k: cv,
    rows: splits[0]!.rows.end,
    tableRows: binned.rows,
    labels: isRegression ? undefined : binned.label,
    groups,
    seed,
  });
}

/** The data sets of a search, resident by their number of bins. */
class Residents {
  readonly #experiment: PreparedExperiment;
  readonly #engine: Engine;
  readonly #own: ResidentDataset;
  readonly #others = new Map<number, ResidentDataset>();

  /** @param own the experiment's table, which stays the caller's */
  constructor(experiment: PreparedExperiment, engine: Engine, own: ResidentDataset) {
    this.#experiment = experiment;
    this.#engine = engine;
    this.#own = own;
  }

  async get(maxBin: number): Promise<ResidentDataset> {
    if (maxBin === this.#experiment.params.max_bin) return this.#own;
    let resident = this.#others.get(maxBin);
    if (resident === undefined) {
      resident = await this.#engine.load(await this.#experiment.binAgain!(maxBin));
      this.#others.set(maxBin, resident);
    }
    return resident;
  }

  dispose(): void {
    for (const resident of this.#others.values()) resident.dispose();
    this.#others.clear();
  }
}

async function openStorage(
  name: string,
  direction: Direction,
  { folder, resume, reporter }: OptimizeOptions,
): Promise<StudyStorage> {
  if (folder === undefined) return new MemoryStorage(name, direction);
  const path = join(folder, JOURNAL_FILE);
  const journal = await Journal.open(path, { studyName: name, direction });
  const before = journal.trials.length;
  if (before > 0 && !resume) {
    await journal.close();
    throw new InputError(
      `${path} already holds a study of ${before} trials: add --resume to go on with it, or name another folder with --out.`,
    );
  }
  if (before > 0) reporter.step(`Going on with the ${before} trials of ${path}`);
  return journal;
}

/** Reports how far the search is. */
class SearchReport {
  readonly #study: Study;
  readonly #nTrials: number;
  readonly #metric: string;
  readonly #deadline: number | undefined;
  readonly #reporter: Reporter;
  readonly #started = performance.now();
  readonly #before: number;

  constructor(
    study: Study,
    nTrials: number,
    metric: string,
    deadline: number | undefined,
    reporter: Reporter,
  ) {
    this.#study = study;
    this.#nTrials = nTrials;
    this.#metric = metric;
    this.#deadline = deadline;
    this.#reporter = reporter;
    this.#before = study.finished;
  }

  send(running: number): void {
    const done = this.#study.finished;
    const count = (state: Trial['state']) =>
      this.#study.trials.filter((trial) => trial.state === state).length;
    const now = performance.now();
    const trialsPerSecond = ((done - this.#before) / (now - this.#started)) * 1000;
    const bySpeed = trialsPerSecond > 0 ? (this.#nTrials - done) / trialsPerSecond : undefined;
    const byTime = this.#deadline === undefined ? undefined : Math.max(0, this.#deadline - now) / 1000;
    this.#reporter.search({
      done,
      pruned: count('pruned'),
      failed: count('fail'),
      running,
      trials: this.#nTrials,
      best: this.#study.best?.value,
      metric: this.#metric,
      trialsPerSecond,
      remaining: bySpeed === undefined ? byTime : Math.min(bySpeed, byTime ?? bySpeed),
    });
  }
}

function cvScoresOf(trial: Trial): readonly number[] {
  return (trial.userAttrs.fold_scores as number[] | undefined) ?? [];
}

/** The model that a search has found. */
function optimizedPlan(
  experiment: PreparedExperiment,
  best: Trial,
  base: GivenParams,
  optimization: Optimization,
): ModelPlan {
  const params = paramsOfTrial(best, base, experiment.data.schema);
  const rounds = best.userAttrs.best_rounds as number[] | undefined;
  if (optimization.refit_rounds === 'n_estimators' || rounds === undefined) {
    return {
      name: 'optimized',
      params,
      earlyStoppingRounds: experiment.loaded.config.training.early_stopping_rounds,
    };
  }
  const mean = Math.round(rounds.reduce((sum, round) => sum + round, 0) / rounds.length);
  return {
    name: 'optimized',
    params: { ...params, n_estimators: Math.max(1, mean) },
    earlyStoppingRounds: 0,
  };
}

/**
 * The optimize stage: searches hyperparameters by cross-validation over the training rows, scores the baseline on the same
 * folds, and trains the best parameters on all training rows.
 * @throws InterruptedError on abort, BudgetError where the time is up before the first generation, InputError where no trial can be
 *   evaluated; the study's file keeps every finished generation.
 */
export async function runOptimize(
  experiment: PreparedExperiment,
  engine: Engine,
  resident: ResidentDataset,
  options: OptimizeOptions,
): Promise<OptimizeResult> {
  const { config } = experiment.loaded;
  const { optimization } = config;
  const { reporter, signal } = options;
  const started = performance.now();
  const metric = experiment.metrics[0]!;
  const direction = metricDirection(metric);
  const studyName = `${config.experiment.name}_optimization`;
  const space = toSearchSpace(optimization.search_space);
  const pruner = createPruner(optimization.pruner, direction, studyName);
  const searchEnd = Math.min(
    options.deadline ?? Number.POSITIVE_INFINITY,
    started + (optimization.timeout_hours ?? Number.POSITIVE_INFINITY) * 3_600_000,
  );
  const deadline = Number.isFinite(searchEnd) ? searchEnd : undefined;
  const { num_class: _classes, monotone_constraints, ...rest } = experiment.params;
  const base: GivenParams = { ...rest, monotone_constraints };

  const residents = new Residents(experiment, engine, resident);
  const storage = await openStorage(studyName, direction, options);
  try {
    const study = new Study({
      storage,
      space,
      sampler: createSampler(optimization.sampler, space, direction),
      pruner,
    });
    if (study.trials.length === 0) for (const values of optimization.enqueue) await study.enqueue(values);
    const validation: CrossValidateOptions = {
      resident: (maxBin) => residents.get(maxBin),
      folds: experimentFolds(experiment),
      metric,
      direction,
      seed: experiment.seed,
      earlyStoppingRounds: optimization.early_stopping_rounds,
      pruner,
      signal,
      base,
      schema: experiment.data.schema,
    };
    const baseline = await scoreBaseline(experiment, validation);
    const report = new SearchReport(study, optimization.n_trials, metric, deadline, reporter);
    const end = await runSearch({
      study,
      nTrials: optimization.n_trials,
      generation: optimization.generation,
      evaluate: (trials) => {
        report.send(trials.length);
        return crossValidate(trials, validation);
      },
      deadline,
      onTrial: () => report.send(0),
      signal,
    });
    if (end === 'time' && study.finished === 0) {
      throw new BudgetError(
        'The time budget ended before the first trial; raise resources.max_time_hours or optimization.timeout_hours.',
      );
    }
    if (end === 'time') {
      reporter.warn(
        `the search ended after ${study.finished} of ${optimization.n_trials} trials: its time was up`,
      );
    }
    const best = bestTrial(study);
    const search_s = (performance.now() - started) / 1000;
    const plan = optimizedPlan(experiment, best, base, optimization);
    reporter.step('Training the best parameters on all training rows');
    const optimized = await trainAndScore(
      await experimentWithBins(experiment, plan.params.max_bin),
      await residents.get(plan.params.max_bin),
      plan,
      { reporter, signal },
    );
    return {
      studyName,
      direction,
      trials: [...study.trials],
      best,
      params: plan.params,
      cvScores: { baseline, optimized: cvScoresOf(best) },
      importances: parameterImportances(study.trials, direction),
      optimized,
      end,
      timings: { search_s },
    };
  } finally {
    residents.dispose();
    await storage.close();
  }
}

async function experimentWithBins(
  experiment: PreparedExperiment,
  maxBin: number,
): Promise<PreparedExperiment> {
  if (maxBin === experiment.params.max_bin) return experiment;
  return { ...experiment, binned: await experiment.binAgain!(maxBin) };
}

/** The config's own parameters on the folds of the search. */
async function scoreBaseline(
  experiment: PreparedExperiment,
  { pruner: _pruner, ...options }: CrossValidateOptions,
): Promise<readonly number[]> {
  const trial: Trial = {
    number: -1,
    state: 'running',
    params: new Map(),
    intermediate: new Map(),
    userAttrs: {},
    systemAttrs: {},
  };
  const [scores] = await evaluateTrials([{ trial, params: experiment.params }], options);
  return scores!.foldScores;
}
