import { InputError } from '../../errors.ts';
import { type Dimension, type InternalValues, isActive, type SearchSpace } from '../space.ts';
import { compareNames, topOf } from './distributions.ts';
import { onlyOne } from './random.ts';
import { RandomState } from './random-state.ts';
import type { Sampler, Suggestion } from './sampler.ts';

/** Points of the greatest grid; their order takes 4 bytes each. */
export const MAX_GRID = 2 ** 24;

/** @throws InputError where there are infinitely many or more than a grid may have. */
function valuesOf({ name, distribution }: Dimension): number[] {
  if (distribution.type === 'categorical') return distribution.choices.map((_, i) => i);
  const { low, high, step } = distribution;
  if (step === undefined) {
    if (low === high) return [low];
    throw new InputError(
      `${name} is a float without a step, of which a grid cannot have all values; give it a step or take another sampler.`,
    );
  }
  const top = topOf(distribution);
  const steps = Math.round((top - low) / step);
  if (steps >= MAX_GRID) throw tooManyPoints(`${name} alone has ${steps + 1} values`);
  return Array.from({ length: steps + 1 }, (_, i) => Math.min(low + i * step, top));
}

function tooManyPoints(what: string): InputError {
  return new InputError(
    `The grid has more than ${MAX_GRID} points (${what}); use greater steps or another sampler.`,
  );
}

/**
 * All combinations of the values of a space, once each, in an order shuffled by the seed: without conditions the order of Optuna's
 * `GridSampler`, which shuffles the product of the dimensions sorted by name. Combinations that differ only in dimensions that do not
 * exist beside the others are one point.
 *
 * The position is the points suggested. A trial with some values set takes the others from the next point and leaves that point to be
 * suggested; so does one with all. After the last point it begins again.
 */
export class GridSampler implements Sampler {
  readonly #space: SearchSpace;
  readonly #sorted: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** Numbers of the points in the order of suggestion. */
  readonly #points: Int32Array;
  #next = 0;

  /** @throws InputError where a float has no step, the grid is too large, or the seed is no integer from 0 to 2^53 − 1. */
  constructor(seed: number, space: SearchSpace) {
    this.#space = space;
    this.#sorted = space
      .toSorted(compareNames)
      .map((dimension) => ({ name: dimension.name, values: valuesOf(dimension) }));
    const size = this.#sorted.reduce((product, { values }) => product * values.length, 1);
    if (size > MAX_GRID) throw tooManyPoints(`${size}`);
    const points = Int32Array.from({ length: size }, (_, point) => point);
    const conditional = space.some(({ when }) => when !== undefined);
    this.#points = conditional ? points.filter((point) => this.#isFirst(point)) : points;
    new RandomState(seed).shuffle(this.#points);
  }

  /** Points of the grid. */
  get size(): number {
    return this.#points.length;
  }

  get isExhausted(): boolean {
    return this.#next >= this.size;
  }

  get position(): readonly number[] {
    return [this.#next];
  }

  /** @throws InputError where the position is not one whole number. */
  seek(position: readonly number[]): void {
    this.#next = onlyOne(position, 'grid');
  }

  tell(): void {}

  suggest({ fixed }: Suggestion): InternalValues {
    const point = this.#valuesAt(this.#points[this.#next % this.size]!);
    const values = new Map<string, number>();
    let isWhole = true;
    for (const dimension of this.#space) {
      if (!isActive(dimension, this.#space, values)) continue;
      const set = fixed?.get(dimension.name);
      if (set !== undefined) isWhole = false;
      values.set(dimension.name, set ?? point.get(dimension.name)!);
    }
    if (isWhole) this.#next++;
    return values;
  }

  /** The last name changes fastest. */
  #valuesAt(point: number): Map<string, number> {
    const values = new Map<string, number>();
    let rest = point;
    for (const dimension of this.#sorted.toReversed()) {
      const count = dimension.values.length;
      values.set(dimension.name, dimension.values[rest % count]!);
      rest = Math.floor(rest / count);
    }
    return values;
  }

  /** Whether dimensions that do not exist at a point have their first values there, so that no other point means the same. */
  #isFirst(point: number): boolean {
    const all = this.#valuesAt(point);
    const active = new Map<string, number>();
    for (const dimension of this.#space)
      if (isActive(dimension, this.#space, active)) active.set(dimension.name, all.get(dimension.name)!);
    return this.#sorted.every(({ name, values }) => active.has(name) || all.get(name) === values[0]);
  }
}
