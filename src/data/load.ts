import type { TaskType } from '../config/objectives.ts';
import { InputError } from '../errors.ts';
import { type RawTable, Source } from './read.ts';
import {
  checkRows,
  chooseFeatures,
  columnsByName,
  encodeFeature,
  encodeGroup,
  encodeTarget,
  encodeWeight,
  type FeatureListEntry,
  fitFeature,
  fitTarget,
  schemaRequests,
  trainingRequests,
} from './schema.ts';
import { type SplitFractions, splitRows } from './split.ts';
import type { Column, Dataset, Schema, SourceRecord, SplitName } from './types.ts';

export interface LoadOptions {
  readonly trainPath: string;
  readonly valPath?: string | undefined;
  readonly testPath?: string | undefined;
  /** A SELECT over the view `data`, run on each of the three tables. */
  readonly query?: string | undefined;
  /** Absent: every column without another role. */
  readonly features?: readonly FeatureListEntry[] | undefined;
  readonly target: string;
  readonly weight?: string | undefined;
  /** Rows with the same value of this column stay in the same part of a split. */
  readonly group?: string | undefined;
  readonly taskType: TaskType;
  /** Applies when there is no valPath. `stratify` shares out every class alike (classification only). */
  readonly split: 'none' | (SplitFractions & { readonly stratify: boolean });
  /** 0 … 2^53 − 1. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ExperimentData {
  readonly schema: Schema;
  readonly train: Dataset;
  readonly val?: Dataset;
  readonly test?: Dataset;
  /** Group number of each training row, where there is a group column. */
  readonly groups?: Int32Array;
  /** One a file; `rows` counts the file's own rows, before any query or split. */
  readonly sources: readonly (SourceRecord & { readonly role: SplitName; readonly rows: number })[];
  readonly warnings: readonly string[];
}

type Records = ExperimentData['sources'];

/** Rows `order` of an array, in place; `scratch` is as long. */
function reorder<A extends Float32Array | Int32Array>(values: A, order: Uint32Array, scratch: A): void {
  for (let i = 0; i < order.length; i++) scratch[i] = values[order[i]!]!;
  values.set(scratch);
}

function partOfColumn(column: Column, start: number, end: number): Column {
  return column.kind === 'numeric'
    ? { ...column, values: column.values.subarray(start, end) }
    : { ...column, codes: column.codes.subarray(start, end) };
}

function partOfDataset(dataset: Dataset, start: number, end: number): Dataset {
  return {
    rows: end - start,
    columns: dataset.columns.map((column) => partOfColumn(column, start, end)),
    label: dataset.label.subarray(start, end),
    ...(dataset.weight && { weight: dataset.weight.subarray(start, end) }),
  };
}

/**
 * Divides a table among parts, each in the order of its row numbers, which together are all rows. The arrays are put in
 * order in place and the parts are views of them: a large table never exists twice.
 */
function divideDataset(whole: Dataset, parts: readonly Uint32Array[]): Dataset[] {
  const order = new Uint32Array(whole.rows);
  let rows = 0;
  const ranges = parts.map((part) => {
    order.set(part, rows);
    rows += part.length;
    return [rows - part.length, rows] as const;
  });
  const numbers = new Float32Array(whole.rows);
  const codes = new Int32Array(numbers.buffer);
  for (const column of whole.columns) {
    if (column.kind === 'numeric') reorder(column.values, order, numbers);
    else reorder(column.codes, order, codes);
  }
  reorder(whole.label, order, numbers);
  if (whole.weight !== undefined) reorder(whole.weight, order, numbers);
  return ranges.map(([start, end]) => partOfDataset(whole, start, end));
}

/** A table with a target as its schema says. */
function encodeTable(table: RawTable, schema: Schema, weight: string | undefined): Dataset {
  const { path, rows } = table;
  const byName = columnsByName(table);
  const columns = schema.features.map((spec) => encodeFeature(byName.get(spec.name)!, spec, path));
  const label = encodeTarget(byName.get(schema.target.name)!, schema.target, path);
  if (weight === undefined) return { rows, columns, label };
  return { rows, columns, label, weight: encodeWeight(byName.get(weight)!, path) };
}

async function recordsOf(source: Source, role: SplitName): Promise<Records> {
  return (await source.records()).map((record) => ({ ...record, role }));
}

async function loadTraining(options: LoadOptions) {
  const { trainPath, query, signal, taskType } = options;
  return Source.open(trainPath, { query, signal }, async (source) => {
    const features = chooseFeatures(source, options);
    const table = await source.read(trainingRequests(features, options, taskType));
    checkRows(table, 2);
    const warnings = await source.roundingWarnings(table.columns.slice(0, features.length));
    return { features, table, warnings, sources: await recordsOf(source, 'train') };
  });
}

