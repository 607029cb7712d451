import { BestRound } from '../boosting/boost.ts';
import { type BoosterParams, treeParams } from '../boosting/params.ts';
import type { MetricName, ResidentDataset, TrainingBatch, TrainingJob } from '../engine/engine.ts';
import { outputsOfTrees } from '../ensemble/outputs.ts';
import { InterruptedError } from '../errors.ts';
import { plainMean } from '../stats/sum.ts';
import type { BestFolds } from './best-folds.ts';
import type { Fold } from './folds.ts';
import type { Pruner } from './pruner.ts';
import type { Direction, Trial } from './trial.ts';

/** A trial with the parameters of its models. */
export interface PlannedTrial {
  /** As the study has it, running. */
  readonly trial: Trial;
  readonly params: BoosterParams;
}

/** What cross-validation found of one trial. */
export interface TrialScores {
  readonly number: number;
  readonly state: 'complete' | 'pruned' | 'fail';
  /** Mean over the folds; of a pruned trial the last reported one; undefined for a failed one. */
  readonly value?: number | undefined;
  /** What was reported, by step. */
  readonly intermediate: ReadonlyMap<number, number>;
  /** One a fold. */
  readonly foldScores: readonly number[];
  /** The round of each score, from 1. */
  readonly bestRounds: readonly number[];
  /** Rounds trained, all folds together. */
  readonly rounds: number;
  /** Why it failed. */
  readonly failure?: string | undefined;
}

