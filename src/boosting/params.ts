import {
  HYPERPARAMETER_RANGES,
  type NumberRange,
  type RangedHyperparameter,
} from '../config/hyperparameters.ts';
import { kindOf, OBJECTIVES } from '../config/objectives.ts';
import type { Schema } from '../data/types.ts';
import type { TreeParams } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import {
  isList,
  type ListedConstraints,
  type MonotoneConstraints,
  orderConstraints,
  readConstraints,
} from './constraints.ts';

/** Parameters of one model, under XGBoost's names: those of its trees, how many of them, and the bins. */
export interface BoosterParams extends Omit<TreeParams, 'monotone_constraints'> {
  /** Rounds, the most that are trained. */
  readonly n_estimators: number;
  readonly max_bin: number;
  /** In feature order once `fitParams` has seen the features. */
  readonly monotone_constraints: ListedConstraints;
}

/** Parameters as they are given: any of them, the others having XGBoost's defaults. */
export type GivenParams = Partial<
  Omit<BoosterParams, 'monotone_constraints'> & { readonly monotone_constraints: MonotoneConstraints }
>;

const defaultsOf = Object.fromEntries(
  Object.entries(HYPERPARAMETER_RANGES).map(([name, range]) => [name, range.default]),
) as Record<RangedHyperparameter, number>;

/** XGBoost's defaults. */
export const DEFAULT_PARAMS: BoosterParams = {
  objective: 'reg:squarederror',
  base_score: null,
  monotone_constraints: [],
  ...defaultsOf,
};

/**
 * Fills in defaults and checks ranges, all that can be checked without the data.
 * @throws InputError naming the parameter, its value and what is allowed.
 */
export function resolveParams(given: GivenParams): BoosterParams {
  for (const key of Object.keys(given)) {
    if (!(key in DEFAULT_PARAMS))
      throw new InputError(`There is no parameter named ${key}; see docs/parameters.md.`);
  }
  const params: BoosterParams = {
    ...DEFAULT_PARAMS,
    ...given,
    monotone_constraints: readConstraints(given.monotone_constraints ?? []),
  };
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
  const multiclass = kindOf(params.objective) === 'multiclass';
  if (base !== null && multiclass) {
    throw new InputError(
      `base_score is ${base}: for ${params.objective} it must be null, for the shares of the classes.`,
    );
  }
  if (params.num_class !== 0 && !multiclass) {
    throw new InputError(`num_class is ${params.num_class}: ${params.objective} has none; leave it out.`);
  }
  if (params.scale_pos_weight !== 1 && params.objective !== 'binary:logistic') {
    throw new InputError(
      `scale_pos_weight is ${params.scale_pos_weight}: it needs the objective binary:logistic, not ${params.objective}.`,
    );
  }
  return params;
}

/**
 * Parameters for data of a schema: the number of classes, constraints in feature order.
 * @throws InputError where they do not fit it.
 */
export function fitParams(params: BoosterParams, schema: Schema): BoosterParams {
  const { name, classes = [] } = schema.target;
  const kind = kindOf(params.objective);
  if (kind === 'binary' && classes.length > 2) {
    throw new InputError(
      `The target ${name} has ${classes.length} classes and binary:logistic is for two; take multi:softprob, or leave the objective to the data.`,
    );
  }
  if (params.num_class !== 0 && params.num_class !== classes.length) {
    throw new InputError(
      `num_class is ${params.num_class} but the target ${name} has ${classes.length} classes; leave num_class out.`,
    );
  }
  return {
    ...params,
    num_class: kind === 'multiclass' ? classes.length : 0,
    monotone_constraints: orderConstraints(params.monotone_constraints, schema.features),
  };
}

/**
 * The part of the parameters that an engine reads.
 * @throws InputError where monotone constraints are still by name.
 */
export function treeParams(params: BoosterParams): TreeParams {
  const { n_estimators: _rounds, max_bin: _bins, monotone_constraints, ...tree } = params;
  if (isList(monotone_constraints)) return { ...tree, monotone_constraints };
  throw new InputError(
    'monotone_constraints is by feature name: bring it into feature order with fitParams first.',
  );
}
