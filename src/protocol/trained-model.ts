import { type BoostResult, boost, type PartialBoost } from '../boosting/boost.ts';
import { Model } from '../boosting/model.ts';
import type { OutputScale } from '../boosting/output.ts';
import type { BoosterParams } from '../boosting/params.ts';
import { metricDirection } from '../config/metric-names.ts';
import { kindOf } from '../config/objectives.ts';
import type { RowRange } from '../data/binning.ts';
import type { SplitName } from '../data/types.ts';
import type { MetricName, ResidentDataset, TreeEnsemble } from '../engine/engine.ts';
import { outputsOfMargins } from '../ensemble/outputs.ts';
import { BudgetError } from '../errors.ts';
import {
  type ClassConfusion,
  type ConfusionMatrix,
  type Curves,
  classConfusion,
  confusionMatrix,
  oneVsRestCurves,
  rocAndPrCurves,
  type ScoredRows,
  type SplitMetrics,
  scoreMargins,
} from '../metrics/score.ts';
import { type FinishedWork, NO_CHECKPOINTS } from './checkpoints.ts';
import type { PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import type { TestPredictions } from './test-predictions.ts';

/** The protocol's history of one model: one value a round. */
export interface TrainingHistory {
  readonly train_loss: readonly number[];
  readonly val_loss: readonly number[];
  readonly train_metrics: Readonly<Partial<Record<MetricName, readonly number[]>>>;
  readonly val_metrics: Readonly<Partial<Record<MetricName, readonly number[]>>>;
}

/** A binary classifier on one part of the data, as metrics/curves.json has it. */
export interface BinaryDetails extends Curves {
  readonly confusion_matrix: ConfusionMatrix;
}

/** A classifier of several classes on one part of the data; lists are in the order of `classes`. */
export interface ClassDetails {
  readonly classes: readonly (string | number | boolean)[];
  readonly confusion_matrix: ClassConfusion;
  /** Of each class against the others. */
  readonly one_vs_rest: readonly Curves[];
}

/** Names of the models that a run compares. */
export type ModelName = 'baseline' | 'optimized' | 'ensemble';

/** One model to be trained on the training rows. */
export interface ModelPlan {
  readonly name: Exclude<ModelName, 'ensemble'>;
  readonly params: BoosterParams;
  /** Rounds without a better primary metric on the validation rows after which to stop; 0 is off. */
  readonly earlyStoppingRounds: number;
}

/** The config's own model. */
export function baselinePlan(experiment: PreparedExperiment): ModelPlan {
  const { early_stopping_rounds: earlyStoppingRounds } = experiment.loaded.config.training;
  return { name: 'baseline', params: experiment.params, earlyStoppingRounds };
}

/** How good a model is on the parts of the data. */
export interface ModelScores extends TestPredictions {
  /** What it predicts for the last part of the data, as testPredictions has them: test, else validation, else training. */
  readonly reported: Float64Array;
  readonly metrics: SplitMetrics;
  readonly details: Partial<Record<SplitName, BinaryDetails | ClassDetails>>;
}

/** A trained and scored model. */
export interface TrainedModel extends ModelScores {
  readonly model: Model;
  /** Its trees over bins, for predictions of the binned table. */
  readonly trees: TreeEnsemble;
  readonly boosting: Omit<BoostResult, 'trees'>;
  readonly history: TrainingHistory;
  readonly timings: { readonly boosting_s: number; readonly metrics_s: number };
}

/** Training metrics are those a run watches round by round: the loss and the primary metric. */
function watchedMetrics(experiment: PreparedExperiment): MetricName[] {
  return [...new Set([experiment.metrics[0]!, experiment.lossMetric])];
}

function toHistory(
  result: Omit<BoostResult, 'trees'>,
  loss: MetricName,
  primary: MetricName,
): TrainingHistory {
  const of = (set: SplitName) => result.history[set];
  const metrics = (set: SplitName) => {
    const values = of(set)?.[primary];
    return values === undefined ? {} : { [primary]: values };
  };
  return {
    train_loss: of('train')?.[loss] ?? [],
    val_loss: of('val')?.[loss] ?? [],
    train_metrics: metrics('train'),
    val_metrics: metrics('val'),
  };
}

/** The user's model from what boosting trained. */
export function toModel(experiment: PreparedExperiment, params: BoosterParams, result: BoostResult): Model {
  return Model.fromTraining({
    trees: result.trees,
    features: experiment.binned.features,
    schema: experiment.data.schema,
    objective: params.objective,
    params,
    seed: experiment.seed,
    training: {
      rows: experiment.splits[0]!.rows.end,
      rounds: result.rounds,
      best_iteration: result.bestRound - 1,
      early_stopped: result.stoppedEarly,
    },
  });
}

/** Training ended before its last round; what was trained is here. */
export interface PartialModel extends PartialBoost {
  readonly plan: ModelPlan;
}

export interface TrainModelOptions {
  readonly reporter?: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** `performance.now()` time at which training must end. */
  readonly deadline?: number | undefined;
  /** Whether the rounds finished by the deadline make a model, instead of an error. */
  readonly cutAtDeadline?: boolean;
  /** Where a run keeps trained models. */
  readonly checkpoints?: FinishedWork | undefined;
}

/**
 * Trains a model, with early stopping on the primary metric of the validation rows where there are any.
 * @throws InterruptedError and BudgetError as `boost` does, with the properties of PartialModel.
 */
export async function trainModel(
  experiment: PreparedExperiment,
  resident: ResidentDataset,
  plan: ModelPlan,
  { reporter, signal, deadline, cutAtDeadline = false, checkpoints = NO_CHECKPOINTS }: TrainModelOptions,
): Promise<{ model: Model; result: BoostResult; boosting_s: number }> {
  const [train, val] = experiment.splits;
  const primary = experiment.metrics[0]!;
  const job = {
    params: plan.params,
    seed: experiment.seed,
    rows: train!.rows,
    evals: [train!, ...(val?.name === 'val' ? [val] : [])].map(({ name, rows }) => ({ name, rows })),
    metrics: watchedMetrics(experiment),
    ...(val?.name === 'val' && {
      earlyStopping: {
        rounds: plan.earlyStoppingRounds,
        metric: primary,
        direction: metricDirection(primary),
        on: 'val',
      },
    }),
  };
  const known = await checkpoints.find<{ result: BoostResult; boosting_s: number }>(plan.name, job);
  const started = performance.now();
  const secondsSince = () => (performance.now() - started) / 1000;
  let trained = known;
  let { params } = plan;
  if (trained === undefined) {
    try {
      const result = await boost(resident, {
        ...job,
        onRound: (event) => reporter?.round(plan.name, event),
        ...(signal && { signal }),
        ...(deadline !== undefined && { deadline }),
      });
      trained = { result, boosting_s: secondsSince() };
      await checkpoints.put(plan.name, job, trained);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const { partial } = error as Error & Partial<PartialBoost>;
      if (!(cutAtDeadline && error instanceof BudgetError && partial)) throw Object.assign(error, { plan });
      params = { ...params, n_estimators: partial.rounds };
      trained = { result: partial, boosting_s: secondsSince() };
      reporter?.warn(
        `the model ${plan.name} has ${partial.bestRound} of ${plan.params.n_estimators} rounds: the time was up`,
      );
    }
  }
  return { model: toModel(experiment, params, trained.result), ...trained };
}

/** Points of the curves of all classes together; each class has at least 20. */
const CLASS_CURVE_POINTS = 1000;

function detailsOf(scored: ScoredRows, classes: ClassDetails['classes']): BinaryDetails | ClassDetails {
  if (kindOf(scored.objective) === 'binary') {
    return { confusion_matrix: confusionMatrix(scored), ...rocAndPrCurves(scored) };
  }
  const points = Math.max(20, Math.floor(CLASS_CURVE_POINTS / classes.length));
  return { classes, confusion_matrix: classConfusion(scored), one_vs_rest: oneVsRestCurves(scored, points) };
}

/** Scores a model on every part of the data, from the margins that it has there. */
export async function scoreParts(
  experiment: PreparedExperiment,
  scale: Pick<OutputScale, 'marginBits' | 'baseValue' | 'baseMargins'>,
  marginsOf: (rows: RowRange) => Promise<Int32Array>,
): Promise<ModelScores> {
  const names = [...new Set([...experiment.metrics, experiment.lossMetric])];
  const metrics: SplitMetrics = {};
  const details: Partial<Record<SplitName, BinaryDetails | ClassDetails>> = {};
  let reported: Float64Array = new Float64Array();
  const last = experiment.splits.at(-1)!.name;
  for (const { name, rows } of experiment.splits) {
    const scored: ScoredRows = {
      objective: experiment.params.objective,
      margins: await marginsOf(rows),
      label: experiment.binned.label.subarray(rows.start, rows.end),
      ...(experiment.binned.weight && { weight: experiment.binned.weight.subarray(rows.start, rows.end) }),
      marginBits: scale.marginBits,
      baseValue: scale.baseValue,
    };
    metrics[name] = scoreMargins(scored, names);
    const { classes } = experiment.data.schema.target;
    if (classes !== undefined) details[name] = detailsOf(scored, classes);
    if (name === last) reported = outputsOfMargins({ ...scale, objective: scored.objective }, scored.margins);
  }
  return { metrics, details, reported, testPredictions: last === 'test' ? reported : undefined };
}

/** Trains a model and scores it on all parts of the data; fails as `trainModel` does. */
export async function trainAndScore(
  experiment: PreparedExperiment,
  resident: ResidentDataset,
  plan: ModelPlan,
  options: TrainModelOptions,
): Promise<TrainedModel> {
  const { model, result, boosting_s } = await trainModel(experiment, resident, plan, options);
  const metricsStarted = performance.now();
  const { trees, ...boosting } = result;
  const scale = { ...trees, baseMargins: [...trees.baseMargins] };
  const scores = await scoreParts(experiment, scale, (rows) => resident.predictMargins(trees, rows));
  return {
    model,
    trees,
    boosting,
    history: toHistory(boosting, experiment.lossMetric, experiment.metrics[0]!),
    ...scores,
    timings: { boosting_s, metrics_s: (performance.now() - metricsStarted) / 1000 },
  };
}
