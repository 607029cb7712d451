import { join } from 'node:path';
import type { TestRows } from '../comparison/compared-model.ts';
import type { ModelKind } from '../config/objectives.ts';
import { kindOf } from '../config/objectives.ts';
import { readDoubles } from '../data/read.ts';
import { type OutputColumn, writePredictions } from '../data/write.ts';
import { outputsOf } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import type { OutputFolder } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';

/** The models' predictions of the test rows, below the output folder of a run. */
export const TEST_PREDICTIONS = 'predictions/test.parquet';

/** What a model predicts for the test rows. */
export interface TestPredictions {
  /**
   * The probability of the positive class or the value of each row, or (rows, classes), row-major, the probability of each of several
   * classes; absent without test rows.
   */
  readonly testPredictions?: Float64Array | undefined;
}

/** The test rows of an experiment; undefined where it has none. */
export function testRowsOf({ binned, splits, params }: PreparedExperiment): TestRows | undefined {
  const rows = splits.find(({ name }) => name === 'test')?.rows;
  if (rows === undefined) return undefined;
  const kind = kindOf(params.objective);
  return {
    kind,
    classes: kind === 'binary' ? 2 : outputsOf(params),
    labels: binned.label.subarray(rows.start, rows.end),
    ...(binned.weight && { weights: binned.weight.subarray(rows.start, rows.end) }),
  };
}

/** The columns of one model: its name, or with several classes its name and the number of each class. */
const columnNames = (model: string, { kind, classes }: Pick<TestRows, 'kind' | 'classes'>) =>
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
  readonly byModel: ReadonlyMap<string, Float64Array>;
}

/**
 * Reads what `writeTestPredictions` wrote.
 * @param models whose predictions are wanted; those that the file does not have are left out
 * @throws InputError where the file cannot be read or is not one of a run.
 */
export async function readTestPredictions(
  folder: string,
  models: readonly string[],
  { kind, classes }: { readonly kind: ModelKind; readonly classes: number },
): Promise<StoredPredictions> {
  const path = join(folder, TEST_PREDICTIONS);
  const columns = await readDoubles(path);
  const labels = columns.get('label');
  if (labels === undefined) throw new InputError(`${path} has no column label; run the experiment again.`);
  if (
    kind !== 'regression' &&
    labels.some((label) => !(Number.isInteger(label) && label >= 0 && label < classes))
  )
    throw new InputError(
      `${path} has a label that is none of the ${classes} classes; run the experiment again.`,
    );
  const weights = columns.get('weight');
  const rows: TestRows = { kind, classes, labels, ...(weights && { weights }) };
  const byModel = new Map<string, Float64Array>();
  for (const model of models) {
    const ofModel = columnNames(model, rows).map((name) => columns.get(name));
    if (ofModel.some((column) => column === undefined)) continue;
    const width = ofModel.length;
    byModel.set(
      model,
      Float64Array.from(
        { length: labels.length * width },
        (_, i) => ofModel[i % width]![Math.floor(i / width)]!,
      ),
    );
  }
  return { rows, byModel };
}
