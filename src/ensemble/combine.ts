import type { OutputScale } from '../boosting/output.ts';
import { expNegative, logitMargin, negativeLogMargin } from '../numerics/link.ts';
import { powerOfTwo, rint } from '../numerics/power.ts';
import { predictedClass } from '../numerics/softmax.ts';
import type { MemberOutputs } from './outputs.ts';
import { type PassedFeature, passedCategories, passedNumber } from './passthrough.ts';

/** How an ensemble makes one output of those of its members; plain data, as files have it. */
export type Combiner =
  /** Their mean by weights ≥ 0 with the sum 1: probabilities or values. */
  | { readonly type: 'average'; readonly weights: readonly number[] }
  /** The share of members that predict a class; classification only. */
  | { readonly type: 'vote' }
  /**
   * intercept + coefficients · outputs: a log-odds (binary), one for each class up to a constant (multiclass), or the value. One row of
   * coefficients for each output, with the width of each member in turn; then, with `features`, one for each number among them, and
   * one for each category of the others, both in the order of the features.
   */
  | {
      readonly type: 'linear';
      readonly intercept: readonly number[];
      readonly coefficients: readonly (readonly number[])[];
      /** All features of the rows, in their order; absent where the combiner takes the members alone. */
      readonly features?: readonly PassedFeature[];
    };

const MARGIN_LIMIT = 2 ** 30;
/** Margins of classifiers are in units of 2^−20. */
const CLASSIFIER_UNIT = 2 ** 20;
/** A class that no member gives a chance is as far off as trained margins get. */
const LEAST_PROBABILITY = expNegative(16);

const toMargin = (value: number) => rint(Math.min(Math.max(value, -MARGIN_LIMIT), MARGIN_LIMIT));

/**
 * The margins of an ensemble, which its predictions and metrics come from as a model's do; (rows, width), row-major.
 * @param outputs with the columns of the combiner's features where it has such
 * @param scale What the margins of values are in units of (regression); classifiers have 2^−20.
 */
export function combine(
  combiner: Combiner,
  outputs: MemberOutputs,
  scale: Pick<OutputScale, 'marginBits' | 'baseValue'>,
): Int32Array {
  if (combiner.type === 'linear') {
    const sums = linear(combiner, outputs);
    const within = outputs.kind === 'multiclass' ? lowered(sums, combiner.intercept.length) : sums;
    return marginsOf(within, outputs.kind, scale, true);
  }
  const mean = combiner.type === 'vote' ? votes(outputs) : average(combiner.weights, outputs);
  return marginsOf(mean, outputs.kind, scale, false);
}

/** The mean of the members' outputs by weights, (rows, width). */
export function average(weights: readonly number[], { members, rows, width }: MemberOutputs): Float64Array {
  const mean = new Float64Array(rows * width);
  weights.forEach((weight, k) => {
    if (weight === 0) return;
    const values = members[k]!;
    for (let i = 0; i < mean.length; i++) mean[i]! += weight * values[i]!;
  });
  return mean;
}

/** The share of members that predict the second class (binary) or each class. */
function votes({ kind, members, rows, width }: MemberOutputs): Float64Array {
  const share = new Float64Array(rows * width);
  for (const values of members) {
    for (let row = 0; row < rows; row++) {
      if (kind === 'binary') share[row]! += values[row]! > 0.5 ? 1 : 0;
      else share[row * width + predictedClass(values, row * width, width)]!++;
    }
  }
  return share.map((count) => count / members.length);
}

function linear(
  { intercept, coefficients, features = [] }: Extract<Combiner, { type: 'linear' }>,
  { members, rows, width, columns = [] }: MemberOutputs,
): Float64Array {
  const outputs = intercept.length;
  const result = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < outputs; c++) {
      const own = coefficients[c]!;
      let sum = intercept[c]!;
      members.forEach((values, k) => {
        for (let j = 0; j < width; j++) sum += own[k * width + j]! * values[row * width + j]!;
      });
      result[row * outputs + c] = sum;
    }
  }
  let number = members.length * width;
  let category = number + features.filter((feature) => 'mean' in feature).length;
  features.forEach((feature, f) => {
    const column = columns[f]!;
    if ('mean' in feature && column.kind === 'numeric') {
      for (let row = 0; row < rows; row++) {
        const value = passedNumber(feature, column.values[row]!);
        for (let c = 0; c < outputs; c++) result[row * outputs + c]! += coefficients[c]![number]! * value;
      }
      number++;
    } else if ('categories' in feature && column.kind === 'categorical') {
      const places = passedCategories(feature.categories, column, rows);
      for (let row = 0; row < rows; row++) {
        const place = places[row]!;
        if (place < 0) continue;
        for (let c = 0; c < outputs; c++) result[row * outputs + c]! += coefficients[c]![category + place]!;
      }
      category += feature.categories.length;
    }
  });
  return result;
}

/**
 * Log-odds of several classes within the margins' limit: those of a row with a greater one are lowered together, so that the class that
 * is ahead stays ahead.
 */
function lowered(values: Float64Array, outputs: number): Float64Array {
  const limit = MARGIN_LIMIT / CLASSIFIER_UNIT;
  for (let start = 0; start < values.length; start += outputs) {
    const row = values.subarray(start, start + outputs);
    const above = Math.max(...row) - limit;
    for (let c = 0; above > 0 && c < outputs; c++) row[c]! -= above;
  }
  return values;
}

/** Int32Array.from, which takes ten times as long. */
function integers(values: Float64Array, of: (value: number) => number): Int32Array {
  const result = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = of(values[i]!);
  return result;
}

function marginsOf(
  values: Float64Array,
  kind: MemberOutputs['kind'],
  { marginBits, baseValue }: Pick<OutputScale, 'marginBits' | 'baseValue'>,
  areLogOdds: boolean,
): Int32Array {
  if (kind === 'regression') {
    const unit = powerOfTwo(marginBits);
    return integers(values, (value) => toMargin((value - baseValue) * unit));
  }
  if (areLogOdds) return integers(values, (value) => toMargin(value * CLASSIFIER_UNIT));
  if (kind === 'binary') return integers(values, logitMargin);
  return integers(values, (p) => -negativeLogMargin(Math.min(1, Math.max(p, LEAST_PROBABILITY))));
}
