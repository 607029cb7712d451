import type { CategoricalColumn, Column } from '../data/types.ts';
import { InputError } from '../errors.ts';
import type { Forest, ModelFeature } from './forest.ts';

/** A value of one feature: null, undefined and NaN are missing. A feature with categories takes a category's name. */
export type RowValue = number | string | boolean | null | undefined;

/** Words of missing values: beyond the keys of all numbers, on either side. */
const MISSING_LEFT_KEY = -0x7f800000;
const MISSING_RIGHT_KEY = 0x7f800000;
const FLT_MAX_BITS = 0x7f7fffff;
const INFINITY_BITS = 0x7f800000;

/** Integers that compare as the finite float32 numbers do; infinities as ±FLT_MAX, −0 as 0. NaN has no key. */
export function orderedKey(bits: number): number {
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
export interface FeatureEncoder {
  readonly spec: ModelFeature;
  /** First word of the feature in an encoded row; −1 if no split uses it. */
  readonly slot: number;
  /** Categorical: the rank of each category. Empty otherwise. */
  readonly ranks: Int32Array;
  readonly missingRank: number;
  /** Rank of a category that is not listed: "missing", or for a feature with `unlisted_right` one that no set has. */
  readonly unlistedRank: number;
}

/** Sets of ranks that go left, a bit each, for the categorical splits of a forest. */
export interface RankSets {
  /** Number of each node's set, −1 where the node has none. */
  readonly ofNode: Int32Array;
  /** First word of each set. */
  readonly start: Int32Array;
  readonly words: Uint32Array;
}

function encoderOf(spec: ModelFeature, slot: number): FeatureEncoder {
  if (spec.type !== 'categorical') {
    return { spec, slot, ranks: new Int32Array(0), missingRank: 0, unlistedRank: 0 };
  }
  const ranks = new Int32Array(spec.categories!.length);
  const pooled = new Set(spec.pooled);
  const first = spec.pooled?.[0] ?? -1;
  let next = 0;
  for (let c = 0; c < ranks.length; c++) ranks[c] = pooled.has(c) && c !== first ? ranks[first]! : next++;
  return { spec, slot, ranks, missingRank: next, unlistedRank: spec.unlisted_right ? next + 1 : next };
}

/** Encoders of all features, and how many words the used ones make together. */
export function encodersOf(
  forest: Forest,
  features: readonly ModelFeature[],
): { encoders: FeatureEncoder[]; width: number } {
  const used = new Set(forest.feature);
  let width = 0;
  const encoders = features.map((spec, f) => {
    const encoder = encoderOf(spec, used.has(f) ? width : -1);
    if (used.has(f)) width += spec.type === 'categorical' ? 1 : 2;
    return encoder;
  });
  return { encoders, width };
}

export function rankSetsOf(forest: Forest, encoders: readonly FeatureEncoder[]): RankSets {
  const ofNode = new Int32Array(forest.feature.length).fill(-1);
  const start: number[] = [];
  const words: number[] = [];
  for (let n = 0; n < ofNode.length; n++) {
    const set = forest.catIndex[n]!;
    if (set < 0) continue;
    const encoder = encoders[forest.feature[n]!]!;
    const first = words.length;
    ofNode[n] = start.length;
    start.push(first);
    for (let rank = 0; rank <= encoder.unlistedRank; rank += 32) words.push(0);
    const add = (rank: number) => {
      words[first + (rank >> 5)]! |= 1 << (rank & 31);
    };
    for (let i = forest.catStart[set]!; i < forest.catStart[set + 1]!; i++)
      add(encoder.ranks[forest.catList[i]!]!);
    if (forest.missingLeft[n] === 1) add(encoder.missingRank);
  }
  return { ofNode, start: Int32Array.from(start), words: Uint32Array.from(words, (bits) => bits >>> 0) };
}

/**
 * Checks that columns are those of the features, in their order, with at least `rows` values each.
 * @throws InputError where they are not.
 */
export function checkColumns(
  features: readonly ModelFeature[],
  columns: readonly Column[],
  rows: number,
): void {
  if (!Number.isInteger(rows) || rows < 0 || rows >= 2 ** 31) {
    throw new InputError(`The number of rows is ${rows}: it must be a whole number from 0 to 2147483647.`);
  }
  if (columns?.length !== features.length) {
    throw new InputError(
      `The model has ${features.length} features but was given ${columns?.length ?? 'no'} columns: give one for each feature, in the order of its schema.`,
    );
  }
  for (let f = 0; f < columns.length; f++) checkColumn(features[f]!, columns[f]!, rows);
}

function checkColumn(spec: ModelFeature, column: Column, rows: number): void {
  const kind = spec.type === 'categorical' ? 'categorical' : 'numeric';
  if (column?.name !== spec.name) {
    throw new InputError(
      `The column ${column?.name} stands where the model has the feature ${spec.name}: give the columns in the order of its schema.`,
    );
  }
  if (column.kind !== kind) {
    throw new InputError(
      `The column ${spec.name} is ${column.kind} but the model was trained on it as ${spec.type}: read the data through the model's schema.`,
    );
  }
  const [cells, wanted] =
    column.kind === 'numeric' ? [column.values, 'Float32Array'] : [column.codes, 'Int32Array'];
  if (cells?.[Symbol.toStringTag] !== wanted || cells.length < rows) {
    throw new InputError(`The column ${spec.name} must be a ${wanted} of at least ${rows} values.`);
  }
  if (column.kind === 'categorical' && !Array.isArray(column.categories)) {
    throw new InputError(`The column ${spec.name} has no list of categories: give the names of its codes.`);
  }
}

/** Writes a feature's words of rows start … end − 1 into a block of encoded rows. */
export type WordReader = (block: Int32Array, start: number, end: number) => void;

/** The reader of a used feature. */
export function readerOf(encoder: FeatureEncoder, column: Column, width: number): WordReader {
  const { spec, slot } = encoder;
  if (column.kind === 'categorical') {
    const codes = column.codes;
    const rankOfCode = ranksOfColumn(encoder, column);
    const categories = rankOfCode.length - 1;
    return (block, start, end) => {
      for (let r = start, word = slot; r < end; r++, word += width) {
        const code = codes[r]!;
        if (code >= categories) {
          throw new InputError(
            `Row ${r} of the column ${spec.name} has the code ${code} but there are ${categories} categories.`,
          );
        }
        block[word] = rankOfCode[code < 0 ? categories : code]!;
      }
    };
  }
  const bits = new Int32Array(column.values.buffer, column.values.byteOffset, column.values.length);
  return (block, start, end) => {
    for (let r = start, word = slot; r < end; r++, word += width) writeNumber(block, word, bits[r]!);
  };
}

/** Ranks of the codes of a column, which may have categories of its own, and then that of missing values. */
export function ranksOfColumn(encoder: FeatureEncoder, column: CategoricalColumn): Int32Array {
  const { spec, ranks, missingRank, unlistedRank } = encoder;
  const known = spec.categories!;
  const { categories } = column;
  const ofCode = new Int32Array(categories.length + 1);
  if (categories.length === known.length && categories.every((name, c) => name === known[c])) {
    ofCode.set(ranks);
  } else {
    const index = new Map(known.map((name, c) => [name, c]));
    categories.forEach((name, code) => {
      const c = index.get(name);
      ofCode[code] = c === undefined ? unlistedRank : ranks[c]!;
    });
  }
  ofCode[categories.length] = missingRank;
  return ofCode;
}

/** The two words of a float32. */
function writeNumber(words: Int32Array, at: number, bits: number): void {
  const missing = isNaNBits(bits);
  const key = orderedKey(bits);
  words[at] = missing ? MISSING_LEFT_KEY : key;
  words[at + 1] = missing ? MISSING_RIGHT_KEY : key;
}

/** Reads single rows, given as values in the order of the features or by name, as words of 32 bits. */
export class RowReader {
  /** The row read last: numbers and the indices of levels, NaN where they are missing. */
  readonly numbers: Float32Array;
  /** The same words: the ranks of categories. */
  readonly words: Int32Array;
  readonly #encoders: readonly FeatureEncoder[];
  readonly #names: readonly string[];
  /** Words of the names of a feature's categories, empty until one is read; undefined where values are numbers. */
  readonly #wordOfName: readonly (Map<RowValue, number> | undefined)[];

  constructor(encoders: readonly FeatureEncoder[]) {
    this.numbers = new Float32Array(encoders.length);
    this.words = new Int32Array(this.numbers.buffer);
    this.#encoders = encoders;
    this.#names = encoders.map(({ spec }) => spec.name);
    this.#wordOfName = encoders.map(({ spec }) => spec.categories && new Map());
  }

  /**
   * Reads a row's values in schema order, one for each feature.
   * @throws InputError where the length is wrong, or a value is of a type that its feature cannot have.
   */
  readArray(values: ArrayLike<RowValue>): void {
    const features = this.numbers.length;
    if (values?.length !== features) {
      throw new InputError(
        `The row has ${values?.length ?? 'no'} values but the model has ${features} features: give one value for each, in the order of its schema.`,
      );
    }
    const numbers = this.numbers;
    const wordOfName = this.#wordOfName;
    for (let f = 0; f < features; f++) {
      const value = values[f];
      if (typeof value === 'number' && wordOfName[f] === undefined) numbers[f] = value;
      else this.#read(f, value);
    }
  }

  /**
   * Reads a row by feature name; other keys do not matter.
   * @throws InputError where the key of a feature is missing, or a value is of a type that its feature cannot have.
   */
  readRecord(record: Readonly<Record<string, RowValue>>): void {
    const names = this.#names;
    const numbers = this.numbers;
    const wordOfName = this.#wordOfName;
    // Records mostly have their keys in the order of the features, and are read fastest in their own.
    let f = 0;
    for (const key in record) {
      if (key !== names[f]) continue;
      const value = record[key];
      if (typeof value === 'number' && wordOfName[f] === undefined) numbers[f] = value;
      else this.#read(f, value);
      f++;
    }
    if (f < names.length) this.#readByName(record);
  }

  #readByName(record: Readonly<Record<string, RowValue>>): void {
    if (typeof record !== 'object' || record === null) {
      throw new InputError(
        `The row is ${record === null ? 'null' : `of type ${typeof record}`}: it must be an object with a value for each feature.`,
      );
    }
    for (let f = 0; f < this.#names.length; f++) {
      const name = this.#names[f]!;
      const value = record[name];
      if (value === undefined && !(name in record)) {
        throw new InputError(`The row has no ${name}: give every feature a value, null where it is missing.`);
      }
      this.#read(f, value);
    }
  }

  /** Enters one value: a category by its name as its rank, a level as its index. */
  #read(f: number, value: RowValue): void {
    const wordOfName = this.#wordOfName[f];
    if (wordOfName === undefined) {
      this.numbers[f] = typeof value === 'number' ? value : numberOf(this.#encoders[f]!.spec, value);
      return;
    }
    const word = wordOfName.get(value);
    if (word !== undefined) this.words[f] = word;
    else this.#readOther(f, value, wordOfName);
  }

  /** The first name of a feature, and values that are none. */
  #readOther(f: number, value: RowValue, wordOfName: Map<RowValue, number>): void {
    const { spec, ranks, missingRank, unlistedRank } = this.#encoders[f]!;
    if (wordOfName.size === 0) {
      const enter = (c: number) => {
        if (spec.type === 'categorical') this.words[f] = ranks[c]!;
        else this.numbers[f] = c;
        return this.words[f]!;
      };
      for (const [name, c] of indexOfNames(spec.categories!)) wordOfName.set(name, enter(c));
    }
    const name = typeof value === 'boolean' ? String(value) : value;
    const word = wordOfName.get(name);
    if (word !== undefined) {
      this.words[f] = word;
      return;
    }
    const isUnlisted = typeof name === 'string' || (typeof name === 'number' && !Number.isNaN(name));
    if (!isUnlisted && typeof value !== 'number' && value !== null && value !== undefined) {
      throw unusableValue(spec, value);
    }
    if (spec.type === 'categorical') this.words[f] = isUnlisted ? unlistedRank : missingRank;
    else this.numbers[f] = Number.NaN;
  }
}

