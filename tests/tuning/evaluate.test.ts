import { describe, expect, it } from 'vitest';
import { boost } from '../../src/boosting/boost.ts';
import type { BoosterParams } from '../../src/boosting/params.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { ResidentDataset } from '../../src/engine/engine.ts';
import { InterruptedError } from '../../src/errors.ts';
import { evaluateTrials } from '../../src/tuning/evaluate.ts';
import type { Pruner } from '../../src/tuning/pruner.ts';
import { foldsOf, PARAMS, runningTrial, SCORING, smallProblem } from './boosters.ts';

const { data } = await smallProblem();
const folds = foldsOf(data);
const engine = createCpuEngine({ threads: 1 });

const VARIANTS: readonly BoosterParams[] = [
  PARAMS,
  { ...PARAMS, learning_rate: 0.07, n_estimators: 45 },
  { ...PARAMS, max_depth: 1, subsample: 0.6, learning_rate: 1.5 },
  { ...PARAMS, n_estimators: 1 },
];

const planned = (variants = VARIANTS) =>
  variants.map((params, number) => ({ trial: runningTrial(number), params }));

/** A resident table that advances by no more than `most` rounds a call, however many are asked for. */
function slow(resident: ResidentDataset, most: number): ResidentDataset {
  return {
    ...resident,
    predictMargins: (trees, rows) => resident.predictMargins(trees, rows),
    dispose: () => resident.dispose(),
    async start(jobs) {
      const batch = await resident.start(jobs);
      return {
        jobs: batch.jobs,
        stop: (job) => batch.stop(job),
        finish: (job, rounds) => batch.finish(job, rounds),
        dispose: () => batch.dispose(),
        async advance(rounds, options) {
          const results = [];
          for (let done = 0; done < rounds; done += most) {
            results.push(...(await batch.advance(Math.min(most, rounds - done), options)));
          }
          return results;
        },
      };
    },
  };
}

async function evaluate(options: Partial<Parameters<typeof evaluateTrials>[1]> = {}, variants = VARIANTS) {
  const resident = await engine.load(data);
  try {
    return await evaluateTrials(planned(variants), {
      resident: async () => resident,
      folds,
      ...SCORING,
      ...options,
    });
  } finally {
    resident.dispose();
  }
}

