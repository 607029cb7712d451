import { partitionPoint } from '../partition-point.ts';
import type { Direction, Trial } from '../trial.ts';

/** The last step that a trial has reported and its value there; undefined before the first. */
export function lastReport({ intermediate }: Trial): { step: number; value: number } | undefined {
  let last: readonly [number, number] | undefined;
  for (const report of intermediate) last = report;
  return last && { step: last[0], value: last[1] };
}

/** The best of some values, NaN aside; NaN where there is nothing else. */
export function bestOf(values: Iterable<number>, direction: Direction): number {
  let best = Number.NaN;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    if (Number.isNaN(best) || (direction === 'maximize' ? value > best : value < best)) best = value;
  }
  return best;
}

/** Puts a value into an ascending list. */
export function insertSorted(sorted: number[], value: number): void {
  const place = partitionPoint(sorted.length, (i) => sorted[i]! <= value);
  sorted.splice(place, 0, value);
}

/** NumPy's percentile of an ascending list, by linear interpolation; NaN of an empty one. */
export function percentileOf(sorted: readonly number[], percent: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = (percent / 100) * (sorted.length - 1);
  const lower = Math.floor(position);
  const part = position - lower;
  const a = sorted[lower]!;
  const b = sorted[Math.min(lower + 1, sorted.length - 1)]!;
  return part >= 0.5 ? b - (b - a) * (1 - part) : a + (b - a) * part;
}
