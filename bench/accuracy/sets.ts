import type { Objective } from '../../src/engine/engine.ts';

/** The public sets of the accuracy table, in tests/data. */
export const SETS: readonly { readonly name: string; readonly objective: Objective }[] = [
  { name: 'adult', objective: 'binary:logistic' },
  { name: 'higgs_7k', objective: 'binary:logistic' },
  { name: 'breast_cancer', objective: 'binary:logistic' },
  { name: 'titanic', objective: 'binary:logistic' },
  { name: 'california_housing', objective: 'reg:squarederror' },
  { name: 'diamonds', objective: 'reg:squarederror' },
  { name: 'diabetes', objective: 'reg:squarederror' },
];

/** Parameters of both sides. */
export const PARAMS = {
  n_estimators: 100,
  max_depth: 6,
  learning_rate: 0.1,
  subsample: 0.8,
  colsample_bytree: 0.8,
} as const;
