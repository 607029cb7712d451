import type { BinnedDataset } from '../../data/types.ts';
import type { TreeEnsemble } from '../engine.ts';

const MARGIN_LIMIT = 2 ** 30;

/** Margins of rows of a binned table after the given trees; (rows, classes), row-major. */
export function walkTrees(
  { bins, stride }: BinnedDataset,
  trees: TreeEnsemble,
  rows: Uint32Array,
): Int32Array {
  const { classes } = trees;
  const margins = new Int32Array(rows.length * classes);
  rows.forEach((row, i) => {
    margins.set(trees.baseMargins, i * classes);
    for (let t = 0; t + 1 < trees.treeStart.length; t++) {
      const start = trees.treeStart[t]!;
      let node = start;
      while (trees.feature[node]! >= 0) {
        const code = bins[row * stride + trees.feature[node]!]!;
        const set = trees.catIndex[node]!;
        let left: boolean;
        if (code === 0) left = trees.missingLeft[node] === 1;
        else if (set < 0) left = code <= trees.splitBin[node]!;
        else left = ((trees.catSets[set * 8 + (code >> 5)]! >>> (code & 31)) & 1) === 1;
        node = start + trees.left[node]! + (left ? 0 : 1);
      }
      const at = i * classes + (t % classes);
      margins[at] = Math.min(Math.max(margins[at]! + trees.leaf[node]!, -MARGIN_LIMIT), MARGIN_LIMIT);
    }
  });
  return margins;
}
