import type { RowSet } from './types.ts';

/** Row numbers of a set, in ascending order. */
export function listRows(rows: RowSet): Uint32Array {
  if (rows instanceof Uint32Array) return rows;
  if ('folds' in rows) {
    const { folds, fold, except = false } = rows;
    const listed: number[] = [];
    for (let row = 0; row < folds.length; row++) {
      const own = folds[row]!;
      if (except ? own !== fold && own !== 255 : own === fold) listed.push(row);
    }
    return Uint32Array.from(listed);
  }
  return Uint32Array.from({ length: rows.end - rows.start }, (_, i) => rows.start + i);
}
