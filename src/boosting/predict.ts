import type { CategoricalColumn, Column, FeatureSpec } from '../data/types.ts';
import type { Objective } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import { scaledProbability } from '../numerics/link.ts';
import { powerOfTwo } from '../numerics/power.ts';
import { predictedClass, softmaxProbabilities } from '../numerics/softmax.ts';

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

/** What turns the integer margins of a model into predictions. */
export interface OutputScale {
  readonly objective: Objective;
  /** Margins are integers in units of 2^−marginBits; −104 … 100, for classification at most 40 and 20 after training. */
  readonly marginBits: number;
  /** Margins before the first tree, in those units: one for each class of the multi: objectives, else one. */
  readonly baseMargins: readonly number[];
  /** Added to margin · 2^−marginBits; a float32, 0 for classification. */
  readonly baseValue: number;
}

/** A value of one feature: null, undefined and NaN are missing. A feature with categories takes a category's name. */
export type RowValue = number | string | boolean | null | undefined;

/** Margins saturate at ±2^30 after each tree (docs/numerics.md, section 4). */
export const MARGIN_LIMIT = 2 ** 30;

/** The largest finite float32: infinities are clamped to it, so that every value compares with every threshold. */
export const FLT_MAX = 3.4028234663852886e38;

/** What a model says of one row: a probability, the index of a class, or a value; or the probability of every class. */
export type Prediction = number | number[];

/** From the margins of a row to its prediction. */
export function linkOf(scale: OutputScale): (margins: ArrayLike<number>) => Prediction {
  switch (scale.objective) {
    case 'multi:softprob': {
      const unit = powerOfTwo(-scale.marginBits);
      return (margins) => softmaxProbabilities(margins, unit);
    }
    case 'multi:softmax':
      return predictedClass;
    case 'binary:logistic':
    case 'reg:squarederror': {
      const link = scalarLink(scale);
      return (margins) => link(margins[0]!);
    }
    default:
      throw scale.objective satisfies never;
  }
}

/** Predictions of many rows from their margins, one row after the other. */
export function predictionsOf(scale: OutputScale, margins: Int32Array): Float64Array {
  const outputs = scale.baseMargins.length;
  switch (scale.objective) {
    case 'multi:softprob': {
      const unit = powerOfTwo(-scale.marginBits);
      const predictions = new Float64Array(margins.length);
      for (let i = 0; i < margins.length; i += outputs) {
        predictions.set(softmaxProbabilities(margins.subarray(i, i + outputs), unit), i);
      }
      return predictions;
    }
    case 'multi:softmax':
      return Float64Array.from({ length: margins.length / outputs }, (_, row) =>
        predictedClass(margins.subarray(row * outputs, (row + 1) * outputs)),
      );
    case 'binary:logistic':
    case 'reg:squarederror':
      return Float64Array.from(margins, scalarLink(scale));
    default:
      throw scale.objective satisfies never;
  }
}

/** The probability of the positive class, or the value (one binary64 rounding). */
function scalarLink(scale: OutputScale): (margin: number) => number {
  const unit = powerOfTwo(-scale.marginBits);
  if (scale.objective === 'binary:logistic') return (margin) => scaledProbability(margin, unit);
  return (margin) => scale.baseValue + margin * unit;
}

const NODE_WORDS = 3;
const CHILD = 0;
const SLOT = 1;
const KEY = 2;

const MISSING_LEFT_KEY = -(2 ** 31);
const MISSING_RIGHT_KEY = 2 ** 31 - 1;
const UNLISTED = -2;
const FLT_MAX_BITS = 0x7f7fffff;
const INFINITY_BITS = 0x7f800000;

/** Integers that compare as the finite float32 numbers do; infinities as ±FLT_MAX, −0 as 0. NaN has no key. */
function orderedKey(bits: number): number {
  const magnitude = Math.min(bits & 0x7fffffff, FLT_MAX_BITS);
  return bits < 0 ? -magnitude | 0 : magnitude;
}

function isNaNBits(bits: number): boolean {
  return (bits & 0x7fffffff) > INFINITY_BITS;
}

