import type { Column } from '../data/types.ts';
import {
  checkColumns,
  encodersOf,
  type FeatureEncoder,
  orderedKey,
  type RankSets,
  RowReader,
  type RowValue,
  rankSetsOf,
  readerOf,
  rowWriter,
  type WordReader,
} from './encode.ts';
import { type Forest, MARGIN_LIMIT, type ModelFeature } from './forest.ts';

const NODE_WORDS = 4;
const LEFT = 0;
const SLOT = 1;
const KEY = 2;
const LEAF = 3;

/** Above every word of a row, so that a leaf leads back to itself. */
const LEAF_KEY = 2 ** 31 - 1;

/** Trees that are walked side by side: their loads do not wait for each other. */
const TOGETHER = 4;

/** Rows between two turns of the event loop, where prediction shares it with others. */
const ROWS_OF_TURN = 8192;

/** How a batch is predicted beside others' work. */
export interface AsyncOptions {
  /** Threads in use; −1, the default, for all cores. JavaScript has one. */
  readonly threads?: number;
  /** Ends the prediction; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * A forest prepared for prediction on raw values. Results are exact integers: the same for every implementation, any batch
 * size and the row path.
 */
export interface ForestPredictor {
  /**
   * Margins of `rows` rows, one for each base margin, row by row.
   * @param columns In schema order, each of at least `rows` values. A categorical column may have categories of its
   *   own: they are matched by name, and one that the model does not know is missing, or goes right where its feature has
   *   `unlisted_right`.
   * @throws InputError where the columns are not those of the schema.
   */
  margins(columns: readonly Column[], rows: number): Int32Array;

  /** The same without holding up the event loop. The columns must stay as they are meanwhile. */
  marginsAsync(columns: readonly Column[], rows: number, options: AsyncOptions): Promise<Int32Array>;

  /**
   * Margins of one row, in an array that the next call uses again.
   * @param values In schema order, one for each feature.
   * @throws InputError where the length is wrong, or a value is of a type that its feature cannot have.
   */
  rowMargins(values: ArrayLike<RowValue>): Int32Array;

  /**
   * Margins of one row given by feature name, as `rowMargins` gives them; other keys do not matter.
   * @throws InputError where the key of a feature is missing, or a value is of a type that its feature cannot have.
   */
  recordMargins(record: Readonly<Record<string, RowValue>>): Int32Array;
}

/** @param features In schema order; `forest` must be valid for them, as that of a `Model` is. */
export type MakePredictor = (
  forest: Forest,
  features: readonly ModelFeature[],
  baseMargins: readonly number[],
) => ForestPredictor;

let makePredictor: MakePredictor = (forest, features, baseMargins) =>
  new Predictor(forest, features, baseMargins);

/** Has models predict with other predictors than `Predictor`, from now on and where they have not predicted yet. */
export function usePredictors(make: MakePredictor): void {
  makePredictor = make;
}

/** The predictor that this platform has for a forest. */
export const predictorOf: MakePredictor = (...forest) => makePredictor(...forest);

/** Lets the event loop take a turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Prediction in JavaScript alone, which needs neither Node nor the addon. */
export class Predictor implements ForestPredictor {
  readonly #features: readonly ModelFeature[];
  readonly #baseMargins: Int32Array;
  readonly #encoders: readonly FeatureEncoder[];
  readonly #reader: RowReader;
  readonly #writeRow: (words: Int32Array) => void;
  /** Words of an encoded row. */
  readonly #width: number;
  /** First word of each tree's root in `#nodes`. */
  readonly #roots: Int32Array;
  /** Steps from each root after which it and the next three trees have all reached their leaves; −1 where they are not walked together. */
  readonly #steps: Int32Array;
  /**
   * Four words a node: the left child's first word, for a leaf its own; the row's word to test, complemented for a
   * categorical split; the threshold's key, or the first word of the set in `#sets`; the leaf value.
   */
  readonly #nodes: Int32Array;
  /** Bit sets of the ranks that go left. */
  readonly #sets: Uint32Array;
  /** Scratch of the row path: margins and an encoded row. */
  readonly #rowMargins: Int32Array;
  readonly #row: Int32Array;

