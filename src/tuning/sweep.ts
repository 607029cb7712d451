import { boost } from '../boosting/boost.ts';
import { Model } from '../boosting/model.ts';
import { type GivenParams, resolveParams } from '../boosting/params.ts';
import { checkMetrics, checkSeed, type TrainingArrays } from '../boosting/train.ts';
import { kindOf, taskOf } from '../config/objectives.ts';
import { datasetFromArrays } from '../data/arrays.ts';
import { binTables } from '../data/binning.ts';
import { chooseEngine, type EngineChoice } from '../engine/choose.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { MetricName } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import { metricDirection } from '../metrics/metrics.ts';
import { type RefitRounds, searchBoosters } from './booster-search.ts';
import { defaultFoldMethod, type FoldMethod, makeFolds } from './folds.ts';
import { openStorage } from './open-storage.ts';
import type { PrunerConfig } from './pruners/create.ts';
import type { SamplerConfig } from './samplers/create.ts';
import type { Choice, SearchSpace } from './space.ts';
import { BinnedTables } from './tables.ts';
import type { Trial } from './trial.ts';

export interface SweepOptions extends TrainingArrays {
  /** Hyperparameters to search. */
  readonly space: SearchSpace;
  /** Those that are not searched; XGBoost's names and defaults. */
  readonly params?: GivenParams;
  /** What trials are judged by; by default ROC AUC, for regression RMSE. */
  readonly metric?: MetricName;
  /** 100 by default. */
  readonly n_trials?: number;
  /** Folds, 2 … 255; 5 by default. */
  readonly cv?: number;
  /** `grouped` with groups, else `stratified`, for regression `random`. */
  readonly cv_method?: FoldMethod;
  /** Group number of each row; groups stay in one fold. */
  readonly groups?: Int32Array;
  /** Rounds without improvement after which a fold stops; 50 by default, 0 is off. */
  readonly early_stopping_rounds?: number;
  readonly refit_rounds?: RefitRounds;
  readonly sampler?: Partial<SamplerConfig>;
  readonly pruner?: PrunerConfig;
  readonly enqueue?: readonly Readonly<Record<string, Choice>>[];
  /** Trials trained together; 8 by default. */
  readonly generation?: number;
  /** Seconds after which no generation begins. */
  readonly timeout?: number;
  /** File of the study, in Optuna's journal format; in memory by default. A study that is there already goes on. */
  readonly journal?: string;
  /** `sweep` by default. */
  readonly study_name?: string;
  /** 0 … 2^53 − 1; 42 by default. */
  readonly seed?: number;
  /** −1, the default, is all cores. */
  readonly threads?: number;
  readonly engine?: EngineChoice;
  /** Called for every finished trial, in order of number. */
  readonly onTrial?: (trial: Trial) => void;
  readonly signal?: AbortSignal;
}

/** What a sweep has found. */
export interface SweepOutcome {
  readonly trials: readonly Trial[];
  readonly best: Trial;
  /** The best parameters, trained on all rows. */
  readonly model: Model;
  /** Scores on each fold. */
  readonly cv_scores: { readonly baseline: readonly number[]; readonly optimized: readonly number[] };
}

/**
 * Searches hyperparameters on arrays in memory by cross-validation, all folds of several trials together, and trains
 * the best on all rows. Trials, values, pruning and model depend on the arrays and the options alone: not on threads, engine or
 * machine, nor on interruptions where there is a journal.
 * @throws InputError for options or arrays that cannot be used, InterruptedError when `signal` aborts.
 */
export async function sweep(options: SweepOptions): Promise<SweepOutcome> {
  const base = resolveParams(options.params ?? {});
  const seed = checkSeed(options.seed ?? 42);
  const kind = kindOf(base.objective);
  const metric = options.metric ?? (kind === 'regression' ? 'rmse' : 'auc_roc');
  checkMetrics([metric], base.objective);
  const threads = resolveThreads(options.threads ?? -1);
  const { features, label, weight, types, signal } = options;
  const { dataset, schema } = datasetFromArrays({
    features,
    label,
    weight,
    types,
    taskType: taskOf(base.objective),
  });
  const method = options.cv_method ?? defaultFoldMethod(kind, options.groups !== undefined);
  if (method === 'grouped' && options.groups?.length !== dataset.rows) {
    throw new InputError(`groups must give one number to each of the ${dataset.rows} rows.`);
  }
  const folds = makeFolds({
    method,
    k: options.cv ?? 5,
    rows: dataset.rows,
    tableRows: dataset.rows,
    labels: kind === 'regression' ? undefined : dataset.label,
    groups: options.groups,
    seed,
  });
  const engine = await chooseEngine(options.engine ?? 'auto', { threads });
  const tables = new BinnedTables(engine, async (maxBin) => {
    const { binned } = await binTables([dataset], schema.features, { maxBin, threads, signal });
    return binned;
  });
  const direction = metricDirection(metric);
  const studyName = options.study_name ?? 'sweep';
  const storage = await openStorage(options.journal, { studyName, direction });
  const started = performance.now();
  try {
    const search = await searchBoosters({
      storage,
      space: options.space,
      sampler: { name: 'tpe', seed, ...options.sampler },
      pruner: options.pruner ?? { name: 'median' },
      enqueue: options.enqueue,
      nTrials: options.n_trials ?? 100,
      generation: options.generation ?? 8,
      refitRounds: options.refit_rounds ?? 'mean_best',
      validation: {
        resident: async (maxBin) => (await tables.get(maxBin)).resident,
        folds,
        metric,
        seed,
        earlyStoppingRounds: options.early_stopping_rounds ?? 50,
        signal,
        base,
        schema,
      },
      deadline: options.timeout === undefined ? undefined : started + options.timeout * 1000,
      onProgress: (_study, _running, trial) => {
        if (trial !== undefined) options.onTrial?.(trial);
      },
    });
    const { params } = search;
    const { binned, resident } = await tables.get(params.max_bin);
    const rows = { start: 0, end: dataset.rows };
    const { trees, rounds, bestRound, stoppedEarly } = await boost(resident, {
      params,
      seed,
      rows,
      ...(signal && { signal }),
    });
    const model = Model.fromTraining({
      trees,
      features: binned.features,
      schema,
      objective: params.objective,
      params,
      seed,
      training: { rows: dataset.rows, rounds, best_iteration: bestRound - 1, early_stopped: stoppedEarly },
    });
    const { baselineScores: baseline, bestScores: optimized } = search;
    return { trials: [...search.study.trials], best: search.best, model, cv_scores: { baseline, optimized } };
  } finally {
    tables.dispose();
    await storage.close();
  }
}
