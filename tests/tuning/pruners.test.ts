import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import type { Pruner } from '../../src/tuning/pruner.ts';
import { createPruner, type PrunerConfig } from '../../src/tuning/pruners/create.ts';
import { HyperbandPruner } from '../../src/tuning/pruners/hyperband.ts';
import { percentileOf } from '../../src/tuning/pruners/values.ts';
import type { Direction, Trial } from '../../src/tuning/trial.ts';
import { runningTrial } from './boosters.ts';

type Curve = readonly (readonly [number, number | null])[];

/** What make_pruner_fixtures.py wrote. */
const { studyName, curves, cases, budgets } = JSON.parse(
  readFileSync(new URL('fixtures/pruners.json', import.meta.url), 'utf8'),
) as {
  studyName: string;
  curves: Curve[];
  cases: { config: PrunerConfig; direction: Direction; ends: (number | null)[] }[];
  /** Factor, max_resource, and the share of each bracket. */
  budgets: [number, number, number[]][];
};

/** Reports curves one trial after the other, and tells each trial when it ends; the trials. */
function run(pruner: Pruner, direction: Direction, of: readonly Curve[], first = 0): Trial[] {
  return of.map((curve, i) => {
    const intermediate = new Map<number, number>();
    const trial: Trial = { ...runningTrial(first + i), intermediate };
    const isPruned = curve.some(([step, value]) => {
      intermediate.set(step, value === null ? Number.NaN : direction === 'minimize' ? value : -value);
      return pruner.shouldPrune(trial, [trial]);
    });
    const ended: Trial = {
      ...trial,
      state: isPruned ? 'pruned' : 'complete',
      systemAttrs: pruner.notes?.(trial.number) ?? {},
    };
    pruner.tell(ended);
    return ended;
  });
}

/** The step at which each trial was pruned. */
const endsOf = (trials: readonly Trial[]) =>
  trials.map(({ state, intermediate }) => (state === 'pruned' ? [...intermediate.keys()].at(-1)! : null));

