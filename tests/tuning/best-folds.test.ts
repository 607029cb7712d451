import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boost } from '../../src/boosting/boost.ts';
import type { BinnedDataset } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { ResidentDataset } from '../../src/engine/engine.ts';
import { outputsOfTrees } from '../../src/ensemble/outputs.ts';
import { BestFolds } from '../../src/tuning/best-folds.ts';
import { evaluateTrials } from '../../src/tuning/evaluate.ts';
import { foldsOf, PARAMS, runningTrial, SCORING, smallProblem } from './boosters.ts';

describe('BestFolds', () => {
  it('keeps the best trials that came, of equals the first, in either direction', async () => {
    const values = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.integer({ min: 0, max: 5 }),
        fc.boolean(),
        async (given, capacity, isMaximized) => {
          const stored = new Set<number>();
          const kept = new BestFolds(capacity, isMaximized ? 'maximize' : 'minimize', {
            put: async (number) => void stored.add(number),
            drop: async (number) => void stored.delete(number),
          });
          for (const [number, value] of given.entries()) {
            if (kept.wants(value)) await kept.put(number, value, PARAMS, [new Float64Array([number])]);
          }
          const order = given
            .map((value, number) => ({ value: isMaximized ? -value : value, number }))
            .sort((a, b) => a.value - b.value || a.number - b.number);
          const expected = new Set(order.slice(0, capacity).map(({ number }) => number));
          expect(stored).toEqual(expected);
          given.forEach((_, number) => {
            const outputs = kept.get(number);
            expect(outputs !== undefined).toBe(expected.has(number));
            if (outputs) expect(outputs[0]![0]).toBe(number);
          });
        },
      ),
    );
  });
});

describe('evaluateTrials', () => {
  let data: BinnedDataset;
  let resident: ResidentDataset;
  beforeAll(async () => {
    ({ data } = await smallProblem());
    resident = await createCpuEngine({ threads: 1 }).load(data);
  });
  afterAll(() => resident.dispose());

  it('keeps what the folds of the best trials predict at their mean best round, or at their last before it', async () => {
    const folds = foldsOf(data);
    const variants = [1, 3, 5].map((depth) => ({ ...PARAMS, max_depth: depth }));
    const keep = new BestFolds(2, 'maximize');
    const lastRound = (best: number) => Math.min(PARAMS.n_estimators, best + SCORING.earlyStoppingRounds);
    const scores = await evaluateTrials(
      variants.map((params, number) => ({ trial: runningTrial(number), params })),
      { ...SCORING, resident: async () => resident, folds, keep },
    );
    const best = scores.toSorted((a, b) => b.value! - a.value!);
    expect(keep.get(best[2]!.number)).toBeUndefined();
    for (const { number, bestRounds } of best.slice(0, 2)) {
      const shared = Math.round(bestRounds.reduce((sum, round) => sum + round, 0) / bestRounds.length);
      const kept = keep.get(number)!;
      expect(kept).toHaveLength(folds.length);
      for (const [f, { train, validation }] of folds.entries()) {
        const params = { ...variants[number]!, n_estimators: Math.min(shared, lastRound(bestRounds[f]!)) };
        const { trees } = await boost(resident, { params, seed: SCORING.seed, rows: train });
        const margins = await resident.predictMargins(trees, validation);
        expect(kept[f]).toEqual(outputsOfTrees(params, trees, margins));
      }
    }
  });
});
