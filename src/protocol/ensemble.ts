import { boostBatch } from '../boosting/boost-batch.ts';
import type { Model } from '../boosting/model.ts';
import { kindOf } from '../config/objectives.ts';
import type { RowRange } from '../data/binning.ts';
import { listRows } from '../data/rows.ts';
import type { TreeEnsemble } from '../engine/engine.ts';
import { EnsembleModel } from '../ensemble/ensemble-model.ts';
import { bestEnsemble, type FittedEnsemble, fitEnsemble, foldScoresOf } from '../ensemble/fit.ts';
import { checkOutputs, type EnsembleMethod, seesFeatures } from '../ensemble/methods.ts';
import { type MemberOutputs, outputsOfTrees } from '../ensemble/outputs.ts';
import { benefitOf, type JudgedOutputs, type Truth } from '../ensemble/truth.ts';
import { InputError, InterruptedError } from '../errors.ts';
import { plainMean } from '../stats/sum.ts';
import { BestFolds } from '../tuning/best-folds.ts';
import { BASE_NUMBER } from '../tuning/booster-search.ts';
import { paramsOfTrial } from '../tuning/cross-validate.ts';
import { evaluateTrials, meanRound, type PlannedTrial } from '../tuning/evaluate.ts';
import { beginTrial } from '../tuning/storage.ts';
import type { BinnedTables } from '../tuning/tables.ts';
import { type FinishedWork, NO_CHECKPOINTS } from './checkpoints.ts';
import {
  CANDIDATES_PER_MEMBER,
  experimentFolds,
  FOLD_OUTPUTS,
  foldWork,
  type OptimizeResult,
  searchScoring,
} from './optimize.ts';
import type { PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import { type ModelScores, scoreParts, type TrainedModel, toModel } from './trained-model.ts';

/** A model that takes part in ensembles, with the scores of its folds at the rounds that they share. */
export interface EnsembleMember {
  readonly name: string;
  readonly model: Model;
  readonly trees: TreeEnsemble;
  /** Its table's number of bins. */
  readonly maxBin: number;
  readonly foldScores: readonly number[];
  /** Mean of the fold scores. */
  readonly value: number;
}

/** What a method has made, and how good it is on the parts of the data. */
export interface ScoredEnsemble extends FittedEnsemble {
  readonly model: EnsembleModel;
  readonly scores: ModelScores;
}

/** What the stage ensemble has made. */
export interface EnsembleResult {
  /** Best first. */
  readonly members: readonly EnsembleMember[];
  /** In the order of the config's methods. */
  readonly fitted: readonly ScoredEnsemble[];
  /** The one with the best score on the folds. */
  readonly best: ScoredEnsemble;
  /** Methods of the config that were not begun when the time was up. */
  readonly leftOut: readonly EnsembleMethod[];
  /** Whether the time was up before members were trained, so that only models of the run take part that were trained already. */
  readonly onlyTrained: boolean;
  readonly timings: { readonly ensemble_s: number };
}

/** Why the stage has made nothing: the time was up. */
export interface SkippedEnsemble {
  readonly skipped: string;
}

export interface EnsembleOptions {
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** `performance.now()` time after which no training begins, and no method but voting, which is fitted to nothing. */
  readonly deadline?: number | undefined;
  /** Where the run keeps finished work. */
  readonly checkpoints?: FinishedWork | undefined;
}

/** Advice for a run whose time was up before the stage. */
const MORE_TIME = 'raise resources.max_time_hours, or set optimization.timeout_hours below it';

/** A model that could take part: the baseline, which is no trial, or a complete trial. */
interface Candidate {
  readonly number: number;
  readonly name: string;
  /** By the best rounds of its folds. */
  readonly value: number;
}

/** A candidate judged by its folds at the rounds that they share. */
interface JudgedCandidate extends Candidate {
  /** Among all candidates. */
  readonly place: number;
  readonly foldScores: readonly number[];
}

/**
 * The ensemble stage: takes the best models of a run, fits every method of the config to what their fold models predict for rows that
 * they were not trained on, and scores the best. After the deadline it makes do with models that are trained, and with voting; which
 * methods and members there are is all that time decides.
 * @param baseline takes part where it is given
 * @throws InputError where there are fewer than two models and the search was not cut short, InterruptedError on abort.
 */
export async function runEnsemble(
  experiment: PreparedExperiment,
  tables: BinnedTables,
  search: OptimizeResult,
  baseline: TrainedModel | undefined,
  options: EnsembleOptions,
): Promise<EnsembleResult | SkippedEnsemble> {
  const { reporter, signal, deadline = Number.POSITIVE_INFINITY, checkpoints = NO_CHECKPOINTS } = options;
  const started = performance.now();
  const isLate = () => performance.now() >= deadline;
  const { ensemble: config } = experiment.loaded.config;
  const found = candidatesOf(search, baseline !== undefined, experiment);
  if (found.length < 2) {
    if (search.end === 'time') return skip(`the search had time for too few trials; ${MORE_TIME}`, reporter);
    throw new InputError(
      `An ensemble needs two models and the run has ${found.length}; raise optimization.n_trials, or leave out the stage ensemble.`,
    );
  }
  reporter.step('Choosing the members of ensembles');
  const trained = trainedModels(experiment, search, baseline);
  const isTrained = ({ number }: Candidate) => trained.has(number);
  const lateAtOnce = isLate();
  let onlyTrained = lateAtOnce && !found.every(isTrained);
  const candidates = lateAtOnce
    ? found.filter((of) => isTrained(of) && search.keptFolds.get(of.number) !== undefined)
    : found;
  if (candidates.length < 2)
    return skip(`the time was up before its members were trained; ${MORE_TIME}`, reporter);
  const foldRows = experimentFolds(experiment).map(({ validation }) => listRows(validation));
  const training = experiment.splits[0]!;
  const outputs = await foldOutputs(experiment, tables, search, candidates, options);
  const { trees } = search.optimized;
  const all = judge(experiment, candidates, trees, training, spread(experiment, outputs, foldRows));
  const judged = bestCandidates(candidates, all, foldRows);
  let chosen = judged.slice(0, config.top_k);
  if (isLate() && !chosen.every(isTrained)) {
    onlyTrained = true;
    chosen = judged.filter(isTrained).slice(0, config.top_k);
    if (chosen.length < 2)
      return skip(`the time was up before its members were trained; ${MORE_TIME}`, reporter);
  }
  if (onlyTrained) {
    reporter.warn(
      `ensembles have only the members ${chosen.map(({ name }) => name).join(' and ')}, which were trained already: the time was up`,
    );
  }
  reporter.step(`Training the ${chosen.length} members of ensembles`);
  const members = await trainMembers(experiment, tables, search, trained, chosen, options);
  const ofChosen = chosen.map(({ place }) => all.outputs.members[place]!);
  const outOfFold = { truth: all.truth, outputs: { ...all.outputs, members: ofChosen } };
  const margins = new Map<RowRange, Int32Array[]>();
  for (const { rows } of experiment.splits) margins.set(rows, await memberMargins(tables, members, rows));
  const validation = experiment.splits.find(({ name }) => name === 'val');
  const ofValidation = ({ rows }: Split) =>
    margins.get(rows)!.map((of, k) => outputsOfTrees(experiment.params, members[k]!.trees, of));
  const holdOut = validation && judge(experiment, members, trees, validation, ofValidation(validation));

  const fitted: ScoredEnsemble[] = [];
  const leftOut: EnsembleMethod[] = [];
  for (const method of config.methods) {
    if (method !== 'voting' && isLate()) {
      leftOut.push(method);
      continue;
    }
    reporter.step(`Building the ensemble ${method}`);
    const { voting } = config;
    const sees = config.passthrough && seesFeatures(method);
    const fitting = () =>
      fitEnsemble(method, sees ? withColumns(outOfFold, training) : outOfFold, {
        folds: foldRows,
        holdOut: holdOut && sees ? withColumns(holdOut, validation!) : holdOut,
        voting,
      });
    const work = { method, outOfFold, holdOut, folds: foldRows, voting, sees };
    const fit = await checkpoints.once('ensemble', work, fitting);
    const model = new EnsembleModel(method, fit.combiner, members);
    const scores = await scoreParts(experiment, model, async (rows) => {
      const { columns } = experiment.splits.find((split) => split.rows === rows)!;
      return model.combineMargins(margins.get(rows)!, rows.end - rows.start, columns);
    });
    fitted.push({ ...fit, model, scores });
    if (signal?.aborted) throw new InterruptedError();
  }
  if (fitted.length === 0) return skip(`the time was up before its first method; ${MORE_TIME}`, reporter);
  if (leftOut.length > 0) {
    reporter.warn(`these ensembles are left out, as the time was up: ${leftOut.join(', ')}`);
  }
  const best = bestEnsemble(fitted, outOfFold.truth);
  const ensemble_s = (performance.now() - started) / 1000;
  return { members, fitted, best, leftOut, onlyTrained, timings: { ensemble_s } };
}

type Split = PreparedExperiment['splits'][number];

function skip(reason: string, reporter: Reporter): SkippedEnsemble {
  reporter.warn(`the stage ensemble is left out: ${reason}`);
  return { skipped: reason };
}

/** Outputs with the features of their rows. */
function withColumns({ truth, outputs }: JudgedOutputs, { columns }: Split): JudgedOutputs {
  return { truth, outputs: { ...outputs, columns } };
}

/** The models that are looked at, by the mean score that the search has for them, best first, of equals the earlier. */
function candidatesOf(
  { trials, best, cvScores }: OptimizeResult,
  hasBaseline: boolean,
  { metrics, loaded }: PreparedExperiment,
): Candidate[] {
  const candidates: Candidate[] = [];
  if (hasBaseline) {
    candidates.push({ number: BASE_NUMBER, name: 'baseline', value: plainMean(cvScores.baseline) });
  }
  for (const { number, state, value, userAttrs } of trials) {
    if (state !== 'complete' || value === undefined || userAttrs.best_rounds === undefined) continue;
    candidates.push({ number, name: number === best.number ? 'optimized' : `trial_${number}`, value });
  }
  return candidates
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => benefitOf(metrics[0]!, b.value) - benefitOf(metrics[0]!, a.value))
    .slice(0, CANDIDATES_PER_MEMBER * loaded.config.ensemble.top_k);
}