export interface EvaluateOptions {
  /** The data binned with a number of bins; asked for once a generation and number. */
  readonly resident: (maxBin: number) => Promise<ResidentDataset>;
  readonly folds: readonly Fold[];
  readonly metric: MetricName;
  readonly direction: Direction;
  /** Seed of every model. */
  readonly seed: number;
  /** Rounds without improvement after which a fold stops and keeps its best round; 0 is off, and its last round counts. */
  readonly earlyStoppingRounds: number;
  readonly pruner?: Pruner | undefined;
  /** Keeps what the folds of the best trials predict for the rows that they were not trained on. */
  readonly keep?: BestFolds | undefined;
  /** Told of each report, in order. */
  readonly onReport?: ((number: number, step: number, value: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Wall time that one call of the engine should take. */
const CALL_MS = 60;
/** Rounds of one call at most: those of a pruned trial, and of any that has ended on a device, are trained in vain. */
const MOST_ROUNDS = 50;
/** Rounds that may be trained in vain, rather than ending a call for one trial. */
const SPARE_ROUNDS = 4;

/** One model of a trial. */
class FoldRun extends BestRound {
  ended = false;

  record(value: number, cap: number): void {
    this.ended = this.take(value) || this.rounds >= cap;
  }
}

/** One trial under way: its folds, and what it has reported. */
class TrialRun {
  trial: Trial;
  readonly params: BoosterParams;
  readonly intermediate = new Map<number, number>();
  readonly folds: readonly FoldRun[];
  state: 'running' | 'complete' | 'pruned' | 'fail' = 'running';
  failure: string | undefined;

  constructor({ trial, params }: PlannedTrial, options: EvaluateOptions) {
    this.params = params;
    this.folds = options.folds.map(() => new FoldRun(options.direction, options.earlyStoppingRounds));
    this.trial = { ...trial, intermediate: this.intermediate };
  }

  get mean(): number {
    return this.folds.reduce((sum, { value }) => sum + value, 0) / this.folds.length;
  }

  /** The step that is reported after a round, counting in units of learning rate times rounds; undefined where none is. */
  stepAfter(round: number): number | undefined {
    const step = Math.floor(this.params.learning_rate * round);
    return step > Math.floor(this.params.learning_rate * (round - 1)) ? step : undefined;
  }

  scores(): TrialScores {
    const failed = this.state === 'fail';
    const value = this.state === 'pruned' ? [...this.intermediate.values()].at(-1) : this.mean;
    return {
      number: this.trial.number,
      state: this.state as TrialScores['state'],
      ...(!failed && { value }),
      intermediate: this.intermediate,
      foldScores: this.folds.map(({ value: score }) => score),
      bestRounds: this.folds.map(({ round }) => round),
      rounds: this.folds.reduce((sum, { rounds }) => sum + rounds, 0),
      ...(failed && { failure: this.failure }),
    };
  }
}

/** The trials of one number of bins: they train on the same resident table, in one batch. */
interface Group {
  readonly resident: ResidentDataset;
  readonly batch: TrainingBatch;
  readonly runs: readonly TrialRun[];
}

/**
 * Scores trials by cross-validation, all models of all trials in one batch.
 *
 * A trial reports the mean over its folds whenever learning rate × rounds passes a whole number, which is its step: by then
 * models have come equally far, whatever their learning rates. After each report the pruner decides. Everything happens in
 * the order of rounds, then of trials, so results depend neither on the engine, its threads, nor on how rounds are grouped into calls.
 *
 * @returns one for each trial, in order. A trial whose value is not finite has failed.
 * @throws InterruptedError on abort: nothing of the trials is known then.
 */
export async function evaluateTrials(
  trials: readonly PlannedTrial[],
  options: EvaluateOptions,
): Promise<TrialScores[]> {
  const runs = trials.map((planned) => new TrialRun(planned, options));
  const groups: Group[] = [];
  try {
    for (const maxBin of new Set(runs.map(({ params }) => params.max_bin))) {
      const ofGroup = runs.filter(({ params }) => params.max_bin === maxBin);
      const resident = await options.resident(maxBin);
      const batch = await resident.start(jobsOf(ofGroup, options));
      groups.push({ resident, batch, runs: ofGroup });
    }
    await train(groups, runs, options);
    if (options.keep) await keepBest(options.keep, groups, options);
  } finally {
    for (const { batch } of groups) batch.dispose();
  }
  return runs.map((run) => run.scores());
}

/** Rounds of a model on all rows, from the best ones of its folds. */
export function meanRound(rounds: readonly number[]): number {
  return Math.max(1, Math.round(plainMean(rounds)));
}

/** Hands over what the folds of complete trials predict after their mean best round, or the last before it, as far as that is wanted. */
async function keepBest(
  keep: BestFolds,
  groups: readonly Group[],
  { folds }: EvaluateOptions,
): Promise<void> {
  for (const { resident, batch, runs } of groups) {
    for (const [t, run] of runs.entries()) {
      if (run.state !== 'complete' || !keep.wants(run.mean)) continue;
      const outputs: Float64Array[] = [];
      // The rounds that a model on all rows would have: a fold's own best round is chosen by the rows that it predicts.
      const shared = meanRound(run.folds.map(({ round }) => round));
      for (const [f, { validation }] of folds.entries()) {
        const trees = await batch.finish(t * folds.length + f, Math.min(shared, run.folds[f]!.rounds));
        outputs.push(outputsOfTrees(run.params, trees, await resident.predictMargins(trees, validation)));
      }
      await keep.put(run.trial.number, run.mean, run.params, outputs);
    }
  }
}

/** A job for each trial and fold. */
function jobsOf(
  runs: readonly TrialRun[],
  { folds, metric, seed, direction, earlyStoppingRounds }: EvaluateOptions,
): TrainingJob[] {
  return runs.flatMap(({ params }) =>
    folds.map(({ train, validation }) => ({
      params: treeParams(params),
      seed,
      rows: train,
      evals: [validation],
      metrics: [metric],
      patience: { rounds: earlyStoppingRounds, direction, value: 0 },
    })),
  );
}

async function train(
  groups: readonly Group[],
  runs: readonly TrialRun[],
  options: EvaluateOptions,
): Promise<void> {
  const { signal } = options;
  let round = 0;
  let perCall = 4;
  for (;;) {
    const live = runs.filter(({ state }) => state === 'running');
    if (live.length === 0) return;
    const left = Math.min(...live.map(({ params }) => params.n_estimators - round));
    const count = Math.min(perCall, Math.max(left, SPARE_ROUNDS));
    const started = performance.now();
    const values = await advance(groups, count, signal);
    const spent = performance.now() - started;
    for (let i = 0; i < count; i++) takeRound(runs, ++round, values, i, options);
    for (const group of groups) stopEnded(group);
    const fitting = Math.floor((CALL_MS / Math.max(spent, 0.01)) * count);
    perCall = Math.max(1, Math.min(MOST_ROUNDS, fitting));
  }
}

/** Scores of each fold over the rounds of a call. */
type CallValues = ReadonlyMap<FoldRun, readonly number[]>;

async function advance(
  groups: readonly Group[],
  count: number,
  signal: AbortSignal | undefined,
): Promise<CallValues> {
  const values = new Map<FoldRun, number[]>();
  for (const { batch, runs } of groups) {
    if (runs.every(({ state }) => state !== 'running')) continue;
    for (const result of await batch.advance(count, signal && { signal })) {
      const perTrial = runs[0]!.folds.length;
      const fold = runs[Math.floor(result.job / perTrial)]!.folds[result.job % perTrial]!;
      const ofFold = values.get(fold) ?? [];
      ofFold.push(result.values[0]!);
      values.set(fold, ofFold);
    }
    if (signal?.aborted) throw new InterruptedError();
  }
  return values;
}

/** One round of every live trial, in their order. */
function takeRound(
  runs: readonly TrialRun[],
  round: number,
  values: CallValues,
  i: number,
  options: EvaluateOptions,
): void {
  for (const run of runs) {
    if (run.state !== 'running') continue;
    for (const fold of run.folds)
      if (!fold.ended) fold.record(values.get(fold)![i]!, run.params.n_estimators);
    const mean = run.mean;
    const ended = run.folds.every((fold) => fold.ended);
    const step = run.stepAfter(round);
    if (step !== undefined && Number.isFinite(mean)) {
      run.intermediate.set(step, mean);
      options.onReport?.(run.trial.number, step, mean);
      if (!ended && options.pruner?.shouldPrune(run.trial, standing(runs))) run.state = 'pruned';
    }
    if (ended && run.state === 'running') settle(run);
  }
}

/** The trials that are under way or complete. */
function standing(runs: readonly TrialRun[]): readonly Trial[] {
  return runs.flatMap(({ state, trial }) => (state === 'running' || state === 'complete' ? trial : []));
}

function settle(run: TrialRun): void {
  const { mean } = run;
  run.state = Number.isFinite(mean) ? 'complete' : 'fail';
  if (run.state === 'complete') {
    run.trial = { ...run.trial, state: 'complete', value: mean };
    return;
  }
  const fold = run.folds.findIndex(({ value }) => !Number.isFinite(value));
  run.failure = `the metric is ${run.folds[fold]!.value} on fold ${fold + 1}`;
}

/** Takes the models that have ended, and those of trials that have, out of the batch. */
function stopEnded({ batch, runs }: Group): void {
  runs.forEach((run, t) => {
    run.folds.forEach((fold, f) => {
      if (run.state !== 'running') fold.ended = true;
      if (fold.ended) batch.stop(t * run.folds.length + f);
    });
  });
}
