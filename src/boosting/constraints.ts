import { didYouMean } from '../config/suggest.ts';
import type { FeatureSpec } from '../data/types.ts';
import { InputError } from '../errors.ts';

/**
 * Monotone constraints as they are given, 1 for a prediction that may only rise with the feature, −1 for one that may only
 * fall, 0 for neither: by feature name (absent names are 0), or in feature order as a list or as XGBoost's text "(1,0,-1)".
 */
export type MonotoneConstraints = string | readonly number[] | Readonly<Record<string, number>>;

/** Without the form of a text. */
export type ListedConstraints = Exclude<MonotoneConstraints, string>;

const TEXT = /^\(\s*(?:[+-]?[01]\s*(?:,\s*[+-]?[01]\s*)*,?\s*)?\)$/;

/**
 * Checks the form and the values.
 * @throws InputError for anything but −1, 0 and 1 in one of the three forms.
 */
export function readConstraints(given: MonotoneConstraints): ListedConstraints {
  if (typeof given === 'string') {
    if (!TEXT.test(given)) {
      throw new InputError(
        `monotone_constraints is the text ${JSON.stringify(given.slice(0, 40))}: write it as "(1,0,-1)", a number for each feature.`,
      );
    }
    return (given.match(/[+-]?[01]/g) ?? []).map((number) => Number(number) + 0);
  }
  if (typeof given !== 'object' || given === null) {
    throw new InputError(
      `monotone_constraints is ${String(given)}: it must be a list in feature order, or an object by feature name.`,
    );
  }
  for (const [key, value] of Object.entries(given)) {
    if (value !== -1 && value !== 0 && value !== 1) {
      const place = Array.isArray(given) ? `[${key}]` : `.${key}`;
      throw new InputError(`monotone_constraints${place} is ${String(value)}: it must be -1, 0 or 1.`);
    }
  }
  return given;
}

/**
 * The constraints of features in their order; an empty list where there are none.
 * @throws InputError where a list has another length, a name is not a feature's, or a categorical feature is constrained.
 */
export function orderConstraints(
  given: ListedConstraints,
  features: readonly Pick<FeatureSpec, 'name' | 'type'>[],
): readonly number[] {
  const names = features.map(({ name }) => name);
  let ordered: readonly number[];
  if (isList(given)) {
    if (given.length !== 0 && given.length !== features.length) {
      throw new InputError(
        `monotone_constraints has ${given.length} values for ${features.length} features: give one for each in their order, 0 for those without a constraint, or name features.`,
      );
    }
    ordered = given;
  } else {
    const stranger = Object.keys(given).find((name) => !names.includes(name));
    if (stranger !== undefined) {
      throw new InputError(
        `monotone_constraints names ${stranger}, which is not a feature${didYouMean(stranger, names) || '; take it out.'}`,
      );
    }
    ordered = Object.keys(given).length === 0 ? [] : names.map((name) => given[name] ?? 0);
  }
  const categorical = features.find(({ type }, f) => type === 'categorical' && (ordered[f] ?? 0) !== 0);
  if (categorical !== undefined) {
    throw new InputError(
      `monotone_constraints constrains ${categorical.name}, which is categorical and has no order; set it to 0, or make the feature ordinal.`,
    );
  }
  return ordered;
}

/** Whether constraints are in feature order. */
export function isList(given: ListedConstraints): given is readonly number[] {
  return Array.isArray(given);
}
