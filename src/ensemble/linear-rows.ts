import type { MemberOutputs } from './outputs.ts';
import { fitPassed, type PassedFeature, passedCategories, passedNumber } from './passthrough.ts';

/** Columns of which a few are 1 in a row and all others 0. */
export interface HotColumns {
  readonly columns: number;
  /** How many may be 1 in a row. */
  readonly perRow: number;
  /** (rows, perRow), row-major: the columns that are 1, −1 for none. */
  readonly index: Int32Array;
}

/** What a linear model is fitted to; its coefficients are those of `x`, then those of `hot`. */
export interface LinearRows {
  /** (rows, features), row-major. */
  readonly x: Float64Array;
  readonly features: number;
  readonly hot?: HotColumns | undefined;
  /** For each column of `x` what the square of its coefficient counts in the penalty; 1 by default, and for those of `hot`. */
  readonly penalty?: ArrayLike<number> | undefined;
}

/** Columns of `x` and `hot` together. */
export const widthOf = ({ features, hot }: LinearRows): number => features + (hot?.columns ?? 0);

/** The outputs of all members side by side, then the features of the rows where those are there. */
export function linearRowsOf({ members, rows, width, columns }: MemberOutputs): LinearRows & {
  readonly passed?: readonly PassedFeature[];
} {
  const passed = columns && fitPassed(columns);
  const numeric = (columns ?? []).flatMap((column, f) => {
    const feature = passed![f]!;
    return column.kind === 'numeric' && 'mean' in feature ? [{ column, feature }] : [];
  });
  const outputs = members.length * width;
  const features = outputs + numeric.length;
  const x = new Float64Array(rows * features);
  members.forEach((values, k) => {
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < width; c++) x[row * features + k * width + c] = values[row * width + c]!;
    }
  });
  if (passed === undefined) return { x, features };
  numeric.forEach(({ column, feature }, j) => {
    for (let row = 0; row < rows; row++) {
      x[row * features + outputs + j] = passedNumber(feature, column.values[row]!);
    }
  });
  const penalty = new Float64Array(features).fill(1);
  // The penalty is that of the coefficients of the values themselves.
  numeric.forEach(({ feature: { scale } }, j) => {
    penalty[outputs + j] = 1 / (scale * scale);
  });
  return { x, features, hot: hotColumnsOf(columns!, passed, rows), penalty, passed };
}

function hotColumnsOf(
  columns: NonNullable<MemberOutputs['columns']>,
  passed: readonly PassedFeature[],
  rows: number,
): HotColumns {
  const categorical = columns.flatMap((column, f) => {
    const feature = passed[f]!;
    return column.kind === 'categorical' && 'categories' in feature ? [{ column, feature }] : [];
  });
  const perRow = categorical.length;
  const index = new Int32Array(rows * perRow);
  let first = 0;
  categorical.forEach(({ column, feature }, j) => {
    const places = passedCategories(feature.categories, column, rows);
    for (let row = 0; row < rows; row++) {
      index[row * perRow + j] = places[row]! < 0 ? -1 : first + places[row]!;
    }
    first += feature.categories.length;
  });
  return { columns: first, perRow, index };
}
