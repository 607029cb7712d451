import { describe, expect, it } from 'vitest';
import { parameterImportances } from '../../src/tuning/importance.ts';
import type { Distribution } from '../../src/tuning/space.ts';
import type { Direction, Trial, TrialState } from '../../src/tuning/trial.ts';
import { fixture, float, trialOf } from './support.ts';

interface Case {
  readonly name: string;
  readonly direction: Direction;
  /** Parameters as they occur: a name may have several distributions. */
  readonly params: readonly (readonly [string, Distribution])[];
  /** State, value, and pairs of a parameter's index and its internal value. */
  readonly trials: readonly (readonly [
    TrialState,
    number | string | null,
    readonly (readonly [number, number])[],
  ])[];
  readonly importances: Readonly<Record<string, number>>;
}

const INFINITIES: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity };
const { optuna, cases } = fixture<{ optuna: string; cases: readonly Case[] }>('importances.json');

const trialsOf = ({ params, trials }: Case): Trial[] =>
  trials.map(([state, value, values], number) => ({
    number,
    state,
    value: typeof value === 'string' ? INFINITIES[value] : (value ?? undefined),
    params: new Map(
      values.map(([index, internal]) => {
        const [name, distribution] = params[index]!;
        return [name, { value: internal, distribution }];
      }),
    ),
    intermediate: new Map(),
    userAttrs: {},
    systemAttrs: {},
  }));

describe(`parameter importances beside Optuna ${optuna}`, () => {
  it.each(cases)('are the same: $name', (one) => {
    const importances = parameterImportances(trialsOf(one), one.direction);
    expect([...importances.keys()].sort()).toEqual(Object.keys(one.importances).sort());
    for (const [name, share] of importances) {
      const expected = one.importances[name]!;
      expect(Math.abs(share - expected), name).toBeLessThanOrEqual(1e-12 * expected);
    }
  });

  it('come in the same order where shares differ', () => {
    for (const one of cases) {
      const shares = Object.values(one.importances).filter((share) => share > 0);
      if (new Set(shares).size < shares.length) continue;
      expect([...parameterImportances(trialsOf(one), one.direction).keys()].slice(0, shares.length)).toEqual(
        Object.keys(one.importances).slice(0, shares.length),
      );
    }
  });
});

describe('parameter importances', () => {
  const space = [
    { name: 'still', distribution: float(0, 1) },
    { name: 'loud', distribution: float(0, 1) },
  ];
  const trial = (number: number, still: number, loud: number, value: number, state?: TrialState) =>
    trialOf(number, space, new Map([...Object.entries({ still, loud })]), { value, ...(state && { state }) });
  const trials = Array.from({ length: 100 }, (_, i) => trial(i, ((i * 37) % 100) / 99, i / 99, i));

  it('put the parameter that decides the value first and add up to 1', () => {
    const importances = parameterImportances(trials, 'minimize');
    expect([...importances.keys()]).toEqual(['loud', 'still']);
    expect(importances.get('loud')).toBeGreaterThan(0.8);
    expect([...importances.values()].reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  it('turn with the direction', () => {
    const mirrored = trials.map((of) => ({ ...of, value: -of.value! }));
    expect([...parameterImportances(mirrored, 'maximize')]).toEqual([
      ...parameterImportances(trials, 'minimize'),
    ]);
    const skewed = trials.map((of, i) => trial(i, i < 50 ? ((i * 37) % 50) / 49 : 0.5, 0.5, of.value!));
    expect([...parameterImportances(skewed, 'maximize')]).not.toEqual([
      ...parameterImportances(skewed, 'minimize'),
    ]);
  });

  it('are none of fewer than two complete trials with finite values', () => {
    expect(parameterImportances([], 'minimize').size).toBe(0);
    const one = [trial(0, 0, 0, 1), trial(1, 1, 1, Infinity), trial(2, 0, 1, 0, 'pruned')];
    expect(parameterImportances(one, 'minimize').size).toBe(0);
    expect(parameterImportances([...one, trial(3, 1, 0, 2)], 'minimize').size).toBe(2);
  });

  it('heed neither the identity of distributions nor trials that are not complete', () => {
    const others = trials.map(
      (of): Trial => ({
        ...of,
        params: new Map(
          [...of.params].map(([name, { value }]) => [name, { value, distribution: float(0, 1) }]),
        ),
      }),
    );
    others.push(trial(100, 0.5, 0.5, -1000, 'pruned'), trial(101, 0.5, 0.5, -1000, 'fail'));
    expect([...parameterImportances(others, 'minimize')]).toEqual([
      ...parameterImportances(trials, 'minimize'),
    ]);
  });

  it('of 1,000 trials and nine parameters take less than 50 ms', () => {
    const large = cases.find(({ trials }) => trials.length === 1000)!;
    // As read from a journal: a distribution of its own for each value.
    const given = trialsOf(large).map((of): Trial => ({ ...of, params: structuredClone(of.params) }));
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      parameterImportances(given, large.direction);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(50);
  });
});
