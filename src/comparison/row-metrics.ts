import type { MetricName } from '../metrics/metrics.ts';
import { predictedClass } from '../numerics/softmax.ts';
import { aucMetric, leaveOneOut, type RowMetric } from '../stats/row-metric.ts';
import type { TestRows } from './compared-model.ts';

/** With more classes the one-vs-rest AUC would take most of a comparison's time. */
const AUC_CLASSES = 20;
/** Probabilities below count as this, as scikit-learn has it: one wrong row with a probability of 0 would make the loss infinite. */
const LEAST_PROBABILITY = 2 ** -52;

/** Probabilities of equal odds differ in their last bits by the order of the other classes; within this they tie. */
const TIE = 2 ** -46;

/** Sums over rows by class, as the metrics of classes need them. */
interface ClassSums {
  /** Weight of the rows of each class that are predicted so, that are predicted as it, and that are of it. */
  readonly hits: Float64Array;
  readonly predicted: Float64Array;
  readonly actual: Float64Array;
}

/**
 * A metric of predictions as the bootstrap asks it, by the formulas of docs/metrics.md in binary64: within rounding, and for logloss within
 * 1e-6, that of the margins.
 * @param predictions as ComparedModel has them
 * @returns undefined where it cannot be had: one-vs-rest AUC of more than 20 classes, an AUC of rows that lack a class.
 */
export function rowMetric(
  name: MetricName,
  rows: TestRows,
  predictions: Float64Array,
): RowMetric | undefined {
  switch (name) {
    case 'accuracy':
    case 'merror':
    case 'precision':
    case 'recall':
    case 'f1':
    case 'precision_weighted':
    case 'recall_weighted':
    case 'f1_weighted':
      return classMetric(rows, predictions, ofClasses(name, rows.kind === 'binary'));
    case 'logloss':
      return meansMetric(rows, [losses(rows, predictions)], ([loss]) => loss!);
    case 'mse':
    case 'rmse':
      return meansMetric(rows, [errors(rows, predictions, (d) => d * d)], ([square]) =>
        name === 'rmse' ? Math.sqrt(square!) : square!,
      );
    case 'mae':
      return meansMetric(rows, [errors(rows, predictions, Math.abs)], ([size]) => size!);
    case 'mape':
      return meansMetric(
        rows,
        [errors(rows, predictions, (d, y) => Math.abs(d) / Math.max(Math.abs(y), 2 ** -52))],
        ([share]) => share!,
      );
    case 'r2':
      return determination(rows, predictions);
    case 'auc_pr':
      return hasBothClasses(rows.labels) ? rankMetric(rows, predictions, name) : undefined;
    case 'auc_roc':
    case 'auc_roc_weighted':
      return rows.kind === 'binary'
        ? rankingMetric(rows, predictions)
        : oneVsRest(rows, predictions, name === 'auc_roc_weighted');
    default:
      throw name satisfies never;
  }
}

/** The class that a model predicts for each row. */
export function predictedClasses({ kind, classes, labels }: TestRows, predictions: Float64Array): Uint8Array {
  return Uint8Array.from({ length: labels.length }, (_, row) =>
    kind === 'binary' ? Number(predictions[row]! > 0.5) : predictedClass(predictions, row * classes, classes),
  );
}

const weightsOf = ({ labels, weights }: TestRows) =>
  weights === undefined ? new Float64Array(labels.length).fill(1) : Float64Array.from(weights);

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

function ofClasses(name: MetricName, binary: boolean): (sums: ClassSums) => number {
  const total = ({ actual }: ClassSums) => actual.reduce((sum, w) => sum + w, 0);
  const right = ({ hits }: ClassSums) => hits.reduce((sum, w) => sum + w, 0);
  if (name === 'accuracy') return (sums) => right(sums) / total(sums);
  if (name === 'merror') return (sums) => 1 - right(sums) / total(sums);
  const of = ({ hits, predicted, actual }: ClassSums, c: number) =>
    name.startsWith('precision')
      ? ratio(hits[c]!, predicted[c]!)
      : name.startsWith('recall')
        ? ratio(hits[c]!, actual[c]!)
        : ratio(2 * hits[c]!, predicted[c]! + actual[c]!);
  if (binary) return (sums) => of(sums, 1);
  if (name.endsWith('_weighted'))
    return (sums) => sums.actual.reduce((sum, w, c) => sum + w * of(sums, c), 0) / total(sums);
  return (sums) => sums.actual.reduce((sum, _, c) => sum + of(sums, c), 0) / sums.actual.length;
}

