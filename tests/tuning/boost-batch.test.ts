import { expect, it } from 'vitest';
import { boost } from '../../src/boosting/boost.ts';
import { boostBatch } from '../../src/boosting/boost-batch.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { InterruptedError } from '../../src/errors.ts';
import { foldsOf, PARAMS, SCORING, smallProblem } from './boosters.ts';

it('boostBatch trains each model as it trains alone, for its own number of rounds', async () => {
  const { data } = await smallProblem();
  const resident = await createCpuEngine({ threads: 2 }).load(data);
  const models = foldsOf(data).map(({ train }, i) => ({
    params: { ...PARAMS, n_estimators: [3, 60, 26, 25][i]!, max_depth: 1 + i },
    rows: train,
  }));
  const { seed } = SCORING;
  const trees = await boostBatch(resident, models, { seed });
  for (const [i, { params, rows }] of models.entries()) {
    expect(trees[i]).toEqual((await boost(resident, { params, seed, rows })).trees);
  }
  await expect(boostBatch(resident, models, { seed, signal: AbortSignal.abort() })).rejects.toThrow(
    InterruptedError,
  );
  resident.dispose();
});
