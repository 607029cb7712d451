import { boost } from '../../src/boosting/boost.ts';
import { Model } from '../../src/boosting/model.ts';
import { resolveParams } from '../../src/boosting/params.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { publicJob } from '../engine/public-sets.ts';
import { loadPublicSet, PUBLIC_SETS, type PublicSet } from '../public-sets.ts';

export const GOLDEN_SEEDS = [0, 1, 2];
const ROUNDS = 10;

const loaded = new Map<PublicSet, ReturnType<typeof loadPublicSet>>();

/** The fingerprint of ten rounds on a public set. */
export async function goldenFingerprint(name: PublicSet, seed: number): Promise<string> {
  if (!loaded.has(name)) loaded.set(name, loadPublicSet(name));
  const { data, schema } = await loaded.get(name)!;
  const job = publicJob(data, name, seed);
  const params = resolveParams({ ...job.params, n_estimators: ROUNDS });
  const resident = await createCpuEngine().load(data);
  const { trees } = await boost(resident, { params, seed, rows: job.rows });
  resident.dispose();
  return Model.fromTraining({
    trees,
    features: data.features,
    schema,
    objective: PUBLIC_SETS[name],
    params,
    seed,
    training: { rows: data.rows, rounds: ROUNDS, best_iteration: ROUNDS - 1, early_stopped: false },
  }).fingerprint;
}
