import { describe, expect, it } from 'vitest';
import { RandomSampler } from '../../src/tuning/samplers/random.ts';
import { TpeSampler } from '../../src/tuning/samplers/tpe.ts';
import type { SearchSpace } from '../../src/tuning/space.ts';
import type { Direction, Trial, TrialState } from '../../src/tuning/trial.ts';
import { difference, fixture, type Row, rowOf, trialOf, valuesOf } from './support.ts';

interface Trace {
  readonly name: string;
  readonly direction: Direction;
  readonly options: Readonly<Record<string, number | boolean>>;
  /** So many trials are asked for before the first of them is told, the last one first. */
  readonly batch: number;
  readonly space: SearchSpace;
  readonly trials: readonly {
    readonly fixed?: Row;
    readonly params: Row;
    readonly state: TrialState;
    readonly value?: number | string;
    readonly intermediate?: readonly (readonly [number, number | string])[];
    readonly constraint?: number;
  }[];
}

/** Python's names of what JSON lacks. */
function numberOf(value: number | string): number {
  return Number(String(value).replace('inf', 'Infinity'));
}

describe('TPE suggests what Optuna 5.0.0 suggests', () => {
  it.each(fixture<Trace[]>('tpe-traces.json'))('$name', ({ direction, options, batch, space, trials }) => {
    const sampler = new TpeSampler({ seed: 42, ...options }, space, direction);
    for (let start = 0; start < trials.length; start += batch) {
      const running: Trial[] = [];
      const asked = trials.slice(start, start + batch);
      for (const [i, record] of asked.entries()) {
        const number = start + i;
        const fixed = record.fixed && valuesOf(space, record.fixed);
        const values = sampler.suggest({ number, running, fixed });
        expect(difference(rowOf(space, values), record.params), `trial ${number}`).toBeLessThan(1e-9);
        running.push(trialOf(number, space, valuesOf(space, record.params), { state: 'running' }));
      }
      for (const [i, { params, state, value, intermediate, constraint }] of [...asked.entries()].reverse())
        sampler.tell(
          trialOf(start + i, space, valuesOf(space, params), {
            state,
            value: value === undefined ? undefined : numberOf(value),
            intermediate: new Map(intermediate?.map(([step, report]) => [step, numberOf(report)])),
            systemAttrs: constraint === undefined ? {} : { 'constraints:c': constraint },
          }),
        );
    }
  });
});

interface Told {
  readonly multivariate: boolean;
  readonly trials: number;
  readonly space: SearchSpace;
  readonly suggestions: readonly Row[];
  readonly values: readonly number[];
}

describe('TPE suggests what Optuna 5.0.0 suggests after many trials', () => {
  it.each(fixture<Told[]>('tpe-told.json'))(
    'that were drawn evenly, $trials, multivariate $multivariate',
    ({ multivariate, trials, space, suggestions, values }) => {
      const source = new RandomSampler(7, space);
      const sampler = new TpeSampler({ seed: 42, multivariate }, space, 'minimize');
      for (let number = 0; number < trials; number++) {
        const drawn = source.suggest({ number, running: [] });
        sampler.tell(trialOf(number, space, drawn, { value: values[number] }));
      }
      for (const [i, expected] of suggestions.entries()) {
        const number = trials + i;
        const suggested = sampler.suggest({ number, running: [] });
        expect(difference(rowOf(space, suggested), expected), `trial ${number}`).toBeLessThan(1e-9);
        sampler.tell(trialOf(number, space, valuesOf(space, expected), { value: values[number] }));
      }
    },
  );
});