function classMetric(
  rows: TestRows,
  predictions: Float64Array,
  value: (sums: ClassSums) => number,
): RowMetric {
  const { labels, classes } = rows;
  const weights = weightsOf(rows);
  const predicted = predictedClasses(rows, predictions);
  const cellOf = Uint16Array.from(predicted, (guess, row) => labels[row]! * classes + guess);
  const sumsOf = (counts: ArrayLike<number>) => {
    const cells = new Float64Array(classes * classes);
    for (let row = 0; row < cellOf.length; row++) cells[cellOf[row]!]! += counts[row]! * weights[row]!;
    const sums: ClassSums = {
      hits: new Float64Array(classes),
      predicted: new Float64Array(classes),
      actual: new Float64Array(classes),
    };
    for (const [cell, weight] of cells.entries())
      add(sums, Math.floor(cell / classes), cell % classes, weight);
    return sums;
  };
  return {
    rows: labels.length,
    of: (counts) => value(sumsOf(counts)),
    leaveOneOut() {
      const sums = sumsOf(new Uint8Array(labels.length).fill(1));
      return weights.map((weight, row) => {
        add(sums, labels[row]!, predicted[row]!, -weight);
        const without = value(sums);
        add(sums, labels[row]!, predicted[row]!, weight);
        return without;
      });
    },
  };
}

function add(sums: ClassSums, label: number, guess: number, weight: number): void {
  sums.actual[label]! += weight;
  sums.predicted[guess]! += weight;
  if (label === guess) sums.hits[label]! += weight;
}

/** A function of weighted means of numbers a row. */
function meansMetric(
  rows: TestRows,
  values: readonly Float64Array[],
  value: (means: readonly number[]) => number,
): RowMetric {
  const weights = weightsOf(rows);
  const weighted = values.map((of) => of.map((x, row) => x * weights[row]!));
  const sumOf = (counts: ArrayLike<number>, of: Float64Array) => {
    let sum = 0;
    for (let row = 0; row < of.length; row++) sum += counts[row]! * of[row]!;
    return sum;
  };
  return {
    rows: weights.length,
    of(counts) {
      const drawn = sumOf(counts, weights);
      return value(weighted.map((of) => sumOf(counts, of) / drawn));
    },
    leaveOneOut() {
      const all = new Uint32Array(weights.length).fill(1);
      const drawn = sumOf(all, weights);
      const sums = weighted.map((of) => sumOf(all, of));
      return weights.map((weight, row) =>
        value(sums.map((sum, i) => (sum - weighted[i]![row]!) / (drawn - weight))),
      );
    },
  };
}

function losses({ kind, classes, labels }: TestRows, predictions: Float64Array): Float64Array {
  return Float64Array.from({ length: labels.length }, (_, row) => {
    const label = labels[row]!;
    const p =
      kind !== 'binary'
        ? predictions[row * classes + label]!
        : label === 1
          ? predictions[row]!
          : 1 - predictions[row]!;
    return -Math.log(Math.max(p, LEAST_PROBABILITY));
  });
}

function errors(
  { labels }: TestRows,
  predictions: Float64Array,
  of: (difference: number, label: number) => number,
): Float64Array {
  return predictions.map((value, row) => of(value - labels[row]!, labels[row]!));
}

function determination(rows: TestRows, predictions: Float64Array): RowMetric {
  const labels = Float64Array.from(rows.labels);
  const middle = labels.reduce((sum, y) => sum + y / labels.length, 0);
  // About the mean of all rows: sums of squares of far targets would cancel.
  const centred = labels.map((y) => y - middle);
  return meansMetric(
    rows,
    [errors(rows, predictions, (d) => d * d), centred, centred.map((t) => t * t)],
    ([error, mean, square]) => {
      const variance = square! - mean! ** 2;
      // What rounding leaves of equal targets.
      if (variance <= square! * 1e-14) return error === 0 ? 1 : 0;
      return 1 - error! / variance;
    },
  );
}