  constructor(forest: Forest, features: readonly ModelFeature[], baseMargins: readonly number[]) {
    this.#features = features;
    this.#baseMargins = Int32Array.from(baseMargins);
    this.#rowMargins = new Int32Array(baseMargins.length);
    const { encoders, width } = encodersOf(forest, features);
    this.#encoders = encoders;
    this.#reader = new RowReader(encoders);
    this.#writeRow = rowWriter(encoders, this.#reader);
    this.#width = Math.max(1, width);
    this.#row = new Int32Array(this.#width);
    const sets = rankSetsOf(forest, encoders);
    this.#sets = sets.words;
    this.#nodes = nodesOf(forest, encoders, sets);
    this.#roots = forest.treeStart.slice(0, -1).map((start) => start * NODE_WORDS);
    this.#steps = stepsOf(forest);
  }

  margins(columns: readonly Column[], rows: number): Int32Array {
    const margins = this.#newMargins(columns, rows);
    this.#addRows(this.#readers(columns), margins, 0, rows);
    return margins;
  }

  async marginsAsync(
    columns: readonly Column[],
    rows: number,
    { signal }: AsyncOptions,
  ): Promise<Int32Array> {
    const margins = this.#newMargins(columns, rows);
    const readers = this.#readers(columns);
    for (let start = 0; start < rows; start += ROWS_OF_TURN) {
      this.#addRows(readers, margins, start, Math.min(start + ROWS_OF_TURN, rows));
      await nextTurn();
      signal?.throwIfAborted();
    }
    return margins;
  }

  rowMargins(values: ArrayLike<RowValue>): Int32Array {
    this.#reader.readArray(values);
    return this.#marginsOfRow();
  }

  recordMargins(record: Readonly<Record<string, RowValue>>): Int32Array {
    this.#reader.readRecord(record);
    return this.#marginsOfRow();
  }

