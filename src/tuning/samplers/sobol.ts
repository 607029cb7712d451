import { InputError } from '../../errors.ts';
import { type InternalValues, isActive, type SearchSpace } from '../space.ts';
import { onlyOne } from './random.ts';
import { RandomState } from './random-state.ts';
import type { Sampler, Suggestion } from './sampler.ts';
import { SOBOL_DIRECTIONS } from './sobol-directions.ts';
import { valueAt } from './transform.ts';

/** Bits of a coordinate, as in SciPy; the sequence has 2^BITS points. */
const BITS = 30;
const ONE = 2 ** BITS;
const ROWS = SOBOL_DIRECTIONS.split(',').map((row) =>
  row.split(' ').map((digits) => Number.parseInt(digits, 36)),
);
/** Dimensions of the greatest space. */
export const MAX_SOBOL_DIMENSIONS = ROWS.length + 1;

/** Direction numbers of a dimension as fractions of 2^BITS, the first the greatest. */
function directionsOf(dimension: number): Int32Array {
  const v = new Int32Array(BITS).fill(1);
  if (dimension > 0) {
    const [polynomial, ...m] = ROWS[dimension - 1] as [number, ...number[]];
    const degree = m.length;
    v.set(m);
    for (let j = degree; j < BITS; j++) {
      v[j] = v[j - degree]!;
      for (let k = 0; k < degree; k++)
        if ((polynomial >> (degree - 1 - k)) & 1) v[j]! ^= v[j - k - 1]! << (k + 1);
    }
  }
  return v.map((direction, j) => direction << (BITS - 1 - j));
}

/** A random matrix scramble: bit i of the result is bit i of the direction plus drawn ones of its higher bits. */
function scrambled(directions: Int32Array, random: RandomState): Int32Array {
  const masks = Array.from({ length: BITS }, (_, i) => {
    const bit = 2 ** (BITS - 1 - i);
    const higher = random.nextWord() % ONE;
    return bit | (higher & ~(2 * bit - 1));
  });
  return directions.map((direction) =>
    masks.reduce((sum, mask, i) => sum | (parity(direction & mask) << (BITS - 1 - i)), 0),
  );
}

function parity(x: number): number {
  let bits = x;
  for (let shift = 16; shift > 0; shift >>= 1) bits ^= bits >>> shift;
  return bits & 1;
}

/**
 * A Sobol sequence over a space: points that fill it evenly, the more so in numbers that are powers of 2. Every dimension has a
 * coordinate, whether or not it exists beside the others, and becomes a value as in Optuna's `QMCSampler`, whose sequence without scramble
 * this is; a trial there is the point of the same index, except that its first trial is drawn evenly.
 *
 * With scramble (a random linear matrix and a digital shift, Matoušek 1998, from `RandomState(seed)`: 30 words a dimension for the matrix
 * and one for the shift) the sequence is one of ours; without, the seed does nothing and the first point lies at all lower bounds.
 * The position is the index of the next point. It begins again after 2^30.
 */
export class SobolSampler implements Sampler {
  readonly isExhausted = false;
  readonly #space: SearchSpace;
  readonly #directions: readonly Int32Array[];
  readonly #shifts: readonly number[];
  #next = 0;

  /** @throws InputError where the space has more than 128 dimensions or the seed is no integer from 0 to 2^53 − 1. */
  constructor(
    seed: number,
    space: SearchSpace,
    { scramble = true }: { scramble?: boolean | undefined } = {},
  ) {
    if (space.length > MAX_SOBOL_DIMENSIONS)
      throw new InputError(
        `The sobol sampler has ${MAX_SOBOL_DIMENSIONS} dimensions, not ${space.length}; take the random sampler or fewer dimensions.`,
      );
    const random = new RandomState(seed);
    this.#space = space;
    const plain = space.map((_, d) => directionsOf(d));
    this.#directions = scramble ? plain.map((directions) => scrambled(directions, random)) : plain;
    this.#shifts = space.map(() => (scramble ? random.nextWord() % ONE : 0));
  }

  get position(): readonly number[] {
    return [this.#next];
  }

  /** @throws InputError where the position is not one whole number. */
  seek(position: readonly number[]): void {
    this.#next = onlyOne(position, 'sobol');
  }

  tell(): void {}

  suggest({ fixed }: Suggestion): InternalValues {
    const point = this.pointAt(this.#next++);
    const values = new Map<string, number>();
    for (const [d, dimension] of this.#space.entries()) {
      if (!isActive(dimension, this.#space, values)) continue;
      const { name, distribution } = dimension;
      values.set(name, fixed?.get(name) ?? valueAt(distribution, point[d]!));
    }
    return values;
  }

  /** Coordinates in [0, 1) of the point with an index of at least 0. */
  pointAt(index: number): number[] {
    const place = index % ONE;
    const gray = place ^ (place >>> 1);
    return this.#directions.map((directions, d) => {
      let x = this.#shifts[d]!;
      for (let j = 0; gray >>> j > 0; j++) if ((gray >>> j) & 1) x ^= directions[j]!;
      return x / ONE;
    });
  }
}