/** The candidates with the scores of their folds at shared rounds, best first, of equals the earlier. */
function bestCandidates(
  candidates: readonly Candidate[],
  all: JudgedOutputs,
  foldRows: readonly Uint32Array[],
): JudgedCandidate[] {
  const { metric } = all.truth;
  return candidates
    .map((candidate, place) => {
      const outputs = { ...all.outputs, members: [all.outputs.members[place]!] };
      const alone = { truth: all.truth, outputs };
      return {
        ...candidate,
        place,
        foldScores: foldScoresOf({ type: 'average', weights: [1] }, alone, foldRows),
      };
    })
    .sort((a, b) => benefitOf(metric, plainMean(b.foldScores)) - benefitOf(metric, plainMean(a.foldScores)));
}

type TrainedMember = Pick<EnsembleMember, 'model' | 'trees' | 'maxBin'>;

/** The models that the run has trained on all training rows, by the number of their trial. */
function trainedModels(
  experiment: PreparedExperiment,
  search: OptimizeResult,
  baseline: TrainedModel | undefined,
): Map<number, TrainedMember> {
  const trained = new Map<number, TrainedMember>();
  trained.set(search.best.number, { ...search.optimized, maxBin: search.params.max_bin });
  if (baseline) trained.set(BASE_NUMBER, { ...baseline, maxBin: experiment.params.max_bin });
  return trained;
}

