import type { FeatureSpec } from '../data/types.ts';

/** One input of a model. */
export interface ModelFeature extends FeatureSpec {
  /**
   * Categorical, with more categories than codes: the rare categories that were binned together, ascending, at least
   * two. All of them go wherever the first goes, and sets of categories name the first only.
   */
  readonly pooled?: readonly number[];
}

/**
 * Trees over raw values, as flat arrays. Node n of tree t is at treeStart[t] + n; nodes are numbered breadth-first
 * with siblings adjacent, so the k-th split of a tree has the children 2k + 1 and 2k + 2. Not to be written to.
 */
export interface Forest {
  /** Length trees + 1; the other arrays have length treeStart[trees]. */
  readonly treeStart: Int32Array;
  /** Feature of the split, −1 for a leaf. */
  readonly feature: Int32Array;
  /** Numeric split: values below it go left. −FLT_MAX where only missing values do; 0 for other nodes. Finite, never −0. */
  readonly threshold: Float32Array;
  /** 1 where missing values go left; 0 for a leaf. */
  readonly missingLeft: Uint8Array;
  /** Left child, numbered within the tree, the right one following it; 0 for a leaf. */
  readonly left: Int32Array;
  /** Leaf value in margin units; 0 for a split. */
  readonly leaf: Int32Array;
  /** Loss reduction of the split, without gamma; 0 for a leaf. */
  readonly gain: Float64Array;
  /** Sum of Hessians of the node's training rows. */
  readonly cover: Float64Array;
  /** Number of the set of categories that go left, counting categorical splits; −1 for other nodes. */
  readonly catIndex: Int32Array;
  /** Set s is catList[catStart[s]] … catList[catStart[s + 1] − 1], ascending indices into the feature's categories. */
  readonly catStart: Int32Array;
  readonly catList: Int32Array;
}

/** Margins saturate at ±2^30 after each tree (docs/numerics.md, section 4). */
export const MARGIN_LIMIT = 2 ** 30;

/** The largest finite float32: infinities are clamped to it, so that every value compares with every threshold. */
export const FLT_MAX = 3.4028234663852886e38;
