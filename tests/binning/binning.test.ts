import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/addon.ts';
import { binDataset, binTables, rowStride } from '../../src/data/binning.ts';
import type { Column, Dataset } from '../../src/data/types.ts';
import { InterruptedError } from '../../src/errors.ts';
import { referenceCategoryCodes, referenceCode, referenceCuts } from '../reference/binning.ts';

const unusual = [
  Number.NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1e-45,
  3.4028234663852886e38,
  -3.4028234663852886e38,
];
const anyFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
const narrow = fc.integer({ min: 0, max: 3000 }).map((x) => Math.fround(1 + x * 2 ** -22));
const value = fc.oneof(
  { weight: 4, arbitrary: anyFloat },
  { weight: 4, arbitrary: fc.integer({ min: -300, max: 300 }).map((x) => Math.fround(x / 7)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(...unusual) },
);

async function binOne(
  column: Column,
  options: { weight?: Float32Array; maxBin?: number; training?: Uint32Array } = {},
) {
  const rows = column.kind === 'numeric' ? column.values.length : column.codes.length;
  const { weight, ...binning } = options;
  const data = await binDataset(
    { rows, columns: [column], label: new Float32Array(rows), ...(weight && { weight }) },
    [{ name: 'x', type: column.kind }],
    binning,
  );
  return {
    feature: data.features[0]!,
    codes: Array.from({ length: rows }, (_, row) => data.bins[row * data.stride]!),
  };
}

describe('binning', () => {
  it('gives the cuts and codes of the reference for any values, weights, and number of bins', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(value, fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 900 }),
        fc.constantFrom(2, 3, 10, 255, 256),
        fc.boolean(),
        async (pairs, maxBin, weighted) => {
          const values = Float32Array.from(pairs, ([x]) => x);
          const weight = Float32Array.from(pairs, ([, w], i) => (i === 0 ? 9 : w));
          const integers = [...weight].map((w) => (weighted ? BigInt(w) * 2n ** 20n : 1n));
          const { feature, codes } = await binOne(
            { kind: 'numeric', name: 'x', values },
            { maxBin, ...(weighted && { weight }) },
          );
          const cuts = referenceCuts([...values], integers, maxBin);
          expect([...feature.cuts]).toEqual(cuts);
          expect(feature.bins).toBe(cuts.length + 1);
          expect(codes).toEqual([...values].map((x) => referenceCode(x, cuts)));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('gives them for columns of thousands of values: of any size, close together, or with heavy repeats', async () => {
    const column = fc.oneof(
      ...[anyFloat, narrow, fc.oneof(narrow, fc.integer({ min: 0, max: 600 }), anyFloat)].map((x) =>
        fc.array(fc.tuple(x, fc.nat({ max: 9 }), fc.boolean()), {
          minLength: 600,
          maxLength: 4000,
          size: 'max',
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(column, fc.boolean(), async (rows, weighted) => {
        const values = Float32Array.from(rows, ([x]) => x);
        const weight = Float32Array.from(rows, ([, w], i) => (i === 0 ? 9 : w));
        const training = Uint32Array.from(rows.keys()).filter((row) => row === 0 || rows[row]![2]);
        const { feature, codes } = await binOne(
          { kind: 'numeric', name: 'x', values },
          { training, ...(weighted && { weight }) },
        );
        const cuts = referenceCuts(
          [...training].map((row) => values[row]!),
          [...training].map((row) => (weighted ? BigInt(weight[row]!) * 2n ** 20n : 1n)),
          256,
        );
        expect([...feature.cuts]).toEqual(cuts);
        expect(codes).toEqual([...values].map((x) => referenceCode(x, cuts)));
      }),
      { numRuns: 30 },
    );
  });

  it('takes the cuts from the training rows alone', async () => {
    const values = Float32Array.from([1, 2, 3, 100, Number.NaN, 2.4]);
    const { feature, codes } = await binOne(
      { kind: 'numeric', name: 'x', values },
      { training: Uint32Array.from([0, 1, 2]) },
    );
    expect([...feature.cuts]).toEqual([1.5, 2.5]);
    expect(codes).toEqual([1, 2, 3, 3, 0, 2]);
  });

  it('gives a constant, an all-missing and a binary column just the bins they need', async () => {
    const bins = async (values: number[]) =>
      (await binOne({ kind: 'numeric', name: 'x', values: Float32Array.from(values) })).feature.bins;
    expect(await bins([5, 5, 5])).toBe(1);
    expect(await bins([Number.NaN, Number.NaN])).toBe(1);
    expect(await bins([0, 1, 0, Number.NaN])).toBe(2);
  });

  it('keeps the 254 most frequent of more than 255 categories and pools the rest', async () => {
    const count = 400;
    const codes = Int32Array.from({ length: 9000 }, (_, row) =>
      row % 97 === 0 ? -1 : (row * row + 7 * row) % count,
    );
    const rowsOf = Array.from(
      { length: count },
      (_, category) => codes.filter((code) => code === category).length,
    );
    const categories = Array.from({ length: count }, (_, c) => `c${c}`);
    const { feature, codes: binned } = await binOne({ kind: 'categorical', name: 'x', codes, categories });
    const expected = referenceCategoryCodes(rowsOf);
    expect([...feature.binOfCategory]).toEqual(expected);
    expect(feature.bins).toBe(255);
    expect(binned).toEqual([...codes].map((code) => (code < 0 ? 0 : expected[code]!)));
  });

  it('gives the same bins for any number of threads, and does not change when weights are scaled by a power of two', async () => {
    const rows = 3000;
    const columns: Column[] = Array.from({ length: 9 }, (_, f) => ({
      kind: 'numeric',
      name: `x${f}`,
      values: Float32Array.from({ length: rows }, (_, row) => Math.sin(row * (f + 1)) * 10 ** (f - 4)),
    }));
    const label = new Float32Array(rows);
    const weight = Float32Array.from({ length: rows }, (_, row) => 0.1 + (row % 13));
    const features = columns.map(({ name }) => ({ name, type: 'numeric' as const }));
    const one = await binDataset({ rows, columns, label, weight }, features, { threads: 1 });
    const scaled = weight.map((w) => w * 2 ** 40);
    const many = await binDataset({ rows, columns, label, weight: scaled }, features, { threads: 5 });
    expect(many.features).toEqual(one.features);
    expect(many.bins).toEqual(one.bins);
  });

  it('gives tables on top of each other the codes of the joined table with the first as its training rows', async () => {
    const rows = 9000;
    const values = Float32Array.from({ length: rows }, (_, row) => (row % 11 ? Math.sin(row) : Number.NaN));
    const codes = Int32Array.from({ length: rows }, (_, row) => (row % 13) - 1);
    const part = (start: number, end: number, weighted: boolean): Dataset => ({
      rows: end - start,
      columns: [
        { kind: 'numeric', name: 'x', values: values.subarray(start, end) },
        {
          kind: 'categorical',
          name: 'c',
          codes: codes.subarray(start, end),
          categories: [...'abcdefghijkl'],
        },
      ],
      label: values.map(Math.round).subarray(start, end),
      ...(weighted && { weight: new Float32Array(end - start).fill(2) }),
    });
    const features = [
      { name: 'x', type: 'numeric' as const },
      { name: 'c', type: 'categorical' as const },
    ];
    const { binned, ranges } = await binTables(
      [part(0, 5000, true), part(5000, 5001, false), part(5001, rows, true)],
      features,
      { threads: 3 },
    );
    const joined = await binDataset(part(0, rows, false), features, { training: { start: 0, end: 5000 } });
    expect(ranges).toEqual([
      { start: 0, end: 5000 },
      { start: 5000, end: 5001 },
      { start: 5001, end: rows },
    ]);
    const weight = new Float32Array(rows).fill(2);
    weight[5000] = 1;
    expect(binned).toEqual({ ...joined, weight });
  });

  it('lays rows out so that none of up to 32 features lies in two cache lines', async () => {
    const stride = Array.from({ length: 100 }, (_, features) => rowStride(features));
    expect([1, 4, 5, 8, 9, 16, 17, 32, 33, 48, 49].map((features) => stride[features])).toEqual([
      4, 4, 8, 8, 16, 16, 32, 32, 48, 48, 64,
    ]);
    const values = new Float32Array(100_000);
    for (const count of [1, 28, 40]) {
      const columns = Array.from({ length: count }, (_, f) => ({
        kind: 'numeric' as const,
        name: `x${f}`,
        values,
      }));
      const features = columns.map(({ name }) => ({ name, type: 'numeric' as const }));
      const { bins } = await binDataset({ rows: values.length, columns, label: values }, features);
      expect(bins.length).toBe(values.length * rowStride(count));
      expect(loadAddon().cacheLineOffset(bins)).toBe(0);
    }
  });

  it('survives a caller who changes the columns meanwhile', async () => {
    const rows = 400_000;
    const values = new Float32Array(rows);
    const codes = new Int32Array(rows);
    const fill = (turn: number) => {
      for (let row = 0; row < rows; row++) values[row] = Math.fround((turn % 2 ? -1 : 1) * (1 + row));
      codes.fill(turn % 2 ? 2_000_000_000 : 299);
    };
    fill(0);
    const categories = Array.from({ length: 300 }, (_, c) => `c${c}`);
    const numeric = Array.from({ length: 8 }, (_, f) => ({
      kind: 'numeric' as const,
      name: `x${f}`,
      values,
    }));
    const columns = [...numeric, { kind: 'categorical' as const, name: 'c', codes, categories }];
    const features = columns.map(({ kind, name }) => ({ name, type: kind }));
    const binning = binDataset({ rows, columns, label: values }, features);
    const until = performance.now() + 100;
    for (let turn = 1; performance.now() < until; turn++) fill(turn);
    const { bins, stride, features: found } = await binning;
    const outside = bins.some((code, i) => code > (found[i % stride]?.bins ?? 0));
    expect(outside).toBe(false);
  });

  it('stops with InterruptedError when the signal has been raised', async () => {
    const values = Float32Array.from({ length: 1000 }, (_, row) => row);
    const dataset = { rows: 1000, columns: [{ kind: 'numeric' as const, name: 'x', values }], label: values };
    const binning = binDataset(dataset, [{ name: 'x', type: 'numeric' }], { signal: AbortSignal.abort() });
    await expect(binning).rejects.toBeInstanceOf(InterruptedError);
  });
});
