import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writePredictions } from '../../src/data/write.ts';
import { InputError } from '../../src/errors.ts';
import { readColumn, runSql, temporaryFolder } from './tables.ts';

const folder = temporaryFolder();
const columns = [
  { name: 'row', values: Int32Array.of(0, 1, 2) },
  { name: 'a "b", c', values: ['plain', 'with, comma', 'line\nbreak'] },
  { name: 'prediction', values: Float64Array.of(0.1, Number.NaN, 1 / 3) },
];

test('CSV is quoted where needed, and numbers have the shortest text that reads back', async () => {
  const path = join(folder, 'out.csv');
  await writePredictions(path, columns);
  expect(readFileSync(path, 'utf8')).toBe(
    'row,"a ""b"", c",prediction\n0,plain,0.1\n1,"with, comma",\n2,"line\nbreak",0.3333333333333333\n',
  );
});

test('Parquet holds the values themselves, compressed with zstd', async () => {
  const path = join(folder, 'out.parquet');
  await writePredictions(path, columns);
  expect(await runSql(`SELECT * FROM '${path}'`)).toEqual([
    [0, 'plain', 0.1],
    [1, 'with, comma', null],
    [2, 'line\nbreak', 1 / 3],
  ]);
  expect(await runSql(`SELECT DISTINCT compression FROM parquet_metadata('${path}')`)).toEqual([['ZSTD']]);
});

describe.each(['csv', 'parquet'])('%s', (ending) => {
  test('doubles come back bit for bit', async () => {
    const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
      minLength: 1,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(numbers, async (values) => {
        const path = join(folder, `exact.${ending}`);
        await writePredictions(path, [{ name: 'v', values: Float64Array.from(values) }]);
        const reader = ending === 'csv' ? 'read_csv' : 'read_parquet';
        const options = ending === 'csv' ? ", types = {'v': 'DOUBLE'}, header = true" : '';
        const rows = await runSql(`SELECT v FROM ${reader}('${path}'${options})`);
        expect(rows.map(([v]) => Number(v) + 0)).toEqual(values.map((v) => v + 0));
      }),
      { numRuns: 15 },
    );
  });

  test('rows beyond one chunk keep their order, and a table of no rows has its header', async () => {
    const path = join(folder, `long.${ending}`);
    const values = Int32Array.from({ length: 50_001 }, (_, i) => (i * 7919) % 50_001);
    await writePredictions(path, [{ name: 'v', values }]);
    expect(await readColumn(path, 'v')).toEqual([...values]);
    await writePredictions(path, [{ name: 'v', values: new Int32Array() }]);
    expect(await readColumn(path, 'v')).toEqual([]);
  });

  test('an absent folder is an error, and nothing half-written stays', async () => {
    const before = readdirSync(folder);
    const write = writePredictions(join(folder, `absent/x.${ending}`), columns);
    await expect(write).rejects.toThrow(
      /absent.x\..*: there is no such folder; create it or choose another place\.$/,
    );
    await expect(write).rejects.toBeInstanceOf(InputError);
    expect(readdirSync(folder)).toEqual(before);
    expect(before.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

test('another ending is an error', async () => {
  const write = writePredictions(join(folder, 'out.xlsx'), columns);
  await expect(write).rejects.toThrow(/out\.xlsx must end in \.csv or \.parquet/);
});
