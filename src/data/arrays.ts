import type { TaskType } from '../config/objectives.ts';
import { InputError } from '../errors.ts';
import type { RawColumn } from './read.ts';
import {
  checkRows,
  encodeFeature,
  encodeTarget,
  encodeWeight,
  type FeatureListEntry,
  fitFeature,
  fitTarget,
} from './schema.ts';
import type { Dataset, Schema } from './types.ts';

/** One value a row; a Float32Array is used as it is, without a copy. */
export type ArrayColumn =
  | Float32Array
  | Float64Array
  | Int32Array
  | readonly (number | null)[]
  | readonly (string | null)[]
  | readonly (boolean | null)[];

export interface ArrayOptions {
  /** By column name, in the order of the features; null and NaN are missing. */
  readonly features: Readonly<Record<string, ArrayColumn>>;
  readonly label: ArrayColumn;
  readonly weight?: Float32Array | Float64Array | readonly number[] | undefined;
  readonly taskType: TaskType;
  /** Types of features, where they are not to follow from the values. */
  readonly types?: readonly FeatureListEntry[] | undefined;
  /** The schema of the training data, for validation and test sets. */
  readonly schema?: Schema | undefined;
}

function rawColumn(name: string, values: ArrayColumn): RawColumn {
  if (values instanceof Float32Array) return { form: 'numbers', name, kind: 'number', values };
  if (values instanceof Float64Array || values instanceof Int32Array) {
    return { form: 'numbers', name, kind: 'number', values: Float32Array.from(values) };
  }
  const cells: readonly (number | string | boolean | null)[] = values;
  const first = cells.find((cell) => cell !== null);
  const type = first === undefined ? 'number' : typeof first;
  const other = cells.findIndex((cell) => cell !== null && typeof cell !== type);
  if (other >= 0) {
    throw new InputError(
      `${name} mixes ${type} and ${typeof cells[other]} (item ${other}); give values of one type, or null for a missing one.`,
    );
  }
  if (type === 'string') {
    const index = new Map<string, number>();
    const codes = Int32Array.from(cells, (cell) => {
      if (cell === null) return -1;
      const code = index.get(String(cell)) ?? index.size;
      index.set(String(cell), code);
      return code;
    });
    return { form: 'texts', name, kind: 'text', codes, texts: [...index.keys()] };
  }
  const numbers = Float32Array.from(cells, (cell) => (cell === null ? Number.NaN : Number(cell)));
  return { form: 'numbers', name, kind: type === 'boolean' ? 'boolean' : 'number', values: numbers };
}

/**
 * A data set, and its schema, from arrays in memory, under the same rules as a table of a file.
 *
 * @throws InputError when lengths differ, a column of the schema is absent, or values cannot be used.
 */
export function datasetFromArrays(options: ArrayOptions): { schema: Schema; dataset: Dataset } {
  const { label, weight, taskType, types = [] } = options;
  const path = 'the given arrays';
  const names = options.schema?.features.map(({ name }) => name) ?? Object.keys(options.features);
  if (names.length === 0) throw new InputError('The given arrays hold no feature; give at least one.');
  const raw = (name: string, values: ArrayColumn): RawColumn => {
    if (values.length === label.length) return rawColumn(name, values);
    throw new InputError(
      `${name} has ${values.length} values and label has ${label.length}; give one a row in each.`,
    );
  };
  const columns = names.map((name) => {
    const values = options.features[name];
    if (values === undefined) {
      throw new InputError(`The given arrays lack the feature ${name} of the training data; add it.`);
    }
    return raw(name, values);
  });
  const target = rawColumn('label', label);
  checkRows({ path, rows: label.length, columns }, options.schema === undefined ? 2 : 1);
  const schema = options.schema ?? {
    features: columns.map((column) => {
      const entry = types.find(({ name }) => name === column.name) ?? { name: column.name };
      return fitFeature(column, entry, path);
    }),
    target: fitTarget(target, taskType, path),
  };
  const dataset = {
    rows: label.length,
    columns: schema.features.map((spec, i) => encodeFeature(columns[i]!, spec, path)),
    label: encodeTarget(target, schema.target, path),
  };
  if (weight === undefined) return { schema, dataset };
  return { schema, dataset: { ...dataset, weight: encodeWeight(raw('weight', weight), path) } };
}
