// Native training by what its time goes to: adding up histograms, searching them, setting rows apart, sampling, categories.
import { treeParams } from '../../src/boosting/params.ts';
import type { TrainingJob } from '../../src/engine/engine.ts';
import { createCpuEngine, resolveParams } from '../../src/index.ts';
import { binned } from './support/data.ts';
import { measure } from './support/measure.ts';

const ROUNDS = 10;
const engine = createCpuEngine({ threads: 1 });

/** A case that trains ten trees on all rows of a table, unscored. */
async function trees(
  rows: number,
  features: number,
  params: Partial<TrainingJob['params']>,
): Promise<() => Promise<void>> {
  const resident = await engine.load(await binned(rows, features));
  const given = { ...treeParams(resolveParams({ objective: 'binary:logistic' })), ...params };
  return async () => {
    const job = { params: given, seed: 1, rows: { start: 0, end: rows }, evals: [], metrics: [] };
    const batch = await resident.start([job]);
    await batch.advance(ROUNDS);
    batch.dispose();
  };
}

await measure({
  '10 trees, 100k × 28, depth 1': await trees(100_000, 28, { max_depth: 1 }),
  '10 trees, 100k × 28, depth 6': await trees(100_000, 28, { max_depth: 6 }),
  '10 trees, 10k × 28, depth 8': await trees(10_000, 28, { max_depth: 8 }),
  '10 trees, 500 × 30, depth 6': await trees(500, 30, { max_depth: 6 }),
  '10 trees, 1k × 500, depth 6': await trees(1000, 500, { max_depth: 6 }),
  '10 trees, 100k × 28, depth 6, half of rows and columns': await trees(100_000, 28, {
    max_depth: 6,
    subsample: 0.5,
    colsample_bytree: 0.5,
  }),
});
