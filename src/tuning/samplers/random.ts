import { InputError } from '../../errors.ts';
import { type InternalValues, isActive, type SearchSpace } from '../space.ts';
import { isSingle, singleValue } from './distributions.ts';
import { RandomState } from './random-state.ts';
import type { Sampler, Suggestion } from './sampler.ts';
import { drawEvenly } from './transform.ts';

/** Even values, each trial by itself: Optuna's `RandomSampler`, with its stream. The position is the words drawn. */
export class RandomSampler implements Sampler {
  readonly isExhausted = false;
  readonly #space: SearchSpace;
  readonly #random: RandomState;

  /** @throws InputError where the seed is no integer from 0 to 2^53 − 1. */
  constructor(seed: number, space: SearchSpace) {
    this.#space = space;
    this.#random = new RandomState(seed);
  }

  get position(): readonly number[] {
    return [this.#random.position];
  }

  /** @throws InputError where the position is not one whole number. */
  seek(position: readonly number[]): void {
    this.#random.seek(onlyOne(position, 'random'));
  }

  tell(): void {}

  suggest({ fixed }: Suggestion): InternalValues {
    const values = new Map<string, number>();
    for (const dimension of this.#space) {
      if (!isActive(dimension, this.#space, values)) continue;
      const { name, distribution } = dimension;
      const value = isSingle(distribution) ? singleValue(distribution) : undefined;
      values.set(name, fixed?.get(name) ?? value ?? drawEvenly(distribution, this.#random));
    }
    return values;
  }
}

/**
 * The number of a position that has one.
 * @throws InputError where it has not, or the number is negative or no integer.
 */
export function onlyOne(position: readonly number[], sampler: string): number {
  const [value] = position;
  if (position.length !== 1 || !(Number.isSafeInteger(value) && value! >= 0))
    throw new InputError(
      `A position of the ${sampler} sampler is one whole number; pass one that such a sampler gave.`,
    );
  return value!;
}
