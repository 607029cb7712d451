import type { ModelFeature, RowValue } from '../boosting/model.ts';
import type { Column } from '../data/types.ts';

/** Values of features for the rows that members have outputs for. */
export interface FeatureRows {
  readonly columns: readonly Column[];
  /** Where each row is in the columns. */
  readonly rows: Uint32Array;
}

/** A feature that a meta-model sees beside its members, as a file has it. */
export type PassedFeature =
  /** One column; missing and infinite values count as the mean. */
  | { readonly name: string; readonly mean: number }
  /** A column for each category, 1 or 0; others have zeros alone. */
  | { readonly name: string; readonly categories: readonly string[] };

const widthOf = (feature: PassedFeature) => ('mean' in feature ? 1 : feature.categories.length);

/** Columns that the features have together. */
export function passedWidth(passed: readonly PassedFeature[]): number {
  return passed.reduce((sum, feature) => sum + widthOf(feature), 0);
}

/** How features are passed through to a meta-model that is fitted to these rows; means are float32. */
export function fitPassed({ columns, rows }: FeatureRows): PassedFeature[] {
  return columns.map((column): PassedFeature => {
    const { name } = column;
    if (column.kind === 'categorical') return { name, categories: column.categories };
    let sum = 0;
    let count = 0;
    for (const row of rows) {
      const value = column.values[row]!;
      if (!Number.isFinite(value)) continue;
      sum += value;
      count++;
    }
    return { name, mean: count === 0 ? 0 : Math.fround(sum / count) };
  });
}

/** The features as numbers, (rows, passedWidth), row-major. */
export function encodePassed(passed: readonly PassedFeature[], { columns, rows }: FeatureRows): Float64Array {
  const width = passedWidth(passed);
  const encoded = new Float64Array(rows.length * width);
  let first = 0;
  passed.forEach((feature, f) => {
    const column = columns[f]!;
    if ('mean' in feature) {
      const values = column.kind === 'numeric' ? column.values : column.codes;
      rows.forEach((row, i) => {
        const value = values[row]!;
        encoded[i * width + first] = Number.isFinite(value) ? value : feature.mean;
      });
    } else if (column.kind === 'categorical') {
      const places = column.categories.map((category) => feature.categories.indexOf(category));
      rows.forEach((row, i) => {
        const place = places[column.codes[row]!] ?? -1;
        if (place >= 0) encoded[i * width + first + place] = 1;
      });
    }
    first += widthOf(feature);
  });
  return encoded;
}

/** Columns of one row given by feature name; its values have been checked by a model. */
export function columnsOfRow(
  features: readonly ModelFeature[],
  row: Readonly<Record<string, RowValue>>,
): Column[] {
  return features.map(({ name, type, categories }): Column => {
    const value = row[name];
    const level = typeof value === 'string' ? (categories?.indexOf(value) ?? -1) : -1;
    if (type === 'categorical') {
      return { kind: 'categorical', name, codes: Int32Array.of(level), categories: categories ?? [] };
    }
    const isMissing = value === null || value === undefined || (typeof value === 'string' && level < 0);
    const numeric = isMissing ? Number.NaN : typeof value === 'string' ? level : Number(value);
    return { kind: 'numeric', name, values: Float32Array.of(numeric) };
  });
}
