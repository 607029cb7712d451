import { readFileSync } from 'node:fs';
import type { Distribution, SearchSpace } from '../../src/tuning/space.ts';
import type { Trial, TrialState } from '../../src/tuning/trial.ts';

/** What make_tpe_fixtures.py wrote. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8'));
}

/** Internal values in the order of a space; null where there is none. */
export type Row = readonly (number | null)[];

export function rowOf(space: SearchSpace, values: ReadonlyMap<string, number>): Row {
  return space.map(({ name }) => values.get(name) ?? null);
}

export function valuesOf(space: SearchSpace, row: Row): Map<string, number> {
  return new Map(space.flatMap(({ name }, d) => (row[d] == null ? [] : [[name, row[d]] as const])));
}

export interface TrialFields {
  readonly state?: TrialState;
  readonly value?: number | undefined;
  readonly intermediate?: ReadonlyMap<number, number>;
  readonly systemAttrs?: Readonly<Record<string, unknown>>;
}

export function trialOf(
  number: number,
  space: SearchSpace,
  values: ReadonlyMap<string, number>,
  { state = 'complete', value, intermediate = new Map(), systemAttrs = {} }: TrialFields = {},
): Trial {
  const params = new Map(
    space.flatMap(({ name, distribution }) => {
      const internal = values.get(name);
      return internal === undefined ? [] : [[name, { value: internal, distribution }] as const];
    }),
  );
  return { number, state, params, value, intermediate, userAttrs: {}, systemAttrs };
}

/** Largest difference of two rows, relative to the greater number; infinite where one lacks a value of the other. */
export function difference(actual: Row, expected: Row): number {
  return Math.max(
    0,
    ...expected.map((y, i) => {
      const x = actual[i];
      if (x == null || y === null) return x == null && y === null ? 0 : Number.POSITIVE_INFINITY;
      return x === y ? 0 : Math.abs(x - y) / Math.max(Math.abs(x), Math.abs(y));
    }),
  );
}

export const float = (low: number, high: number, log = false): Distribution => ({
  type: 'float',
  low,
  high,
  log,
});
export const stepped = (low: number, high: number, step: number): Distribution => ({
  type: 'float',
  low,
  high,
  log: false,
  step,
});
export const int = (low: number, high: number, step = 1): Distribution => ({
  type: 'int',
  low,
  high,
  log: false,
  step,
});
export const logInt = (low: number, high: number): Distribution => ({
  type: 'int',
  low,
  high,
  log: true,
  step: 1,
});
export const categories = (...choices: (string | number | boolean | null)[]): Distribution => ({
  type: 'categorical',
  choices,
});

/** A smooth value of a trial, best inside the space. */
export function objective(space: SearchSpace, values: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const { name, distribution } of space) {
    const value = values.get(name);
    if (value === undefined) continue;
    if (distribution.type === 'categorical') total += 0.3 * value;
    else {
      const scale = (x: number) => (distribution.log ? Math.log(x) : x);
      const width = scale(distribution.high) - scale(distribution.low) || 1;
      total += ((scale(value) - scale(distribution.low)) / width - 0.37) ** 2;
    }
  }
  return total;
}
