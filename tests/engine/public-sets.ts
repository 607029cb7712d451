import { expect } from 'vitest';
import { loadAddon } from '../../src/addon.ts';
import type { BinnedDataset } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { TrainingJob, TreeParams } from '../../src/engine/engine.ts';
import { loadPublicSet, PUBLIC_SETS, type PublicSet } from '../public-sets.ts';
import { createReferenceEngine } from '../reference/reference.ts';
import { trainBatch } from './conformance.ts';
import { templateJob } from './template-job.ts';

/**
 * The protocol's template on a public set.
 * @param further Parameters that take the place of its own.
 */
export function publicJob(
  data: BinnedDataset,
  name: PublicSet,
  seed: number,
  further: Partial<TreeParams> = {},
): TrainingJob {
  const objective = PUBLIC_SETS[name];
  // The naive AUC compares all pairs: on these sets the linear metrics must do.
  const metrics =
    objective === 'reg:squarederror' ? (['rmse', 'mae'] as const) : (['logloss', 'f1'] as const);
  return { ...templateJob(data, objective, seed, further), metrics };
}

/** Whether the CPU engine equals the reference on a public set, for any threads, alone and in a shuffled batch. */
export async function checkPublicSet(
  name: PublicSet,
  options: { seeds: number; rounds: number },
): Promise<void> {
  const { data } = await loadPublicSet(name);
  const jobs = Array.from({ length: options.seeds }, (_, seed) => publicJob(data, name, seed));
  const expected = await trainBatch(createReferenceEngine(), data, jobs, [options.rounds]);
  for (const threads of [1, 2, 3, 8]) {
    const engine = createCpuEngine({ threads });
    expect(await trainBatch(engine, data, jobs, [options.rounds])).toEqual(expected);
    const reversed = await trainBatch(engine, data, [...jobs].reverse(), [options.rounds]);
    expect(reversed.trees.reverse()).toEqual(expected.trees);
    const alone = await trainBatch(engine, data, [jobs[0]!], [options.rounds]);
    expect(alone.trees[0]).toEqual(expected.trees[0]);
  }
}

/** Trains a public set on every level, with any threads, alone and in batches, and compares all trees. */
export async function checkLevels(
  name: PublicSet,
  options: { readonly seeds: number; readonly rounds: number },
): Promise<void> {
  const { data } = await loadPublicSet(name);
  const jobs = Array.from({ length: options.seeds }, (_, seed): TrainingJob => {
    return { ...publicJob(data, name, seed), evals: [], metrics: [] };
  });
  const trees = async (engine: ReturnType<typeof createCpuEngine>, batch: readonly TrainingJob[]) =>
    (await trainBatch(engine, data, batch, [options.rounds])).trees;
  const expected = await trees(createCpuEngine({ threads: 1, simd: 'scalar' }), jobs);
  // Jobs of other seeds fill the batches, and places in the batch are shuffled by a step prime to its size.
  const fillers = Array.from({ length: 64 }, (_, i) => ({ ...jobs[0]!, seed: 100 + i }));
  for (const level of loadAddon().describe().simd) {
    for (const threads of [1, 2, 3, 8]) {
      const engine = createCpuEngine({ threads, simd: level });
      for (const [i, job] of jobs.entries()) {
        expect((await trees(engine, [job]))[0], `${level}, ${threads} threads, alone`).toEqual(expected[i]);
      }
      for (const size of threads === 2 ? [7, 64] : [7]) {
        const batch = fillers.slice(0, size);
        const places = jobs.map((_, i) => (i * 29 + 5) % size);
        for (const [i, job] of jobs.entries()) batch[places[i]!] = job;
        const trained = await trees(engine, batch);
        for (const [i, place] of places.entries()) {
          expect(trained[place], `${level}, ${threads} threads, batch of ${size}`).toEqual(expected[i]);
        }
      }
    }
  }
}
