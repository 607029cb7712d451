import { InputError } from '../errors.ts';
import { philox4x32 } from '../numerics/philox.ts';

const SPLIT_PURPOSE = 0x53504c49;
const FOLD_PURPOSE = 0x464f4c44;

/** Shares of the rows, each 0…1, adding up to 1. */
export interface SplitFractions {
  readonly train: number;
  readonly val: number;
  readonly test: number;
}

export interface SplitOptions {
  readonly rows: number;
  readonly fractions: SplitFractions;
  /** One class number a row: every class is shared out by the fractions. Absent: rows are all alike. */
  readonly labels?: Float32Array | undefined;
  /** One group number a row, ≥ 0: rows of a group stay together, and the shares are met as nearly as that allows. */
  readonly groups?: Int32Array | undefined;
  /** 0 … 2^53 − 1. */
  readonly seed: number;
}

/** Row numbers of each part, ascending; together they are every row once. */
export interface Split {
  readonly train: Uint32Array;
  readonly val: Uint32Array;
  readonly test: Uint32Array;
}

export interface FoldOptions {
  readonly rows: number;
  /** Number of folds, 2…255 and at most the number of rows (or of groups). */
  readonly k: number;
  readonly labels?: Float32Array | undefined;
  readonly groups?: Int32Array | undefined;
  readonly seed: number;
}

/** One random word a row: word 0 of Philox at counter (row, 0, purpose, 0), keyed by the seed. */
function randomWords(count: number, seed: number, purpose: number): Uint32Array {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const words = new Uint32Array(count);
  const block = new Uint32Array(4);
  for (let i = 0; i < count; i++) {
    philox4x32([i, 0, purpose, 0], key, block);
    words[i] = block[0]!;
  }
  return words;
}

/** The numbers 0 … words.length − 1 ordered by (word, number): a least-significant-digit radix sort. */
function orderByWord(words: Uint32Array): Uint32Array {
  let order = Uint32Array.from(words.keys());
  let sorted = new Uint32Array(words.length);
  for (const shift of [0, 11, 22]) {
    const start = new Uint32Array(0x801);
    for (const word of words) start[((word >>> shift) & 0x7ff) + 1]!++;
    for (let digit = 1; digit <= 0x7ff; digit++) start[digit]! += start[digit - 1]!;
    for (const i of order) sorted[start[(words[i]! >>> shift) & 0x7ff]!++] = i;
    [order, sorted] = [sorted, order];
  }
  return order;
}

/** Stratum number of every row (0 … strata − 1, in ascending order of the label), and the number of strata. */
function strataOf(rows: number, labels?: Float32Array): { stratum: Uint32Array; strata: number } {
  const stratum = new Uint32Array(rows);
  if (labels === undefined) return { stratum, strata: 1 };
  const index = new Map([...new Set(labels)].sort((a, b) => a - b).map((label, i) => [label, i]));
  for (let i = 0; i < rows; i++) stratum[i] = index.get(labels[i]!)!;
  return { stratum, strata: index.size };
}

/** Positions of `shares` from the largest fractional part down; ties go to the lower position. */
function byRemainder(shares: readonly number[]): number[] {
  const remainder = shares.map((share) => share - Math.floor(share));
  return [...shares.keys()].sort((a, b) => remainder[b]! - remainder[a]! || a - b);
}

/** Whole numbers with the sum `total`, in proportion to `fractions`, by largest remainder. */
function apportion(total: number, fractions: readonly number[]): number[] {
  const shares = fractions.map((fraction) => fraction * total);
  const counts = shares.map(Math.floor);
  let left = total - counts.reduce((sum, count) => sum + count, 0);
  for (const part of byRemainder(shares)) {
    if (left > 0 && fractions[part]! > 0) {
      counts[part]!++;
      left--;
    }
  }
  return counts;
}

/**
 * How many rows of each stratum go to each part: every stratum is used up, every part has exactly its total,
 * and each count is less than 2 from its share.
 */
function apportionStrata(
  sizes: readonly number[],
  fractions: readonly number[],
  totals: readonly number[],
): number[][] {
  const shares = sizes.flatMap((size) => fractions.map((fraction) => fraction * size));
  const parts = fractions.length;
  const counts = sizes.map((_, s) => fractions.map((_, part) => Math.floor(shares[s * parts + part]!)));
  const rowsLeft = counts.map((row, s) => row.reduce((left, count) => left - count, sizes[s]!));
  const placesLeft = totals.map((total, part) => counts.reduce((left, row) => left - row[part]!, total));
  const give = (s: number, part: number, most: number): void => {
    const units = Math.min(rowsLeft[s]!, placesLeft[part]!, most);
    counts[s]![part]! += units;
    rowsLeft[s]! -= units;
    placesLeft[part]! -= units;
  };
  const order = byRemainder(shares);
  for (const cell of order) give(Math.floor(cell / parts), cell % parts, 1);
  for (const cell of order) give(Math.floor(cell / parts), cell % parts, Number.POSITIVE_INFINITY);
  return counts;
}

/**
 * A part for every row such that groups stay whole. Groups are placed from the largest down (ties in random
 * order), each where it best fills what the parts still need of its strata; of equals, where most room is left, which gives
 * every fold a group before any fold has two.
 */
