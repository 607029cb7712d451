import type { Model } from '../../src/boosting/model.ts';
import type { Column } from '../../src/data/types.ts';
import { agreedMargins } from '../model/predictors.ts';

/** Margins as XGBoost counts them, numbers, the base included; every predictor has given them. */
export function marginsOf(model: Model, columns: readonly Column[], rows: number): Float64Array {
  const unit = 2 ** -model.marginBits;
  return Float64Array.from(agreedMargins(model, columns, rows), (m) => model.baseValue + m * unit);
}

/** The first `rows` values of a column, with codes for categories and NaN where missing. */
export function valuesOf(column: Column, rows: number): number[] {
  return column.kind === 'numeric'
    ? Array.from(column.values.subarray(0, rows))
    : Array.from(column.codes.subarray(0, rows), (code) => (code < 0 ? Number.NaN : code));
}

/** The columns of a model for lists of values such as `valuesOf` gives; codes beyond a model's categories name themselves. */
export function readColumns(model: Model, lists: readonly (readonly number[])[]): Column[] {
  return model.features.map(({ name, type, categories = [] }, f): Column => {
    const values = lists[f]!;
    if (type !== 'categorical') return { kind: 'numeric', name, values: Float32Array.from(values) };
    const codes = Int32Array.from(values, (value) => (Number.isNaN(value) ? -1 : value));
    const count = codes.reduce((most, code) => Math.max(most, code + 1), 0);
    const names = Array.from({ length: count }, (_, code) => categories[code] ?? String(code));
    return { kind: 'categorical', name, codes, categories: names };
  });
}
