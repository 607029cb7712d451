import type { TrainingResult } from '../../src/boosting/model.ts';
import type { Column } from '../../src/data/types.ts';

/** The bin code of a cell, by docs/numerics.md section 1: 0 for missing, else 1 + #{cuts ≤ x}. */
function codeOf(result: TrainingResult, column: Column, f: number, row: number): number {
  const { cuts, binOfCategory } = result.features[f]!;
  if (column.kind === 'categorical') return column.codes[row]! < 0 ? 0 : binOfCategory[column.codes[row]!]!;
  const value = column.values[row]!;
  if (Number.isNaN(value)) return 0;
  return 1 + cuts.filter((cut) => cut <= value).length;
}

/** Margins of one row by walking the engine's trees on bins, recursively. */
export function naiveMargins(result: TrainingResult, columns: readonly Column[], row: number): number[] {
  const { trees } = result;
  const leafOf = (start: number, n: number): number => {
    const i = start + n;
    const f = trees.feature[i]!;
    if (f < 0) return trees.leaf[i]!;
    const code = codeOf(result, columns[f]!, f, row);
    const set = trees.catIndex[i]!;
    let left: boolean;
    if (code === 0) left = trees.missingLeft[i] === 1;
    else if (set >= 0) left = ((trees.catSets[8 * set + Math.floor(code / 32)]! >>> (code % 32)) & 1) === 1;
    else left = code <= trees.splitBin[i]!;
    return leafOf(start, trees.left[i]! + (left ? 0 : 1));
  };
  const margins = [...trees.baseMargins];
  for (let t = 0; t + 1 < trees.treeStart.length; t++) {
    const c = t % trees.classes;
    const sum = margins[c]! + leafOf(trees.treeStart[t]!, 0);
    margins[c] = Math.min(Math.max(sum, -(2 ** 30)), 2 ** 30);
  }
  return margins;
}
