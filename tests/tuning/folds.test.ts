import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RowSet } from '../../src/data/types.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import { listRows } from '../reference/reference.ts';

const rowsOf = (set: RowSet) => [...listRows(set)];

describe('makeFolds', () => {
  it('scores every row once, by a model that has not seen it, and leaves rows beyond the first alone', () => {
    const methods = fc.constantFrom('stratified', 'random', 'grouped');
    fc.assert(
      fc.property(
        methods,
        fc.integer({ min: 2, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 30, maxLength: 80 }),
        fc.nat(40),
        fc.maxSafeNat(),
        (method, k, classes, beyond, seed) => {
          const rows = classes.length;
          const tableRows = rows + beyond;
          const labels = new Float32Array(tableRows);
          labels.set(classes);
          const groups = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / 3));
          const folds = makeFolds({ method, k, rows, tableRows, labels, groups, seed });
          expect(folds).toHaveLength(k);
          const scored = folds.flatMap(({ validation }) => rowsOf(validation));
          expect(scored.sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, row) => row));
          for (const { train, validation } of folds) {
            const inFold = new Set(rowsOf(validation));
            const others = Array.from({ length: rows }, (_, row) => row).filter((row) => !inFold.has(row));
            expect(rowsOf(train)).toEqual(others);
            if (method !== 'grouped') continue;
            const groupsInFold = new Set([...inFold].map((row) => groups[row]));
            expect(others.some((row) => groupsInFold.has(groups[row]!))).toBe(false);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('chains forward in time as scikit-learn does', () => {
    // TimeSeriesSplit(n_splits=3).split(range(10))
    const folds = makeFolds({ method: 'time', k: 3, rows: 10, tableRows: 14, seed: 1 });
    expect(folds).toEqual([
      { train: { start: 0, end: 4 }, validation: { start: 4, end: 6 } },
      { train: { start: 0, end: 6 }, validation: { start: 6, end: 8 } },
      { train: { start: 0, end: 8 }, validation: { start: 8, end: 10 } },
    ]);
  });

  it('says how many rows it needs where there are too few', () => {
    const make = (method: 'time' | 'random') => makeFolds({ method, k: 5, rows: 4, tableRows: 4, seed: 1 });
    expect(() => make('time')).toThrow('needs 6 rows at least, and there are 4');
    expect(() => make('random')).toThrow('The number of folds must be a whole number from 2 to 4');
  });
});
