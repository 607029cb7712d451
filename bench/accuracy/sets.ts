import type { GivenParams } from '../../src/boosting/params.ts';
import type { Objective } from '../../src/engine/engine.ts';

/** One row of the accuracy table. */
export interface AccuracySet {
  /** What the table calls it. */
  readonly id: string;
  /** In tests/data. */
  readonly name: string;
  readonly objective: Objective;
  /** Over PARAMS. */
  readonly params?: GivenParams;
}

/** The public sets of the accuracy table, some of them under further parameters too. */
export const SETS: readonly AccuracySet[] = [
  { id: 'adult', name: 'adult', objective: 'binary:logistic' },
  { id: 'higgs_7k', name: 'higgs_7k', objective: 'binary:logistic' },
  { id: 'breast_cancer', name: 'breast_cancer', objective: 'binary:logistic' },
  { id: 'titanic', name: 'titanic', objective: 'binary:logistic' },
  { id: 'digits', name: 'digits', objective: 'multi:softprob' },
  { id: 'lgb_multiclass5', name: 'lgb_multiclass5', objective: 'multi:softprob' },
  { id: 'california_housing', name: 'california_housing', objective: 'reg:squarederror' },
  { id: 'diamonds', name: 'diamonds', objective: 'reg:squarederror' },
  { id: 'diabetes', name: 'diabetes', objective: 'reg:squarederror' },
  {
    id: 'adult, scale_pos_weight 3',
    name: 'adult',
    objective: 'binary:logistic',
    params: { scale_pos_weight: 3 },
  },
  {
    id: 'higgs_7k, max_delta_step 0.3, features by level and node',
    name: 'higgs_7k',
    objective: 'binary:logistic',
    params: { max_delta_step: 0.3, colsample_bylevel: 0.7, colsample_bynode: 0.7 },
  },
  {
    id: 'california_housing, monotone',
    name: 'california_housing',
    objective: 'reg:squarederror',
    params: { monotone_constraints: { median_income: 1, housing_median_age: 1, population: -1 } },
  },
];

/** Parameters of both sides. */
export const PARAMS = {
  n_estimators: 100,
  max_depth: 6,
  learning_rate: 0.1,
  subsample: 0.8,
  colsample_bytree: 0.8,
} as const;
