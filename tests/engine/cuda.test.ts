import { describe, expect, it } from 'vitest';
import { isCudaAddonBuilt } from '../../src/addon.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { createCudaEngine } from '../../src/engine/cuda.ts';
import { EnvironmentError } from '../../src/errors.ts';
import { engineConformance, trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, makeBinned, makeJob } from './generate.ts';

/** Why the engine cannot run here; undefined where it can. */
function reasonNotRun(): string | undefined {
  try {
    createCudaEngine();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(EnvironmentError);
    return (error as Error).message;
  }
}

const reason = reasonNotRun();

if (reason === undefined) {
  const isEmulated = createCudaEngine().description.includes('emulated');
  engineConformance('cuda', () => createCudaEngine(), isEmulated ? { runs: 15, maxRows: 150 } : undefined);
} else {
  it.skip(`the CUDA engine, not run: ${reason}`, () => {});
}

describe('createCudaEngine', () => {
  it('says in a sentence what is missing where the engine cannot run', () => {
    if (reason === undefined) return expect(createCudaEngine().kind).toBe('cuda');
    expect(reason).toMatch(
      isCudaAddonBuilt() ? /^(There is no CUDA device|The NVIDIA driver)/ : /^The CUDA engine/,
    );
    expect(reason.endsWith('.')).toBe(true);
  });

  it.skipIf(reason !== undefined)('gives the same trees in very little memory', async () => {
    const shape = {
      seed: 4,
      rows: 300,
      numeric: 4,
      discrete: 1,
      categorical: [5, 40],
      missing: 0.1,
      weighted: true,
      targetScale: 3,
      heavyTail: false,
      maxBin: 64,
      classes: 3,
    };
    const data = await makeBinned(shape, 'binary:logistic');
    const params = { ...DEFAULT_TREE_PARAMS, max_depth: 5 };
    const jobs = [0, 1, 2, 3].map((seed) => makeJob(data, params, seed, 0.8));
    const expected = await trainBatch(createCpuEngine({ threads: 1 }), data, jobs, [2]);
    expect(await trainBatch(createCudaEngine({ memoryLimit: 2 ** 20 }), data, jobs, [2])).toEqual(expected);
    await expect(createCudaEngine({ memoryLimit: 1000 }).load(data)).rejects.toThrow(/memory/);
  });
});