describe('pruners', () => {
  it.each(cases)("end trials where Optuna's do: $config, $direction", ({ config, direction, ends }) => {
    const pruner = createPruner(config, direction, studyName)!;
    expect(endsOf(run(pruner, direction, curves))).toEqual(ends);
  });

  it.each(cases)('decide after a resume as before it: $config, $direction', ({ config, direction, ends }) => {
    const first = run(createPruner(config, direction, studyName)!, direction, curves.slice(0, 20));
    const resumed = createPruner(config, direction, studyName)!;
    for (const trial of first) resumed.tell(trial);
    expect(endsOf(run(resumed, direction, curves.slice(20), 20))).toEqual(ends.slice(20));
  });

  it('take into account, in halving, what running trials of the generation have come to', () => {
    const pruner = createPruner(
      { name: 'successive_halving', min_resource: 1, reduction_factor: 2 },
      'maximize',
      's',
    )!;
    const at = (number: number, value: number): Trial => ({
      ...runningTrial(number),
      intermediate: new Map([[1, value]]),
    });
    const running = [at(0, 0.9), at(1, 0.5), at(2, 0.7), at(3, 0.95)];
    expect(running.map((trial) => pruner.shouldPrune(trial, running))).toEqual([false, true, true, false]);
  });

  it('count, in median, the earlier trials of the generation with what they have reported, once there are enough', () => {
    const at = (number: number, values: readonly number[]): Trial => ({
      ...runningTrial(number),
      intermediate: new Map(values.map((value, i) => [i + 1, value])),
    });
    const median = () => createPruner({ name: 'median', n_startup_trials: 3 }, 'maximize', 's')!;
    // At step 2 the trials before the fourth have 0.6 and 0.8; the first has not come there, and the fifth is not before it.
    const generation = [
      at(0, [0.9]),
      at(1, [0.5, 0.6]),
      at(2, [0.7, 0.8]),
      at(3, [0.1, 0.69]),
      at(4, [0.1, 0.2]),
    ];
    const prunedIn = (trials: readonly Trial[], pruner: Pruner) =>
      trials.filter((trial) => pruner.shouldPrune(trial, trials)).map(({ number }) => number);
    expect(prunedIn(generation, median())).toEqual([3, 4]);
    expect(prunedIn(generation.with(3, at(3, [0.1, 0.71])), median())).toEqual([4]);
    expect(prunedIn(generation.slice(2), median())).toEqual([]);
    const told = median();
    told.tell({ ...at(0, [0.9, 0.9]), state: 'complete' });
    told.tell({ ...at(1, [0.9, 0.9]), state: 'complete' });
    expect(prunedIn(generation.slice(2), told)).toEqual([3, 4]);
  });

  it('share out trials among the brackets of Hyperband as Optuna does, where resources are powers of the factor, too', () => {
    const ours = budgets.map(([reduction_factor, max_resource]) => [
      reduction_factor,
      max_resource,
      new HyperbandPruner({ reduction_factor, max_resource }, 'minimize', 's').budgets,
    ]);
    expect(ours).toEqual(budgets);
  });

  it('stop none, in Hyperband, where complete trials are shorter than min_resource', () => {
    const pruner = createPruner({ name: 'hyperband', min_resource: 5 }, 'minimize', 's')!;
    const curve: Curve = [1, 2, 3].map((step) => [step, step]);
    expect(endsOf(run(pruner, 'minimize', [curve, curve, curve]))).toEqual([null, null, null]);
    const long: Curve = Array.from({ length: 40 }, (_, step) => [step, step]);
    expect(endsOf(run(pruner, 'minimize', [long, long], 3))).toEqual([null, null]);
  });

  it('are told apart by their options, and say which do not go together', () => {
    expect(createPruner({ name: 'none' }, 'minimize', 's')).toBeUndefined();
    const halving = { name: 'successive_halving', bootstrap_count: 2 } as const;
    expect(() => createPruner(halving, 'minimize', 's')).toThrow(
      'bootstrap_count needs a number for min_resource',
    );
    expect(() => createPruner({ name: 'patience' }, 'minimize', 's')).toThrow('patience is missing');
    const short = { name: 'hyperband', min_resource: 5, max_resource: 4 } as const;
    expect(() => createPruner(short, 'minimize', 's')).toThrow(InputError);
    expect(() => createPruner(short, 'minimize', 's')).toThrow(
      'max_resource is 4, below min_resource, which is 5; set max_resource to 5 or more',
    );
    expect(createPruner({ ...short, max_resource: 5 }, 'minimize', 's')).toBeDefined();
  });

  it('decide among 10,000 finished trials in microseconds', () => {
    for (const name of ['median', 'successive_halving', 'hyperband'] as const) {
      const pruner = createPruner({ name }, 'maximize', 's')!;
      for (let number = 0; number < 10_000; number++) {
        const intermediate = new Map(
          Array.from({ length: 8 }, (_, step) => [step, (number * 7919) % 10_007]),
        );
        pruner.tell({ ...runningTrial(number), intermediate, state: 'complete' });
      }
      const trial = { ...runningTrial(10_000), intermediate: new Map([[3, 5000]]) };
      pruner.shouldPrune(trial, [trial]);
      const started = performance.now();
      for (let i = 0; i < 100; i++) pruner.shouldPrune({ ...trial, number: 10_001 + i }, []);
      expect((performance.now() - started) / 100).toBeLessThan(2);
    }
  });
});

describe('percentileOf', () => {
  it('interpolates as NumPy does', () => {
    // np.percentile([1, 2, 4, 8], [0, 25, 50, 60, 75, 100])
    const values = [0, 25, 50, 60, 75, 100].map((percent) => percentileOf([1, 2, 4, 8], percent));
    expect(values).toEqual([1, 1.75, 3, 3.5999999999999996, 5, 8]);
    expect(percentileOf([], 50)).toBeNaN();
  });

  it('takes two lists as if they were one', () => {
    const values = fc.array(fc.integer({ min: -9, max: 9 }));
    fc.assert(
      fc.property(values, values, fc.double({ min: 0, max: 100, noNaN: true }), (a, b, percent) => {
        const sorted = [a, b, [...a, ...b]].map((list) => list.sort((x, y) => x - y));
        expect(percentileOf(sorted[0]!, percent, sorted[1]!)).toEqual(percentileOf(sorted[2]!, percent));
      }),
    );
  });
});
