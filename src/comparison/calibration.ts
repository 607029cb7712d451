import { predictedClass } from '../numerics/softmax.ts';
import type { TestRows } from './compared-model.ts';

const BINS = 10;

/** Rows whose confidence falls into one of ten bins of equal width. */
export interface CalibrationBin {
  /** Ends of the bin; a confidence at an end belongs to the bin above it, 1 to the last one. */
  readonly low: number;
  readonly high: number;
  /** Sum of the rows' weights. */
  readonly weight: number;
  /** Mean confidence and share that came true; null without rows. */
  readonly confidence: number | null;
  readonly observed: number | null;
}

export interface Calibration {
  /**
   * Two classes: mean of (p − y)², 0…1. Several: mean of Σ (p_c − [y = c])² over the classes, 0…2. Brier, Monthly Weather Review 1950.
   */
  readonly brier: number;
  /**
   * Expected calibration error, 0…1: the mean over bins, by weight, of |confidence − observed|. With two classes the confidence is the
   * probability of the positive class, with several that of the predicted one. Guo et al., "On calibration of modern neural networks",
   * ICML 2017.
   */
  readonly ece: number;
  readonly bins: readonly CalibrationBin[];
}

/**
 * How far a classifier's probabilities are from what came true.
 * @param predictions as ComparedModel has them
 * @returns undefined for a regression, and where no row has weight.
 */
export function calibration(rows: TestRows, predictions: Float64Array): Calibration | undefined {
  if (rows.kind === 'regression') return undefined;
  const weight = new Float64Array(BINS);
  const confidences = new Float64Array(BINS);
  const hits = new Float64Array(BINS);
  let squares = 0;
  for (let row = 0; row < rows.labels.length; row++) {
    const { confidence, hit, square } = outcomeOf(rows, predictions, row);
    const w = rows.weights?.[row] ?? 1;
    const bin = Math.min(BINS - 1, Math.floor(confidence * BINS));
    weight[bin]! += w;
    confidences[bin]! += w * confidence;
    hits[bin]! += w * hit;
    squares += w * square;
  }
  const total = weight.reduce((sum, w) => sum + w, 0);
  if (total === 0) return undefined;
  const gap = (_: number, bin: number) => Math.abs(confidences[bin]! - hits[bin]!);
  return {
    brier: squares / total,
    ece: weight.map(gap).reduce((sum, of) => sum + of, 0) / total,
    bins: Array.from(weight, (w, bin) => ({
      low: bin / BINS,
      high: (bin + 1) / BINS,
      weight: w,
      confidence: w > 0 ? confidences[bin]! / w : null,
      observed: w > 0 ? hits[bin]! / w : null,
    })),
  };
}

function outcomeOf({ kind, classes, labels }: TestRows, predictions: Float64Array, row: number) {
  const label = labels[row]!;
  if (kind === 'binary') {
    const confidence = predictions[row]!;
    return { confidence, hit: label, square: (confidence - label) ** 2 };
  }
  const ofRow = predictions.subarray(row * classes, (row + 1) * classes);
  const predicted = predictedClass(ofRow);
  const square = ofRow.reduce((sum, p, c) => sum + (p - (c === label ? 1 : 0)) ** 2, 0);
  return { confidence: ofRow[predicted]!, hit: predicted === label ? 1 : 0, square };
}