/**
 * How one feature's values become the words that nodes test. A numeric feature has two words, for splits that send
 * missing values left and right: they differ only where the value is missing, so no node tests for that. A categorical
 * one has a single word, the rank of its category; one more rank is "missing", and one "not listed" where that differs.
 */
interface FeatureEncoder {
  readonly spec: ModelFeature;
  /** First word of the feature in an encoded row; −1 if no split uses it. */
  readonly slot: number;
  /** Rows give the value by name, as `spec` has categories. */
  readonly named: boolean;
  /** Categorical: the rank of each category. Empty otherwise. */
  readonly ranks: Int32Array;
  readonly missingRank: number;
  /** Rank of a category that is not listed: "missing", or for a feature with `unlisted_right` one that no set has. */
  readonly unlistedRank: number;
}

function encoderOf(spec: ModelFeature, slot: number): FeatureEncoder {
  const named = spec.categories !== undefined;
  if (spec.type !== 'categorical')
    return { spec, slot, named, ranks: new Int32Array(0), missingRank: 0, unlistedRank: 0 };
  const ranks = new Int32Array(spec.categories!.length);
  const pooled = new Set(spec.pooled);
  const first = spec.pooled?.[0] ?? -1;
  let next = 0;
  for (let c = 0; c < ranks.length; c++) ranks[c] = pooled.has(c) && c !== first ? ranks[first]! : next++;
  return { spec, slot, named, ranks, missingRank: next, unlistedRank: spec.unlisted_right ? next + 1 : next };
}

/**
 * A forest prepared for prediction on raw values, in batches and for single rows. Nothing here depends on Node.
 * Results are exact integers: the same for any batch size and for the row path.
 */
export class Predictor {
  readonly #baseMargins: Int32Array;
  readonly #encoders: readonly FeatureEncoder[];
  /** Words of an encoded row. */
  readonly #width: number;
  /** First word of each tree's root in `#nodes`. */
  readonly #roots: Int32Array;
  /**
   * Three words a node: the left child's first word, 0 for a leaf; the row's word to test, complemented for a
   * categorical split; the threshold's key, or the first word of the set in `#sets`, or the leaf value.
   */
  readonly #nodes: Int32Array;
  /** Bit sets of the ranks that go left. */
  readonly #sets: Int32Array;
  /** Scratch of the row path: margins, an encoded row, the values of a record, and a float32 with its bits. */
  readonly #rowMargins: Int32Array;
  readonly #row: Int32Array;
  readonly #rowValues: RowValue[];
  readonly #float = new Float32Array(1);
  readonly #floatBits = new Int32Array(this.#float.buffer);
  #namesToIndex: (ReadonlyMap<RowValue, number> | undefined)[] | undefined;

