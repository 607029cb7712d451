/** The values that a number may have. */
export interface NumberRange {
  readonly low: number;
  readonly high: number;
  /** Integers only. */
  readonly whole?: boolean;
  /** `low` itself is not allowed. */
  readonly lowExcluded?: boolean;
  readonly default: number;
}

const MOST = 2 ** 31 - 1;

/** XGBoost's names and defaults, with the ranges that Lockstep takes; docs/parameters.md has the meanings. */
export const HYPERPARAMETER_RANGES = {
  n_estimators: { low: 1, high: 100_000, whole: true, default: 100 },
  num_class: { low: 0, high: 255, whole: true, default: 0 },
  max_depth: { low: 1, high: 30, whole: true, default: 6 },
  learning_rate: { low: 0, lowExcluded: true, high: 10, default: 0.3 },
  subsample: { low: 0, lowExcluded: true, high: 1, default: 1 },
  colsample_bytree: { low: 0, lowExcluded: true, high: 1, default: 1 },
  colsample_bylevel: { low: 0, lowExcluded: true, high: 1, default: 1 },
  colsample_bynode: { low: 0, lowExcluded: true, high: 1, default: 1 },
  min_child_weight: { low: 0, high: 1e30, default: 1 },
  gamma: { low: 0, high: 1e30, default: 0 },
  reg_alpha: { low: 0, high: 1e30, default: 0 },
  reg_lambda: { low: 0, high: 1e30, default: 1 },
  max_delta_step: { low: 0, high: 1e30, default: 0 },
  scale_pos_weight: { low: 1e-30, high: 1e30, default: 1 },
  max_bin: { low: 2, high: 256, whole: true, default: 256 },
  max_cat_to_onehot: { low: 1, high: MOST, whole: true, default: 4 },
  max_cat_threshold: { low: 1, high: MOST, whole: true, default: 64 },
} as const satisfies Record<string, NumberRange>;

export type RangedHyperparameter = keyof typeof HYPERPARAMETER_RANGES;
