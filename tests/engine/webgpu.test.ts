import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kindOf, OBJECTIVES } from '../../src/config/objectives.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { openDawnDevice } from '../../src/engine/dawn.ts';
import type { Objective, TrainingJob, TreeParams } from '../../src/engine/engine.ts';
import { createWebGpuEngine } from '../../src/engine/webgpu.ts';
import { createReferenceEngine } from '../reference/reference.ts';
import { trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, MIXED_SHAPE, makeBinned, makeJob, treeParamsFor } from './generate.ts';

const device = await openDawnDevice().catch((error: Error) => error);
const SHAPE = { ...MIXED_SHAPE, seed: 21, rows: 200, heavyTail: true };
const SCORED = ['binary:logistic', 'multi:softprob', 'reg:squarederror'] as const;

function paramsOf(objective: Objective, further: Partial<TreeParams> = {}): TreeParams {
  const num_class = kindOf(objective) === 'multiclass' ? SHAPE.classes : 0;
  return { ...DEFAULT_TREE_PARAMS, objective, num_class, max_depth: 2, ...further };
}

/** Row numbers from `start` on in steps. */
function every(step: number, start: number, end: number): Uint32Array {
  return Uint32Array.from({ length: Math.ceil((end - start) / step) }, (_, i) => start + i * step);
}