describe('evaluateTrials', () => {
  it('gives each fold the score and the best round of a model trained alone with early stopping', async () => {
    const scores = await evaluate();
    const resident = await engine.load(data);
    for (const [v, params] of VARIANTS.entries()) {
      const alone = await Promise.all(
        folds.map(({ train, validation }) =>
          boost(resident, {
            params,
            seed: SCORING.seed,
            rows: train,
            evals: [{ name: 'val', rows: validation }],
            metrics: ['auc_roc'],
            earlyStopping: { rounds: 6, metric: 'auc_roc', direction: 'maximize', on: 'val' },
          }),
        ),
      );
      const best = alone.map(({ history, bestRound }) => history.val!.auc_roc![bestRound - 1]!);
      expect(scores[v]!.state).toBe('complete');
      expect(scores[v]!.foldScores).toEqual(best);
      expect(scores[v]!.bestRounds).toEqual(alone.map(({ bestRound }) => bestRound));
      expect(scores[v]!.rounds).toBe(alone.reduce((sum, { rounds }) => sum + rounds, 0));
      expect(scores[v]!.value).toBe(best.reduce((sum, score) => sum + score, 0) / best.length);
    }
    resident.dispose();
  });

  it('takes the score of the last round where early stopping is off', async () => {
    const [scores] = await evaluate({ earlyStoppingRounds: 0 });
    expect(scores!.bestRounds).toEqual([30, 30, 30, 30]);
  });

  it('gives a trial the same scores alone, in a batch, in any order and however rounds are grouped', async () => {
    const together = await evaluate();
    const reversed = await evaluate({}, [...VARIANTS].reverse());
    const resident = await engine.load(data);
    const inSteps = await evaluate({ resident: async () => slow(resident, 3) });
    resident.dispose();
    expect(inSteps).toEqual(together);
    for (const [v, variant] of VARIANTS.entries()) {
      const [alone] = await evaluate({}, [variant]);
      expect({ ...together[v], number: 0 }).toEqual(alone);
      expect({ ...reversed[VARIANTS.length - 1 - v], number: 0 }).toEqual(alone);
    }
  });

  it('reports whenever learning rate times rounds passes a whole number', async () => {
    const reports: [number, number][] = [];
    const steep = { ...PARAMS, learning_rate: 0.45, n_estimators: 9 };
    const scores = await evaluate(
      { earlyStoppingRounds: 0, onReport: (number, step) => reports.push([number, step]) },
      [steep, { ...steep, learning_rate: 2.5, n_estimators: 2 }],
    );
    expect(reports.filter(([number]) => number === 0).map(([, step]) => step)).toEqual([1, 2, 3, 4]);
    expect(reports.filter(([number]) => number === 1).map(([, step]) => step)).toEqual([2, 5]);
    expect([...scores[1]!.intermediate.keys()]).toEqual([2, 5]);
  });

  it('ends a pruned trial with its last report and trains the others on as if it had not been there', async () => {
    const asked: [number, number, readonly number[]][] = [];
    const pruner: Pruner = {
      tell() {},
      shouldPrune(trial, generation) {
        const step = [...trial.intermediate.keys()].at(-1)!;
        asked.push([trial.number, step, generation.map(({ number }) => number)]);
        return trial.number === 1 && step === 2;
      },
    };
    const whole = await evaluate({ earlyStoppingRounds: 0 });
    const scores = await evaluate({ earlyStoppingRounds: 0, pruner });
    expect(scores[1]!.state).toBe('pruned');
    expect([...scores[1]!.intermediate.keys()]).toEqual([1, 2]);
    expect(scores[1]!.value).toBe(scores[1]!.intermediate.get(2));
    expect(scores[1]!.intermediate.get(2)).toBe(whole[1]!.intermediate.get(2));
    expect(scores[1]!.rounds).toBe(4 * Math.ceil(2 / 0.07));
    expect([scores[0], scores[2], scores[3]]).toEqual([whole[0], whole[2], whole[3]]);
    const place = asked.findIndex(([number, step]) => number === 1 && step === 2);
    const later = asked.slice(place + 1).map(([, , generation]) => generation);
    expect(later.length).toBeGreaterThan(0);
    expect(later.every((generation) => generation.join() === '0,2,3')).toBe(true);
    expect(asked.every(([number, , generation]) => generation.includes(number))).toBe(true);
  });

  it('fails a trial whose metric is undefined on a fold, and no other', async () => {
    const single = data.label.indexOf(1);
    const oneClass = { train: folds[0]!.train, validation: { start: single, end: single + 1 } };
    const scores = await evaluate({ folds: [folds[0]!, oneClass] });
    expect(scores.map(({ state }) => state)).toEqual(['fail', 'fail', 'fail', 'fail']);
    expect(scores[0]!.failure).toBe('the metric is NaN on fold 2');
    expect(scores[0]!.value).toBeUndefined();
    const accuracy = await evaluate({ folds: [folds[0]!, oneClass], metric: 'accuracy' });
    expect(accuracy.map(({ state }) => state)).not.toContain('fail');
  });

  it('trains trials with other numbers of bins on the tables that have them', async () => {
    const coarse = await smallProblem(4);
    const [fine, rough] = await Promise.all([engine.load(data), engine.load(coarse.data)]);
    const asked: number[] = [];
    const of = (bins: number) => ({ ...PARAMS, max_bin: bins });
    const resident = async (bins: number) => {
      asked.push(bins);
      return bins === 32 ? fine : rough;
    };
    const [a, b, c] = await evaluate({ resident }, [of(32), of(4), of(32)]);
    expect(asked).toEqual([32, 4]);
    expect({ ...c, number: 0 }).toEqual(a);
    expect(b!.foldScores).not.toEqual(a!.foldScores);
    const [alone] = await evaluate({ resident: async () => rough }, [of(4)]);
    expect({ ...b, number: 0 }).toEqual(alone);
  });

  it('ends with an InterruptedError on abort', async () => {
    await expect(evaluate({ signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
  });
});
