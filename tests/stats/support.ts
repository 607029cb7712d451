import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect } from 'vitest';

/** What fixtures.py wrote. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'));
}

/** Each number of `actual` is that of `expected` to a relative error, and as many of them are there. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, relative = 1e-10): void {
  expect(actual.length).toBe(expected.length);
  const wrong = Array.from(expected, (value, i) => ({ value, is: actual[i]! })).filter(
    ({ value, is }) => !(is === value || Math.abs(is - value) <= relative * Math.abs(value)),
  );
  expect(wrong).toEqual([]);
}

/** Scores of few levels, so that they tie, or of many. */
export const score = fc.oneof(
  fc.integer({ min: -3, max: 3 }).map((x) => x / 8),
  fc.double({ min: -1, max: 1, noNaN: true }),
);

/** (models, folds) */
export const scoreTable = (models: number, minFolds = 2) =>
  fc
    .array(fc.array(score, { minLength: models, maxLength: models }), { minLength: minFolds, maxLength: 20 })
    .map((folds) => Array.from({ length: models }, (_, model) => folds.map((fold) => fold[model]!)));

/** The same permutation of the folds of each model. */
export function permuted<T>(rows: readonly T[], seed: number): T[] {
  const keyed = rows.map((row, i) => ({ row, key: Math.imul(i + 1, 2 * seed + 0x9e3779b1) >>> 0 }));
  return keyed.sort((a, b) => a.key - b.key).map(({ row }) => row);
}