async function loadThroughSchema(path: string, role: SplitName, schema: Schema, options: LoadOptions) {
  const { query, signal, weight } = options;
  return Source.open(path, { query, signal }, async (source) => {
    const table = await source.read(schemaRequests(source, schema, { target: true, weight }));
    checkRows(table, 1);
    return { data: encodeTable(table, schema, weight), sources: await recordsOf(source, role) };
  });
}

function fitSchema(
  table: RawTable,
  features: readonly FeatureListEntry[],
  options: { target: string; taskType: TaskType },
  trainRows?: Uint32Array,
): Schema {
  const byName = columnsByName(table);
  return {
    features: features.map((entry) => fitFeature(byName.get(entry.name)!, entry, table.path, trainRows)),
    target: fitTarget(byName.get(options.target)!, options.taskType, table.path, trainRows),
  };
}

function groupsOf(table: RawTable, group: string | undefined): Int32Array | undefined {
  return group === undefined ? undefined : encodeGroup(columnsByName(table).get(group)!, table.path);
}

/** The parts of the training table, by the split of the options. */
function splitTable(
  table: RawTable,
  groups: Int32Array | undefined,
  options: LoadOptions,
  split: Exclude<LoadOptions['split'], 'none'>,
) {
  const target = columnsByName(table).get(options.target)!;
  const stratify = split.stratify && options.taskType === 'classification';
  const labels = stratify
    ? encodeTarget(target, fitTarget(target, 'classification', table.path), table.path)
    : undefined;
  return splitRows({ rows: table.rows, fractions: split, labels, groups, seed: options.seed });
}

/**
 * Reads the tables of an experiment. The schema is taken from the training rows; without valPath, and unless the
 * split is `none`, validation rows (and test rows, without testPath) are split off the training table.
 *
 * @throws InputError, one sentence, for data that cannot be used: see docs/data.md for the rules.
 */
export async function loadExperimentData(options: LoadOptions): Promise<ExperimentData> {
  const { valPath, testPath } = options;
  const split = valPath === undefined && options.split !== 'none' ? options.split : undefined;
  if (split !== undefined && testPath !== undefined && split.test > 0) {
    throw new InputError('data.split.test and data.test_path are both given; drop one of them.');
  }
  const training = await loadTraining(options);
  const sources = [...training.sources];
  const groups = groupsOf(training.table, options.group);
  const parts = split && splitTable(training.table, groups, options, split);
  const schema = fitSchema(training.table, training.features, options, parts?.train);
  const whole = encodeTable(training.table, schema, options.weight);
  const loaded: { train: Dataset; val?: Dataset; test?: Dataset; groups?: Int32Array } = { train: whole };
  if (groups !== undefined)
    loaded.groups = parts === undefined ? groups : Int32Array.from(parts.train, (row) => groups[row]!);
  if (parts !== undefined) {
    const [train, val, test] = divideDataset(whole, [parts.train, parts.val, parts.test]);
    loaded.train = train!;
    loaded.val = val!;
    if (test!.rows > 0) loaded.test = test!;
  }
  for (const [role, path] of [
    ['val', valPath],
    ['test', testPath],
  ] as const) {
    if (path === undefined) continue;
    const other = await loadThroughSchema(path, role, schema, options);
    loaded[role] = other.data;
    sources.push(...other.sources);
  }
  return { schema, ...loaded, sources, warnings: [...training.warnings, ...repeatedFiles(sources)] };
}

/** A warning for every file that serves two roles, under whatever name. */
function repeatedFiles(sources: Records): string[] {
  return sources.flatMap((source, i) => {
    const twin = sources
      .slice(0, i)
      .find(({ sha256, role }) => sha256 === source.sha256 && role !== source.role);
    return twin === undefined
      ? []
      : [
          `${source.path} (${source.role}) has the same bytes as ${twin.path} (${twin.role}): its scores are not those of unseen rows`,
        ];
  });
}

/**
 * Reads the features of new rows through a model's schema; no target is needed.
 *
 * @throws InputError when a column is missing or does not hold what the training data had, or there is no row.
 */
export async function loadForPrediction(
  path: string,
  schema: Schema,
  options: { readonly query?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<{ rows: number; columns: Column[] }> {
  return Source.open(path, options, async (source) => {
    const table = await source.read(schemaRequests(source, schema, {}));
    checkRows(table, 1);
    const columns = schema.features.map((spec, i) => encodeFeature(table.columns[i]!, spec, path));
    return { rows: table.rows, columns };
  });
}
