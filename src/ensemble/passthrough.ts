import type { CategoricalColumn, Column, FeatureSpec } from '../data/types.ts';
import { InputError } from '../errors.ts';

/**
 * What a linear combiner takes of one feature of the rows themselves: the number (value − mean) / scale, 0 where the value is missing or
 * infinite, or for each category a number that is 1 in its rows and else 0.
 */
export type PassedFeature =
  | { readonly name: string; readonly mean: number; readonly scale: number }
  | { readonly name: string; readonly categories: readonly string[] };

/** Numbers that a linear combiner may take of the features of a row. */
export const MOST_PASSED = 4096;

/** How many numbers the features come to. */
export function passedWidth(features: readonly PassedFeature[]): number {
  return features.reduce(
    (sum, feature) => sum + ('categories' in feature ? feature.categories.length : 1),
    0,
  );
}

/** @throws InputError where the features come to more than MOST_PASSED numbers. */
export function checkPassed(features: readonly Pick<FeatureSpec, 'name' | 'type' | 'categories'>[]): void {
  const counts = features.map(({ type, categories }) => (type === 'categorical' ? categories!.length : 1));
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= MOST_PASSED) return;
  const most = Math.max(...counts);
  const { name } = features[counts.indexOf(most)]!;
  throw new InputError(
    `ensemble.passthrough makes ${total} columns of the features, more than ${MOST_PASSED}, ${most} of them of ${name}: leave out such features, or set it to false.`,
  );
}

/**
 * How a combiner that is fitted to these rows takes their features: numbers by their mean over the rows that have one, and in units of
 * a power of two ≥ 1 that brings their standard deviation to 1 or below, so that solvers meet numbers of one size.
 * @throws InputError as `checkPassed` does.
 */
export function fitPassed(columns: readonly Column[]): PassedFeature[] {
  checkPassed(columns.map((column) => ({ ...column, type: column.kind })));
  return columns.map((column) => {
    const { name } = column;
    if (column.kind === 'categorical') return { name, categories: column.categories };
    const mean = meanOf(column.values);
    let squares = 0;
    let count = 0;
    for (const value of column.values) {
      if (!Number.isFinite(value)) continue;
      squares += (value - mean) ** 2;
      count++;
    }
    const spread = Math.sqrt(squares / Math.max(1, count));
    let scale = 1;
    while (scale < spread) scale *= 2;
    return { name, mean, scale };
  });
}

/** The mean of the finite values, 0 without any; that of a constant column is its value exactly. */
function meanOf(values: Float32Array): number {
  const first = values.find(Number.isFinite);
  if (first === undefined) return 0;
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    sum += value - first;
    count++;
  }
  return first + sum / count;
}

/** The number that a combiner has for a value. */
export function passedNumber(
  { mean, scale }: { readonly mean: number; readonly scale: number },
  value: number,
): number {
  return Number.isFinite(value) ? (value - mean) / scale : 0;
}

/** For each row the place of its category among those of a combiner, matched by name, −1 for another one and a missing one. */
export function passedCategories(
  known: readonly string[],
  { name, categories, codes }: CategoricalColumn,
  rows: number,
): Int32Array {
  const index = categories === known ? undefined : new Map(known.map((category, c) => [category, c]));
  const placeOf = Int32Array.from(categories, (category, c) => (index ? (index.get(category) ?? -1) : c));
  const places = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const code = codes[row]!;
    if (code >= placeOf.length) {
      throw new InputError(
        `Row ${row} of the column ${name} has the code ${code} but there are ${placeOf.length} categories.`,
      );
    }
    places[row] = code < 0 ? -1 : placeOf[code]!;
  }
  return places;
}

/** The listed rows of a column, in their order. */
export function takeColumn(column: Column, rows: Uint32Array): Column {
  if (column.kind === 'categorical') {
    return { ...column, codes: Int32Array.from(rows, (row) => column.codes[row]!) };
  }
  const values = new Float32Array(rows.length);
  rows.forEach((row, i) => {
    values[i] = column.values[row]!;
  });
  return { ...column, values };
}
