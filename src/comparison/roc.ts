import type { TestRows } from './compared-model.ts';

/** A point of a ROC curve. */
export interface RocPoint {
  readonly fpr: number;
  readonly tpr: number;
}

/**
 * The ROC curve of two classes from (0, 0) to (1, 1), at most `most` points, evenly spaced among the thresholds.
 * @param scores one a row, greater for class 1
 * @returns undefined without weight in both classes.
 */
export function rocPoints(rows: TestRows, scores: Float64Array, most: number): RocPoint[] | undefined {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const sums = [0, 0];
  const reached: [number, number][] = [[0, 0]];
  order.forEach((row, place) => {
    sums[rows.labels[row]!]! += rows.weights?.[row] ?? 1;
    const next = order[place + 1];
    if (next === undefined || scores[next] !== scores[row]) reached.push([sums[0]!, sums[1]!]);
  });
  const [negatives, positives] = [sums[0]!, sums[1]!];
  if (negatives === 0 || positives === 0) return undefined;
  const kept =
    reached.length <= most
      ? reached
      : Array.from({ length: most }, (_, i) => reached[Math.round((i * (reached.length - 1)) / (most - 1))]!);
  return kept.map(([fp, tp]) => ({ fpr: fp / negatives, tpr: tp / positives }));
}
