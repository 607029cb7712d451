import type { ModelKind } from '../config/objectives.ts';
import { InputError } from '../errors.ts';
import { isBetter, type MetricName } from '../metrics/metrics.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import { exactSum } from '../stats/sum.ts';

/** A model as a comparison sees it; what is not known is absent, and what needs it is then not run, by name. */
export interface ComparedModel {
  /** Tells it from the others; in reports and JSON. */
  readonly name: string;
  /** The primary metric on each fold, all models having the same folds; NaN where it is undefined. */
  readonly foldScores?: readonly number[] | undefined;
  readonly metrics: SplitMetrics;
  /**
   * On the test rows: the probability of the positive class or the value, or (rows, classes), row-major, the probability of each of
   * several classes. A function that reads them is asked when they are needed, so that those of many models need not fit into memory.
   */
  readonly predictions?: Float64Array | (() => Promise<Float64Array>) | undefined;
  readonly fingerprint?: string | undefined;
  /** Wall time of training the final model. */
  readonly trainingSeconds?: number | undefined;
  /** Of the model file. */
  readonly bytes?: number | undefined;
  /** Median time of the prediction of one row, in microseconds. */
  readonly latencyUs?: number | undefined;
}

/** The rows that all models are tested on; arrays have an element a row. */
export interface TestRows {
  readonly kind: ModelKind;
  /** 2 for binary models, 1 for a regression. */
  readonly classes: number;
  /** Class, from 0, or value. */
  readonly labels: ArrayLike<number>;
  /** Not negative; absent for all ones. */
  readonly weights?: ArrayLike<number> | undefined;
}

/**
 * The predictions of a model.
 * @returns undefined where it has none
 * @throws InputError where they are not those of the rows, or not finite.
 */
export async function predictionsOf(
  { name, predictions: given }: ComparedModel,
  rows: TestRows,
): Promise<Float64Array | undefined> {
  const predictions = typeof given === 'function' ? await given() : given;
  if (predictions === undefined) return undefined;
  const count = rows.labels.length * (rows.kind === 'multiclass' ? rows.classes : 1);
  if (predictions.length !== count)
    throw new InputError(
      `${name} has ${predictions.length} predictions and the test rows need ${count}: predict the same rows.`,
    );
  const at = predictions.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new InputError(
      `Prediction ${at} of ${name} is ${predictions[at]}: predictions must be finite; predict the rows again.`,
    );
  return predictions;
}

/** What models are ranked by: the mean over folds, or the metric of a part of the data. */
export type Basis = 'cv' | 'val' | 'test' | 'train';

const BASES: readonly Basis[] = ['cv', 'val', 'test', 'train'];

/** The mean, which does not depend on the order; NaN of nothing and of NaN. */
export function meanOf(values: ArrayLike<number> & Iterable<number>): number {
  return values.length > 0 && Array.from(values).every(Number.isFinite)
    ? exactSum(values) / values.length
    : Number.NaN;
}

/** A model's score on a basis; undefined where it has none, NaN where the metric is undefined. */
export function scoreOn(model: ComparedModel, basis: Basis, metric: MetricName): number | undefined {
  if (basis !== 'cv') return model.metrics[basis]?.[metric];
  return model.foldScores === undefined ? undefined : meanOf(model.foldScores);
}

/** Models from the best to the worst, and what they are ranked by. */
export interface Ranking {
  readonly basis: Basis;
  readonly models: readonly ComparedModel[];
}

const byText = (a = '', b = '') => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Ranks models by the first basis that all of them have: mean over the folds, validation, test, training. Of equal scores the smaller model
 * file comes first, then the name that sorts first; NaN comes last. The order in which models are given does not matter.
 * @throws InputError without models, where two have one name, and where no basis is common to all.
 */
export function rankModels(models: readonly ComparedModel[], metric: MetricName): Ranking {
  if (models.length === 0) throw new InputError('There is no model to compare: name one or more.');
  const names = new Set<string>();
  for (const { name } of models) {
    if (names.has(name)) throw new InputError(`Two models are named ${name}: give each a name of its own.`);
    names.add(name);
  }
  const basis = BASES.find((of) => models.every((model) => scoreOn(model, of, metric) !== undefined));
  if (basis === undefined)
    throw new InputError(
      `No score of ${metric} is common to all ${models.length} models: compare models that are scored on the same folds or part of the data.`,
    );
  const score = (model: ComparedModel) => scoreOn(model, basis, metric)!;
  const size = ({ bytes = Number.POSITIVE_INFINITY }: ComparedModel) => bytes;
  const sorted = [...models].sort((a, b) => {
    if (isBetter(metric, score(a), score(b))) return -1;
    if (isBetter(metric, score(b), score(a))) return 1;
    if (size(a) !== size(b)) return size(a) < size(b) ? -1 : 1;
    return byText(a.name, b.name);
  });
  return { basis, models: sorted };
}