function placeGroups(
  groups: Int32Array,
  { stratum, strata }: { stratum: Uint32Array; strata: number },
  fractions: readonly number[],
  words: Uint32Array,
): Uint8Array {
  const members = new Map<number, Float64Array>();
  const need = fractions.map(() => new Float64Array(strata));
  for (let i = 0; i < groups.length; i++) {
    let counts = members.get(groups[i]!);
    if (counts === undefined) {
      counts = new Float64Array(strata);
      members.set(groups[i]!, counts);
    }
    counts[stratum[i]!]!++;
    for (const [part, fraction] of fractions.entries()) need[part]![stratum[i]!]! += fraction;
  }
  const numbers = [...members.keys()].sort((a, b) => a - b);
  const size = numbers.map((group) => members.get(group)!.reduce((sum, count) => sum + count, 0));
  const order = [...orderByWord(words.subarray(0, numbers.length))].sort((a, b) => size[b]! - size[a]!);
  const partOf = new Map<number, number>();
  for (const i of order) {
    const counts = members.get(numbers[i]!)!;
    let best = 0;
    let bestFill = Number.NEGATIVE_INFINITY;
    let bestRoom = Number.NEGATIVE_INFINITY;
    for (const [part, wanted] of need.entries()) {
      if (fractions[part] === 0) continue;
      const fill = wanted.reduce((sum, rows, s) => sum + rows * counts[s]!, 0);
      const room = wanted.reduce((sum, rows) => sum + rows, 0);
      if (fill > bestFill || (fill === bestFill && room > bestRoom)) {
        best = part;
        bestFill = fill;
        bestRoom = room;
      }
    }
    partOf.set(numbers[i]!, best);
    for (let s = 0; s < strata; s++) need[best]![s]! -= counts[s]!;
  }
  return Uint8Array.from(groups, (group) => partOf.get(group)!);
}

/** The rows whose part is `part`, ascending. */
function rowsOfPart(parts: Uint8Array, part: number): Uint32Array {
  let count = 0;
  for (const p of parts) if (p === part) count++;
  const rows = new Uint32Array(count);
  let next = 0;
  for (let i = 0; i < parts.length; i++) if (parts[i] === part) rows[next++] = i;
  return rows;
}

/**
 * Shares rows out over training, validation and test. A function of its arguments alone: within a stratum, rows
 * are taken in the order of (Philox word, row number), first for training, then validation, then test. Without
 * groups the three sizes are the largest-remainder rounding of the fractions.
 *
 * @throws InputError when the fractions are not shares of 1, or one of them leaves its part without a row.
 */
export function splitRows(options: SplitOptions): Split {
  const { rows, labels, groups, seed } = options;
  const { train, val, test } = options.fractions;
  const fractions = [train, val, test];
  if (fractions.some((f) => !(f >= 0 && f <= 1)) || Math.abs(train + val + test - 1) > 1e-9) {
    throw new InputError(
      `data.split must be three fractions between 0 and 1 that add up to 1, not train ${train}, val ${val}, test ${test}.`,
    );
  }
  const strata = strataOf(rows, labels);
  const words = randomWords(rows, seed, SPLIT_PURPOSE);
  let parts: Uint8Array;
  if (groups === undefined) {
    parts = new Uint8Array(rows);
    const sizes = new Array<number>(strata.strata).fill(0);
    for (const s of strata.stratum) sizes[s]!++;
    const left = apportionStrata(sizes, fractions, apportion(rows, fractions));
    for (const i of orderByWord(words)) {
      const counts = left[strata.stratum[i]!]!;
      const part = counts.findIndex((count) => count > 0);
      counts[part]!--;
      parts[i] = part;
    }
  } else {
    parts = placeGroups(groups, strata, fractions, words);
  }
  const split = { train: rowsOfPart(parts, 0), val: rowsOfPart(parts, 1), test: rowsOfPart(parts, 2) };
  for (const part of ['train', 'val', 'test'] as const) {
    const wanted = part !== 'test' || test > 0;
    if (wanted && split[part].length === 0) {
      const unit = groups === undefined ? `${rows} rows` : `${new Set(groups).size} groups`;
      throw new InputError(
        `data.split.${part} = ${options.fractions[part]} leaves the ${part} set empty with ${unit}; raise it or give more data.`,
      );
    }
  }
  return split;
}

/**
 * The fold, 0 … k − 1, of every row, for cross-validation. Without groups, folds differ by at most one row, and by
 * at most one row of every class.
 *
 * @throws InputError when k is not a whole number from 2 to 255, or exceeds the number of rows or groups.
 */
export function kFold({ rows, k, labels, groups, seed }: FoldOptions): Uint8Array {
  const units = groups === undefined ? rows : new Set(groups).size;
  if (!Number.isInteger(k) || k < 2 || k > Math.min(255, units)) {
    const what = groups === undefined ? 'rows' : 'groups';
    throw new InputError(
      `The number of folds must be a whole number from 2 to ${Math.min(255, units)} with ${units} ${what}, not ${k}.`,
    );
  }
  const strata = strataOf(rows, labels);
  const words = randomWords(rows, seed, FOLD_PURPOSE);
  if (groups !== undefined) return placeGroups(groups, strata, new Array<number>(k).fill(1 / k), words);
  const next = new Float64Array(strata.strata);
  for (const s of strata.stratum) if (s + 1 < next.length) next[s + 1]!++;
  for (let s = 1; s < next.length; s++) next[s]! += next[s - 1]!;
  const folds = new Uint8Array(rows);
  // Strata are dealt one after the other without starting anew, so that folds stay level over all of them too.
  for (const i of orderByWord(words)) folds[i] = next[strata.stratum[i]!]!++ % k;
  return folds;
}
