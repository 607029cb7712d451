import { InputError, InterruptedError } from '../errors.ts';
import type { Study, TrialResult } from './study.ts';
import type { Trial } from './trial.ts';

export interface SearchOptions {
  readonly study: Study;
  /** Trials that the study has in the end, those that it had before included. */
  readonly nTrials: number;
  /** Trials that are asked for and evaluated together; 1 gives Optuna's sequence. */
  readonly generation: number;
  /** Sizes of the first generations, where an earlier search is to be repeated. */
  readonly generations?: readonly number[] | undefined;
  /** Evaluates the trials of a generation; one result each. A trial that cannot be evaluated is a failed one, not an error. */
  readonly evaluate: (trials: readonly Trial[]) => Promise<readonly TrialResult[]>;
  /** `performance.now()` time after which no generation begins; one that an abort ends after it does not count. */
  readonly deadline?: number | undefined;
  /** Told of every finished trial, in order of number. */
  readonly onTrial?: ((trial: Trial) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Why a search ended. */
export type SearchEnd = 'trials' | 'time' | 'exhausted';

/**
 * Evaluates generations until a study has its trials, its time is up or its sampler has no more.
 * @throws InterruptedError on abort, whatever `evaluate` throws; the study keeps the generations finished before.
 */
export async function runSearch(options: SearchOptions): Promise<SearchEnd> {
  const { study, nTrials, generation, signal } = options;
  for (let index = 0; ; index++) {
    if (signal?.aborted) throw new InterruptedError();
    const finished = study.finished;
    if (finished >= nTrials) return 'trials';
    if (study.isExhausted) return 'exhausted';
    if (options.deadline !== undefined && performance.now() > options.deadline) return 'time';
    const trials = await study.ask(Math.min(options.generations?.[index] ?? generation, nTrials - finished));
    let results: readonly TrialResult[];
    try {
      results = await options.evaluate(trials);
    } catch (error) {
      const isLate = options.deadline !== undefined && performance.now() >= options.deadline;
      if (error instanceof InterruptedError && !signal?.aborted && isLate) return 'time';
      throw error;
    }
    await study.tell(results);
    for (const { number } of trials) options.onTrial?.(study.trials[number]!);
  }
}

/**
 * The best trial of a search that is over.
 * @throws InputError where no trial is complete.
 */
export function bestTrial(study: Study): Trial {
  if (study.best !== undefined) return study.best;
  const failed = study.trials.filter(({ state }) => state === 'fail');
  const reason = failed[0]?.userAttrs.failure;
  throw new InputError(
    failed.length === 0
      ? 'No trial of the search was finished; give it more trials or more time.'
      : `All ${failed.length} trials of the search failed${typeof reason === 'string' ? `, the first because ${reason}` : ''}; change the search space, the metric or the folds.`,
  );
}
