import type { Column, Dataset, RowSet } from './types.ts';

function concatFloat32(parts: readonly Float32Array[], rows: number): Float32Array {
  const joined = new Float32Array(rows);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function concatColumns(parts: readonly Column[], rows: number): Column {
  const [first] = parts;
  if (first === undefined) throw new Error('concatColumns needs at least one part');
  if (first.kind === 'numeric') {
    const values = parts.map((part) => (part as typeof first).values);
    return { ...first, values: concatFloat32(values, rows) };
  }
  const codes = new Int32Array(rows);
  let at = 0;
  for (const part of parts as readonly (typeof first)[]) {
    codes.set(part.codes, at);
    at += part.codes.length;
  }
  return { ...first, codes };
}

/**
 * Puts tables of one schema on top of each other, so that one resident data set serves training and scoring.
 * @returns The joined table and, for each part, its range of rows.
 */
export function concatDatasets(parts: readonly Dataset[]): { data: Dataset; ranges: RowSet[] } {
  const ranges: { start: number; end: number }[] = [];
  let rows = 0;
  for (const part of parts) {
    ranges.push({ start: rows, end: rows + part.rows });
    rows += part.rows;
  }
  const weighted = parts.some((part) => part.weight !== undefined);
  const data: Dataset = {
    rows,
    columns: parts[0]!.columns.map((_, c) =>
      concatColumns(
        parts.map((part) => part.columns[c]!),
        rows,
      ),
    ),
    label: concatFloat32(
      parts.map((part) => part.label),
      rows,
    ),
    ...(weighted && {
      weight: concatFloat32(
        parts.map((part) => part.weight ?? new Float32Array(part.rows).fill(1)),
        rows,
      ),
    }),
  };
  return { data, ranges };
}