  /** @param features In schema order; `forest` must be valid for them, as that of a `Model` is. */
  constructor(forest: Forest, features: readonly ModelFeature[], baseMargins: readonly number[]) {
    this.#baseMargins = Int32Array.from(baseMargins);
    this.#rowMargins = new Int32Array(baseMargins.length);
    const used = new Set(forest.feature);
    let width = 0;
    this.#encoders = features.map((spec, f) => {
      const encoder = encoderOf(spec, used.has(f) ? width : -1);
      if (used.has(f)) width += spec.type === 'categorical' ? 1 : 2;
      return encoder;
    });
    this.#width = width;
    this.#row = new Int32Array(width);
    this.#rowValues = new Array<RowValue>(features.length).fill(null);

    const nodes = new Int32Array(forest.feature.length * NODE_WORDS);
    const keys = new Int32Array(
      forest.threshold.buffer,
      forest.threshold.byteOffset,
      forest.threshold.length,
    );
    const sets: number[] = [];
    for (let t = 0; t + 1 < forest.treeStart.length; t++) {
      const start = forest.treeStart[t]!;
      for (let n = start; n < forest.treeStart[t + 1]!; n++) {
        const word = n * NODE_WORDS;
        if (forest.feature[n]! < 0) {
          nodes[word + KEY] = forest.leaf[n]!;
          continue;
        }
        const encoder = this.#encoders[forest.feature[n]!]!;
        nodes[word + CHILD] = (start + forest.left[n]!) * NODE_WORDS;
        if (encoder.spec.type === 'categorical') {
          nodes[word + SLOT] = ~encoder.slot;
          nodes[word + KEY] = sets.length;
          const set = forest.catIndex[n]!;
          const left = forest.catList.subarray(forest.catStart[set]!, forest.catStart[set + 1]!);
          for (const bits of bitSet(encoder, left, forest.missingLeft[n] === 1)) sets.push(bits);
        } else {
          nodes[word + SLOT] = encoder.slot + (forest.missingLeft[n] === 1 ? 0 : 1);
          nodes[word + KEY] = orderedKey(keys[n]!);
        }
      }
    }
    this.#nodes = nodes;
    this.#sets = Int32Array.from(sets);
    this.#roots = forest.treeStart.slice(0, -1).map((start) => start * NODE_WORDS);
  }

  /**
   * Margins of `rows` rows, one for each base margin, row by row.
   * @param columns In schema order, each of at least `rows` values. A categorical column may have categories of its
   *   own: they are matched by name, and one that the model does not know is missing, or goes right where its feature has
   *   `unlisted_right`.
   * @throws InputError where the columns are not those of the schema.
   */
  margins(columns: readonly Column[], rows: number): Int32Array {
    const readers = this.#readers(columns, rows);
    const outputs = this.#baseMargins.length;
    const margins = new Int32Array(rows * outputs);
    for (let i = 0; i < margins.length; i += outputs) margins.set(this.#baseMargins, i);
    // A block of encoded rows stays in the second-level cache while each tree in turn, itself small, passes over it.
    const blockRows = Math.max(16, Math.min(1024, Math.floor(2 ** 15 / Math.max(1, this.#width))));
    const block = new Int32Array(Math.min(blockRows, rows) * this.#width);
    for (let start = 0; start < rows; start += blockRows) {
      const end = Math.min(start + blockRows, rows);
      for (const read of readers) read(block, start, end);
      this.#addTrees(block, margins.subarray(start * outputs, end * outputs));
    }
    return margins;
  }

  /**
   * Margins of one row, in an array that the next call uses again.
   * @param values In schema order, one for each feature.
   * @throws InputError where the length is wrong, or a value is of a type that its feature cannot have.
   */
  rowMargins(values: ArrayLike<RowValue>): Int32Array {
    this.#encodeRow(values);
    const margins = this.#rowMargins;
    margins.set(this.#baseMargins);
    const nodes = this.#nodes;
    const sets = this.#sets;
    const roots = this.#roots;
    const row = this.#row;
    for (let t = 0, c = 0; t < roots.length; t++) {
      margins[c] = addLeaf(margins[c]!, leafOf(nodes, sets, roots[t]!, row, 0));
      if (++c === margins.length) c = 0;
    }
    return margins;
  }

  /**
   * Margins of one row given by feature name, as `rowMargins` gives them; other keys do not matter.
   * @throws InputError where the key of a feature is missing, or a value is of a type that its feature cannot have.
   */
  recordMargins(record: Readonly<Record<string, RowValue>>): Int32Array {
    for (let f = 0; f < this.#encoders.length; f++) {
      const { name } = this.#encoders[f]!.spec;
      const value = record[name];
      if (value === undefined && !(name in record)) {
        throw new InputError(`The row has no ${name}: give every feature a value, null where it is missing.`);
      }
      this.#rowValues[f] = value;
    }
    return this.rowMargins(this.#rowValues);
  }

  /** Adds every tree's leaf to the margins of the encoded rows, in tree order, saturating after each. */
  #addTrees(rows: Int32Array, margins: Int32Array): void {
    const nodes = this.#nodes;
    const sets = this.#sets;
    const roots = this.#roots;
    const width = this.#width;
    const outputs = this.#baseMargins.length;
    for (let t = 0; t < roots.length; t++) {
      for (let r = t % outputs, row = 0; r < margins.length; r += outputs, row += width) {
        margins[r] = addLeaf(margins[r]!, leafOf(nodes, sets, roots[t]!, rows, row));
      }
    }
  }

  /** One function a used feature, writing its words of rows start … end − 1 into a block. */
  #readers(
    columns: readonly Column[],
    rows: number,
  ): ((block: Int32Array, start: number, end: number) => void)[] {
    if (!Number.isInteger(rows) || rows < 0 || rows >= 2 ** 31) {
      throw new InputError(`The number of rows is ${rows}: it must be a whole number from 0 to 2147483647.`);
    }
    if (columns.length !== this.#encoders.length) {
      throw new InputError(
        `The model has ${this.#encoders.length} features but was given ${columns.length} columns: give one for each feature, in the order of its schema.`,
      );
    }
    return this.#encoders.flatMap((encoder, f) => {
      checkColumn(encoder.spec, columns[f]!, rows);
      return encoder.slot < 0 ? [] : [readerOf(encoder, columns[f]!, this.#width)];
    });
  }

  #encodeRow(values: ArrayLike<RowValue>): void {
    const encoders = this.#encoders;
    if (values.length !== encoders.length) {
      throw new InputError(
        `The row has ${values.length} values but the model has ${encoders.length} features: give one value for each, in the order of its schema.`,
      );
    }
    const row = this.#row;
    const float = this.#float;
    const floatBits = this.#floatBits;
    for (let f = 0; f < encoders.length; f++) {
      const value = values[f];
      const { spec, slot, named, ranks, missingRank, unlistedRank } = encoders[f]!;
      if (named) {
        const index = this.#categoryIndex(f, value);
        if (spec.type === 'categorical') {
          if (slot >= 0)
            row[slot] = index >= 0 ? ranks[index]! : index === UNLISTED ? unlistedRank : missingRank;
          continue;
        }
        float[0] = index < 0 ? Number.NaN : index;
      } else {
        float[0] = typeof value === 'number' ? value : numberOf(spec, value);
      }
      if (slot < 0) continue;
      const bits = floatBits[0]!;
      const key = orderedKey(bits);
      const missing = isNaNBits(bits);
      row[slot] = missing ? MISSING_LEFT_KEY : key;
      row[slot + 1] = missing ? MISSING_RIGHT_KEY : key;
    }
  }

  /** Index of the category called `value`; −1 if missing, UNLISTED if there is none of that name. */
  #categoryIndex(f: number, value: RowValue): number {
    this.#namesToIndex ??= this.#encoders.map(({ spec }) => spec.categories && indexOfNames(spec.categories));
    switch (typeof value) {
      case 'string':
      case 'number':
        return this.#namesToIndex[f]!.get(value) ?? (Number.isNaN(value) ? -1 : UNLISTED);
      case 'boolean':
        return this.#namesToIndex[f]!.get(String(value)) ?? UNLISTED;
      default:
        if (value !== null && value !== undefined) throw unusableValue(this.#encoders[f]!.spec, value);
        return -1;
    }
  }
}

/** Leaf value that the encoded row at `rows[row]` reaches in the tree at `nodes[root]`. */
function leafOf(nodes: Int32Array, sets: Int32Array, root: number, rows: Int32Array, row: number): number {
  let node = root;
  for (let child = nodes[node + CHILD]!; child !== 0; child = nodes[node + CHILD]!) {
    const slot = nodes[node + SLOT]!;
    const key = nodes[node + KEY]!;
    if (slot >= 0) {
      node = rows[row + slot]! < key ? child : child + NODE_WORDS;
    } else {
      const rank = rows[row + ~slot]!;
      node = (sets[key + (rank >> 5)]! >> (rank & 31)) & 1 ? child : child + NODE_WORDS;
    }
  }
  return nodes[node + KEY]!;
}

function addLeaf(margin: number, leaf: number): number {
  return Math.min(Math.max(margin + leaf, -MARGIN_LIMIT), MARGIN_LIMIT);
}

/** Bits of the ranks that go left, as 32-bit words; `left` has category indices. */
function bitSet(encoder: FeatureEncoder, left: Int32Array, missingLeft: boolean): Int32Array {
  const words = new Int32Array((encoder.unlistedRank >> 5) + 1);
  const add = (rank: number) => {
    words[rank >> 5]! |= 1 << (rank & 31);
  };
  for (const category of left) add(encoder.ranks[category]!);
  if (missingLeft) add(encoder.missingRank);
  return words;
}

function checkColumn(spec: ModelFeature, column: Column, rows: number): void {
  const kind = spec.type === 'categorical' ? 'categorical' : 'numeric';
  if (column.name !== spec.name) {
    throw new InputError(
      `The column ${column.name} stands where the model has the feature ${spec.name}: give the columns in the order of its schema.`,
    );
  }
  if (column.kind !== kind) {
    throw new InputError(
      `The column ${spec.name} is ${column.kind} but the model was trained on it as ${spec.type}: read the data through the model's schema.`,
    );
  }
  const [cells, wanted] =
    column.kind === 'numeric' ? [column.values, 'Float32Array'] : [column.codes, 'Int32Array'];
  if (cells[Symbol.toStringTag] !== wanted || cells.length < rows) {
    throw new InputError(`The column ${spec.name} must be a ${wanted} of at least ${rows} values.`);
  }
}

function readerOf(
  { spec, slot, ranks, missingRank, unlistedRank }: FeatureEncoder,
  column: Column,
  width: number,
): (block: Int32Array, start: number, end: number) => void {
  if (column.kind === 'categorical') {
    const codes = column.codes;
    const rankOfCode = ranksOfColumn(column, spec.categories!, ranks, unlistedRank);
    return (block, start, end) => {
      for (let r = start, word = slot; r < end; r++, word += width) {
        const code = codes[r]!;
        if (code >= rankOfCode.length) {
          throw new InputError(
            `Row ${r} of the column ${spec.name} has the code ${code} but there are ${rankOfCode.length} categories.`,
          );
        }
        block[word] = code < 0 ? missingRank : rankOfCode[code]!;
      }
    };
  }
  const bits = new Int32Array(column.values.buffer, column.values.byteOffset, column.values.length);
  return (block, start, end) => {
    for (let r = start, word = slot; r < end; r++, word += width) {
      const missing = isNaNBits(bits[r]!);
      const key = orderedKey(bits[r]!);
      block[word] = missing ? MISSING_LEFT_KEY : key;
      block[word + 1] = missing ? MISSING_RIGHT_KEY : key;
    }
  };
}

/** Rank for each code of a column that may have categories of its own. */
function ranksOfColumn(
  column: CategoricalColumn,
  known: readonly string[],
  ranks: Int32Array,
  unlistedRank: number,
): Int32Array {
  const { categories } = column;
  if (categories.length === known.length && categories.every((name, c) => name === known[c])) return ranks;
  const index = new Map(known.map((name, c) => [name, c]));
  return Int32Array.from(categories, (name) => {
    const c = index.get(name);
    return c === undefined ? unlistedRank : ranks[c]!;
  });
}

/** Names to indices; a number finds the category that it is written as, "1" before "1.0". */
function indexOfNames(categories: readonly string[]): ReadonlyMap<RowValue, number> {
  const index = new Map<RowValue, number>(categories.map((name, c) => [name, c]));
  for (const exactly of [true, false]) {
    categories.forEach((name, c) => {
      const value = name.trim() === '' ? Number.NaN : Number(name);
      if (exactly ? String(value) === name : !index.has(value)) index.set(value, c);
    });
  }
  index.delete(Number.NaN);
  return index;
}

/** The number for a value that is not one: 1 or 0 for booleans, NaN for missing. */
function numberOf(spec: ModelFeature, value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === null || value === undefined) return Number.NaN;
  throw unusableValue(spec, value);
}

function unusableValue(spec: ModelFeature, value: unknown): InputError {
  const wanted = spec.categories
    ? "a category's name"
    : spec.timestamp
      ? 'a number of seconds since 1970-01-01 UTC'
      : 'a number';
  const given =
    typeof value === 'string' ? `the text ${JSON.stringify(value.slice(0, 40))}` : `of type ${typeof value}`;
  return new InputError(
    `The value of ${spec.name} is ${given}: it must be ${wanted}, or null where it is missing.`,
  );
}
