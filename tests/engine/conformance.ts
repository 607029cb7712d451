import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BestRound } from '../../src/boosting/boost.ts';
import { kindOf, OBJECTIVES } from '../../src/config/objectives.ts';
import type { BinnedDataset } from '../../src/data/types.ts';
import type { Engine, Patience, RoundResult, TrainingJob, TreeEnsemble } from '../../src/engine/engine.ts';
import { createReferenceEngine } from '../reference/reference.ts';
import {
  DEFAULT_TREE_PARAMS,
  METRICS_OF,
  MIXED_SHAPE,
  makeBinned,
  makeJob,
  objective,
  type TableShape,
  tableShape,
  treeParamsFor,
} from './generate.ts';

/** Everything that training a batch gives. */
export interface Trained {
  readonly trees: TreeEnsemble[];
  readonly rounds: RoundResult[];
  readonly margins: Int32Array[];
}

/** Trains a batch in calls of the given numbers of rounds. */
export async function trainBatch(
  engine: Engine,
  data: BinnedDataset,
  jobs: readonly TrainingJob[],
  calls: readonly number[],
): Promise<Trained> {
  const resident = await engine.load(data);
  const batch = await resident.start(jobs);
  const rounds: RoundResult[] = [];
  for (const count of calls) rounds.push(...(await batch.advance(count)));
  const trees = await Promise.all(jobs.map((_, job) => batch.finish(job)));
  const margins = await Promise.all(
    trees.map((of) => resident.predictMargins(of, { start: 0, end: data.rows })),
  );
  batch.dispose();
  resident.dispose();
  return { trees, rounds, margins };
}

const SHAPE: TableShape = { ...MIXED_SHAPE, seed: 11, rows: 400, classes: 4 };

/** Jobs that differ in every parameter, objective by objective. */
function variedJobs(
  data: BinnedDataset,
  of: TrainingJob['params']['objective'],
  count: number,
): TrainingJob[] {
  return fc
    .sample(treeParamsFor(of, SHAPE.classes), { numRuns: count, seed: 7 })
    .map((params, i) => makeJob(data, params, i, i % 3 === 0 ? 1 : 0.7, i % 2 === 0));
}

/** Little patience, or none, with any of a job's values in either direction. */
export function patienceOf({ evals, metrics }: TrainingJob, j: number): Patience {
  return {
    rounds: [1, 2, 3, 0][j % 4]!,
    direction: j % 2 === 0 ? 'maximize' : 'minimize',
    value: j % (evals.length * metrics.length),
  };
}

/** The rounds after which patience has run out; all where it has not. */
export function roundsWithin(patience: Patience, results: readonly RoundResult[]): number {
  const best = new BestRound(patience.direction, patience.rounds);
  const last = results.findIndex(({ values }) => best.take(values[patience.value]!));
  return last === -1 ? results.length : last + 1;
}

/** The first 8 rows of a table, each once for every code of a feature. */
function sweep(data: BinnedDataset, feature: number, bins: number): BinnedDataset {
  const swept = new Uint8Array(8 * bins * data.stride);
  for (let i = 0; i < 8 * bins; i++) {
    const row = Math.floor(i / bins) % data.rows;
    swept.set(data.bins.subarray(row * data.stride, (row + 1) * data.stride), i * data.stride);
    swept[i * data.stride + feature] = 1 + (i % bins);
  }
  const { stride, features } = data;
  return { rows: 8 * bins, stride, features, bins: swept, label: new Float32Array(8 * bins) };
}

/**
 * What every engine must satisfy; the judge is the naive reference, the measure is equality.
 * @param options.runs Property runs of the widest test.
 * @param options.maxRows Rows of its tables.
 * @param options.abortRows Rows of the training that is aborted; a round of it should take less than 0.5 s.
 */