const hasBothClasses = (labels: ArrayLike<number>) => {
  const found = new Set(Array.from(labels));
  return found.has(0) && found.has(1);
};

/** The area under the ROC curve of two classes. */
function rankingMetric(rows: TestRows, scores: Float64Array): RowMetric | undefined {
  if (!hasBothClasses(rows.labels)) return undefined;
  return rows.weights === undefined ? aucMetric(rows.labels, scores) : rankMetric(rows, scores, 'auc_roc');
}

/** AUC or average precision with weights: one pass over the sorted rows a resample. */
function rankMetric(rows: TestRows, scores: Float64Array, name: 'auc_roc' | 'auc_pr'): RowMetric {
  const { labels } = rows;
  const weights = weightsOf(rows);
  const falling = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return {
    rows: labels.length,
    of(counts) {
      let [positives, negatives, sum] = [0, 0, 0];
      for (let start = 0; start < falling.length; ) {
        const tied = [0, 0];
        let end = start;
        while (end < falling.length && scores[falling[end]!] === scores[falling[start]!]) {
          const row = falling[end++]!;
          tied[labels[row]!]! += counts[row]! * weights[row]!;
        }
        const [ofNegative, ofPositive] = [tied[0]!, tied[1]!];
        if (name === 'auc_roc') sum += ofNegative * (positives + ofPositive / 2);
        positives += ofPositive;
        negatives += ofNegative;
        if (name === 'auc_pr' && ofPositive > 0) sum += (ofPositive * positives) / (positives + negatives);
        start = end;
      }
      if (name === 'auc_roc') return sum / (positives * negatives);
      return positives === 0 ? Number.NaN : sum / positives;
    },
  };
}

function oneVsRest(rows: TestRows, predictions: Float64Array, byWeight: boolean): RowMetric | undefined {
  const { classes } = rows;
  if (classes > AUC_CLASSES) return undefined;
  const labels = Array.from(rows.labels);
  const weights = weightsOf(rows);
  const parts: { isClass: Uint8Array; metric: RowMetric }[] = [];
  for (let c = 0; c < classes; c++) {
    const isClass = Uint8Array.from(labels, (label) => Number(label === c));
    const scores = Float64Array.from(labels, (_, row) => Math.round(predictions[row * classes + c]! / TIE));
    const metric = rankingMetric({ ...rows, kind: 'binary', classes: 2, labels: isClass }, scores);
    if (metric !== undefined) parts.push({ isClass, metric });
    else if (!byWeight) return undefined;
  }
  if (parts.length < 2) return undefined;
  const weightOf = (isClass: Uint8Array, counts: ArrayLike<number>) =>
    isClass.reduce((sum, is, row) => sum + is * counts[row]! * weights[row]!, 0);
  const average = (values: readonly number[], shares: readonly number[]) => {
    const total = shares.reduce((sum, share) => sum + share, 0);
    return values.reduce((sum, value, i) => (shares[i] === 0 ? sum : sum + shares[i]! * value), 0) / total;
  };
  return {
    rows: labels.length,
    of: (counts) =>
      average(
        parts.map(({ metric }) => metric.of(counts)),
        parts.map(({ isClass }) => (byWeight ? weightOf(isClass, counts) : 1)),
      ),
    ...(rows.weights === undefined && {
      leaveOneOut() {
        const without = parts.map(({ metric }) => leaveOneOut(metric));
        const all = new Uint8Array(labels.length).fill(1);
        const totals = parts.map(({ isClass }) => weightOf(isClass, all));
        return Float64Array.from(labels, (_, row) =>
          average(
            without.map((values) => values[row]!),
            parts.map(({ isClass }, i) => (byWeight ? totals[i]! - isClass[row]! : 1)),
          ),
        );
      },
    }),
  };
}