/** The members, trained on all training rows; those that the run has not trained yet as one batch for each number of bins. */
async function trainMembers(
  experiment: PreparedExperiment,
  tables: BinnedTables,
  search: OptimizeResult,
  already: ReadonlyMap<number, TrainedMember>,
  candidates: readonly JudgedCandidate[],
  { signal, checkpoints = NO_CHECKPOINTS }: EnsembleOptions,
): Promise<EnsembleMember[]> {
  const trained = new Map(already);
  const missing = candidates.flatMap(({ number }) => {
    if (trained.has(number)) return [];
    const trial = search.trials[number]!;
    const params = paramsOfTrial(trial, experiment.params, experiment.data.schema);
    const rounds = meanRound(trial.userAttrs.best_rounds as readonly number[]);
    return [{ number, params: { ...params, n_estimators: rounds }, rows: experiment.splits[0]!.rows }];
  });
  for (const maxBin of new Set(missing.map(({ params }) => params.max_bin))) {
    const ofTable = missing.filter(({ params }) => params.max_bin === maxBin);
    const { binned, resident } = await tables.get(maxBin);
    const works = ofTable.map(({ params, rows }) => ({ params, rows, seed: experiment.seed }));
    const forests: (TreeEnsemble | undefined)[] = [];
    for (const work of works) forests.push(await checkpoints.find<TreeEnsemble>('member', work));
    const places = [...forests.keys()].filter((i) => forests[i] === undefined);
    if (places.length > 0) {
      const made = await boostBatch(
        resident,
        places.map((i) => ofTable[i]!),
        { seed: experiment.seed, signal },
      );
      for (const [k, i] of places.entries()) {
        forests[i] = made[k]!;
        await checkpoints.put('member', works[i]!, made[k]!);
      }
    }
    ofTable.forEach(({ number, params }, i) => {
      const { n_estimators: rounds } = params;
      const trees = forests[i]!;
      const result = { trees, rounds, bestRound: rounds, stoppedEarly: false, history: {} };
      trained.set(number, { model: toModel({ ...experiment, binned }, params, result), trees, maxBin });
    });
  }
  return candidates.map(({ number, name, foldScores }) => {
    const { model, trees, maxBin } = trained.get(number)!;
    return { name, value: plainMean(foldScores), foldScores, model, trees, maxBin };
  });
}

