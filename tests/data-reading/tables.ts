import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll } from 'vitest';
import { type LoadOptions, loadExperimentData } from '../../src/data/load.ts';
import { type ReadRequest, Source } from '../../src/data/read.ts';
import type { Dataset } from '../../src/data/types.ts';

/** A folder that is removed when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function writeText(folder: string, name: string, text: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

export async function runSql(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return await (await connection.run(sql)).getRowsJS();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Writes the rows of a SELECT to a file of the format that its ending names. */
export async function writeTable(folder: string, name: string, select: string): Promise<string> {
  const path = join(folder, name);
  await runSql(`COPY (${select}) TO '${path}'`);
  return path;
}

/** One column as plain values: numbers, or texts with null for missing. */
export async function readColumn(
  path: string,
  name: string,
  as: ReadRequest['as'] = 'numbers',
  query?: string,
): Promise<(number | string | null)[]> {
  const table = await Source.open(path, { query }, (source) => source.read([{ name, as }]));
  const column = table.columns[0]!;
  return column.form === 'numbers'
    ? [...column.values]
    : [...column.codes].map((code) => (code < 0 ? null : column.texts[code]!));
}

/** Loads a table as regression data without a split, unless `options` say otherwise. */
export function load(trainPath: string, options: Partial<LoadOptions> = {}) {
  return loadExperimentData({
    trainPath,
    target: 'target',
    taskType: 'regression',
    split: 'none',
    seed: 42,
    ...options,
  });
}

/** The values of a column of a data set: numbers, or category names with null for missing. */
export function valuesOf(data: Dataset | undefined, name: string): (number | string | null)[] {
  const column = data!.columns.find((candidate) => candidate.name === name)!;
  return column.kind === 'numeric'
    ? [...column.values]
    : [...column.codes].map((code) => (code < 0 ? null : column.categories[code]!));
}
