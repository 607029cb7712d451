import {
  type BinaryScores,
  type CurvePoints,
  fromAddonError,
  loadAddon,
  type MulticlassScores,
  type RegressionScores,
} from '../addon.ts';
import { kindOf } from '../config/objectives.ts';
import type { SplitName } from '../data/types.ts';
import type { MetricName, Objective } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import { probability } from '../numerics/link.ts';
import { powerOfTwo, rint } from '../numerics/power.ts';
import { predictedClass } from '../numerics/softmax.ts';

const MARGIN_LIMIT = 2 ** 30;

/** Metrics of one model on the parts of the data. */
export type SplitMetrics = Partial<Record<SplitName, Partial<Record<MetricName, number>>>>;

/** Rows with their margins and their truth; arrays have one element a row, but for the margins of several classes. */
export interface ScoredRows {
  readonly objective: Objective;
  /** With the multi: objectives (rows, classes), row-major. */
  readonly margins: Int32Array;
  /** Class, from 0, or value. */
  readonly label: Float32Array;
  /** Finite, not negative. */
  readonly weight?: Float32Array;
  /** Units of the margins, as in TreeEnsemble. */
  readonly marginBits: number;
  readonly baseValue: number;
}

/** Weights as integers up to 2^24: docs/numerics.md section 2. */
export function scaleWeights(weight: Float32Array): Uint32Array {
  let largest = 0;
  weight.forEach((w, row) => {
    if (!(w >= 0) || !Number.isFinite(w)) {
      throw new InputError(`The weight of row ${row} is ${w}: weights must be finite and not negative.`);
    }
    largest = Math.max(largest, w);
  });
  if (largest === 0) throw new InputError('All weights are zero: at least one row must count.');
  let exponent = -149;
  while (powerOfTwo(exponent) < largest) exponent++;
  const scale = powerOfTwo(24 - exponent);
  return Uint32Array.from(weight, (w) => rint(w * scale));
}

/** Logistic margins in units of 2^−20, rounded where they are finer, as those of imported models can be. */
function marginsQ20({ margins, marginBits }: ScoredRows): Int32Array {
  if (marginBits === 20) return margins;
  const scale = powerOfTwo(20 - marginBits);
  return margins.map((margin) => rint(Math.min(Math.max(margin * scale, -MARGIN_LIMIT), MARGIN_LIMIT)));
}

function binaryScores(rows: ScoredRows): BinaryScores {
  return {
    margins: marginsQ20(rows),
    labels: Uint8Array.from(rows.label, (y) => (y === 1 ? 1 : 0)),
    ...(rows.weight && { weights: scaleWeights(rows.weight) }),
  };
}

function multiclassScores(rows: ScoredRows): MulticlassScores {
  return {
    margins: rows.margins,
    labels: Uint8Array.from(rows.label),
    classes: classesOf(rows),
    ...(rows.weight && { weights: scaleWeights(rows.weight) }),
  };
}

/** Margins of a row. */
function classesOf({ margins, label }: ScoredRows): number {
  return margins.length / label.length;
}

function regressionScores(rows: ScoredRows): RegressionScores {
  const scale = powerOfTwo(rows.marginBits);
  return {
    margins: rows.margins,
    targets: Int32Array.from(rows.label, (y) => {
      const t = (y - rows.baseValue) * scale;
      return rint(Math.min(Math.max(t, -MARGIN_LIMIT), MARGIN_LIMIT));
    }),
    raw: rows.label,
    marginBits: rows.marginBits,
    ...(rows.weight && { weights: scaleWeights(rows.weight) }),
  };
}

/** What the addon takes for rows of any kind. */
function scoresOf(rows: ScoredRows): BinaryScores | MulticlassScores | RegressionScores {
  switch (kindOf(rows.objective)) {
    case 'regression':
      return regressionScores(rows);
    case 'multiclass':
      return multiclassScores(rows);
    case 'binary':
      return binaryScores(rows);
  }
}

function evaluate(names: readonly MetricName[], scores: ReturnType<typeof scoresOf>): readonly number[] {
  try {
    return Array.from(loadAddon().evaluateMetrics(names, scores));
  } catch (error) {
    throw fromAddonError(error);
  }
}

