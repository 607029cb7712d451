import type { SearchDimension } from '../config/schema.ts';

/** A value of a categorical dimension, as Optuna has them. */
export type Choice = string | number | boolean | null;

export interface FloatDistribution {
  readonly type: 'float';
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  /** Grid of the values, counted from low; never with log. */
  readonly step?: number | undefined;
}

export interface IntDistribution {
  readonly type: 'int';
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  /** 1 with log. */
  readonly step: number;
}

export interface CategoricalDistribution {
  readonly type: 'categorical';
  readonly choices: readonly Choice[];
}

/** What a hyperparameter may be; bounds are included. Optuna's distributions of the same names. */
export type Distribution = FloatDistribution | IntDistribution | CategoricalDistribution;

/** One hyperparameter of a search. */
export interface Dimension {
  readonly name: string;
  readonly distribution: Distribution;
  /** The dimension exists only where each named dimension, which lies before it in the space, has one of the values. */
  readonly when?: Readonly<Record<string, readonly Choice[]>> | undefined;
}

/** Dimensions in the order in which their values are suggested. */
export type SearchSpace = readonly Dimension[];

/**
 * Values by name in the form that samplers and the journal use: a number is itself, a categorical value the index of its
 * choice. In the order in which they were suggested.
 */
export type InternalValues = ReadonlyMap<string, number>;

/** The value that a person sees for an internal one. */
export function externalValue(distribution: Distribution, internal: number): Choice {
  return distribution.type === 'categorical' ? distribution.choices[internal]! : internal;
}

/** The internal form of a value; undefined where the distribution does not contain it. */
export function internalValue(distribution: Distribution, value: Choice): number | undefined {
  if (distribution.type === 'categorical') {
    const index = distribution.choices.indexOf(value);
    return index < 0 ? undefined : index;
  }
  if (typeof value !== 'number' || !(value >= distribution.low && value <= distribution.high))
    return undefined;
  return isOnGrid(distribution, value) ? value : undefined;
}

/** Whether a number lies on the grid of a distribution's steps, where it has one; its bounds aside. */
export function isOnGrid({ low, step }: FloatDistribution | IntDistribution, value: number): boolean {
  if (step === undefined) return true;
  const steps = (value - low) / step;
  return Math.abs(steps - Math.round(steps)) < 1e-8;
}

/** Whether two categorical distributions have the same choices, in the same order. */
export function sameChoices(a: CategoricalDistribution, b: CategoricalDistribution): boolean {
  return (
    a.choices.length === b.choices.length && a.choices.every((choice, i) => Object.is(choice, b.choices[i]))
  );
}

/** Whether a dimension exists beside the values of those before it. */
export function isActive(dimension: Dimension, space: SearchSpace, values: InternalValues): boolean {
  return Object.entries(dimension.when ?? {}).every(([name, allowed]) => {
    const parent = space.find((other) => other.name === name);
    const internal = values.get(name);
    return (
      parent !== undefined &&
      internal !== undefined &&
      allowed.includes(externalValue(parent.distribution, internal))
    );
  });
}

/** The space that a config describes. */
export function toSearchSpace(dimensions: Readonly<Record<string, SearchDimension>>): SearchSpace {
  return Object.entries(dimensions).map(([name, { when, ...distribution }]) => ({
    name,
    distribution,
    ...(when && { when }),
  }));
}
