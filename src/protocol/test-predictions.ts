import { join } from 'node:path';
import type { TestRows } from '../comparison/compared-model.ts';
import { kindOf } from '../config/objectives.ts';
import type { NumbersReader } from '../data/read.ts';
import type { SplitName } from '../data/types.ts';
import { type OutputColumn, writePredictions } from '../data/write.ts';
import { outputsOf } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import type { OutputFolder } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';

/** The models' predictions of the test rows, below the output folder of a run. */
export const TEST_PREDICTIONS = 'predictions/test.parquet';

type RowsKind = Pick<TestRows, 'kind' | 'classes'>;

/** What a model predicts for the test rows. */
export interface TestPredictions {
  /**
   * The probability of the positive class or the value of each row, or (rows, classes), row-major, the probability of each of several
   * classes; absent without test rows.
   */
  readonly testPredictions?: Float64Array | undefined;
}

/** The test rows of an experiment; undefined where it has none. */
export function testRowsOf(experiment: PreparedExperiment): TestRows | undefined {
  return experiment.splits.some(({ name }) => name === 'test') ? rowsOf(experiment, 'test') : undefined;
}

/** The rows of a part of the data that an experiment has. */
export function rowsOf({ binned, splits, params }: PreparedExperiment, part: SplitName): TestRows {
  const { rows } = splits.find(({ name }) => name === part)!;
  const kind = kindOf(params.objective);
  return {
    kind,
    classes: kind === 'binary' ? 2 : outputsOf(params),
    labels: binned.label.subarray(rows.start, rows.end),
    ...(binned.weight && { weights: binned.weight.subarray(rows.start, rows.end) }),
  };
}

/** The columns of one model: its name, or with several classes its name and the number of each class. */
const columnNames = (model: string, { kind, classes }: RowsKind) =>
  kind === 'multiclass' ? Array.from({ length: classes }, (_, c) => `${model}_${c}`) : [model];

/** Writes the predictions of the test rows, where there are any: row, label, weight if rows have one, and those of each model. */
export async function writeTestPredictions(
  output: OutputFolder,
  rows: TestRows | undefined,
  models: Readonly<Record<string, TestPredictions>>,
): Promise<void> {
  if (rows === undefined) return;
  const count = rows.labels.length;
  const columns: OutputColumn[] = [
    { name: 'row', values: Int32Array.from({ length: count }, (_, row) => row) },
    { name: 'label', values: Float64Array.from(rows.labels) },
    ...(rows.weights ? [{ name: 'weight', values: Float64Array.from(rows.weights) }] : []),
  ];
  for (const [model, { testPredictions }] of Object.entries(models)) {
    if (testPredictions === undefined) continue;
    const names = columnNames(model, rows);
    for (const [c, name] of names.entries()) {
      const values = Float64Array.from(
        { length: count },
        (_, row) => testPredictions[row * names.length + c]!,
      );
      columns.push({ name, values });
    }
  }
  await output.writeFile(TEST_PREDICTIONS, (path) => writePredictions(path, columns));
}

/** Predictions of the test rows as a run has left them. */
export interface StoredPredictions {
  readonly rows: TestRows;
  has(model: string): boolean;
  /** Those of a model that the file has. */
  predictions(model: string): Promise<Float64Array>;
}

/**
 * Opens what `writeTestPredictions` wrote: reads the rows, and predictions when they are asked for.
 * @param reader in use as long as predictions are asked for
 * @param count of test rows that the run had
 * @throws InputError where the file cannot be read or is not one of a run.
 */
export async function openTestPredictions(
  reader: NumbersReader,
  folder: string,
  { kind, classes }: RowsKind,
  count: number,
): Promise<StoredPredictions> {
  const path = join(folder, TEST_PREDICTIONS);
  const wrong = (what: string) => new InputError(`${path} ${what}; run the experiment again.`);
  const names = new Set(await reader.columns(path));
  if (!names.has('label')) throw wrong('has no column label');
  const [labels, weights] = await reader.read(path, names.has('weight') ? ['label', 'weight'] : ['label']);
  if (labels!.length !== count) throw wrong(`has ${labels!.length} rows, and the run had ${count} test rows`);
  const isLabel = (label: number) =>
    kind === 'regression' ? Number.isFinite(label) : Number.isInteger(label) && label >= 0 && label < classes;
  if (!labels!.every(isLabel))
    throw wrong(
      kind === 'regression'
        ? 'has a label that is no number'
        : `has a label that is none of the ${classes} classes`,
    );
  if (weights?.every((weight) => weight >= 0 && weight < Number.POSITIVE_INFINITY) === false)
    throw wrong('has a weight that is missing, negative or infinite');
  const rows: TestRows = { kind, classes, labels: labels!, ...(weights && { weights }) };
  return {
    rows,
    // Of the kind alone: labels would be kept as long as the functions are.
    has: (model) => columnNames(model, { kind, classes }).every((name) => names.has(name)),
    async predictions(model) {
      const columns = await reader.read(path, columnNames(model, { kind, classes }));
      const width = columns.length;
      if (width === 1) return columns[0]!;
      const all = new Float64Array(count * width);
      for (const [c, column] of columns.entries())
        for (let row = 0; row < count; row++) all[row * width + c] = column[row]!;
      return all;
    },
  };
}
