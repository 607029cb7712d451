import { type BoosterParams, fitParams, type GivenParams, resolveParams } from '../boosting/params.ts';
import type { Schema } from '../data/types.ts';
import { InputError } from '../errors.ts';
import { type EvaluateOptions, evaluateTrials, type PlannedTrial, type TrialScores } from './evaluate.ts';
import type { TrialResult } from './study.ts';
import { type Trial, trialValues } from './trial.ts';

export interface CrossValidateOptions extends EvaluateOptions {
  /** Parameters that are not searched. */
  readonly base: GivenParams;
  readonly schema: Schema;
}

/** The parameters of a trial's models: the searched ones over the others. */
export function paramsOfTrial(trial: Trial, base: GivenParams, schema: Schema): BoosterParams {
  return fitParams(resolveParams({ ...base, ...trialValues(trial) }), schema);
}

/**
 * Evaluates a generation of trials of gradient-boosted trees: see `evaluateTrials`. The results carry, as attributes for
 * people, the score and the best round of each fold.
 */
export async function crossValidate(
  trials: readonly Trial[],
  options: CrossValidateOptions,
): Promise<TrialResult[]> {
  const started = performance.now();
  const planned: PlannedTrial[] = [];
  const refused = new Map<number, string>();
  for (const trial of trials) {
    try {
      planned.push({ trial, params: paramsOfTrial(trial, options.base, options.schema) });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      refused.set(trial.number, error.message.replace(/\.$/, ''));
    }
  }
  const scores = await evaluateTrials(planned, options);
  const elapsed = (performance.now() - started) / 1000;
  const rounds = scores.reduce((sum, of) => sum + of.rounds, 0);
  return trials.map(({ number }) => {
    const of = scores.find((candidate) => candidate.number === number);
    return of === undefined
      ? { number, state: 'fail', userAttrs: { failure: refused.get(number) } }
      : toResult(of, (elapsed * of.rounds) / rounds);
  });
}

/** @param seconds the trial's part of the generation's time, by rounds */
function toResult(scores: TrialScores, seconds: number): TrialResult {
  const { number, state, value, intermediate, foldScores, bestRounds, failure } = scores;
  return {
    number,
    state,
    value,
    intermediate,
    userAttrs: {
      ...(state !== 'fail' && { fold_scores: foldScores, best_rounds: bestRounds }),
      ...(failure !== undefined && { failure }),
      seconds: Number(seconds.toPrecision(4)),
    },
  };
}
