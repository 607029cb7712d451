import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { BenchTableWriter, readTable, writeDatasets } from '../../src/bench/table.ts';
import type { Column, Dataset } from '../../src/data/types.ts';
import { EnvironmentError, InputError } from '../../src/index.ts';

const root = mkdtemp(join(tmpdir(), 'lockstep-table-'));
afterAll(async () => rm(await root, { recursive: true, force: true }));
let count = 0;
async function newFolder(): Promise<string> {
  const folder = join(await root, String(count++));
  await mkdir(folder);
  return folder;
}

const datasets = (rows: number, weighted: boolean): fc.Arbitrary<Dataset> => {
  const floats = fc.float32Array({ minLength: rows, maxLength: rows });
  return fc.record({
    rows: fc.constant(rows),
    columns: fc.tuple(
      floats.map((values): Column => ({ kind: 'numeric', name: 'a', values })),
      fc
        .int32Array({ minLength: rows, maxLength: rows, min: -1, max: 2 })
        .map((codes): Column => ({ kind: 'categorical', name: 'b', codes, categories: ['x', 'y', 'z'] })),
    ),
    label: floats,
    ...(weighted && { weight: floats }),
  });
};

it('what is written is read back, training rows first, missing values and infinities as they were', async () => {
  const cases = fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.nat(20), fc.boolean(), fc.boolean())
    .chain(([train, val, trainWeighted, valWeighted]) =>
      fc.tuple(
        datasets(train, trainWeighted),
        val === 0 ? fc.constant(undefined) : datasets(val, valWeighted),
      ),
    );
  await fc.assert(
    fc.asyncProperty(cases, async ([train, val]) => {
      const folder = await newFolder();
      const written = await writeDatasets(folder, train, val);
      const { table, data } = await readTable(folder);
      expect(table).toEqual(written);
      const rows = train.rows + (val?.rows ?? 0);
      expect({ rows: table.rows, train_rows: table.train_rows }).toEqual({ rows, train_rows: train.rows });
      const parts = val === undefined ? [train] : [train, val];
      const joined = (of: (part: Dataset) => Float32Array | Int32Array) =>
        parts.flatMap((part) => [...of(part)]);
      const [a, b] = data.columns;
      expect([...(a as Extract<Column, { kind: 'numeric' }>).values]).toEqual(
        joined(({ columns }) => (columns[0] as Extract<Column, { kind: 'numeric' }>).values),
      );
      expect([...(b as Extract<Column, { kind: 'categorical' }>).codes]).toEqual(
        joined(({ columns }) => (columns[1] as Extract<Column, { kind: 'categorical' }>).codes),
      );
      expect((b as Extract<Column, { kind: 'categorical' }>).categories).toEqual(['0', '1', '2']);
      expect([...data.label]).toEqual(joined(({ label }) => label));
      const weighted = parts.some(({ weight }) => weight !== undefined);
      expect(data.weight && [...data.weight]).toEqual(
        weighted ? joined((part) => part.weight ?? new Float32Array(part.rows).fill(1)) : undefined,
      );
    }),
    { numRuns: 30 },
  );
});

it('views into larger arrays are written as they are seen', async () => {
  const folder = await newFolder();
  await new BenchTableWriter(folder).column(0, [Float32Array.of(1, 2, 3, 4).subarray(1, 3)]);
  await new BenchTableWriter(folder).column('label', [Float32Array.of(0, 1)]);
  await new BenchTableWriter(folder).finish({
    rows: 2,
    train_rows: 2,
    features: [{ kind: 'numeric' }],
    weighted: false,
  });
  const { data } = await readTable(folder);
  expect(data.columns[0]).toEqual({ kind: 'numeric', name: '0', values: Float32Array.of(2, 3) });
  expect((await readdir(folder)).sort()).toEqual(['0.bin', 'label.bin', 'table.json']);
});

it('a column that cannot be written is an error with its place', async () => {
  const writer = new BenchTableWriter(join(await newFolder(), 'none'));
  const error = await writer.column(0, [Float32Array.of(1)]).catch((thrown: unknown) => thrown);
  expect(error instanceof InputError || error instanceof EnvironmentError).toBe(true);
  expect((error as Error).message).toMatch(/^Cannot write .*0\.bin: there is no such folder/);
});

it('a column that is too short is an error, not a table with holes', async () => {
  const folder = await newFolder();
  const writer = new BenchTableWriter(folder);
  await writer.column(0, [Float32Array.of(1)]);
  await writer.column('label', [Float32Array.of(0, 1)]);
  await writer.finish({ rows: 2, train_rows: 1, features: [{ kind: 'numeric' }], weighted: false });
  await expect(readTable(folder)).rejects.toThrow(/0\.bin ends after 4 of 8 bytes/);
});
