import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createCpuEngine, LEAST_PARTS, SHORT_WORK } from '../../src/engine/cpu.ts';
import type { TreeParams } from '../../src/engine/engine.ts';
import { createReferenceEngine } from '../reference/reference.ts';
import { engineConformance, patienceOf, roundsWithin, trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, makeBinned, makeJob } from './generate.ts';

/** What the tables of these tests have in common. */
const PLAIN = {
  discrete: 0,
  missing: 0,
  weighted: false,
  targetScale: 0,
  heavyTail: false,
  maxBin: 16,
  classes: 3,
};

engineConformance('cpu, 1 thread', () => createCpuEngine({ threads: 1 }));
engineConformance('cpu, 3 threads', () => createCpuEngine({ threads: 3 }), { runs: 30, maxRows: 300 });

describe('the CPU engine', () => {
  it('gives the same trees with 1, 2, 3 and 8 threads on data large enough to be shared out', async () => {
    const shape = {
      ...PLAIN,
      seed: 3,
      rows: 40_000,
      numeric: 6,
      discrete: 2,
      categorical: [12, 300],
      missing: 0.1,
      weighted: true,
      targetScale: 3,
      heavyTail: true,
      maxBin: 256,
    };
    for (const objective of ['binary:logistic', 'multi:softprob', 'reg:squarederror'] as const) {
      const data = await makeBinned(shape, objective);
      const num_class = objective === 'multi:softprob' ? shape.classes : 0;
      const params = { ...DEFAULT_TREE_PARAMS, objective, num_class, max_depth: 6, subsample: 0.8 };
      const jobs = [0, 1].map((seed) => makeJob(data, params, seed, 0.8));
      const one = await trainBatch(createCpuEngine({ threads: 1 }), data, jobs, [3]);
      for (const threads of [2, 3, 8]) {
        expect(await trainBatch(createCpuEngine({ threads }), data, jobs, [3])).toEqual(one);
        expect((await trainBatch(createCpuEngine({ threads }), data, [jobs[1]!], [3])).trees[0]).toEqual(
          one.trees[1],
        );
      }
    }
  });

  it('trains no round beyond the patience of a job, side by side, one after the other or shared', async () => {
    for (const rows of [300, 40_000]) {
      const data = await makeBinned(
        { ...PLAIN, seed: 8, rows, numeric: 8, categorical: [5], classes: 2 },
        'binary:logistic',
      );
      const params = { ...DEFAULT_TREE_PARAMS, max_depth: 8, learning_rate: 1 };
      const jobs = [0, 1, 2, 3, 4].map((seed) => makeJob(data, params, seed, 0.8));
      const whole = await trainBatch(createCpuEngine({ threads: 1 }), data, jobs, [20]);
      for (const threads of [1, 2]) {
        for (const chosen of [[0, 1, 2, 3, 4], [1]]) {
          const patient = chosen.map((j) => ({ ...jobs[j]!, patience: patienceOf(jobs[j]!, j) }));
          const ended = await trainBatch(createCpuEngine({ threads }), data, patient, [20]);
          const lengths = chosen.map((_, i) => ended.rounds.filter(({ job }) => job === i).length);
          const expected = chosen.map((j, i) => {
            const all = whole.rounds.filter(({ job }) => job === j);
            return roundsWithin(patient[i]!.patience, all);
          });
          expect(Math.min(...expected)).toBeLessThan(20);
          expect(lengths).toEqual(expected);
        }
      }
    }
  });

  it('gives the same trees on worker threads, which long calls are given to', async () => {
    const shape = { ...PLAIN, seed: 6, rows: 20_000, numeric: 8, categorical: [5] };
    const data = await makeBinned(shape, 'binary:logistic');
    const params = { ...DEFAULT_TREE_PARAMS, max_depth: 6, min_child_weight: 100 };
    const jobs = Array.from({ length: 2 * LEAST_PARTS }, (_, seed) => ({
      ...makeJob(data, params, seed, 1),
      metrics: ['logloss'] as const,
    }));
    const rounds = 120;
    expect(jobs.length * rounds * data.rows * data.features.length * params.max_depth).toBeGreaterThan(
      SHORT_WORK,
    );
    const expected = await trainBatch(createCpuEngine({ threads: 1 }), data, jobs, [rounds]);
    expect(await trainBatch(createCpuEngine({ threads: 2 }), data, jobs, [rounds])).toEqual(expected);
  });

  it('agrees with the reference where one pass needs more than 65,535 rows', async () => {
    const shape = {
      ...PLAIN,
      seed: 9,
      rows: 70_000,
      numeric: 1,
      discrete: 1,
      categorical: [3],
      missing: 0.05,
    };
    const data = await makeBinned(shape, 'binary:logistic');
    const job = { ...makeJob(data, { ...DEFAULT_TREE_PARAMS, max_depth: 3 }, 1, 1), evals: [], metrics: [] };
    const expected = await trainBatch(createReferenceEngine(), data, [job], [1]);
    expect(await trainBatch(createCpuEngine({ threads: 2 }), data, [job], [1])).toEqual(expected);
  });

  it('says which row has a label that the objective cannot take', async () => {
    const data = await makeBinned(
      { ...PLAIN, seed: 1, rows: 50, numeric: 1, categorical: [2] },
      'binary:logistic',
    );
    data.label[7] = 2;
    const resident = await createCpuEngine({ threads: 1 }).load(data);
    await expect(resident.start([makeJob(data, DEFAULT_TREE_PARAMS, 0, 1)])).rejects.toThrow(/row 7/);
    const params = { ...DEFAULT_TREE_PARAMS, objective: 'multi:softprob' as const };
    const start = (num_class: number) => resident.start([makeJob(data, { ...params, num_class }, 0, 1)]);
    await expect(start(2)).rejects.toThrow(/labels must be 0 to 1, but row 7 has another one/);
    await expect(start(1)).rejects.toThrow(/num_class, is 1, but it must be 2 to 255/);
    data.label[9] = 0.5;
    await expect(start(3)).rejects.toThrow(/row 9 has another one/);
  });

  it('refuses parameters that do not fit the data or the objective', async () => {
    const shape = { ...PLAIN, seed: 1, rows: 20, numeric: 1, categorical: [2] };
    const data = await makeBinned(shape, 'reg:squarederror');
    const resident = await createCpuEngine({ threads: 1 }).load(data);
    const start = (further: Partial<TreeParams>) => {
      const job = makeJob(data, DEFAULT_TREE_PARAMS, 0, 1);
      return resident.start([
        { ...job, params: { ...job.params, objective: 'reg:squarederror', ...further } },
      ]);
    };
    await expect(start({ monotone_constraints: [1] })).rejects.toThrow(
      /1 monotone constraints for 2 features/,
    );
    await expect(start({ monotone_constraints: [0, -1] })).rejects.toThrow(
      /on feature 1, which is categorical/,
    );
    await expect(start({ scale_pos_weight: 2 })).rejects.toThrow(/needs the objective binary:logistic/);
    await expect(start({ monotone_constraints: [0.5, 0] })).rejects.toThrow(/must hold -1, 0 and 1 alone/);
  });

  it('gives native memory back on dispose()', async () => {
    const shape = { ...PLAIN, seed: 1, rows: 200_000, numeric: 1, categorical: [2] };
    const data = await makeBinned(shape, 'binary:logistic');
    const resident = await createCpuEngine({ threads: 1 }).load(data);
    const job = { ...makeJob(data, DEFAULT_TREE_PARAMS, 0, 1), evals: [], metrics: [] };
    const trainOnce = async () => {
      const batch = await resident.start(new Array<typeof job>(20).fill(job));
      await batch.advance(1);
      batch.dispose();
    };
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 3; i++) await trainOnce();
    collect();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 12; i++) await trainOnce();
    collect();
    // One batch of 20 jobs holds at least 20 × 200,000 × 4 bytes = 16 MB: twelve kept ones would be 192 MB.
    expect(process.memoryUsage().rss - before).toBeLessThan(32e6);
    resident.dispose();
  });

  it('refuses calls on what has been disposed of, and frees memory only when nothing uses it', async () => {
    const data = await makeBinned(
      { ...PLAIN, seed: 1, rows: 5000, numeric: 2, categorical: [2] },
      'binary:logistic',
    );
    const resident = await createCpuEngine({ threads: 2 }).load(data);
    const batch = await resident.start([makeJob(data, DEFAULT_TREE_PARAMS, 0, 1)]);
    const running = batch.advance(20);
    batch.dispose();
    resident.dispose();
    expect(await running).toHaveLength(20);
    await expect(batch.advance(1)).rejects.toThrow(/disposed/);
    await expect(resident.start([])).rejects.toThrow(/disposed/);
  });
});