  #newMargins(columns: readonly Column[], rows: number): Int32Array {
    checkColumns(this.#features, columns, rows);
    const margins = new Int32Array(rows * this.#baseMargins.length);
    for (let i = 0; i < margins.length; i += this.#baseMargins.length) margins.set(this.#baseMargins, i);
    return margins;
  }

  #readers(columns: readonly Column[]): WordReader[] {
    return this.#encoders.flatMap((encoder, f) =>
      encoder.slot < 0 ? [] : [readerOf(encoder, columns[f]!, this.#width)],
    );
  }

  #addRows(readers: readonly WordReader[], margins: Int32Array, first: number, last: number): void {
    const width = this.#width;
    const outputs = this.#baseMargins.length;
    const blockRows = Math.max(16, Math.min(256, Math.floor(2 ** 14 / width)));
    const block = new Int32Array(Math.min(blockRows, last - first) * width);
    for (let start = first; start < last; start += blockRows) {
      const end = Math.min(start + blockRows, last);
      for (const read of readers) read(block, start, end);
      for (let r = start; r < end; r++) this.#addTrees(block, (r - start) * width, margins, r * outputs);
    }
  }

  #marginsOfRow(): Int32Array {
    this.#writeRow(this.#row);
    const margins = this.#rowMargins;
    margins.set(this.#baseMargins);
    this.#addTrees(this.#row, 0, margins, 0);
    return margins;
  }

  /** Adds every tree's leaf to the margins from `at` of the encoded row from `row`, in tree order, saturating after each. */
  #addTrees(words: Int32Array, row: number, margins: Int32Array, at: number): void {
    const nodes = this.#nodes;
    const sets = this.#sets;
    const roots = this.#roots;
    const steps = this.#steps;
    const end = at + this.#baseMargins.length;
    let m = at;
    for (let t = 0; t < roots.length; ) {
      const count = steps[t]!;
      if (count < 0) {
        addLeaf(margins, m, nodes[leafOf(nodes, sets, roots[t]!, words, row) + LEAF]!);
        m = m + 1 === end ? at : m + 1;
        t++;
        continue;
      }
      let a = roots[t]!;
      let b = roots[t + 1]!;
      let c = roots[t + 2]!;
      let d = roots[t + 3]!;
      for (let step = 0; step < count; step++) {
        a = childOf(nodes, a, words, row);
        b = childOf(nodes, b, words, row);
        c = childOf(nodes, c, words, row);
        d = childOf(nodes, d, words, row);
      }
      addLeaf(margins, m, nodes[a + LEAF]!);
      m = m + 1 === end ? at : m + 1;
      addLeaf(margins, m, nodes[b + LEAF]!);
      m = m + 1 === end ? at : m + 1;
      addLeaf(margins, m, nodes[c + LEAF]!);
      m = m + 1 === end ? at : m + 1;
      addLeaf(margins, m, nodes[d + LEAF]!);
      m = m + 1 === end ? at : m + 1;
      t += TOGETHER;
    }
  }
}

function nodesOf(forest: Forest, encoders: readonly FeatureEncoder[], sets: RankSets): Int32Array {
  const nodes = new Int32Array(forest.feature.length * NODE_WORDS);
  const { buffer, byteOffset, length } = forest.threshold;
  const thresholdBits = new Int32Array(buffer, byteOffset, length);
  for (let t = 0; t + 1 < forest.treeStart.length; t++) {
    const start = forest.treeStart[t]!;
    for (let n = start; n < forest.treeStart[t + 1]!; n++) {
      const node = n * NODE_WORDS;
      nodes[node + LEAF] = forest.leaf[n]!;
      if (forest.feature[n]! < 0) {
        nodes[node + LEFT] = node;
        nodes[node + KEY] = LEAF_KEY;
        continue;
      }
      const { spec, slot } = encoders[forest.feature[n]!]!;
      nodes[node + LEFT] = (start + forest.left[n]!) * NODE_WORDS;
      if (spec.type === 'categorical') {
        nodes[node + SLOT] = ~slot;
        nodes[node + KEY] = sets.start[sets.ofNode[n]!]!;
      } else {
        nodes[node + SLOT] = slot + (forest.missingLeft[n] === 1 ? 0 : 1);
        nodes[node + KEY] = orderedKey(thresholdBits[n]!);
      }
    }
  }
  return nodes;
}

/** `Predictor.#steps`. */
function stepsOf(forest: Forest): Int32Array {
  const trees = forest.treeStart.length - 1;
  const depths = Int32Array.from({ length: trees }, (_, t) => numericDepth(forest, t));
  return depths.map((_, t) => {
    const together = depths.subarray(t, t + TOGETHER);
    return together.length < TOGETHER || together.includes(-1) ? -1 : Math.max(...together);
  });
}

/** Depth of a tree, −1 where it has categorical splits. */
function numericDepth(forest: Forest, tree: number): number {
  const start = forest.treeStart[tree]!;
  const depth = new Int32Array(forest.treeStart[tree + 1]! - start);
  let deepest = 0;
  for (let n = 0; n < depth.length; n++) {
    if (forest.feature[start + n]! < 0) continue;
    if (forest.catIndex[start + n]! >= 0) return -1;
    const left = forest.left[start + n]!;
    deepest = depth[n]! + 1;
    depth[left] = deepest;
    depth[left + 1] = deepest;
  }
  return deepest;
}

/**
 * Where a row goes from a node whose split is numeric, or stays at a leaf. Without a branch, which half of all rows would
 * mispredict: bit 31 is that of the comparison of two int32, also where their difference would wrap (Warren, Hacker's
 * Delight, section 2-12).
 */
function childOf(nodes: Int32Array, node: number, words: Int32Array, row: number): number {
  const word = words[row + nodes[node + SLOT]!]!;
  const key = nodes[node + KEY]!;
  const below = ((word & ~key) | (~(word ^ key) & (word - key))) >>> 31;
  return nodes[node + LEFT]! + NODE_WORDS * (1 - below);
}

/** The leaf that the encoded row at `words[row]` reaches in a tree with splits of any kind. */
function leafOf(nodes: Int32Array, sets: Uint32Array, root: number, words: Int32Array, row: number): number {
  let node = root;
  for (let left = nodes[node + LEFT]!; left !== node; left = nodes[node + LEFT]!) {
    const slot = nodes[node + SLOT]!;
    const key = nodes[node + KEY]!;
    if (slot >= 0) {
      node = words[row + slot]! < key ? left : left + NODE_WORDS;
    } else {
      const rank = words[row + ~slot]!;
      node = (sets[key + (rank >> 5)]! >>> (rank & 31)) & 1 ? left : left + NODE_WORDS;
    }
  }
  return node;
}

function addLeaf(margins: Int32Array, m: number, leaf: number): void {
  margins[m] = Math.min(Math.max(margins[m]! + leaf, -MARGIN_LIMIT), MARGIN_LIMIT);
}
