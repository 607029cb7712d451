import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withNumbersReader } from '../../src/data/read.ts';
import { type OutputColumn, writePredictions } from '../../src/data/write.ts';
import { InputError } from '../../src/errors.ts';
import { openTestPredictions, TEST_PREDICTIONS } from '../../src/protocol/test-predictions.ts';

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lockstep-predictions-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const BINARY = { kind: 'binary', classes: 2 } as const;
const column = (name: string, values: readonly number[]): OutputColumn => ({
  name,
  values: Float64Array.from(values),
});
const labels = column('label', [0, 1, 1]);

async function written(columns: readonly OutputColumn[]): Promise<string> {
  const folder = join(root, String(count++));
  await mkdir(dirname(join(folder, TEST_PREDICTIONS)), { recursive: true });
  await writePredictions(join(folder, TEST_PREDICTIONS), columns);
  return folder;
}

const opened = (folder: string, rows = 3, kind: Parameters<typeof openTestPredictions>[2] = BINARY) =>
  withNumbersReader(async (reader) => {
    const stored = await openTestPredictions(reader, folder, kind, rows);
    const models = ['first', 'second'].filter((name) => stored.has(name));
    const predictions: Record<string, number[]> = {};
    for (const name of models) predictions[name] = Array.from(await stored.predictions(name));
    return { rows: stored.rows, predictions };
  });

describe('the predictions of test rows', () => {
  it('are read as they were written, bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true, min: 0, max: 9 })), {
          minLength: 1,
          maxLength: 20,
        }),
        async (values) => {
          const folder = await written([
            column(
              'label',
              values.map((_, row) => row % 2),
            ),
            column(
              'weight',
              values.map(([, weight]) => weight),
            ),
            column(
              'first',
              values.map(([prediction]) => prediction),
            ),
          ]);
          const { rows, predictions } = await opened(folder, values.length);
          expect(predictions).toEqual({ first: values.map(([prediction]) => prediction) });
          expect(Array.from(rows.weights!)).toEqual(values.map(([, weight]) => weight));
        },
      ),
      { numRuns: 5 },
    );
  });

  it('of several classes come row by row, and a model that lacks a class is none', async () => {
    const kind = { kind: 'multiclass', classes: 3 } as const;
    const folder = await written([
      column('label', [0, 2]),
      ...[0, 1, 2].map((c) => column(`first_${c}`, [c, 10 + c])),
      ...[0, 2].map((c) => column(`second_${c}`, [c, c])),
    ]);
    expect((await opened(folder, 2, kind)).predictions).toEqual({ first: [0, 1, 2, 10, 11, 12] });
  });

  it('that are NaN stay so: the comparison names them', async () => {
    const folder = await written([labels, column('first', [0.5, Number.NaN, 0.5])]);
    expect((await opened(folder)).predictions.first).toEqual([0.5, Number.NaN, 0.5]);
  });

  it.each<[string, readonly OutputColumn[], RegExp]>([
    ['lack labels', [column('first', [1, 2, 3])], /has no column label; run/],
    ['have another label', [column('label', [0, 1, 2])], /a label that is none of the 2 classes; run/],
    ['lack one label', [column('label', [0, Number.NaN, 1])], /a label that is none of the 2 classes; run/],
    ['are too few', [column('label', [0, 1])], /has 2 rows, and the run had 3 test rows; run/],
    ['lack a weight', [labels, column('weight', [1, Number.NaN, 1])], /a weight that is missing, negative/],
    ['have a negative weight', [labels, column('weight', [1, -1, 1])], /a weight that is missing, negative/],
    [
      'hold text',
      [labels, { name: 'first', values: ['a', 'b', 'c'] }],
      /Column first of .* holds a, which is no/,
    ],
  ])('are refused where they %s', async (_, columns, message) => {
    const ended = opened(await written(columns));
    await expect(ended).rejects.toThrow(message);
    await expect(ended).rejects.toBeInstanceOf(InputError);
  });

  it('of a regression are refused where a label is no number', async () => {
    const folder = await written([column('label', [0.5, Number.NaN])]);
    await expect(opened(folder, 2, { kind: 'regression', classes: 1 })).rejects.toThrow(
      'has a label that is no number',
    );
  });

  it('are refused where the file is absent, empty, torn at any place or something else', async () => {
    const folder = await written([labels, column('first', [0.25, 0.5, 0.75])]);
    const path = join(folder, TEST_PREDICTIONS);
    const whole = await readFile(path);
    for (const kept of [0, 3, 4, whole.length >> 1, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, kept));
      await expect(opened(folder)).rejects.toBeInstanceOf(InputError);
    }
    await writeFile(path, 'label,first\n0,1\n');
    await expect(opened(folder)).rejects.toThrow(/is not a complete Parquet file/);
    await rm(path);
    await expect(opened(folder)).rejects.toThrow(/does not exist/);
  });
});
