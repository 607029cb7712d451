import { boost } from '../../src/boosting/boost.ts';
import { Model } from '../../src/boosting/model.ts';
import { resolveParams } from '../../src/boosting/params.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { TreeParams } from '../../src/engine/engine.ts';
import { publicJob } from '../engine/public-sets.ts';
import { loadPublicSet, PUBLIC_SETS, type PublicSet } from '../public-sets.ts';

export const GOLDEN_SEEDS = [0, 1, 2];
const ROUNDS = 10;

interface GoldenCase {
  readonly set: PublicSet;
  /** Over those of `publicJob`. */
  readonly params?: Partial<TreeParams>;
}

/** Every public set by its name, and some under further parameters. */
export const GOLDEN_CASES: Readonly<Record<string, GoldenCase>> = {
  ...Object.fromEntries(Object.keys(PUBLIC_SETS).map((set) => [set, { set: set as PublicSet }])),
  'adult, features by level and node': {
    set: 'adult',
    params: { colsample_bylevel: 0.7, colsample_bynode: 0.5 },
  },
  'adult, positive rows threefold': { set: 'adult', params: { scale_pos_weight: 3, reg_alpha: 0.5 } },
  'digits, monotone, sampled in every way': {
    set: 'digits',
    params: {
      monotone_constraints: [1, 0, 0, -1],
      colsample_bylevel: 0.6,
      colsample_bynode: 0.6,
      max_delta_step: 0.5,
    },
  },
  'california_housing, monotone': { set: 'california_housing', params: { monotone_constraints: [1, 0, -1] } },
  'higgs_7k, monotone in small steps': {
    set: 'higgs_7k',
    params: { monotone_constraints: [0, -1, 1], max_delta_step: 0.2, reg_alpha: 0.3 },
  },
};

const loaded = new Map<PublicSet, ReturnType<typeof loadPublicSet>>();

/** The fingerprint of ten rounds of a case. */
export async function goldenFingerprint(name: string, seed: number): Promise<string> {
  const { set, params: further } = GOLDEN_CASES[name]!;
  if (!loaded.has(set)) loaded.set(set, loadPublicSet(set));
  const { data, schema } = await loaded.get(set)!;
  const job = publicJob(data, set, seed, further);
  const params = resolveParams({ ...job.params, n_estimators: ROUNDS });
  const resident = await createCpuEngine().load(data);
  const { trees } = await boost(resident, { params, seed, rows: job.rows });
  resident.dispose();
  return Model.fromTraining({
    trees,
    features: data.features,
    schema,
    objective: PUBLIC_SETS[set],
    params,
    seed,
    training: { rows: data.rows, rounds: ROUNDS, best_iteration: ROUNDS - 1, early_stopped: false },
  }).fingerprint;
}
