import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FoldOptions, kFold, type Split, splitRows } from '../../src/data/split.ts';
import { InputError } from '../../src/errors.ts';

const seeds = fc.maxSafeNat();
/** Fractions in hundredths, of which training and validation are not empty for 100 rows. */
const fractions = fc
  .tuple(fc.integer({ min: 2, max: 90 }), fc.integer({ min: 2, max: 98 }))
  .filter(([train, val]) => train + val <= 100)
  .map(([train, val]) => ({ train: train / 100, val: val / 100, test: (100 - train - val) / 100 }));
const labelled = fc
  .array(fc.integer({ min: 0, max: 3 }), { minLength: 100, maxLength: 400 })
  .map((labels) => Float32Array.from(labels));
const parts = ({ train, val, test }: Split) => [train, val, test];

function expectPartition(split: Split, rows: number): void {
  for (const part of parts(split)) expect([...part]).toEqual([...part].sort((a, b) => a - b));
  const every = parts(split).flatMap((part) => [...part]);
  expect(every.sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i));
}

describe('splitRows', () => {
  test('every row is in exactly one part, and each part has its share to within a row', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 2000 }), fractions, seeds, (rows, shares, seed) => {
        const split = splitRows({ rows, fractions: shares, seed });
        expectPartition(split, rows);
        expect(Math.abs(split.train.length - rows * shares.train)).toBeLessThan(1);
        expect(Math.abs(split.val.length - rows * shares.val)).toBeLessThan(1);
        expect(Math.abs(split.test.length - rows * shares.test)).toBeLessThan(1);
      }),
      { numRuns: 50 },
    );
  });

  test('stratified parts keep the exact sizes and have every class to within two rows of its share', () => {
    fc.assert(
      fc.property(labelled, fractions, seeds, (labels, shares, seed) => {
        const rows = labels.length;
        const split = splitRows({ rows, fractions: shares, labels, seed });
        expectPartition(split, rows);
        const plain = splitRows({ rows, fractions: shares, seed });
        expect(parts(split).map((part) => part.length)).toEqual(parts(plain).map((part) => part.length));
        for (const label of new Set(labels)) {
          const size = labels.filter((other) => other === label).length;
          for (const name of ['train', 'val', 'test'] as const) {
            const count = split[name].filter((row) => labels[row] === label).length;
            expect(Math.abs(count - size * shares[name])).toBeLessThan(2);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test('rows of a group stay together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 200, maxLength: 400 }),
        seeds,
        (numbers, seed) => {
          const groups = Int32Array.from(numbers);
          const shares = { train: 0.6, val: 0.2, test: 0.2 };
          const split = splitRows({ rows: groups.length, fractions: shares, groups, seed });
          expectPartition(split, groups.length);
          const partOf = new Map<number, number>();
          for (const [p, rows] of parts(split).entries()) {
            for (const row of rows) {
              expect(partOf.get(groups[row]!) ?? p).toBe(p);
              partOf.set(groups[row]!, p);
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('the rows of a seed never change', () => {
    const labels = Float32Array.from({ length: 20 }, (_, i) => i % 2);
    const split = splitRows({ rows: 20, fractions: { train: 0.6, val: 0.2, test: 0.2 }, labels, seed: 42 });
    expect(parts(split).map((part) => part.join())).toEqual([
      '1,2,4,5,6,7,8,11,13,14,18,19',
      '10,12,15,17',
      '0,3,9,16',
    ]);
    expect(kFold({ rows: 20, k: 4, labels, seed: 42 }).join('')).toBe('11100313230232302102');
  });

  test('the split depends on the seed, on both its words, and on nothing else', () => {
    const split = (seed: number) =>
      splitRows({ rows: 500, fractions: { train: 0.8, val: 0.2, test: 0 }, seed }).val.join();
    expect(split(7)).toBe(split(7));
    expect(new Set([7, 8, 7 + 2 ** 32, 2 ** 53 - 1].map(split)).size).toBe(4);
  });

  test.each([
    [{ train: 0.5, val: 0.4, test: 0 }, /add up to 1/],
    [{ train: 1.2, val: -0.2, test: 0 }, /between 0 and 1/],
    [{ train: Number.NaN, val: 0.5, test: 0.5 }, /between 0 and 1/],
    [{ train: 1, val: 0, test: 0 }, /data\.split\.val = 0 leaves the val set empty with 10 rows/],
    [{ train: 0.01, val: 0.99, test: 0 }, /data\.split\.train = 0\.01 leaves the train set empty/],
    [{ train: 0.59, val: 0.4, test: 0.01 }, /data\.split\.test = 0\.01 leaves the test set empty/],
  ])('fractions %j of 10 rows are refused', (shares, message) => {
    const split = () => splitRows({ rows: 10, fractions: shares, seed: 1 });
    expect(split).toThrow(InputError);
    expect(split).toThrow(message);
  });
});

describe('kFold', () => {
  const counts = (folds: Uint8Array, k: number, rows: number[]) => {
    const sizes = new Array<number>(k).fill(0);
    for (const row of rows) sizes[folds[row]!]!++;
    return sizes;
  };
  const spread = (sizes: number[]) => Math.max(...sizes) - Math.min(...sizes);

  test('folds differ by at most one row, and by at most one row of every class', () => {
    fc.assert(
      fc.property(labelled, fc.integer({ min: 2, max: 20 }), seeds, (labels, k, seed) => {
        const folds = kFold({ rows: labels.length, k, labels, seed });
        const rows = [...labels.keys()];
        expect(spread(counts(folds, k, rows))).toBeLessThanOrEqual(1);
        for (const label of new Set(labels)) {
          const members = rows.filter((row) => labels[row] === label);
          expect(spread(counts(folds, k, members))).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('groups stay whole and every fold has one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1 })), {
          minLength: 100,
        }),
        fc.integer({ min: 2, max: 6 }),
        seeds,
        (cells, k, seed) => {
          const groups = Int32Array.from(cells, ([group]) => group);
          fc.pre(new Set(groups).size >= k);
          const labels = Float32Array.from(cells, ([, label]) => label);
          const folds = kFold({ rows: groups.length, k, labels, groups, seed });
          expect(new Set(folds).size).toBe(k);
          for (const group of new Set(groups)) {
            expect(new Set(folds.filter((_, row) => groups[row] === group)).size).toBe(1);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test.each<[Partial<FoldOptions>, RegExp]>([
    [{ k: 1 }, /whole number from 2 to 10 with 10 rows, not 1/],
    [{ k: 2.5 }, /not 2\.5/],
    [{ k: 11 }, /from 2 to 10 with 10 rows, not 11/],
    [{ k: 3, groups: Int32Array.from([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]) }, /from 2 to 2 with 2 groups, not 3/],
  ])('%j for ten rows is refused', (options, message) => {
    expect(() => kFold({ rows: 10, k: 2, seed: 1, ...options })).toThrow(message);
  });
});
