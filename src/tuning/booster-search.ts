import { type BoosterParams, fitParams, resolveParams } from '../boosting/params.ts';
import { BudgetError } from '../errors.ts';
import { type CrossValidateOptions, crossValidate, paramsOfTrial } from './cross-validate.ts';
import { evaluateTrials, meanRound } from './evaluate.ts';
import { createPruner, type PrunerConfig } from './pruners/create.ts';
import { createSampler, type SamplerConfig } from './samplers/create.ts';
import { bestTrial, runSearch, type SearchEnd } from './search.ts';
import type { Choice, SearchSpace } from './space.ts';
import { beginTrial, type StudyStorage } from './storage.ts';
import { Study } from './study.ts';
import type { Trial } from './trial.ts';

/** How many rounds the model with the best parameters is trained for. */
export type RefitRounds = 'mean_best' | 'n_estimators';

/** Number under which the parameters that are not searched are scored: they are no trial. */
export const BASE_NUMBER = -1;

export interface BoosterSearchOptions {
  /** Where the study is kept; stays the caller's. */
  readonly storage: StudyStorage;
  readonly space: SearchSpace;
  readonly sampler: SamplerConfig;
  readonly pruner: PrunerConfig;
  /** Trials that a new study begins with: values by name. */
  readonly enqueue?: readonly Readonly<Record<string, Choice>>[] | undefined;
  /** Trials of the study in all. */
  readonly nTrials: number;
  /** Trials that are asked for and trained together. */
  readonly generation: number;
  /** Sizes of the first generations, where an earlier search is to be repeated. */
  readonly generations?: readonly number[] | undefined;
  readonly refitRounds: RefitRounds;
  readonly validation: Omit<CrossValidateOptions, 'direction' | 'pruner'>;
  /** `performance.now()` time after which no generation begins, and one under way is given up. */
  readonly deadline?: number | undefined;
  /** Lets the caller remember the scores of the parameters that are not searched. */
  readonly rememberBaseline?:
    | ((score: () => Promise<readonly number[]>) => Promise<readonly number[]>)
    | undefined;
  /** Told before each generation and after each of its trials. */
  readonly onProgress?: ((study: Study, running: number, trial?: Trial) => void) | undefined;
}

/** What a search over gradient-boosted trees has found. */
export interface BoosterSearch {
  readonly study: Study;
  readonly best: Trial;
  readonly end: SearchEnd;
  /** The best trial's, with the rounds to train. */
  readonly params: BoosterParams;
  /** Whether those rounds are exact, or an upper limit for early stopping. */
  readonly fixedRounds: boolean;
  /** Scores of the parameters that are not searched, on each fold. */
  readonly baselineScores: readonly number[];
  /** Scores of the best trial. */
  readonly bestScores: readonly number[];
}

/**
 * Searches the parameters of gradient-boosted trees by cross-validation.
 * @throws InterruptedError on abort, BudgetError where the time is up before the first trial, InputError where no trial can be
 *   evaluated or the study in the storage is of another space; finished generations stay in the storage.
 */
export async function searchBoosters(options: BoosterSearchOptions): Promise<BoosterSearch> {
  const { storage, space, nTrials } = options;
  const { direction, studyName } = storage;
  const pruner = createPruner(options.pruner, direction, studyName);
  const { deadline } = options;
  const validation: CrossValidateOptions = { ...options.validation, direction, pruner };
  const sampler = createSampler(options.sampler, space, direction);
  const study = new Study({ storage, space, sampler, pruner });
  if (study.trials.length === 0) for (const values of options.enqueue ?? []) await study.enqueue(values);
  const score = () => scoreBase(validation);
  const baselineScores = await (options.rememberBaseline?.(score) ?? score());
  const timed = { ...validation, signal: signalUntil(deadline, validation.signal) };
  const end = await runSearch({
    study,
    nTrials,
    generation: options.generation,
    generations: options.generations,
    evaluate: (trials) => {
      options.onProgress?.(study, trials.length);
      return crossValidate(trials, timed);
    },
    deadline,
    onTrial: (trial) => options.onProgress?.(study, 0, trial),
    signal: validation.signal,
  });
  if (end === 'time' && study.finished === 0) {
    throw new BudgetError(
      'The time budget ended before the first trial; raise resources.max_time_hours or optimization.timeout_hours.',
    );
  }
  const best = bestTrial(study);
  const params = paramsOfTrial(best, validation.base, validation.schema);
  const rounds = best.userAttrs.best_rounds as readonly number[] | undefined;
  const fixedRounds = options.refitRounds === 'mean_best' && rounds !== undefined;
  return {
    study,
    best,
    end,
    params: fixedRounds ? { ...params, n_estimators: meanRound(rounds) } : params,
    fixedRounds,
    baselineScores,
    bestScores: (best.userAttrs.fold_scores as readonly number[] | undefined) ?? [],
  };
}

/** The longest delay of a timer, some 25 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** A signal that also fires at a time of `performance.now()`. */
function signalUntil(deadline: number | undefined, signal: AbortSignal | undefined): AbortSignal | undefined {
  const left = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - performance.now();
  if (left > LONGEST_MS) return signal;
  const late = AbortSignal.timeout(Math.max(0, Math.ceil(left)));
  return signal === undefined ? late : AbortSignal.any([signal, late]);
}

/** Scores of the parameters that are not searched. */
async function scoreBase({
  pruner: _pruner,
  ...validation
}: CrossValidateOptions): Promise<readonly number[]> {
  const params = fitParams(resolveParams(validation.base), validation.schema);
  const trial = beginTrial(BASE_NUMBER, { state: 'running', params: new Map() }, new Date());
  const [scores] = await evaluateTrials([{ trial, params }], validation);
  return scores!.foldScores;
}
