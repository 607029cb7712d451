/** The members of the stacking benchmark, under XGBoost's names; stacking_theirs.py reads them as JSON. */
export const MEMBERS = [
  { n_estimators: 200, max_depth: 4, learning_rate: 0.15, subsample: 0.8, colsample_bytree: 0.8 },
  { n_estimators: 200, max_depth: 5, learning_rate: 0.1, subsample: 0.9, colsample_bytree: 0.7 },
  { n_estimators: 200, max_depth: 6, learning_rate: 0.1, subsample: 0.8, colsample_bytree: 0.8 },
  { n_estimators: 200, max_depth: 7, learning_rate: 0.05, subsample: 0.7, colsample_bytree: 0.6 },
  { n_estimators: 200, max_depth: 8, learning_rate: 0.05, subsample: 0.8, colsample_bytree: 0.9 },
] as const;
