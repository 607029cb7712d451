import type { ResidentDataset, RowSet, TreeEnsemble } from '../engine/engine.ts';
import { InterruptedError } from '../errors.ts';
import { type BoosterParams, treeParams } from './params.ts';

export interface BatchedBoostOptions {
  /** One a model; each is trained for its n_estimators rounds. */
  readonly params: readonly BoosterParams[];
  /** Seed of every model. */
  readonly seed: number;
  readonly rows: RowSet;
  readonly signal?: AbortSignal | undefined;
}

/** Rounds of one call of the engine. */
const CALL_ROUNDS = 25;

/**
 * Trains several models on the same rows, for fixed numbers of rounds, as one batch.
 * @returns their trees, in order
 * @throws InterruptedError on abort.
 */
export async function boostBatch(
  resident: ResidentDataset,
  { params, seed, rows, signal }: BatchedBoostOptions,
): Promise<TreeEnsemble[]> {
  const jobs = params.map((of) => ({ params: treeParams(of), seed, rows, evals: [], metrics: [] }));
  const batch = await resident.start(jobs);
  try {
    for (let round = 0; ; ) {
      const left = params.map((of) => of.n_estimators - round).filter((rounds) => rounds > 0);
      if (left.length === 0) break;
      const count = Math.min(CALL_ROUNDS, ...left);
      await batch.advance(count, signal && { signal });
      if (signal?.aborted) throw new InterruptedError();
      round += count;
      params.forEach((of, job) => {
        if (of.n_estimators <= round) batch.stop(job);
      });
    }
    const trees: TreeEnsemble[] = [];
    for (const job of params.keys()) trees.push(await batch.finish(job));
    return trees;
  } finally {
    batch.dispose();
  }
}