/**
 * Metrics of margins, exact and independent of the order of rows; NaN where a metric is undefined (docs/metrics.md).
 * @throws InputError for weights that are negative, not finite, or all zero.
 */
export function scoreMargins(
  rows: ScoredRows,
  names: readonly MetricName[],
): Partial<Record<MetricName, number>> {
  const values = evaluate(names, scoresOf(rows));
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
}

/**
 * The same for one metric of many sets of margins of the same rows, which are prepared once. Margins of classifiers must be in units of
 * 2^−20.
 */
export function marginScorer(
  rows: Omit<ScoredRows, 'margins'>,
  name: MetricName,
): (margins: Int32Array) => number {
  let prepared: ReturnType<typeof scoresOf> | undefined;
  return (margins) => {
    prepared ??= scoresOf({ ...rows, margins });
    return evaluate([name], { ...prepared, margins })[0]!;
  };
}

/** Counts of a binary classifier at threshold ½, in rows or sums of weights. */
export interface ConfusionMatrix {
  readonly true_negative: number;
  readonly false_positive: number;
  readonly false_negative: number;
  readonly true_positive: number;
}

/** The confusion matrix of binary margins; a row is predicted positive iff its margin is above 0. */
export function confusionMatrix(rows: ScoredRows): ConfusionMatrix {
  const counts = { true_negative: 0, false_positive: 0, false_negative: 0, true_positive: 0 };
  marginsQ20(rows).forEach((margin, i) => {
    const name =
      rows.label[i] === 1
        ? margin > 0
          ? 'true_positive'
          : 'false_negative'
        : margin > 0
          ? 'false_positive'
          : 'true_negative';
    counts[name] += rows.weight?.[i] ?? 1;
  });
  return counts;
}

/** counts[actual][predicted] of a classifier with several classes, in rows or sums of weights. */
export type ClassConfusion = readonly (readonly number[])[];

/** The confusion matrix of the margins of several classes. */
export function classConfusion(rows: ScoredRows): ClassConfusion {
  const classes = classesOf(rows);
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  rows.label.forEach((actual, row) => {
    const predicted = predictedClass(rows.margins.subarray(row * classes, (row + 1) * classes));
    counts[actual]![predicted]! += rows.weight?.[row] ?? 1;
  });
  return counts;
}

/** A curve under scikit-learn's names, one element a threshold, from the highest threshold (a probability) down. */
export interface RocCurve {
  readonly threshold: readonly number[];
  readonly fpr: readonly number[];
  readonly tpr: readonly number[];
}

export interface PrecisionRecallCurve {
  readonly threshold: readonly number[];
  readonly precision: readonly number[];
  readonly recall: readonly number[];
}

export interface Curves {
  readonly roc: RocCurve;
  readonly pr: PrecisionRecallCurve;
}

/**
 * ROC and precision-recall points of binary margins, at most `maxPoints` (≥ 2) each; rates without a denominator are NaN.
 * The point (0, 0) of the ROC curve is not among them.
 */
export function rocAndPrCurves(rows: ScoredRows, maxPoints = 500): Curves {
  return toCurves(loadAddon().curves(binaryScores(rows), maxPoints));
}

/** The same for each of several classes against the others, at most `maxPoints` each. */
export function oneVsRestCurves(rows: ScoredRows, maxPoints: number): Curves[] {
  const scores = multiclassScores(rows);
  return Array.from({ length: scores.classes }, (_, ofClass) =>
    toCurves(loadAddon().curves({ ...scores, ofClass }, maxPoints)),
  );
}

function toCurves(curve: CurvePoints): Curves {
  const threshold = Array.from(curve.margin, probability);
  const tpr = Array.from(curve.truePositives, (count) => count / curve.positives);
  const fpr = Array.from(curve.falsePositives, (count) => count / curve.negatives);
  const precision = Array.from(curve.truePositives, (count, i) => count / (count + curve.falsePositives[i]!));
  return { roc: { threshold, fpr, tpr }, pr: { threshold, precision, recall: tpr } };
}
