import { InputError } from '../errors.ts';
import type { MetricName } from '../metrics/metrics.ts';
import { type ScoredRows, scoreMargins } from '../metrics/score.ts';
import { placements } from './placements.ts';

/** A metric of one model on a set of rows, as the bootstrap asks it: each row counts as often as it was drawn. */
export interface RowMetric {
  readonly rows: number;
  /**
   * @param counts how often each row counts; not kept, not changed
   * @returns NaN where the metric is undefined, for instance an AUC without rows of both classes.
   */
  of(counts: Uint32Array): number;
  /** The metric without each row in turn; absent: `of` is asked once a row. */
  leaveOneOut?(): Float64Array;
}

/**
 * Any metric of src/metrics, with the counts, times the rows' own weights, as weights. Undefined where all of those are zero.
 */
export function metricOfRows(rows: ScoredRows, name: MetricName): RowMetric {
  const { label, weight: own } = rows;
  return {
    rows: label.length,
    of(counts) {
      const weight = Float32Array.from(counts, (count, row) => count * (own?.[row] ?? 1));
      if (weight.every((w) => w === 0)) return Number.NaN;
      return scoreMargins({ ...rows, weight }, [name])[name]!;
    },
  };
}

/** Mean of a value a row: with 1 for a right prediction and 0 for a wrong one the accuracy, with squared errors the MSE. */
export function meanMetric(values: ArrayLike<number>): RowMetric {
  const rows = values.length;
  return {
    rows,
    of(counts) {
      let sum = 0;
      let drawn = 0;
      for (let row = 0; row < rows; row++) {
        sum += counts[row]! * values[row]!;
        drawn += counts[row]!;
      }
      return sum / drawn;
    },
  };
}

/**
 * The difference of two models' metrics on the same rows, first − second; both see the same resamples.
 * @throws InputError where one has more rows.
 */
export function differenceOf(first: RowMetric, second: RowMetric): RowMetric {
  if (first.rows !== second.rows)
    throw new InputError(
      `The first metric has ${first.rows} rows and the second ${second.rows}: a paired difference needs the same rows.`,
    );
  return {
    rows: first.rows,
    of: (counts) => first.of(counts) - second.of(counts),
    leaveOneOut() {
      const others = leaveOneOut(second);
      return leaveOneOut(first).map((value, row) => value - others[row]!);
    },
  };
}

/** The metric without each row in turn. */
export function leaveOneOut(metric: RowMetric): Float64Array {
  if (metric.leaveOneOut !== undefined) return metric.leaveOneOut();
  const counts = new Uint32Array(metric.rows).fill(1);
  return Float64Array.from(counts, (_, row) => {
    counts[row] = 0;
    const value = metric.of(counts);
    counts[row] = 1;
    return value;
  });
}

/**
 * The area under the ROC curve. Rows are sorted once; a resample then takes one pass over them, with whole numbers up to the division.
 * @param labels 0 or 1, one a row; fewer than 2^26 rows
 * @param scores one a row, greater for class 1
 * @throws InputError for other labels, without both classes, for NaN, and where lengths differ.
 */
export function aucMetric(labels: ArrayLike<number>, scores: ArrayLike<number>): RowMetric {
  const placed = placements(labels, scores);
  const { order } = placed;
  const rowsAndLabels = order.map((row) => 2 * row + labels[row]!);
  const ties = tiesOfClasses(order, labels, scores);
  return {
    rows: order.length,
    of(counts) {
      let below = 0;
      let wins = 0;
      let drawn = 0;
      for (let place = 0; place < rowsAndLabels.length; place++) {
        const rowAndLabel = rowsAndLabels[place]!;
        const count = counts[rowAndLabel >>> 1]!;
        // All ones for class 1: which class comes next cannot be predicted, so that a branch would cost more than the sums.
        const isPositive = -(rowAndLabel & 1);
        below += count & ~isPositive;
        wins += (count & isPositive) * below;
        drawn += count;
      }
      return (2 * wins - ties(counts)) / (2 * below * (drawn - below));
    },
    leaveOneOut() {
      const { doubled, positives, negatives, doubledWins } = placed;
      return doubled.map((own, row) => {
        const pairs = labels[row] === 1 ? (positives - 1) * negatives : positives * (negatives - 1);
        return (doubledWins - own) / (2 * pairs);
      });
    },
  };
}

/** The number of pairs of drawn rows of both classes whose scores tie, which the sum over sorted rows counts as won. */
function tiesOfClasses(
  order: Uint32Array,
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
): (counts: Uint32Array) => number {
  const groups: { readonly negatives: Uint32Array; readonly positives: Uint32Array }[] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    const group = order.subarray(start, end);
    const negatives = group.filter((row) => labels[row] === 0);
    if (negatives.length > 0 && negatives.length < group.length)
      groups.push({ negatives, positives: group.subarray(negatives.length) });
    start = end;
  }
  const drawn = (rows: Uint32Array, counts: Uint32Array) => {
    let sum = 0;
    for (let i = 0; i < rows.length; i++) sum += counts[rows[i]!]!;
    return sum;
  };
  return (counts) => {
    let pairs = 0;
    for (const { negatives, positives } of groups)
      pairs += drawn(negatives, counts) * drawn(positives, counts);
    return pairs;
  };
}
