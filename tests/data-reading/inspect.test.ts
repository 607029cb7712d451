import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ColumnSummary, guessKind, guessTarget, inspectSource } from '../../src/data/inspect.ts';
import { temporaryFolder, writeTable } from './tables.ts';

const folder = temporaryFolder();

test('a summary has type, distinct values, nulls, range and examples of each column', async () => {
  const path = await writeTable(
    folder,
    'all.parquet',
    `SELECT i AS n, CASE WHEN i % 3 > 0 THEN 'c' || i % 3 END AS s, i > 5 AS b, DATE '2024-01-01' + i::INTEGER AS d,
      [i] AS l, NULL::INTEGER AS nothing FROM range(5000) t(i)`,
  );
  const { rows, columns } = await inspectSource(path);
  expect(rows).toBe(5000);
  const pick = (name: string) => columns.find((column) => column.name === name);
  const n = {
    name: 'n',
    sqlType: 'BIGINT',
    type: 'numeric',
    distinct: 5000,
    nulls: 0,
    min: '0',
    max: '4999',
  };
  expect(pick('n')).toEqual({ ...n, examples: ['0', '1', '10'] });
  const s = {
    name: 's',
    sqlType: 'VARCHAR',
    type: 'categorical',
    distinct: 2,
    nulls: 1667,
    min: 'c1',
    max: 'c2',
  };
  expect(pick('s')).toEqual({ ...s, examples: ['c1', 'c2'] });
  expect(pick('b')).toMatchObject({ type: 'numeric', distinct: 2, min: 'false', max: 'true' });
  expect(pick('d')).toMatchObject({ type: 'numeric', min: '2024-01-01' });
  expect(pick('l')).toEqual({
    name: 'l',
    sqlType: 'BIGINT[]',
    type: 'unsupported',
    distinct: 0,
    nulls: 0,
    examples: [],
  });
  expect(pick('nothing')).toMatchObject({ distinct: 0, nulls: 5000, examples: [] });
});

const column = (name: string, facts: Partial<ColumnSummary> = {}): ColumnSummary => ({
  name,
  sqlType: 'DOUBLE',
  type: 'numeric',
  distinct: 100,
  nulls: 0,
  examples: [],
  ...facts,
});

test.each([
  [['a', 'Class', 'label', 'z'], 'label'],
  [['a', 'y', 'z'], 'y'],
  [['a', 'TARGET', 'z'], 'TARGET'],
  [['a', 'b', 'z'], 'z'],
  [[], undefined],
])('of the columns %j the target is %s', (names, target) => {
  expect(guessTarget(names.map((name) => column(name)))?.name).toBe(target);
});

test.each([
  [{}, 'regression'],
  [{ distinct: 2 }, 'binary'],
  [{ type: 'categorical', distinct: 30 }, 'multiclass'],
] as const)('a target with %j makes a model of the kind %s', (facts, task) => {
  expect(guessKind(column('t', facts))).toBe(task);
});

test('the summaries of a real table', async () => {
  const { rows, columns } = await inspectSource(join(import.meta.dirname, '../data/diamonds.parquet'));
  expect(rows).toBe(53_940);
  const distinct = Object.fromEntries(columns.map((summary) => [summary.name, summary.distinct]));
  expect(distinct).toMatchObject({ carat: 273, cut: 5, color: 7, clarity: 8, target: 11_602 });
});
