import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { crossValidate } from '../../src/tuning/cross-validate.ts';
import type { Pruner } from '../../src/tuning/pruner.ts';
import { TpeSampler } from '../../src/tuning/samplers/tpe.ts';
import { bestTrial, runSearch } from '../../src/tuning/search.ts';
import type { SearchSpace } from '../../src/tuning/space.ts';
import { MemoryStorage, type NewTrial, type TrialChange } from '../../src/tuning/storage.ts';
import { Study, type TrialResult } from '../../src/tuning/study.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { BASE, foldsOf, SCORING, SPACE, smallProblem, timeless } from './boosters.ts';

const { data, schema } = await smallProblem();
const folds = foldsOf(data);

/** Prunes what is below the mean of the complete trials at the same step, and half of what is not yet told. */
class MeanPruner implements Pruner {
  readonly #told: Trial[] = [];

  tell(trial: Trial): void {
    if (trial.state === 'complete') this.#told.push(trial);
  }

  shouldPrune(trial: Trial): boolean {
    const [step, value] = [...trial.intermediate].at(-1)!;
    const others = this.#told.flatMap(({ intermediate }) => intermediate.get(step) ?? []);
    return others.length > 3 && value < others.reduce((sum, other) => sum + other, 0) / others.length;
  }
}

/** A storage that a process loses hold of after some writes; what was written stays. */
class FailingStorage extends MemoryStorage {
  writesLeft = Number.POSITIVE_INFINITY;

  override async create(trials: readonly NewTrial[]): Promise<Trial[]> {
    this.#count();
    return super.create(trials);
  }

  override async change(changes: readonly TrialChange[]): Promise<void> {
    this.#count();
    return super.change(changes);
  }

  #count(): void {
    if (this.writesLeft-- <= 0) throw new Error('killed');
  }
}

/** Takes up the study in a storage and searches on, as a process does. */
async function search(
  storage: MemoryStorage,
  options: {
    nTrials?: number;
    generation?: number;
    threads?: number;
    enqueue?: Record<string, number>[];
  } = {},
) {
  const { nTrials = 22, generation = 5, threads = 1 } = options;
  const pruner = new MeanPruner();
  const sampler = new TpeSampler({ seed: 11, nStartupTrials: 6 }, SPACE, 'maximize');
  const study = new Study({ storage, space: SPACE, sampler, pruner });
  if (study.trials.length === 0) for (const values of options.enqueue ?? []) await study.enqueue(values);
  const resident = await createCpuEngine({ threads }).load(data);
  try {
    await runSearch({
      study,
      nTrials,
      generation,
      evaluate: (trials) =>
        crossValidate(trials, {
          resident: async () => resident,
          folds,
          ...SCORING,
          pruner,
          base: BASE,
          schema,
        }),
    });
  } finally {
    resident.dispose();
  }
  return study;
}

const memory = () => new FailingStorage('s', 'maximize');

describe('a search', () => {
  it('has the same trials, values and pruning decisions with any number of threads', async () => {
    const one = await search(memory());
    const three = await search(memory(), { threads: 3 });
    expect(one.ended.pruned).toBeGreaterThan(3);
    expect(one.ended.complete).toBeGreaterThan(3);
    expect(three.trials.map(timeless)).toEqual(one.trials.map(timeless));
  });

  it('goes on after a crash at any write as if there had been none', async () => {
    const enqueue = [{ max_depth: 2 }, { max_depth: 3, learning_rate: 0.5 }];
    const whole = await search(memory(), { enqueue });
    const expected = whole.trials.map(timeless);
    for (let writes = 2; writes < 12; writes++) {
      const storage = memory();
      storage.writesLeft = writes;
      await expect(search(storage, { enqueue })).rejects.toThrow('killed');
      storage.writesLeft = Number.POSITIVE_INFINITY;
      const resumed = await search(storage, { enqueue });
      expect(resumed.trials.map(timeless)).toEqual(expected);
    }
  });

  it('goes on where the results of a generation were written in part as if none had been', async () => {
    const expected = (await search(memory())).trials.map(timeless);
    const storage = memory();
    storage.writesLeft = 5;
    await expect(search(storage)).rejects.toThrow('killed');
    storage.writesLeft = Number.POSITIVE_INFINITY;
    const cut = storage.trials.filter(({ state }) => state === 'running');
    expect(cut.length).toBe(5);
    // The first of them had been recorded when the process ended.
    const { number } = cut[0]!;
    const { intermediate, userAttrs, state, value } = expected[number]!;
    await storage.change([
      ...[...intermediate].map(([step, reported]) => ({
        type: 'intermediate' as const,
        number,
        step,
        value: reported,
      })),
      ...Object.entries(userAttrs).map(([key, attr]) => ({
        type: 'userAttr' as const,
        number,
        key,
        value: attr,
      })),
      { type: 'finish', number, state: state as 'complete' | 'pruned', value },
    ]);
    expect((await search(storage)).trials.map(timeless)).toEqual(expected);
  });

  it('goes on with more trials, the first ones staying what they were', async () => {
    const storage = memory();
    const ten = (await search(storage, { nTrials: 10 })).trials.map(timeless);
    const twenty = (await search(storage, { nTrials: 20 })).trials.map(timeless);
    expect(twenty).toHaveLength(20);
    expect(twenty.slice(0, 10)).toEqual(ten);
  });

  it('does not begin a generation after its deadline', async () => {
    const study = studyOf([]);
    const evaluate = async (trials: readonly Trial[]) => trials.map(({ number }) => done(number, number));
    const end = await runSearch({
      study,
      nTrials: 50,
      generation: 4,
      evaluate,
      deadline: performance.now() - 1,
    });
    expect(end).toBe('time');
    expect(study.trials).toHaveLength(0);
  });
});

