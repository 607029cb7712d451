import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { loadAddon, type SimdLevel } from '../../src/addon.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { PublicSet } from '../public-sets.ts';
import { trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, makeBinned, makeJob, type TableShape } from './generate.ts';
import { checkLevels } from './public-sets.ts';

const LEVELS: readonly SimdLevel[] = ['scalar', 'neon', 'avx2', 'avx512'];
const { simd } = loadAddon().describe();
const other = LEVELS.filter((level) => simd.includes(level) && level !== 'scalar');

/** Shapes that reach each packing and each width of a vector: halves, counts, split words; 1 to 70 features. */
const SHAPE: TableShape = {
  seed: 21,
  rows: 3000,
  numeric: 11,
  discrete: 4,
  categorical: [2, 12, 300],
  missing: 0.15,
  weighted: false,
  targetScale: 2,
  heavyTail: false,
  maxBin: 256,
  classes: 3,
};

describe('instruction sets', () => {
  afterEach(() => {
    delete process.env.LOCKSTEP_SIMD;
  });

  it.each(LEVELS.filter((level) => !simd.includes(level)))('%s is not run on this machine', (level) => {
    expect(() => createCpuEngine({ simd: level })).toThrow(/but this machine runs .*scalar/);
  });

  it('are chosen best first, or as LOCKSTEP_SIMD says', () => {
    expect(createCpuEngine({ threads: 1 }).description).toBe(`cpu (1 thread, ${simd[0]})`);
    process.env.LOCKSTEP_SIMD = 'scalar';
    const description = execFileSync(
      process.execPath,
      ['-e', "import('./dist/engine/cpu.js').then((m) => console.log(m.createCpuEngine().description))"],
      { cwd: new URL('../..', import.meta.url), encoding: 'utf8' },
    );
    expect(description).toMatch(/scalar\)$/m);
  });

  it('that do not exist are an input error that lists those that do', () => {
    expect(() => createCpuEngine({ simd: 'avx' as SimdLevel })).toThrow(
      `Simd is avx, but this machine runs ${simd.join(', ')}.`,
    );
  });

  it.each(other)(
    '%s trains the trees and scores of the scalar engine on every kind of table',
    async (level) => {
      for (const objective of ['binary:logistic', 'reg:squarederror', 'multi:softprob'] as const) {
        for (const change of [
          {},
          { weighted: true },
          { numeric: 70, categorical: [5], rows: 400 },
          { missing: 0, categorical: [1], numeric: 1, discrete: 0 },
          { heavyTail: true, missing: 0 },
          { maxBin: 5 },
        ]) {
          const data = await makeBinned({ ...SHAPE, ...change }, objective);
          const jobs = [0, 0.5, 40].map((reg_alpha, seed) =>
            makeJob(
              data,
              {
                ...DEFAULT_TREE_PARAMS,
                objective,
                num_class: SHAPE.classes,
                reg_alpha,
                subsample: 0.9,
                max_depth: 7,
              },
              seed,
              seed === 1 ? 0.6 : 1,
              true,
            ),
          );
          const expected = await trainBatch(createCpuEngine({ threads: 1, simd: 'scalar' }), data, jobs, [3]);
          expect(await trainBatch(createCpuEngine({ threads: 2, simd: level }), data, jobs, [1, 2])).toEqual(
            expected,
          );
        }
      }
    },
  );

  it.each(['adult', 'california_housing', 'digits', 'higgs_7k'] as const satisfies PublicSet[])(
    'give one result on %s with 1, 2, 3 and 8 threads, alone, in a batch of 7 and in a shuffled batch of 64',
    async (name) => {
      await checkLevels(name, { seeds: 3, rounds: name === 'digits' ? 1 : 2 });
    },
  );
});