/** A function that reads a row by feature name, as `RowReader` does, into columns of one value, which are made anew. */
export function rowColumns(
  features: readonly ModelFeature[],
): (record: Readonly<Record<string, RowValue>>) => Column[] {
  // Without pooled categories, ranks are the places in the lists of categories.
  const encoders = features.map(({ pooled: _pooled, ...spec }) => encoderOf(spec, -1));
  const reader = new RowReader(encoders);
  return (record) => {
    reader.readRecord(record);
    return features.map(({ name, type, categories }, f) => {
      if (type !== 'categorical') return { kind: 'numeric', name, values: reader.numbers.slice(f, f + 1) };
      const rank = reader.words[f]!;
      const code = rank < categories!.length ? rank : -1;
      return { kind: 'categorical', name, categories: categories!, codes: Int32Array.of(code) };
    });
  };
}

/** A function that writes the words of the row that a reader has read last to the start of `words`. */
export function rowWriter(
  encoders: readonly FeatureEncoder[],
  reader: RowReader,
): (words: Int32Array) => void {
  const numeric = encoders.flatMap(({ spec, slot }, f) =>
    slot >= 0 && spec.type !== 'categorical' ? [f] : [],
  );
  const categorical = encoders.flatMap(({ spec, slot }, f) =>
    slot >= 0 && spec.type === 'categorical' ? [f] : [],
  );
  const slots = Int32Array.from(encoders, ({ slot }) => slot);
  const read = reader.words;
  return (words) => {
    for (const f of numeric) writeNumber(words, slots[f]!, read[f]!);
    for (const f of categorical) words[slots[f]!] = read[f]!;
  };
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
