import type { BinnedDataset } from '../../src/data/types.ts';
import type { Objective, TrainingJob, TreeParams } from '../../src/engine/engine.ts';
import { DEFAULT_TREE_PARAMS, makeJob } from './generate.ts';

/**
 * The protocol's template at a seed: five sixths of the rows, subsample and colsample 0.8, depth 6; every metric of its
 * kind, on those rows and on all.
 * @param further Parameters that take the place of those.
 */
export function templateJob(
  data: BinnedDataset,
  objective: Objective,
  seed: number,
  further: Partial<TreeParams> = {},
): TrainingJob {
  const params = {
    ...DEFAULT_TREE_PARAMS,
    objective,
    num_class: objective === 'multi:softprob' ? data.label.reduce((most, y) => Math.max(most, y), 0) + 1 : 0,
    max_depth: 6,
    learning_rate: 0.1,
    subsample: 0.8,
    colsample_bytree: 0.8,
    ...further,
  };
  return makeJob(data, params, seed, 5 / 6);
}
