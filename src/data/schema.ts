import { MAX_CLASSES, type TaskType } from '../config/objectives.ts';
import { nearest } from '../config/suggest.ts';
import { InputError } from '../errors.ts';
import type { NumberColumn, RawColumn, RawTable, ReadRequest, Source, TextColumn } from './read.ts';
import type { Column, FeatureSpec, FeatureType, Schema, TargetSpec } from './types.ts';

/** One entry of the feature list: a column, and its type unless the source's type is to decide. */
export interface FeatureListEntry {
  readonly name: string;
  readonly type?: FeatureType | undefined;
  /** Categorical: all that may occur. Ordinal over text: the levels, lowest first. */
  readonly categories?: readonly string[] | undefined;
}

/** Which columns of a training table play which part. */
export interface Roles {
  readonly features?: readonly FeatureListEntry[] | undefined;
  readonly target: string;
  readonly weight?: string | undefined;
  readonly group?: string | undefined;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const WHOLE = /^(0|-?[1-9]\d*)$/;
const SPECIAL_NUMBERS = new Map([
  ['', Number.NaN],
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['infinity', Number.POSITIVE_INFINITY],
  ['+infinity', Number.POSITIVE_INFINITY],
  ['-infinity', Number.NEGATIVE_INFINITY],
]);

/** The number a text stands for, or undefined when it stands for none. */
function parseNumber(text: string): number | undefined {
  const trimmed = text.trim();
  return DECIMAL.test(trimmed) ? Number(trimmed) : SPECIAL_NUMBERS.get(trimmed.toLowerCase());
}

/** One spelling for every text that is the same number: 1, 01 and 1.0 are 1. Whole numbers keep all digits. */
function canonicalNumber(text: string): string | undefined {
  if (WHOLE.test(text)) return text;
  const number = parseNumber(text);
  return number === undefined || Number.isNaN(number) ? undefined : String(number);
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byNumber = (a: string, b: string): number => Number(a) - Number(b) || byCodeUnits(a, b);

/** The first row, counted from 1, whose code is one of `codes`. */
function rowOf(column: TextColumn, wanted: (code: number) => boolean): number {
  return column.codes.findIndex(wanted) + 1;
}

/** Codes that occur among the given rows (all rows when absent). */
function codesUsed(column: TextColumn, rows: Uint32Array | undefined): Set<number> {
  const used = new Set<number>();
  if (rows === undefined) for (const code of column.codes) used.add(code);
  else for (const row of rows) used.add(column.codes[row]!);
  used.delete(-1);
  return used;
}

/** Distinct texts among the given rows; in a column of numbers or truth values, in their one spelling. */
function distinctTexts(column: TextColumn, rows: Uint32Array | undefined): string[] {
  const texts = [...codesUsed(column, rows)].map((code) => column.texts[code]!);
  if (column.kind === 'boolean')
    return [...new Set(texts.map((text) => text.toLowerCase()))].sort(byCodeUnits);
  if (column.kind !== 'number') return texts.sort(byCodeUnits);
  const numbers = texts.map(canonicalNumber).filter((text) => text !== undefined);
  return [...new Set(numbers)].sort(byNumber);
}

/** The numbers of a column of text all of whose values are numbers. */
function numbersOfTexts(column: TextColumn, path: string): Float32Array {
  const numbers = column.texts.map(parseNumber);
  const bad = numbers.indexOf(undefined);
  if (bad >= 0) {
    const row = rowOf(column, (code) => code === bad);
    throw new InputError(
      `Column ${column.name} of ${path} must hold numbers and has "${column.texts[bad]}" in row ${row}; correct the value or declare the column categorical.`,
    );
  }
  return Float32Array.from(column.codes, (code) => (code < 0 ? Number.NaN : numbers[code]!));
}

/** The texts of a column of numbers, each in its shortest spelling; NaN is missing. */
function textsOfNumbers(column: NumberColumn): TextColumn {
  const index = new Map<number, number>();
  const codes = Int32Array.from(column.values, (value) => {
    if (Number.isNaN(value)) return -1;
    const code = index.get(value) ?? index.size;
    index.set(value, code);
    return code;
  });
  const text = (value: number): string => String(column.kind === 'boolean' ? value === 1 : value);
  return { form: 'texts', name: column.name, kind: column.kind, codes, texts: [...index.keys()].map(text) };
}

/** Position in `categories` of each text of the column, −1 where it is none of them. */
function positionsIn(column: TextColumn, categories: readonly string[]): Int32Array {
  const index = new Map(categories.map((category, i) => [category, i]));
  const numeric = categories.every((category) => canonicalNumber(category) === category);
  const truth = categories.every((category) => category === 'true' || category === 'false');
  const respell = (text: string): string | undefined =>
    numeric ? canonicalNumber(text) : truth ? text.toLowerCase() : undefined;
  return Int32Array.from(column.texts, (text) => index.get(text) ?? index.get(respell(text) ?? text) ?? -1);
}

/** A few names for a sentence. */
function summary(names: readonly string[]): string {
  return names.length > 10
    ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`
    : names.join(', ');
}

/** Absent names for a sentence, each with the column it may stand for. */
function absentNames(absent: readonly string[], columns: readonly string[]): string {
  return summary(
    absent.map((name) => {
      const near = nearest(name, columns);
      return near === undefined ? name : `${name} (did you mean ${near}?)`;
    }),
  );
}

/**
 * The features of a training table: those listed, else every column without another role, in file order.
 *
 * @throws InputError naming every listed column that the table lacks, a listed target, weight or group column, or
 * a column listed twice.
 */
export function chooseFeatures(source: Source, roles: Roles): readonly FeatureListEntry[] {
  const { path } = source;
  const names = source.columns.map(({ name }) => name);
  const roleOf = new Map<string, string>();
  for (const role of ['target', 'weight', 'group'] as const) {
    const name = roles[role];
    if (name === undefined) continue;
    if (!names.includes(name)) {
      throw new InputError(
        `${path} has no column ${absentNames([name], names)} for data.${role}; its columns are ${summary(names)}.`,
      );
    }
    const other = roleOf.get(name);
    if (other !== undefined) {
      throw new InputError(`data.${other} and data.${role} both name the column ${name}; give each its own.`);
    }
    roleOf.set(name, role);
  }
  const features = roles.features ?? names.filter((name) => !roleOf.has(name)).map((name) => ({ name }));
  if (features.length === 0) {
    throw new InputError(
      roles.features === undefined
        ? `${path} has no column for a feature besides ${summary(names)}; give it at least one.`
        : 'The feature list is empty; name at least one column.',
    );
  }
  const listed = features.map(({ name }) => name);
  const absent = listed.filter((name) => !names.includes(name));
  if (absent.length > 0) {
    throw new InputError(
      `The feature list names columns that ${path} does not have: ${absentNames(absent, names)}; correct the list.`,
    );
  }
  for (const [i, name] of listed.entries()) {
    const role = roleOf.get(name);
    if (role !== undefined) {
      throw new InputError(`The feature list names ${name}, which is data.${role}; take it out of the list.`);
    }
    if (listed.indexOf(name) !== i) {
      throw new InputError(`The feature list names ${name} twice; keep one of the two.`);
    }
  }
  return features;
}

/** How the columns of a training table are to be read. */
export function trainingRequests(
  features: readonly FeatureListEntry[],
  roles: Roles,
  taskType: TaskType,
): ReadRequest[] {
  const requests: ReadRequest[] = features.map(({ name, type }) => ({
    name,
    as: type === 'categorical' ? 'texts' : 'numbers',
  }));
  requests.push({ name: roles.target, as: taskType === 'classification' ? 'texts' : 'numbers' });
  if (roles.weight !== undefined) requests.push({ name: roles.weight, as: 'numbers' });
  if (roles.group !== undefined) requests.push({ name: roles.group, as: 'texts' });
  return requests;
}

/**
 * How a table is to be read through a schema; other columns, and the order of columns, do not matter.
 *
 * @throws InputError naming every column that the table lacks.
 */
export function schemaRequests(
  source: Source,
  schema: Schema,
  more: { target?: boolean; weight?: string | undefined },
): ReadRequest[] {
  const requests: ReadRequest[] = schema.features.map(({ name, categories }) => ({
    name,
    as: categories === undefined ? 'numbers' : 'texts',
  }));
  if (more.target)
    requests.push({ name: schema.target.name, as: schema.target.classes ? 'texts' : 'numbers' });
  if (more.weight !== undefined) requests.push({ name: more.weight, as: 'numbers' });
  const names = source.columns.map(({ name }) => name);
  const absent = requests.map(({ name }) => name).filter((name) => !names.includes(name));
  if (absent.length > 0) {
    throw new InputError(
      `${source.path} lacks ${absent.length === 1 ? 'the column' : 'the columns'} ${absentNames(absent, names)} of the training data; add what is missing.`,
    );
  }
  return requests;
}

/**
 * Type and categories of a feature, taken from the training rows (all rows when absent).
 *
 * @throws InputError when no training row has a value, or a value is none of the listed categories.
 */
export function fitFeature(
  raw: RawColumn,
  entry: FeatureListEntry,
  path: string,
  trainRows?: Uint32Array,
): FeatureSpec {
  const { name } = raw;
  const type = entry.type ?? (raw.form === 'texts' ? 'categorical' : 'numeric');
  const column = type === 'categorical' && raw.form === 'numbers' ? textsOfNumbers(raw) : raw;
  const empty = new InputError(
    `Column ${name} of ${path} has no value in the training rows; drop it from the features.`,
  );
  if (column.form === 'texts' && type !== 'numeric') {
    const found = distinctTexts(column, trainRows);
    if (found.length === 0) throw empty;
    if (entry.categories === undefined) return { name, type, categories: found };
    const categories = type === 'ordinal' ? [...entry.categories] : [...entry.categories].sort(byCodeUnits);
    const positions = positionsIn(column, categories);
    const stranger = [...codesUsed(column, trainRows)].find((code) => positions[code]! < 0);
    if (stranger !== undefined) {
      const row = rowOf(column, (code) => code === stranger);
      throw new InputError(
        `Column ${name} of ${path} has "${column.texts[stranger]}" in row ${row}, which is not among its listed categories; add it to the list.`,
      );
    }
    return { name, type, categories };
  }
  if (entry.categories !== undefined) {
    throw new InputError(
      `The feature list gives categories for ${name}, which ${path} holds as numbers; declare it categorical or drop the categories.`,
    );
  }
  const values = column.form === 'numbers' ? column.values : numbersOfTexts(column, path);
  const filled =
    trainRows === undefined
      ? values.some((v) => !Number.isNaN(v))
      : trainRows.some((r) => !Number.isNaN(values[r]!));
  if (!filled) throw empty;
  return column.kind === 'time' ? { name, type, timestamp: true } : { name, type };
}

/**
 * A column as its spec says: numbers, positions of ordinal levels as numbers, or category codes. A text that is
 * none of the categories is missing.
 *
 * @throws InputError when the column cannot hold what the training data had.
 */
export function encodeFeature(column: RawColumn, spec: FeatureSpec, path: string): Column {
  const { name, categories } = spec;
  if (categories === undefined) {
    const time = column.kind === 'time';
    if (time !== (spec.timestamp === true) && (time || column.form === 'texts')) {
      const [has, had] = time ? ['times', 'numbers'] : ['text', 'times'];
      const filled = column.form === 'numbers' || column.texts.length > 0;
      if (filled) {
        throw new InputError(
          `Column ${name} of ${path} holds ${has} where the training data had ${had}; convert it.`,
        );
      }
    }
    const values = column.form === 'numbers' ? column.values : numbersOfTexts(column, path);
    return { kind: 'numeric', name, values };
  }
  const texts = column.form === 'texts' ? column : textsOfNumbers(column);
  const positions = positionsIn(texts, categories);
  if (spec.type === 'ordinal') {
    const values = Float32Array.from(texts.codes, (code) => {
      const level = code < 0 ? -1 : positions[code]!;
      return level < 0 ? Number.NaN : level;
    });
    return { kind: 'numeric', name, values };
  }
  if (spec.unlisted_right) return openColumn(texts, positions, categories);
  const codes = texts.codes.map((code) => (code < 0 ? -1 : positions[code]!));
  return { kind: 'categorical', name, codes, categories };
}

/** A column that keeps the names of categories that are not listed; what is no number in a column of numbers is missing. */
function openColumn(texts: TextColumn, positions: Int32Array, categories: readonly string[]): Column {
  const names = texts.texts.map((text, i) => categories[positions[i]!] ?? text);
  const isMissing = (code: number) =>
    code < 0 ||
    (positions[code]! < 0 && texts.kind === 'number' && canonicalNumber(texts.texts[code]!) === undefined);
  const codes = texts.codes.map((code) => (isMissing(code) ? -1 : code));
  return { kind: 'categorical', name: texts.name, codes, categories: names };
}

function missingTarget(name: string, path: string, row: number): InputError {
  return new InputError(
    `Target ${name} of ${path} has no value in row ${row}; remove such rows, for example with data.query.`,
  );
}

/** A class as the model keeps it, from its text. */
function classOf(text: string, kind: RawColumn['kind']): string | number | boolean {
  if (kind === 'number') return Number(text);
  return kind === 'boolean' ? text === 'true' : text;
}

/**
 * The target's classes, or just its name for regression, from the training rows (all rows when absent).
 *
 * @throws InputError when a value is missing or infinite, when the training rows hold one value only, or more than
 * 255 classes.
 */
export function fitTarget(
  column: RawColumn,
  taskType: TaskType,
  path: string,
  trainRows?: Uint32Array,
): TargetSpec {
  const { name } = column;
  if (taskType === 'regression') {
    const label = regressionLabel(column, path);
    const first = label[trainRows?.[0] ?? 0];
    const varied =
      trainRows === undefined ? label.some((v) => v !== first) : trainRows.some((r) => label[r] !== first);
    if (!varied) {
      throw new InputError(
        `Target ${name} of ${path} is ${first} in all training rows; there is nothing to learn.`,
      );
    }
    return { name };
  }
  const texts = column.form === 'texts' ? column : textsOfNumbers(column);
  const spelling = texts.kind === 'number' ? texts.texts.map(canonicalNumber) : texts.texts;
  const missing = texts.codes.findIndex((code) => code < 0 || spelling[code] === undefined);
  if (missing >= 0) throw missingTarget(name, path, missing + 1);
  const infinite =
    texts.kind === 'number' ? spelling.findIndex((text) => !Number.isFinite(Number(text))) : -1;
  if (infinite >= 0) {
    const row = rowOf(texts, (code) => code === infinite);
    throw new InputError(`Target ${name} of ${path} is infinite in row ${row}; correct or remove the row.`);
  }
  const classes = distinctTexts(texts, trainRows).map((text) => classOf(text, texts.kind));
  if (classes.length === 1) {
    throw new InputError(
      `Target ${name} of ${path} has the one class ${classes[0]} in all training rows; classification needs two.`,
    );
  }
  if (classes.length > MAX_CLASSES) {
    const remedy =
      texts.kind === 'number' ? 'for a quantity set model.task_type: regression' : 'put rare ones together';
    throw new InputError(
      `Target ${name} of ${path} has ${classes.length} classes (${summary(classes.map(String))}) and ${MAX_CLASSES} is the most; ${remedy}.`,
    );
  }
  return { name, classes };
}

function regressionLabel(column: RawColumn, path: string): Float32Array {
  const { name } = column;
  if (column.form === 'texts' && column.texts.length > 0) {
    throw new InputError(
      `Target ${name} of ${path} holds text ("${column.texts[0]}"); regression needs numbers, or set model.task_type: classification.`,
    );
  }
  const label =
    column.form === 'numbers' ? column.values : new Float32Array(column.codes.length).fill(Number.NaN);
  const bad = label.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return label;
  if (Number.isNaN(label[bad])) throw missingTarget(name, path, bad + 1);
  throw new InputError(
    `Target ${name} of ${path} is infinite as a float32 in row ${bad + 1}; correct, rescale or remove the row.`,
  );
}

/**
 * One label a row: the position of the row's class, or the value for regression.
 *
 * @throws InputError for a row without a value, an infinite one, or a class that training did not have.
 */
export function encodeTarget(column: RawColumn, spec: TargetSpec, path: string): Float32Array {
  const { name, classes } = spec;
  if (classes === undefined) return regressionLabel(column, path);
  const texts = column.form === 'texts' ? column : textsOfNumbers(column);
  const positions = positionsIn(texts, classes.map(String));
  if (classes.every((value) => typeof value !== 'string') && positions.includes(-1)) {
    // Truth values written as numbers, and the other way round.
    const [no, yes] = typeof classes[0] === 'boolean' ? ['0', '1'] : ['false', 'true'];
    const values = classes.map(Number);
    for (const [i, text] of texts.texts.entries()) {
      const value = canonicalNumber(text) ?? text.toLowerCase();
      if (positions[i]! < 0 && (value === no || value === yes))
        positions[i] = values.indexOf(value === yes ? 1 : 0);
    }
  }
  const label = new Float32Array(texts.codes.length);
  for (const [row, code] of texts.codes.entries()) {
    const position = code < 0 ? -1 : positions[code]!;
    if (position < 0) {
      if (code < 0 || texts.texts[code]!.toLowerCase() === 'nan') throw missingTarget(name, path, row + 1);
      throw new InputError(
        `Target ${name} of ${path} is "${texts.texts[code]}" in row ${row + 1}, a class that the training rows do not have (${classes.join(', ')}); correct or remove the row.`,
      );
    }
    label[row] = position;
  }
  return label;
}

/**
 * Row weights, checked.
 *
 * @throws InputError for a weight that is missing, negative or infinite, and when all are zero.
 */
export function encodeWeight(column: RawColumn, path: string): Float32Array {
  const { name } = column;
  const values = column.form === 'numbers' ? column.values : numbersOfTexts(column, path);
  const bad = values.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (bad >= 0) {
    const what = Number.isNaN(values[bad]) ? 'missing' : values[bad];
    throw new InputError(
      `Weight ${name} of ${path} is ${what} in row ${bad + 1}; weights must be finite and not negative.`,
    );
  }
  if (!values.some((value) => value > 0)) {
    throw new InputError(
      `Weight ${name} of ${path} is 0 in every row; give at least one row a positive weight.`,
    );
  }
  return values;
}

/**
 * One group number a row.
 *
 * @throws InputError for a row without a group.
 */
export function encodeGroup(column: RawColumn, path: string): Int32Array {
  const texts = column.form === 'texts' ? column : textsOfNumbers(column);
  const bad = texts.codes.indexOf(-1);
  if (bad >= 0) {
    throw new InputError(
      `Group ${column.name} of ${path} has no value in row ${bad + 1}; give every row a group.`,
    );
  }
  return texts.codes;
}

/** The columns of a table, called by name. */
export function columnsByName(table: RawTable): Map<string, RawColumn> {
  return new Map(table.columns.map((column) => [column.name, column]));
}

export function checkRows(table: RawTable, least: number): void {
  if (table.rows >= least) return;
  const need = least === 2 ? 'training needs at least 2' : 'at least 1 is needed';
  throw new InputError(`${table.path} gives ${table.rows === 1 ? '1 row' : 'no row'}; ${need}.`);
}
