import type { ResidentDataset, RowSet, TreeEnsemble } from '../engine/engine.ts';
import { InterruptedError } from '../errors.ts';
import { type BoosterParams, treeParams } from './params.ts';

/** A model to train for its n_estimators rounds. */
export interface BatchedModel {
  readonly params: BoosterParams;
  readonly rows: RowSet;
}

export interface BatchedBoostOptions {
  /** Seed of every model. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Rounds of one call of the engine. */
const CALL_ROUNDS = 25;

/**
 * Trains several models for fixed numbers of rounds, as one batch.
 * @returns their trees, in order
 * @throws InterruptedError on abort.
 */
export async function boostBatch(
  resident: ResidentDataset,
  models: readonly BatchedModel[],
  { seed, signal }: BatchedBoostOptions,
): Promise<TreeEnsemble[]> {
  const jobs = models.map(({ params, rows }) => ({
    params: treeParams(params),
    seed,
    rows,
    evals: [],
    metrics: [],
  }));
  const batch = await resident.start(jobs);
  try {
    for (let round = 0; ; ) {
      const left = models.map(({ params }) => params.n_estimators - round).filter((rounds) => rounds > 0);
      if (left.length === 0) break;
      const count = Math.min(CALL_ROUNDS, ...left);
      await batch.advance(count, signal && { signal });
      if (signal?.aborted) throw new InterruptedError();
      round += count;
      models.forEach(({ params }, job) => {
        if (params.n_estimators <= round) batch.stop(job);
      });
    }
    const trees: TreeEnsemble[] = [];
    for (const job of models.keys()) trees.push(await batch.finish(job));
    return trees;
  } finally {
    batch.dispose();
  }
}
