import {
  HYPERPARAMETER_RANGES,
  type NumberRange,
  type RangedHyperparameter,
} from '../config/hyperparameters.ts';
import type { Objective, TreeParams } from '../engine/engine.ts';
import { InputError } from '../errors.ts';

/** Parameters of one model, under XGBoost's names: those of its trees, how many of them, and the bins. */
export interface BoosterParams extends TreeParams {
  readonly n_estimators: number;
  readonly max_bin: number;
}

const defaultsOf = Object.fromEntries(
  Object.entries(HYPERPARAMETER_RANGES).map(([name, range]) => [name, range.default]),
) as Record<RangedHyperparameter, number>;

/** XGBoost's defaults. */
export const DEFAULT_PARAMS: BoosterParams = {
  objective: 'reg:squarederror',
  base_score: null,
  ...defaultsOf,
};

const OBJECTIVES: readonly Objective[] = ['binary:logistic', 'reg:squarederror'];

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
  for (const [key, range] of Object.entries(HYPERPARAMETER_RANGES) as [RangedHyperparameter, NumberRange][]) {
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
