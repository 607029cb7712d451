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

/** What stands at a place of two ascending lists put together, of which the second is short. */
function mergedAt(sorted: readonly number[], few: readonly number[], place: number): number {
  let before = 0;
  for (; before < few.length; before++) {
    const value = few[before]!;
    const own = before + partitionPoint(sorted.length, (i) => sorted[i]! <= value);
    if (own === place) return value;
    if (own > place) break;
  }
  return sorted[place - before]!;
}

/** NumPy's percentile, by linear interpolation, of an ascending list and a second, short one; NaN where both are empty. */
export function percentileOf(
  sorted: readonly number[],
  percent: number,
  few: readonly number[] = [],
): number {
  const count = sorted.length + few.length;
  if (count === 0) return Number.NaN;
  const position = (percent / 100) * (count - 1);
  const lower = Math.floor(position);
  const part = position - lower;
  const a = mergedAt(sorted, few, lower);
  const b = mergedAt(sorted, few, Math.min(lower + 1, count - 1));
  return part >= 0.5 ? b - (b - a) * (1 - part) : a + (b - a) * part;
}