/** For each candidate and fold, the outputs of the fold's validation rows; fold models that were not kept are trained again. */
async function foldOutputs(
  experiment: PreparedExperiment,
  tables: BinnedTables,
  { keptFolds, trials, direction }: OptimizeResult,
  candidates: readonly Candidate[],
  { signal, checkpoints = NO_CHECKPOINTS }: EnsembleOptions,
): Promise<(readonly Float64Array[])[]> {
  const looked: {
    candidate: Candidate;
    planned: PlannedTrial;
    found: readonly Float64Array[] | undefined;
  }[] = [];
  for (const candidate of candidates) {
    const { number } = candidate;
    const kept = keptFolds.get(number);
    const given = trials[number]?.params ?? new Map();
    const trial = beginTrial(number, { state: 'running', params: given }, new Date());
    const params = paramsOfTrial(trial, experiment.params, experiment.data.schema);
    const work = foldWork(experiment, number, params);
    const found = kept ?? (await checkpoints.find<Float64Array[]>(FOLD_OUTPUTS, work));
    looked.push({ candidate, planned: { trial, params }, found });
  }
  const missing = looked.filter(({ found }) => found === undefined).map(({ planned }) => planned);
  const again = new BestFolds(missing.length, direction);
  if (missing.length > 0) {
    await evaluateTrials(missing, { ...searchScoring(experiment, tables), direction, keep: again, signal });
  }
  const outputs: (readonly Float64Array[])[] = [];
  for (const { candidate, planned, found } of looked) {
    const of = found ?? again.get(candidate.number)!;
    outputs.push(of);
    // For whoever asks later, and so that it is not done again.
    if (keptFolds.get(candidate.number) === undefined)
      await keptFolds.put(candidate.number, candidate.value, planned.params, of);
  }
  return outputs;
}

/** Outputs fold by fold as outputs of the training rows; 0 for rows of no fold. */
function spread(
  { splits }: PreparedExperiment,
  outputs: readonly (readonly Float64Array[])[],
  foldRows: readonly Uint32Array[],
): Float64Array[] {
  const { start, end } = splits[0]!.rows;
  const width = outputs[0]![0]!.length / foldRows[0]!.length;
  return outputs.map((ofMember) => {
    const all = new Float64Array((end - start) * width);
    ofMember.forEach((values, fold) => {
      foldRows[fold]!.forEach((row, i) => {
        all.set(values.subarray(i * width, (i + 1) * width), (row - start) * width);
      });
    });
    return all;
  });
}

async function memberMargins(
  tables: BinnedTables,
  members: readonly EnsembleMember[],
  rows: RowRange,
): Promise<Int32Array[]> {
  const margins: Int32Array[] = [];
  for (const { trees, maxBin } of members) {
    margins.push(await (await tables.get(maxBin)).resident.predictMargins(trees, rows));
  }
  return margins;
}

/** Outputs with the truth of their rows. */
function judge(
  { binned, params, metrics }: PreparedExperiment,
  members: readonly { readonly name: string }[],
  { marginBits, baseValue }: Pick<TreeEnsemble, 'marginBits' | 'baseValue'>,
  { rows: { start, end } }: Split,
  values: readonly Float64Array[],
): JudgedOutputs {
  const kind = kindOf(params.objective);
  const outputs: MemberOutputs = {
    kind,
    rows: end - start,
    width: kind === 'multiclass' ? values[0]!.length / (end - start) : 1,
    members: values,
  };
  checkOutputs(
    outputs,
    members.map(({ name }) => name),
  );
  const truth: Truth = {
    scale: { objective: params.objective, marginBits, baseValue },
    label: binned.label.subarray(start, end),
    ...(binned.weight && { weight: binned.weight.subarray(start, end) }),
    metric: metrics[0]!,
  };
  return { outputs, truth };
}
