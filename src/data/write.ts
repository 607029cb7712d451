import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api';
import { InputError } from '../errors.ts';
import { replaceFile } from '../files.ts';

/** A column to write; all columns of a table have the same length. NaN is written as null in a column of numbers. */
export interface OutputColumn {
  readonly name: string;
  readonly values: Float64Array | Int32Array | readonly string[];
}

const CHUNK_ROWS = 2048;
const CSV_ROWS = 16_384;

function csvCell(value: number | string): string {
  if (typeof value === 'number') return Number.isNaN(value) ? '' : String(value);
  return /[",\r\n]|^$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** One line of CSV: numbers as the shortest text that reads back as the same value, NaN as nothing. */
export function csvLine(cells: readonly (number | string)[]): string {
  return `${cells.map(csvCell).join(',')}\n`;
}

async function writeCsv(file: string, columns: readonly OutputColumn[]): Promise<void> {
  const rows = columns[0]!.values.length;
  const handle = await open(file, 'wx');
  try {
    await handle.write(csvLine(columns.map(({ name }) => name)));
    for (let start = 0; start < rows; start += CSV_ROWS) {
      let text = '';
      for (let row = start; row < Math.min(rows, start + CSV_ROWS); row++) {
        text += csvLine(columns.map(({ values }) => values[row]!));
      }
      await handle.writeFile(text);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function sqlTypeOf(values: OutputColumn['values']): DuckDBType {
  if (values instanceof Float64Array) return DOUBLE;
  return values instanceof Int32Array ? INTEGER : VARCHAR;
}

async function appendRows(connection: DuckDBConnection, columns: readonly OutputColumn[]): Promise<void> {
  const rows = columns[0]!.values.length;
  const types = columns.map(({ values }) => sqlTypeOf(values));
  await connection.run(`CREATE TABLE predictions (${types.map((type, i) => `c${i} ${type}`).join(', ')})`);
  const appender = await connection.createAppender('predictions');
  for (let start = 0; start < rows; start += CHUNK_ROWS) {
    const end = Math.min(rows, start + CHUNK_ROWS);
    const chunk = DuckDBDataChunk.create(types, end - start);
    for (const [i, { values }] of columns.entries()) {
      const cells: (number | string | null)[] = [];
      for (let row = start; row < end; row++) {
        const value = values[row]!;
        cells.push(Number.isNaN(value) ? null : value);
      }
      chunk.setColumnValues(i, cells);
    }
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}

async function writeParquet(file: string, columns: readonly OutputColumn[]): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    temp_directory: '',
  });
  try {
    const connection = await instance.connect();
    try {
      await appendRows(connection, columns);
      const target = `'${file.replaceAll("'", "''")}'`;
      const named = columns.map(({ name }, i) => `c${i} AS "${name.replaceAll('"', '""')}"`);
      await connection.run(
        `COPY (SELECT ${named.join(', ')} FROM predictions) TO ${target} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
      );
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

/**
 * Writes a table as CSV or Parquet (zstd), by the ending of `path`. Numbers keep full precision: the shortest text
 * that reads back as the same value, or the value itself. The file appears under its name only when it is whole. In
 * Parquet, a name that differs from an earlier one in letter case alone gets a number: a, A_1.
 *
 * @throws InputError for another ending or a place that cannot be written to, EnvironmentError when writing fails.
 */
export async function writePredictions(path: string, columns: readonly OutputColumn[]): Promise<void> {
  const ending = /\.(csv|parquet)$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === undefined) throw new InputError(`${path} must end in .csv or .parquet; rename the output.`);
  await replaceFile(resolve(path), (temporary) =>
    (ending === 'csv' ? writeCsv : writeParquet)(temporary, columns),
  );
}