const LINE: SearchSpace = [{ name: 'x', distribution: { type: 'float', low: 0, high: 10, log: false } }];

function done(number: number, value: number): TrialResult {
  return { number, state: 'complete', value };
}

/** A study over one number; what sampler and pruner are told goes to `told`. */
function studyOf(told: number[], storage = new MemoryStorage('line', 'minimize')): Study {
  const sampler = new TpeSampler({ seed: 1 }, LINE, 'minimize');
  const pruner = { tell: ({ number }: Trial) => void told.push(number), shouldPrune: () => false };
  return new Study({ storage, space: LINE, sampler, pruner });
}

describe('Study', () => {
  it('tells sampler and pruner results in order of number, whatever the order in which they came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), async (order) => {
        const told: number[] = [];
        const study = studyOf(told);
        const trials = await study.ask(5);
        expect(trials.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
        await study.tell(order.map((number) => done(number, number)));
        expect(told).toEqual([0, 1, 2, 3, 4]);
      }),
      { numRuns: 20 },
    );
  });

  it('gives the same generation again until it is told', async () => {
    const study = studyOf([]);
    const first = await study.ask(3);
    expect(await study.ask(3)).toEqual(first);
    await expect(study.tell([done(0, 1)])).rejects.toThrow('every trial');
    await study.tell([done(0, 1), done(1, 2), { number: 2, state: 'fail' }]);
    expect((await study.ask(3)).map(({ number }) => number)).toEqual([3, 4, 5]);
    expect(study.ended).toEqual({ complete: 2, pruned: 0, fail: 1 });
  });

  it('finds the best by direction, the first of equals, and takes no failed trial for one', async () => {
    const study = studyOf([]);
    await study.ask(4);
    await study.tell([done(0, 5), done(1, 2), done(2, 2), { number: 3, state: 'pruned', value: 0 }]);
    expect(study.best!.number).toBe(1);
    const failing = studyOf([]);
    await failing.ask(2);
    const failure = { state: 'fail', userAttrs: { failure: 'the metric is NaN on fold 1' } } as const;
    await failing.tell([
      { number: 0, ...failure },
      { number: 1, ...failure },
    ]);
    expect(() => bestTrial(failing)).toThrow(
      'All 2 trials of the search failed, the first because the metric is NaN on fold 1;',
    );
  });

  it('begins with the trials that the user has put in, and refuses those that its space does not have', async () => {
    const study = studyOf([]);
    await study.enqueue({ x: 2.5 });
    await study.enqueue({});
    const trials = await study.ask(3);
    expect(study.values(trials[0]!)).toEqual({ x: 2.5 });
    expect(trials.map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(trials.every(({ params }) => params.has('x'))).toBe(true);
    await expect(study.enqueue({ y: 1 })).rejects.toThrow('sets y, which is not searched');
    await expect(study.enqueue({ x: 11 })).rejects.toThrow('sets x to 11, which its search space');
  });
});