export function engineConformance(
  name: string,
  create: () => Engine,
  {
    runs = 250,
    maxRows = 120,
    abortRows = 20_000,
  }: { runs?: number; maxRows?: number; abortRows?: number } = {},
): void {
  describe(`engine ${name}`, () => {
    it('trains the trees, scores and margins of the reference on random tables and parameters', async () => {
      const engine = create();
      const reference = createReferenceEngine();
      const cases = fc.tuple(objective, tableShape(maxRows)).chain(([of, shape]) =>
        fc.record({
          of: fc.constant(of),
          shape: fc.constant(shape),
          params: treeParamsFor(of, shape.classes),
          seed: fc.maxSafeNat(),
          fraction: fc.constantFrom(1, 0.6),
          byFold: fc.boolean(),
        }),
      );
      await fc.assert(
        fc.asyncProperty(cases, async ({ of, shape, params, seed, fraction, byFold }) => {
          const data = await makeBinned(shape, of);
          const jobs = [makeJob(data, params, seed, fraction, byFold)];
          const expected = await trainBatch(reference, data, jobs, [4]);
          expect(await trainBatch(engine, data, jobs, [4])).toEqual(expected);
        }),
        { numRuns: runs },
      );
    });

    it('sums columns of nearly one value, which may be skipped, as the reference does', async () => {
      for (const of of OBJECTIVES) {
        const shape = { ...SHAPE, indicators: 66, categorical: [], weighted: of !== 'multi:softmax' };
        const data = await makeBinned(shape, of);
        const params = {
          ...DEFAULT_TREE_PARAMS,
          objective: of,
          num_class: kindOf(of) === 'multiclass' ? SHAPE.classes : 0,
        };
        const jobs = [
          params,
          { ...params, colsample_bytree: 0.5, colsample_bynode: 0.5, subsample: 0.7 },
        ].map((p) => makeJob(data, p, 3, 1, false));
        const trained = await trainBatch(create(), data, jobs, [3]);
        expect(trained).toEqual(await trainBatch(createReferenceEngine(), data, jobs, [3]));
        const split = new Set(trained.trees.flatMap(({ feature }) => [...feature]));
        expect([...split].some((feature) => feature >= 32 && feature < 64)).toBe(true);
      }
    });

    it('splits as the reference does where gains are as small as the least that counts', async () => {
      const data = await makeBinned({ ...SHAPE, rows: 150, missing: 0 }, 'binary:logistic');
      data.label.forEach((_, row) => {
        data.label[row] = data.bins[row * data.stride]! > 60 ? 1 : 0;
      });
      const params = { ...DEFAULT_TREE_PARAMS, min_child_weight: 0, learning_rate: 1, reg_lambda: 0.3 };
      const jobs = [1, 2, 3].map((seed) => makeJob(data, params, seed, 1));
      const expected = await trainBatch(createReferenceEngine(), data, jobs, [60]);
      expect(await trainBatch(create(), data, jobs, [60])).toEqual(expected);
    });

    it('keeps margins in the order that a monotone constraint asks for, whatever the other features are', async () => {
      const engine = create();
      const cases = fc.tuple(objective, tableShape(maxRows)).chain(([of, shape]) =>
        fc.record({
          of: fc.constant(of),
          shape: fc.constant({ ...shape, numeric: shape.numeric + 1 }),
          params: treeParamsFor(of, shape.classes),
          constraint: fc.constantFrom(1, -1),
          seed: fc.maxSafeNat(),
        }),
      );
      // Tables with many steps, whatever the random ones are.
      const examples = (['binary:logistic', 'multi:softprob'] as const).flatMap((of) =>
        ([1, -1] as const).map(
          (constraint): [typeof cases extends fc.Arbitrary<infer Case> ? Case : never] => [
            {
              of,
              shape: { ...SHAPE, numeric: 8, missing: 0, weighted: false },
              params: {
                ...DEFAULT_TREE_PARAMS,
                objective: of,
                num_class: kindOf(of) === 'multiclass' ? SHAPE.classes : 0,
                max_depth: 8,
              },
              constraint,
              seed: 1,
            },
          ],
        ),
      );
      let steps = 0;
      await fc.assert(
        fc.asyncProperty(cases, async ({ of, shape, params, constraint, seed }) => {
          const data = await makeBinned(shape, of);
          const constrained = { ...params, monotone_constraints: [constraint] };
          const resident = await engine.load(data);
          const batch = await resident.start([makeJob(data, constrained, seed, 1)]);
          await batch.advance(4);
          const trees = await batch.finish(0);
          batch.dispose();
          resident.dispose();
          for (const [feature, { bins, type }] of data.features.entries()) {
            if (type === 'categorical') continue;
            const swept = await engine.load(sweep(data, feature, bins));
            const margins = await swept.predictMargins(trees, { start: 0, end: 8 * bins });
            swept.dispose();
            for (let i = trees.classes; i < margins.length; i++) {
              if (Math.floor(i / trees.classes) % bins === 0) continue;
              const rise = (margins[i]! - margins[i - trees.classes]!) * constraint;
              expect(rise).toBeGreaterThanOrEqual(0);
              if (rise > 0) steps++;
            }
          }
        }),
        {
          numRuns: examples.length + Math.ceil(runs / 4),
          examples,
        },
      );
      expect(steps).toBeGreaterThan(runs);
    });

    it('gives no leaf beyond max_delta_step, and one at it where the limit acts', async () => {
      const data = await makeBinned({ ...SHAPE, weighted: false }, 'binary:logistic');
      const limited = { ...DEFAULT_TREE_PARAMS, learning_rate: 0.5, max_delta_step: 0.125, reg_alpha: 0.1 };
      const { trees } = await trainBatch(create(), data, [makeJob(data, limited, 3, 1)], [5]);
      expect(Math.max(...trees[0]!.leaf.map(Math.abs))).toBe(2 ** 20 / 16);
    });

    it('does not split rows that all have the same gradient, whatever rounding makes of the scores', async () => {
      const data = await makeBinned({ ...SHAPE, rows: 300, weighted: false }, 'reg:squarederror');
      const labels = [0.1, 0.7, 3.3, 1e6, 1 / 3];
      for (const [seed, y] of labels.entries()) {
        data.label.fill(y);
        const params = {
          ...DEFAULT_TREE_PARAMS,
          objective: 'reg:squarederror' as const,
          base_score: 0,
          reg_lambda: 0,
        };
        const { trees } = await trainBatch(create(), data, [makeJob(data, params, seed, 1)], [3]);
        expect([...trees[0]!.treeStart]).toEqual([0, 1, 2, 3]);
      }
    });

    it.each(['binary:logistic', 'multi:softprob', 'reg:squarederror'] as const)(
      'gives a %s job the same result alone and in batches of 7 and 64, in any order',
      async (of) => {
        const engine = create();
        const data = await makeBinned(SHAPE, of);
        const jobs = variedJobs(data, of, 64);
        const alone = await Promise.all(jobs.slice(0, 7).map((job) => trainBatch(engine, data, [job], [3])));
        const seven = await trainBatch(engine, data, jobs.slice(0, 7), [3]);
        const reversed = await trainBatch(engine, data, [...jobs].reverse(), [3]);
        expect(seven.trees).toEqual(alone.map(({ trees }) => trees[0]));
        expect(reversed.trees.slice(-7).reverse()).toEqual(seven.trees);
        expect(seven.rounds.filter(({ job }) => job === 4).map(({ values }) => values)).toEqual(
          alone[4]!.rounds.map(({ values }) => values),
        );
      },
    );

    it.each(OBJECTIVES)(
      'ends a %s job no earlier than its patience, with the results up to there',
      async (of) => {
        const data = await makeBinned(SHAPE, of);
        const jobs = variedJobs(data, of, 6);
        const whole = await trainBatch(create(), data, jobs, [12]);
        const patient = jobs.map((job, j) => ({ ...job, patience: patienceOf(job, j) }));
        for (const calls of [[12], [5, 1, 6]]) {
          const ended = await trainBatch(create(), data, patient, calls);
          for (const [j, { patience }] of patient.entries()) {
            const all = whole.rounds.filter(({ job }) => job === j);
            const own = ended.rounds.filter(({ job }) => job === j);
            expect(own).toEqual(all.slice(0, own.length));
            expect(own.length).toBeGreaterThanOrEqual(roundsWithin(patience, all));
            expect(own.length).toBe((ended.trees[j]!.treeStart.length - 1) / ended.trees[j]!.classes);
          }
        }
      },
    );

    it('gives the same trees however rounds are split over calls', async () => {
      const engine = create();
      const data = await makeBinned(SHAPE, 'binary:logistic');
      const jobs = variedJobs(data, 'binary:logistic', 3);
      expect(await trainBatch(engine, data, jobs, [1, 4, 2])).toEqual(
        await trainBatch(engine, data, jobs, [7]),
      );
    });

    it.each(OBJECTIVES)(
      'goes on with %s jobs after trees of another engine as if it had trained them',
      async (of) => {
        const data = await makeBinned(SHAPE, of);
        const jobs = variedJobs(data, of, 3);
        const whole = await trainBatch(createReferenceEngine(), data, jobs, [5]);
        const resumed = await Promise.all(
          jobs.map(async (job, j) => {
            const begun = await trainBatch(createReferenceEngine(), data, [job], [j + 1]);
            return { ...job, resume: begun.trees[0]! };
          }),
        );
        const engine = create();
        const resident = await engine.load(data);
        const batch = await resident.start([...resumed.slice(0, 2), jobs[2]!]);
        const first = await batch.advance(2);
        expect(first.map(({ job, round }) => [job, round]).sort()).toEqual(
          [
            [0, 2],
            [0, 3],
            [1, 3],
            [1, 4],
            [2, 1],
            [2, 2],
          ].sort(),
        );
        for (const { job, round, values } of first) {
          const judge = whole.rounds.find((result) => result.job === job && result.round === round);
          expect(values).toEqual(judge!.values);
        }
        const begun = [1, 2, 0];
        for (const job of [0, 1, 2]) {
          const expected = await trainBatch(createReferenceEngine(), data, [jobs[job]!], [begun[job]! + 2]);
          expect(await batch.finish(job)).toEqual(expected.trees[0]);
        }
        batch.dispose();
        resident.dispose();
      },
    );

    it('refuses to go on after trees of another job', async () => {
      const data = await makeBinned(SHAPE, 'binary:logistic');
      const job = makeJob(data, DEFAULT_TREE_PARAMS, 1, 1);
      const { trees } = await trainBatch(create(), data, [job], [2]);
      const resident = await create().load(data);
      const other = { ...job, params: { ...job.params, base_score: 0.1 }, resume: trees[0]! };
      await expect(resident.start([other])).rejects.toThrow(/not of this job/);
      resident.dispose();
    });

    it('leaves a stopped job as it was and trains the others on', async () => {
      const engine = create();
      const data = await makeBinned(SHAPE, 'reg:squarederror');
      const jobs = variedJobs(data, 'reg:squarederror', 3);
      const resident = await engine.load(data);
      const batch = await resident.start(jobs);
      await batch.advance(2);
      const before = await batch.finish(1);
      batch.stop(1);
      const results = await batch.advance(3);
      expect(results.map(({ job, round }) => [job, round])).toEqual([
        [0, 3],
        [2, 3],
        [0, 4],
        [2, 4],
        [0, 5],
        [2, 5],
      ]);
      expect(await batch.finish(1)).toEqual(before);
      expect((await batch.finish(0)).treeStart).toHaveLength(6);
      batch.dispose();
      resident.dispose();
    });

    it('finishes with the first trees when asked for fewer rounds than were trained', async () => {
      const engine = create();
      const data = await makeBinned(SHAPE, 'binary:logistic');
      const jobs = variedJobs(data, 'binary:logistic', 1);
      const resident = await engine.load(data);
      const batch = await resident.start(jobs);
      await batch.advance(2);
      const two = await batch.finish(0);
      await batch.advance(3);
      expect(await batch.finish(0, 2)).toEqual(two);
      batch.dispose();
      resident.dispose();
    });

    it('scores after a round what predictMargins gives for its trees', async () => {
      const engine = create();
      const data = await makeBinned({ ...SHAPE, weighted: false }, 'binary:logistic');
      const job = makeJob(data, { ...DEFAULT_TREE_PARAMS, subsample: 0.5 }, 5, 0.6);
      const { margins, rounds } = await trainBatch(engine, data, [job], [5]);
      const correct = margins[0]!.reduce((n, m, row) => n + (m > 0 === (data.label[row] === 1) ? 1 : 0), 0);
      const accuracy = METRICS_OF['binary:logistic'].indexOf('accuracy');
      const values = rounds.at(-1)!.values;
      expect(values[values.length / 2 + accuracy]).toBe(correct / data.rows);
    });

    it('trains a tree for each class in a round, classes without rows included, and finishes whole rounds', async () => {
      const engine = create();
      const data = await makeBinned(SHAPE, 'multi:softprob');
      const params = { ...DEFAULT_TREE_PARAMS, objective: 'multi:softprob' as const, num_class: 9 };
      const resident = await engine.load(data);
      const batch = await resident.start([makeJob(data, params, 1, 1)]);
      expect((await batch.advance(3)).map(({ round }) => round)).toEqual([1, 2, 3]);
      const trees = await batch.finish(0);
      expect(trees.classes).toBe(9);
      expect(trees.treeStart).toHaveLength(3 * 9 + 1);
      expect((await batch.finish(0, 2)).treeStart).toEqual(trees.treeStart.slice(0, 2 * 9 + 1));
      const [present, absent] = [trees.baseMargins[0]!, trees.baseMargins[8]!];
      expect(present - absent).toBeGreaterThan(13 * 2 ** 20);
      batch.dispose();
      resident.dispose();
    });

    it('trains 255 classes as the reference does', async () => {
      const data = await makeBinned({ ...SHAPE, rows: 300, classes: 255 }, 'multi:softprob');
      expect(Math.max(...data.label)).toBe(254);
      const params = { ...DEFAULT_TREE_PARAMS, objective: 'multi:softprob' as const, num_class: 255 };
      const job = makeJob(data, { ...params, subsample: 0.8, max_depth: 2 }, 1, 1);
      // The naive AUC compares all pairs for every class.
      const jobs = [{ ...job, metrics: ['logloss', 'merror'] as const }];
      const expected = await trainBatch(createReferenceEngine(), data, jobs, [2]);
      expect(await trainBatch(create(), data, jobs, [2])).toEqual(expected);
    });

    it('gives multi:softmax the trees of multi:softprob', async () => {
      const data = await makeBinned(SHAPE, 'multi:softprob');
      const train = (of: 'multi:softprob' | 'multi:softmax') => {
        const params = { ...DEFAULT_TREE_PARAMS, objective: of, num_class: SHAPE.classes, subsample: 0.7 };
        return trainBatch(create(), data, [makeJob(data, params, 8, 0.8)], [3]);
      };
      expect(await train('multi:softmax')).toEqual(await train('multi:softprob'));
    });

    it.each([
      ['binary:logistic', 0],
      ['multi:softprob', SHAPE.classes],
    ] as const)(
      'stops %s within a second of an abort and keeps the rounds finished before',
      async (of, classes) => {
        const engine = create();
        const data = await makeBinned({ ...SHAPE, rows: abortRows, weighted: false }, of);
        const params = { ...DEFAULT_TREE_PARAMS, objective: of, num_class: classes, max_depth: 6 };
        const job = { ...makeJob(data, params, 1, 1), metrics: [] };
        // A device compiles its programs in its first round.
        await trainBatch(engine, data, [job], [1]);
        const resident = await engine.load(data);
        const batch = await resident.start([job]);
        const controller = new AbortController();
        const running = batch.advance(1_000_000, { signal: controller.signal });
        await new Promise((resolve) => setTimeout(resolve, 300));
        const aborted = performance.now();
        controller.abort();
        const finished = (await running).length;
        expect(performance.now() - aborted).toBeLessThan(1000);
        const trees = await batch.finish(0);
        expect(trees.treeStart).toHaveLength(finished * Math.max(1, classes) + 1);
        const again = await trainBatch(engine, data, [job], [Math.max(1, finished)]);
        if (finished > 0) expect(trees).toEqual(again.trees[0]);
        batch.dispose();
        resident.dispose();
      },
    );
  });
}
