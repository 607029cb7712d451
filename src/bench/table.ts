import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Column, Dataset } from '../data/types.ts';
import { writeError } from '../files.ts';

/**
 * A table on disk that every library reads alike: `table.json`, which is this object, `0.bin`, `1.bin` … with a value of
 * a feature for each row (float32, NaN missing; categorical: int32, −1 missing), `label.bin` and, where `weighted`,
 * `weight.bin` (float32). Little-endian; training rows come first, validation rows after them.
 */
export interface BenchTable {
  readonly rows: number;
  readonly train_rows: number;
  readonly features: readonly (
    | { readonly kind: 'numeric' }
    | { readonly kind: 'categorical'; readonly categories: number }
  )[];
  readonly weighted: boolean;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array) =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Writes a table into an empty folder, column by column. Its errors name the file and the reason. */
export class BenchTableWriter {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param name a feature's number, `label` or `weight`; @param parts one after the other, all rows together */
  async column(
    name: number | 'label' | 'weight',
    parts: readonly (Float32Array | Int32Array)[],
  ): Promise<void> {
    const path = join(this.#folder, `${name}.bin`);
    try {
      const file = await open(path, 'wx');
      try {
        for (const part of parts) await file.writeFile(bytesOf(part));
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw writeError(path, cause);
    }
  }

  /** Ends the table. */
  async finish(table: BenchTable): Promise<BenchTable> {
    const path = join(this.#folder, 'table.json');
    await writeFile(path, JSON.stringify(table)).catch((cause: unknown) => {
      throw writeError(path, cause);
    });
    return table;
  }
}

/** Writes training and, where there are any, validation rows of one schema. */
export async function writeDatasets(
  folder: string,
  train: Dataset,
  val: Dataset | undefined,
): Promise<BenchTable> {
  const writer = new BenchTableWriter(folder);
  const parts = val === undefined ? [train] : [train, val];
  const valuesOf = (column: Column) => (column.kind === 'numeric' ? column.values : column.codes);
  for (const f of train.columns.keys()) {
    await writer.column(
      f,
      parts.map(({ columns }) => valuesOf(columns[f]!)),
    );
  }
  const weighted = parts.some(({ weight }) => weight !== undefined);
  await writer.column(
    'label',
    parts.map(({ label }) => label),
  );
  if (weighted) {
    await writer.column(
      'weight',
      parts.map(({ rows, weight }) => weight ?? new Float32Array(rows).fill(1)),
    );
  }
  const table: BenchTable = {
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    train_rows: train.rows,
    features: train.columns.map((column) =>
      column.kind === 'numeric'
        ? { kind: 'numeric' }
        : { kind: 'categorical', categories: column.categories.length },
    ),
    weighted,
  };
  return writer.finish(table);
}

/** Bytes that one read may take; the system refuses more than 2 GiB at once. */
const MOST_READ = 2 ** 30;

async function readColumn<A extends Float32Array | Int32Array>(path: string, out: A): Promise<A> {
  const bytes = bytesOf(out);
  const file = await open(path);
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(MOST_READ, bytes.length - at));
      if (bytesRead === 0) throw new Error(`${path} ends after ${at} of ${bytes.length} bytes.`);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return out;
}

/** Reads a table that a `BenchTableWriter` wrote. Categories are named by their codes. */
export async function readTable(folder: string): Promise<{ table: BenchTable; data: Dataset }> {
  const table = JSON.parse(await readFile(join(folder, 'table.json'), 'utf8')) as BenchTable;
  const { rows, weighted } = table;
  const path = (name: string | number) => join(folder, `${name}.bin`);
  const columns: Column[] = [];
  for (const [f, feature] of table.features.entries()) {
    const name = String(f);
    columns.push(
      feature.kind === 'numeric'
        ? { kind: 'numeric', name, values: await readColumn(path(f), new Float32Array(rows)) }
        : {
            kind: 'categorical',
            name,
            codes: await readColumn(path(f), new Int32Array(rows)),
            categories: Array.from({ length: feature.categories }, (_, code) => String(code)),
          },
    );
  }
  const label = await readColumn(path('label'), new Float32Array(rows));
  const weight = weighted ? await readColumn(path('weight'), new Float32Array(rows)) : undefined;
  return { table, data: { rows, columns, label, ...(weight && { weight }) } };
}