if (device instanceof Error) {
  describe('engine webgpu', () => {
    it.skip(`conformance: ${device.message}`, () => undefined);
  });
} else {
  const engine = createWebGpuEngine(device);

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

    it.each([7, 64])('trains %i different jobs in one batch as the CPU engine does alone', async (count) => {
      const data = await makeBinned({ ...SHAPE, rows: 60, maxBin: 16 }, 'binary:logistic');
      const jobs = fc
        .sample(treeParamsFor('binary:logistic', 2), { numRuns: count, seed: 9 })
        .map((params, i) =>
          makeJob(data, { ...params, max_depth: 2 }, i, i % 3 === 0 ? 1 : 0.7, i % 2 === 0),
        );
      const { trees, rounds } = await trainBatch(engine, data, jobs, [1]);
      const cpu = createCpuEngine({ threads: 1 });
      for (const [j, job] of jobs.entries()) {
        const alone = await trainBatch(cpu, data, [job], [1]);
        expect(trees[j]).toEqual(alone.trees[0]);
        expect(rounds.filter((result) => result.job === j).map(({ values }) => values)).toEqual(
          alone.rounds.map(({ values }) => values),
        );
      }
    });

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

    it.each([
      // Rows for more than 64 workgroups of 256, and for more than 256 blocks of 256.
      ['binary:logistic', 70_000, true],
      ['multi:softprob', 20_000, false],
      ['reg:squarederror', 20_000, true],
    ] as const)('scores %s on %i rows as the CPU engine does', async (of, rows, weighted) => {
      const data = await makeBinned({ ...SHAPE, rows, categorical: [3], weighted, maxBin: 64 }, of);
      // One class for nearly all rows: their weight in a workgroup is above 2^32.
      if (of === 'multi:softprob') data.label.set(data.label.map((y, row) => (row % 8 === 0 ? y : 0)));
      const job: TrainingJob = {
        ...makeJob(data, paramsOf(of), 1, 1),
        rows: { start: 0, end: 3000 },
        evals: [{ start: 0, end: rows }, every(7, 5, rows)],
      };
      const expected = await trainBatch(createCpuEngine(), data, [job], [2]);
      const { rounds } = await trainBatch(engine, data, [job], [2]);
      expect(rounds).toEqual(expected.rounds);
    });

    it('scores thousands of rows of two margins, nearly each of one class, as the CPU engine does', async () => {
      const shape = { ...SHAPE, rows: 9000, categorical: [3], missing: 0, weighted: false };
      const data = await makeBinned(shape, 'binary:logistic');
      data.label.forEach((_, row) => {
        data.label[row] = data.bins[row * data.stride]! > 99 !== (row % 997 === 0) ? 1 : 0;
      });
      const job = makeJob(data, paramsOf('binary:logistic', { max_depth: 1 }), 1, 1);
      const expected = await trainBatch(createCpuEngine(), data, [job], [1]);
      expect(new Set(expected.margins[0]).size).toBe(2);
      expect((await trainBatch(engine, data, [job], [1])).rounds).toEqual(expected.rounds);
    });

    it.each(SCORED)('scores margins of %s as far apart as they can be', async (of) => {
      const data = await makeBinned({ ...SHAPE, weighted: of !== 'binary:logistic' }, of);
      // A fifth of the rows has targets beyond any that was trained on.
      if (of === 'reg:squarederror') data.label.fill(-1e9, 160);
      const rows = { start: 0, end: 160 };
      const steep = paramsOf(of, { min_child_weight: 0, reg_lambda: 0 });
      const jobs = [1e3, 1e9].map(
        (learning_rate): TrainingJob => ({
          ...makeJob(data, { ...steep, learning_rate }, 1, 1),
          rows,
          evals: [rows, { start: 0, end: 200 }],
        }),
      );
      const expected = await trainBatch(createReferenceEngine(), data, jobs, [2]);
      expect(expected.margins.flatMap((margins) => [...margins])).toContain(2 ** 30);
      expect(await trainBatch(engine, data, jobs, [2])).toEqual(expected);
    });

    it('scores row sets of one class, of a row and of none', async () => {
      const data = await makeBinned({ ...SHAPE, weighted: false }, 'binary:logistic');
      const rowsOf = (label: number) =>
        Uint32Array.from(data.label.keys()).filter((row) => data.label[row] === label);
      const evals = [rowsOf(0), rowsOf(1), { start: 7, end: 8 }, { start: 5, end: 5 }];
      const job = { ...makeJob(data, paramsOf('binary:logistic'), 1, 1), evals };
      const expected = await trainBatch(createReferenceEngine(), data, [job], [2]);
      expect(expected.rounds[0]!.values.filter(Number.isNaN)).toHaveLength(4 + 2);
      expect(await trainBatch(engine, data, [job], [2])).toEqual(expected);
    });

    it('scores classes that no row has', async () => {
      const data = await makeBinned(SHAPE, 'multi:softprob');
      const job = makeJob(data, paramsOf('multi:softprob', { num_class: 7 }), 1, 1);
      const expected = await trainBatch(createReferenceEngine(), data, [job], [2]);
      expect(expected.rounds[0]!.values[job.metrics.indexOf('auc_roc')]).toBeNaN();
      expect(expected.rounds[0]!.values[job.metrics.indexOf('auc_roc_weighted')]).toBeGreaterThan(0.5);
      expect(await trainBatch(engine, data, [job], [2])).toEqual(expected);
    });

    it('gives the same whether rounds, histograms, rankings and predictions are made together or in turns', async () => {
      const data = await makeBinned({ ...SHAPE, maxBin: 32 }, 'multi:softprob');
      const jobs = [1, 2].map((seed) => makeJob(data, paramsOf('multi:softprob'), seed, 0.8));
      const expected = await trainBatch(engine, data, jobs, [4]);
      // Room for seven rankings of all rows.
      const scratchBytes = 7 * 16 * data.rows;
      const narrow = createWebGpuEngine(device, { scratchBytes });
      expect(await trainBatch(narrow, data, jobs, [1, 2, 1])).toEqual(expected);
      // Room for the margins of 83 rows, and for 8 nodes.
      const narrower = await createWebGpuEngine(device, { scratchBytes: 1000 }).load(data);
      const margins = await narrower.predictMargins(expected.trees[0]!, { start: 0, end: data.rows });
      expect(margins).toEqual(expected.margins[0]);
      narrower.dispose();
    });

    it('says how many rows it can rank where there are more', async () => {
      const data = await makeBinned(SHAPE, 'binary:logistic');
      const resident = await createWebGpuEngine(device, { scratchBytes: 16 * 100 }).load(data);
      const job = makeJob(data, paramsOf('binary:logistic', { max_depth: 1 }), 1, 1);
      await expect(resident.start([job])).rejects.toThrow('ranks 100 rows at most, and 200 are to be scored');
      const batch = await resident.start([{ ...job, metrics: ['logloss', 'accuracy'] }]);
      expect((await batch.advance(1))[0]!.values.every((value) => value > 0)).toBe(true);
      batch.dispose();
      resident.dispose();
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
      const rounds = [];
      for (const of of [batch, expected]) {
        const first = await of.advance(1);
        of.stop(1);
        rounds.push([...first, ...(await of.advance(2))]);
      }
      expect(rounds[0]).toEqual(rounds[1]);
      for (const job of [0, 1, 2]) expect(await batch.finish(job)).toEqual(await expected.finish(job));
      batch.dispose();
      resident.dispose();
    });
  });
}
