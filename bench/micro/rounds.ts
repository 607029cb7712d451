// What a round costs beside its trees: on 100 rows these are the smaller part.

import { treeParams } from '../../src/boosting/params.ts';
import { boost, createCpuEngine, resolveParams } from '../../src/index.ts';
import { binned } from './support/data.ts';
import { measure } from './support/measure.ts';

const ROUNDS = 100;
const data = await binned(100, 4);
const resident = await createCpuEngine({ threads: 1 }).load(data);
const rows = { start: 0, end: 80 };
const evals = [rows, { start: 80, end: 100 }];
const params = resolveParams({ objective: 'binary:logistic', n_estimators: ROUNDS, max_depth: 1 });

/** One batch from start to end, in calls of so many rounds. */
async function trainBatch(jobs: number, roundsACall: number): Promise<void> {
  const job = { params: treeParams(params), rows, evals, metrics: ['logloss'] as const };
  const batch = await resident.start(Array.from({ length: jobs }, (_, seed) => ({ ...job, seed })));
  for (let done = 0; done < ROUNDS; done += roundsACall) await batch.advance(roundsACall);
  batch.dispose();
}

await measure({
  'boost, 100 rounds': () =>
    boost(resident, {
      params,
      seed: 1,
      rows,
      evals: evals.map((set, i) => ({ name: `${i}`, rows: set })),
      metrics: ['logloss'],
    }),
  'advance, 1 job, 100 rounds in 100 calls': () => trainBatch(1, 1),
  'advance, 1 job, 100 rounds in a call': () => trainBatch(1, ROUNDS),
  'advance, 64 jobs, 100 rounds in a call': () => trainBatch(64, ROUNDS),
});
resident.dispose();
