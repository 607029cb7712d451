import { InputError } from '../errors.ts';
import { philox4x32 } from '../numerics/philox.ts';

const BOOTSTRAP_PURPOSE = 0x424f4f54;
/** Up to so many rows 16 random bits choose one. */
const SMALL = 2 ** 16;

/**
 * Draws as many rows as there are, with replacement, and counts how often each was drawn. Resample r of a seed is the same however many
 * others are drawn, in which order and where.
 *
 * The words are those of xoshiro128++ (Blackman and Vigna, ACM TOMS 2021), whose state begins as the block of Philox at the counter
 * (r, 0, purpose, 0) with the seed as key; a row is chosen without bias by Lemire's multiplication ("Fast random integer generation in an
 * interval", ACM TOMACS 2019) of a word or, up to 2^16 rows, of each half of it, the lower half first.
 * @param seed 0 … 2^53 − 1
 * @param resample 0 … 2^32 − 1
 * @param counts OUT, one a row, 1 … 2^31 − 1 rows
 * @throws InputError for another seed.
 */
export function drawCounts(seed: number, resample: number, counts: Uint32Array): void {
  if (!(Number.isSafeInteger(seed) && seed >= 0))
    throw new InputError(`seed must be an integer from 0 to 2^53 − 1, not ${seed}; choose another.`);
  const state = new Uint32Array(4);
  philox4x32([resample, 0, BOOTSTRAP_PURPOSE, 0], [seed >>> 0, Math.floor(seed / 2 ** 32)], state);
  counts.fill(0);
  if (counts.length <= SMALL) drawByHalves(state, counts);
  else drawByWords(state, counts);
}

// The generator stands in both loops: a call for each word would take most of their time.

function drawByHalves(state: Uint32Array, counts: Uint32Array): void {
  const rows = counts.length;
  const rejected = SMALL % rows;
  let s0 = state[0]! | 0;
  let s1 = state[1]! | 0;
  let s2 = state[2]! | 0;
  let s3 = state[3]! | 0;
  for (let left = rows; left > 0; ) {
    const sum = (s0 + s3) | 0;
    const word = (((sum << 7) | (sum >>> 25)) + s0) | 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 11) | (s3 >>> 21);
    const low = Math.imul(word & 0xffff, rows);
    if ((low & 0xffff) >= rejected) {
      counts[low >>> 16]!++;
      left--;
    }
    const high = Math.imul(word >>> 16, rows);
    if ((high & 0xffff) >= rejected && left > 0) {
      counts[high >>> 16]!++;
      left--;
    }
  }
}

function drawByWords(state: Uint32Array, counts: Uint32Array): void {
  const rows = counts.length;
  const rejected = 2 ** 32 % rows;
  const [upper, lower] = [rows >>> 16, rows & 0xffff];
  let s0 = state[0]! | 0;
  let s1 = state[1]! | 0;
  let s2 = state[2]! | 0;
  let s3 = state[3]! | 0;
  for (let left = rows; left > 0; ) {
    const sum = (s0 + s3) | 0;
    const word = (((sum << 7) | (sum >>> 25)) + s0) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 11) | (s3 >>> 21);
    if (Math.imul(word, rows) >>> 0 >= rejected) {
      // The product may need 63 bits; in two parts every step is exact.
      counts[Math.floor((word * upper + Math.floor((word * lower) / 65536)) / 65536)]!++;
      left--;
    }
  }
}
