import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import { kindOf } from '../../src/config/objectives.ts';
import type { EngineChoice } from '../../src/engine/choose.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { createCudaEngine } from '../../src/engine/cuda.ts';
import { createDawnEngine, findDawnAdapter, openDawnDevice } from '../../src/engine/dawn.ts';
import type { Engine, TrainingJob } from '../../src/engine/engine.ts';
import { CORE_KERNELS, createWebGpuEngine, type Kernels, LARGE_KERNELS } from '../../src/engine/webgpu.ts';
import { sweep } from '../../src/index.ts';
import { engineConformance, trainBatch } from '../engine/conformance.ts';
import { DEFAULT_TREE_PARAMS, MIXED_SHAPE, makeBinned, makeJob, treeParamsFor } from '../engine/generate.ts';
import { publicJob } from '../engine/public-sets.ts';
import { loadPublicSet, PUBLIC_SETS, type PublicSet } from '../public-sets.ts';

const opened: readonly (readonly [string, Engine | Error])[] = [
  ['webgpu', await createDawnEngine().catch((error: Error) => error)],
  ['cuda', await openCuda().catch((error: Error) => error)],
];

async function openCuda(): Promise<Engine> {
  return createCudaEngine();
}

for (const [name, engine] of opened) {
  if (engine instanceof Error) {
    describe(`engine ${name}`, () => {
      it.skip(`all: ${engine.message}`, () => undefined);
    });
    continue;
  }
  // An emulated device takes seconds for a round of many rows.
  const abortRows = /SwiftShader|emulated/i.test(engine.description) ? 60 : 20_000;
  engineConformance(name, () => engine, { runs: 40, abortRows });

  describe(`the ${name} engine`, () => {
    it.each(Object.keys(PUBLIC_SETS) as PublicSet[])(
      'equals the CPU engine on %s, every metric included, for 3 seeds',
      async (set) => {
        const { data } = await loadPublicSet(set);
        const metrics = METRICS_BY_KIND[kindOf(PUBLIC_SETS[set])];
        const jobs = [0, 1, 2].map((seed): TrainingJob => ({ ...publicJob(data, set, seed), metrics }));
        const expected = await trainBatch(createCpuEngine(), data, jobs, [2]);
        expect(await trainBatch(engine, data, jobs, [2])).toEqual(expected);
      },
    );

    it.each(['binary:logistic', 'multi:softprob', 'reg:squarederror'] as const)(
      'trains %s on 300,000 rows as the CPU engine does',
      async (objective) => {
        const shape = {
          ...MIXED_SHAPE,
          seed: 13,
          rows: 300_000,
          numeric: 4,
          categorical: [12],
          weighted: objective === 'reg:squarederror',
          heavyTail: true,
        };
        const data = await makeBinned(shape, objective);
        const num_class = objective === 'multi:softprob' ? 3 : 0;
        const job = makeJob(data, { ...DEFAULT_TREE_PARAMS, objective, num_class, max_depth: 6 }, 1, 1);
        const expected = await trainBatch(createCpuEngine(), data, [job], [2]);
        expect(await trainBatch(engine, data, [job], [2])).toEqual(expected);
      },
    );

    it('searches as the CPU engine does: trials, values, pruning and the final model', async () => {
      const [onDevice, onCpu] = [await search(name as EngineChoice), await search('cpu')];
      expect(onDevice).toEqual(onCpu);
      expect(onCpu.trials.map(({ state }) => state)).toContain('pruned');
    });
  });
}

const adapter = await findDawnAdapter().catch((error: Error) => error);

describe.skipIf(adapter instanceof Error)('the kernels of the WebGPU engine', () => {
  if (adapter instanceof Error) return;
  const { features, limits } = adapter;
  const bases = features.has('subgroups') ? [false, true] : [false];
  const small = { searchLanes: 128, searchFeatures: 2, histogramLanes: 64, histogramBytes: 8192 };
  const large = {
    ...LARGE_KERNELS,
    histogramLanes: Math.min(LARGE_KERNELS.histogramLanes, limits.maxComputeInvocationsPerWorkgroup),
    histogramBytes: Math.min(LARGE_KERNELS.histogramBytes, limits.maxComputeWorkgroupStorageSize),
  };
  const choices = bases.flatMap((subgroups): Kernels[] => [
    { subgroups, ...(subgroups ? small : CORE_KERNELS) },
    { subgroups, ...large },
  ]);
  it.each(choices)('train what the CPU engine trains: %o', async (kernels) => {
    const engine = createWebGpuEngine(await openDawnDevice(kernels));
    for (const objective of ['binary:logistic', 'multi:softprob', 'reg:squarederror'] as const) {
      const shape = {
        ...MIXED_SHAPE,
        seed: 17,
        rows: 700,
        numeric: 5,
        discrete: 2,
        categorical: [3, 40],
      };
      const data = await makeBinned(shape, objective);
      const jobs = fc
        .sample(treeParamsFor(objective, shape.classes), { numRuns: 2, seed: 3 })
        .map((params, i) => makeJob(data, params, i, i % 2 === 0 ? 1 : 0.7));
      const expected = await trainBatch(createCpuEngine(), data, jobs, [2]);
      expect(await trainBatch(engine, data, jobs, [2])).toEqual(expected);
    }
  });
});

/** A search of ten trials on three folds of 240 rows. */
async function search(engine: EngineChoice) {
  const column = (step: number) =>
    Float32Array.from({ length: 240 }, (_, i) => ((Math.imul(i + 1, step) >>> 0) % 1000) / 10);
  const [a, b, noise] = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35].map(column);
  const { model, trials } = await sweep({
    engine,
    features: { a: a!, b: b! },
    label: a!.map((value, i) => Number(value + b![i]! + 0.6 * noise![i]! > 120)),
    params: { objective: 'binary:logistic' },
    space: [
      { name: 'max_depth', distribution: { type: 'int', low: 1, high: 4, log: false, step: 1 } },
      { name: 'n_estimators', distribution: { type: 'int', low: 4, high: 20, log: false, step: 1 } },
      { name: 'learning_rate', distribution: { type: 'float', low: 0.05, high: 0.8, log: true } },
    ],
    n_trials: 10,
    cv: 3,
    generation: 4,
    early_stopping_rounds: 5,
  });
  return {
    fingerprint: model.fingerprint,
    trials: trials.map(({ state, value, intermediate }) => ({ state, value, intermediate })),
  };
}
