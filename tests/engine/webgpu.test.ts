import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kindOf, OBJECTIVES } from '../../src/config/objectives.ts';
import { createDawnEngine } from '../../src/engine/dawn.ts';
import { createReferenceEngine } from '../reference/reference.ts';
import { trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, makeBinned, makeJob, treeParamsFor } from './generate.ts';

const engine = await createDawnEngine().catch((error: Error) => error);
const SHAPE = {
  seed: 21,
  rows: 200,
  numeric: 3,
  discrete: 1,
  categorical: [3, 12],
  missing: 0.1,
  weighted: true,
  targetScale: 0,
  heavyTail: true,
  maxBin: 256,
  classes: 3,
};

if (engine instanceof Error) {
  describe('engine webgpu', () => {
    it.skip(`conformance: ${engine.message}`, () => undefined);
  });
} else {
  describe('engine webgpu', () => {
    it.each(OBJECTIVES.filter((of) => of !== 'multi:softmax'))(
      'trains a batch of different %s jobs as the reference does',
      async (of) => {
        const data = await makeBinned(SHAPE, of);
        const jobs = fc
          .sample(treeParamsFor(of, SHAPE.classes), { numRuns: 4, seed: 5 })
          .map((params, i) => makeJob(data, params, i, i % 3 === 0 ? 1 : 0.7, i % 2 === 0));
        const expected = await trainBatch(createReferenceEngine(), data, jobs, [2]);
        expect(await trainBatch(engine, data, jobs, [2])).toEqual(expected);
      },
    );

    it('trains on 500 features, all or half of them drawn, as the reference does', async () => {
      const wide = { ...SHAPE, rows: 200, numeric: 498, categorical: [5], maxBin: 16 };
      for (const objective of ['binary:logistic', 'reg:squarederror'] as const) {
        const data = await makeBinned(wide, objective);
        const params = { ...DEFAULT_TREE_PARAMS, objective, max_depth: 2 };
        const jobs = [params, { ...params, colsample_bytree: 0.5 }].map((p) => makeJob(data, p, 1, 1));
        const expected = await trainBatch(createReferenceEngine(), data, jobs, [1]);
        expect(await trainBatch(engine, data, jobs, [1])).toEqual(expected);
      }
    });

    it('leaves a stopped job as it was and trains the others on', async () => {
      const data = await makeBinned(SHAPE, 'multi:softprob');
      const params = {
        ...DEFAULT_TREE_PARAMS,
        objective: 'multi:softprob' as const,
        num_class: 3,
        max_depth: 2,
      };
      expect(kindOf(params.objective)).toBe('multiclass');
      const jobs = [1, 2, 3].map((seed) => makeJob(data, params, seed, 0.8));
      const [resident, judge] = await Promise.all([engine.load(data), createReferenceEngine().load(data)]);
      const [batch, expected] = await Promise.all([resident.start(jobs), judge.start(jobs)]);
      for (const of of [batch, expected]) {
        await of.advance(1);
        of.stop(1);
        await of.advance(2);
      }
      for (const job of [0, 1, 2]) expect(await batch.finish(job)).toEqual(await expected.finish(job));
      batch.dispose();
      resident.dispose();
    });
  });
}
