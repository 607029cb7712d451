import type { Objective, TreeParams } from '../engine/engine.ts';
import { InputError } from '../errors.ts';

/** Parameters of one model, under XGBoost's names: those of its trees, how many of them, and the bins. */
export interface BoosterParams extends TreeParams {
  readonly n_estimators: number;
  readonly max_bin: number;
}

/** XGBoost's defaults. */
export const DEFAULT_PARAMS: BoosterParams = {
  objective: 'reg:squarederror',
  n_estimators: 100,
  max_depth: 6,
  learning_rate: 0.3,
  subsample: 1,
  colsample_bytree: 1,
  min_child_weight: 1,
  gamma: 0,
  reg_alpha: 0,
  reg_lambda: 1,
  base_score: null,
  max_bin: 256,
  max_cat_to_onehot: 4,
  max_cat_threshold: 64,
};

const OBJECTIVES: readonly Objective[] = ['binary:logistic', 'reg:squarederror'];

interface Range {
  readonly low: number;
  readonly high: number;
  readonly whole?: boolean;
  readonly lowExcluded?: boolean;
}

const RANGES: Readonly<Record<Exclude<keyof BoosterParams, 'objective' | 'base_score'>, Range>> = {
  n_estimators: { low: 1, high: 100_000, whole: true },
  max_depth: { low: 1, high: 30, whole: true },
  learning_rate: { low: 0, high: 10, lowExcluded: true },
  subsample: { low: 0, high: 1, lowExcluded: true },
  colsample_bytree: { low: 0, high: 1, lowExcluded: true },
  min_child_weight: { low: 0, high: 1e30 },
  gamma: { low: 0, high: 1e30 },
  reg_alpha: { low: 0, high: 1e30 },
  reg_lambda: { low: 0, high: 1e30 },
  max_bin: { low: 2, high: 256, whole: true },
  max_cat_to_onehot: { low: 1, high: 2 ** 31 - 1, whole: true },
  max_cat_threshold: { low: 1, high: 2 ** 31 - 1, whole: true },
};

/**
 * Fills in defaults and checks ranges.
 * @throws InputError naming the parameter, its value and what is allowed.
 */
export function resolveParams(given: Partial<BoosterParams>): BoosterParams {
  for (const key of Object.keys(given)) {
    if (!(key in DEFAULT_PARAMS))
      throw new InputError(`There is no parameter named ${key}; see docs/parameters.md.`);
  }
  const params: BoosterParams = { ...DEFAULT_PARAMS, ...given };
  if (!OBJECTIVES.includes(params.objective)) {
    throw new InputError(
      `objective is ${String(params.objective)}: it must be one of ${OBJECTIVES.join(', ')}.`,
    );
  }
  for (const [key, range] of Object.entries(RANGES) as [keyof typeof RANGES, Range][]) {
    const value = params[key];
    const inside =
      typeof value === 'number' &&
      value <= range.high &&
      (range.lowExcluded ? value > range.low : value >= range.low) &&
      (!range.whole || Number.isInteger(value));
    if (!inside) {
      const kind = range.whole ? 'a whole number' : 'a number';
      const low = range.lowExcluded ? `above ${range.low} and at most` : `from ${range.low} to`;
      throw new InputError(`${key} is ${String(value)}: it must be ${kind} ${low} ${range.high}.`);
    }
  }
  const base = params.base_score;
  if (base !== null && !(Number.isFinite(base) && Number.isFinite(Math.fround(base)))) {
    throw new InputError(
      `base_score is ${String(base)}: it must be a finite number, or null for the mean target.`,
    );
  }
  if (base !== null && params.objective === 'binary:logistic' && !(base > 0 && base < 1)) {
    throw new InputError(
      `base_score is ${base}: for binary:logistic it is a probability strictly between 0 and 1.`,
    );
  }
  return params;
}

/** The part of the parameters that an engine reads. */
export function treeParams(params: BoosterParams): TreeParams {
  const { n_estimators: _rounds, max_bin: _bins, ...tree } = params;
  return tree;
}
