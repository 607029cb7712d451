import { type AddonColumn, fromAddonError, loadAddon, withCancelFlag } from '../addon.ts';
import type { BinnedDataset, Column, Dataset, FeatureSpec, RowSet } from './types.ts';

/** Options of `binDataset`. */
export interface BinningOptions {
  /** Rows that the cut points come from; all by default. */
  readonly training?: RowSet;
  /** Bins a feature, 2…256, missing included; 256 by default. */
  readonly maxBin?: number;
  /** Threads, 1 by default. It changes the speed, never a result. */
  readonly threads?: number;
  /** Ends the work early with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
}

/** Rows of a binned table that lie together. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

const CACHE_LINE = 64;

/**
 * Bytes from one row of a binned table to the next: 4, 8, 16 or 32 where the features fit, so that a row of a table that
 * begins on a cache line lies in one; otherwise the next multiple of 16.
 */
export function rowStride(features: number): number {
  return [4, 8, 16, 32].find((stride) => features <= stride) ?? Math.ceil(features / 16) * 16;
}

/** Zeroed shared memory that begins on a cache line. */
function allocateCodes(bytes: number): Uint8Array {
  const memory = new SharedArrayBuffer(bytes + CACHE_LINE);
  return new Uint8Array(memory, loadAddon().cacheLineOffset(new Uint8Array(memory)), bytes);
}

function toAddonColumn(column: Column): AddonColumn {
  return column.kind === 'numeric'
    ? { values: column.values }
    : { codes: column.codes, categories: column.categories.length };
}

/** One value a row of the tables on top of each other, in memory of its own. */
function stack(parts: readonly Float32Array[], rows: number): Float32Array {
  const stacked = new Float32Array(rows);
  let at = 0;
  for (const part of parts) {
    stacked.set(part, at);
    at += part.length;
  }
  return stacked;
}

function stackWeights(tables: readonly Dataset[], rows: number): Float32Array | undefined {
  if (tables.every(({ weight }) => weight === undefined)) return undefined;
  return stack(
    tables.map((table) => table.weight ?? new Float32Array(table.rows).fill(1)),
    rows,
  );
}

/**
 * Bins tables of one schema on top of each other, so that one resident data set serves training and scoring. The cut
 * points come from the first table, or its rows `training`. Columns are not copied, and must not change meanwhile.
 * @param features The specifications of the columns, in their order.
 * @returns The binned table and, for each given one, its range of rows.
 * @throws InputError where a weight of a training row is negative or not finite, or all are zero; InterruptedError on abort.
 */
export async function binTables(
  tables: readonly [Dataset, ...Dataset[]],
  features: readonly FeatureSpec[],
  options: BinningOptions = {},
): Promise<{ binned: BinnedDataset; ranges: RowRange[] }> {
  const [first] = tables;
  const ranges: RowRange[] = [];
  let rows = 0;
  for (const table of tables) {
    ranges.push({ start: rows, end: rows + table.rows });
    rows += table.rows;
  }
  const stride = rowStride(features.length);
  const bins = allocateCodes(rows * stride);
  const weight = stackWeights(tables, rows);
  const label = stack(
    tables.map((table) => table.label),
    rows,
  );
  try {
    const found = await withCancelFlag(options.signal, (cancel) =>
      loadAddon().binColumns({
        tables: tables.map((table) => ({ rows: table.rows, columns: table.columns.map(toAddonColumn) })),
        stride,
        training: options.training ?? { start: 0, end: first.rows },
        ...(weight && { weight: weight.subarray(0, first.rows) }),
        maxBin: options.maxBin ?? 256,
        bins,
        threads: options.threads ?? 1,
        cancel,
      }),
    );
    const binned = {
      rows,
      stride,
      bins,
      features: found.map((feature, f) => ({
        name: features[f]!.name,
        type: features[f]!.type,
        ...feature,
      })),
      label,
      ...(weight && { weight }),
    };
    return { binned, ranges };
  } catch (error) {
    throw fromAddonError(error);
  }
}

/**
 * Bins a table once for any number of models, as docs/numerics.md section 1 says.
 * @param features The specifications of `data.columns`, in the same order.
 * @throws InputError where a weight is negative or not finite, or all are zero; InterruptedError on abort.
 */
export async function binDataset(
  data: Dataset,
  features: readonly FeatureSpec[],
  options: BinningOptions = {},
): Promise<BinnedDataset> {
  return (await binTables([data], features, options)).binned;
}
