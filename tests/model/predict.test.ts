import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Model, type RowValue, type TrainingResult } from '../../src/boosting/model.ts';
import { usePredictors } from '../../src/boosting/predict.ts';
import type { Column } from '../../src/data/types.ts';
import { InputError } from '../../src/errors.ts';
import { probability } from '../../src/numerics/link.ts';
import { denseTraining, trainingAndColumns } from './generate.ts';
import { naiveMargins } from './naive.ts';
import { PREDICTORS, repeated } from './predictors.ts';

/** A cell as a person would write it in a row: categories and levels by name. */
function cell(column: Column, names: readonly string[] | undefined, row: number): RowValue {
  if (column.kind === 'categorical')
    return column.codes[row]! < 0 ? null : column.categories[column.codes[row]!]!;
  const value = column.values[row]!;
  return names && !Number.isNaN(value) ? names[value]! : value;
}

function rowOf(training: TrainingResult, columns: readonly Column[], row: number): RowValue[] {
  return columns.map((column, f) => cell(column, training.schema.features[f]!.categories, row));
}

/** One split on one feature: left gives margin −1, right 1, in units of 2^−20. */
function stump(
  feature: TrainingResult['features'][number],
  categories: readonly string[] | undefined,
  split: { bin: number; missingLeft: boolean; set?: number },
): Model {
  const catSets = new Uint32Array(8);
  catSets[0] = split.set ?? 0;
  return Model.fromTraining({
    ...denseTraining(0, 0, 1),
    features: [feature],
    schema: {
      features: [{ name: feature.name, type: feature.type, ...(categories && { categories }) }],
      target: { name: 'y', classes: [0, 1] },
    },
    trees: {
      marginBits: 20,
      classes: 1,
      baseMargins: Int32Array.of(0),
      baseValue: 0,
      treeStart: Int32Array.of(0, 3),
      feature: Int32Array.of(0, -1, -1),
      splitBin: Uint8Array.of(split.bin, 0, 0),
      missingLeft: Uint8Array.of(split.missingLeft ? 1 : 0, 0, 0),
      left: Int32Array.of(1, 0, 0),
      leaf: Int32Array.of(0, -1, 1),
      gain: Float64Array.of(1, 0, 0),
      cover: Float64Array.of(2, 1, 1),
      catIndex: Int32Array.of(split.set === undefined ? -1 : 0, -1, -1),
      catSets: split.set === undefined ? new Uint32Array(0) : catSets,
    },
  });
}

const numeric = {
  name: 'x',
  type: 'numeric' as const,
  bins: 2,
  cuts: Float32Array.of(0.5),
  binOfCategory: new Uint8Array(0),
};
const colour = {
  name: 'colour',
  type: 'categorical' as const,
  bins: 2,
  cuts: new Float32Array(0),
  binOfCategory: Uint8Array.of(1, 2),
};
const values = (...numbers: number[]): Column => ({
  kind: 'numeric',
  name: 'x',
  values: Float32Array.from(numbers),
});
const left = probability(-1);
const right = probability(1);

describe.each(PREDICTORS)('prediction by $name', ({ make }) => {
  beforeAll(() => usePredictors(make));

  it('equals a naive walk of the engine trees over bins', () => {
    fc.assert(
      fc.property(trainingAndColumns, ({ training, columns, rows }) => {
        const margins = Model.fromTraining(training).predictMargins(columns, rows);
        const all = Array.from({ length: rows }, (_, row) => naiveMargins(training, columns, row));
        const expected = Int32Array.from(all.flat());
        expect(margins).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('of a batch, of rows by name and of rows as arrays is the same to the last bit', () => {
    fc.assert(
      fc.property(trainingAndColumns, ({ training, columns, rows }) => {
        const model = Model.fromTraining(training);
        const batch = model.predict(columns, rows);
        for (let row = 0; row < rows; row++) {
          const cells = rowOf(training, columns, row);
          const record = Object.fromEntries(model.features.map(({ name }, f) => [name, cells[f]]));
          const perRow = rows === 0 ? 1 : batch.length / rows;
          const ofRow = [...batch.subarray(row * perRow, (row + 1) * perRow)];
          const expected = model.objective === 'multi:softprob' ? ofRow : ofRow[0];
          expect(model.predictRowArray(cells)).toEqual(expected);
          expect(model.predictRow(record)).toEqual(expected);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('of several classes is the softmax of its margins, or the class with the greatest of them', () => {
    fc.assert(
      fc.property(trainingAndColumns, ({ training, columns, rows }) => {
        fc.pre(training.objective.startsWith('multi:'));
        const model = Model.fromTraining(training);
        const of = (objective: 'multi:softprob' | 'multi:softmax') =>
          Model.fromTraining({ ...training, objective }).predict(columns, rows);
        const [probabilities, classes] = [of('multi:softprob'), of('multi:softmax')];
        const margins = model.predictMargins(columns, rows);
        const k = model.outputs;
        for (let row = 0; row < rows; row++) {
          const m = [...margins.subarray(row * k, (row + 1) * k)];
          const p = [...probabilities.subarray(row * k, (row + 1) * k)];
          expect(classes[row]).toBe(m.indexOf(Math.max(...m)));
          const e = m.map((margin) => Math.exp((margin - Math.max(...m)) / 2 ** 20));
          const sum = e.reduce((a, b) => a + b);
          p.forEach((value, c) => {
            expect(Math.abs(value - e[c]! / sum)).toBeLessThan(1e-14);
          });
        }
      }),
      { numRuns: 100 },
    );
  });

  it('of any number of rows, at once or on threads, is that of each row', async () => {
    await fc.assert(
      fc.asyncProperty(
        trainingAndColumns,
        fc.integer({ min: 1, max: 2600 }),
        fc.integer({ min: 1, max: 3 }),
        async ({ training, columns, rows }, count, threads) => {
          fc.pre(rows > 0);
          const model = Model.fromTraining(training);
          const all = columns.map((column) => repeated(column, rows, count));
          const margins = model.predictMargins(all, count);
          const naive = Array.from({ length: rows }, (_, row) => naiveMargins(training, columns, row));
          const expected = Array.from({ length: count }, (_, row) => naive[row % rows]!);
          expect(margins).toEqual(Int32Array.from(expected.flat()));
          expect(await model.predictAsync(all, count, { threads })).toEqual(model.predict(all, count));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of no rows is empty', async () => {
    const model = stump(numeric, undefined, { bin: 1, missingLeft: false });
    expect(model.predict([values()], 0)).toEqual(new Float64Array(0));
    expect(await model.predictAsync([values()], 0)).toEqual(new Float64Array(0));
  });

  it('takes columns in shared memory and parts of arrays', () => {
    const model = stump(numeric, undefined, { bin: 1, missingLeft: false });
    const shared = new Float32Array(new SharedArrayBuffer(160)).map((_, i) => i % 2);
    for (const whole of [shared, Float32Array.from(shared)]) {
      const column: Column = { kind: 'numeric', name: 'x', values: whole.subarray(1, 39) };
      const expected = Float64Array.from({ length: 38 }, (_, i) => (i % 2 === 0 ? right : left));
      expect(model.predict([column], 38)).toEqual(expected);
    }
  });

  it('off the event loop ends with the reason of its signal', async () => {
    const model = Model.fromTraining(denseTraining(50, 6, 4));
    const rows = 50_000;
    const columns = model.features.map(
      ({ name }): Column => ({ ...values(), name, values: new Float32Array(rows) }) as Column,
    );
    const abort = new AbortController();
    const prediction = model.predictAsync(columns, rows, { threads: 1, signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(prediction).rejects.toThrow('enough');
    await expect(model.predictAsync(columns, rows, { signal: abort.signal })).rejects.toThrow('enough');
  });

  it('of a batch larger than a block equals that of its rows', () => {
    const model = Model.fromTraining(denseTraining(20, 6, 28));
    const rows = 3000;
    const columns = model.features.map(
      ({ name }, f): Column => ({
        kind: 'numeric',
        name,
        values: Float32Array.from({ length: rows }, (_, r) => ((r * 7919 + f * 104729) % 1009) / 1009),
      }),
    );
    const batch = model.predict(columns, rows);
    const single = Float64Array.from({ length: rows }, (_, r) =>
      Number(
        model.predictRowArray(
          columns.map((column) => (column.kind === 'numeric' ? column.values[r]! : null)),
        ),
      ),
    );
    expect(batch).toEqual(single);
    expect(new Set(batch).size).toBeGreaterThan(100);
  });

  it('sends a value equal to the threshold right and the next lower float32 left', () => {
    const model = stump(numeric, undefined, { bin: 1, missingLeft: false });
    expect(model.predict([values(0.5, 0.49999997, -0, Infinity, -Infinity)], 5)).toEqual(
      Float64Array.of(right, left, left, right, left),
    );
  });

  it('compares −0 as 0', () => {
    const zero = { ...numeric, cuts: Float32Array.of(-0) };
    const model = stump(zero, undefined, { bin: 1, missingLeft: false });
    expect(model.predict([values(-0, 0, -1e-45)], 3)).toEqual(Float64Array.of(right, right, left));
    expect(Object.is(model.forest.threshold[0], 0)).toBe(true);
  });

  it('sends nothing but missing values left where the split is on missingness, infinities included', () => {
    const model = stump(numeric, undefined, { bin: 0, missingLeft: true });
    const lowest = -3.4028234663852886e38;
    expect(model.predict([values(Number.NaN, -Infinity, lowest, 0, Infinity)], 5)).toEqual(
      Float64Array.of(left, right, right, right, right),
    );
    expect([null, undefined, Number.NaN, -1e300, lowest].map((x) => model.predictRow({ x }))).toEqual([
      left,
      left,
      left,
      right,
      right,
    ]);
  });

  it('rounds the numbers of a row to float32, as the columns are', () => {
    const model = stump(numeric, undefined, { bin: 1, missingLeft: false });
    expect(model.predictRow({ x: 0.5 - 2 ** -40 })).toBe(right);
    expect(model.predictRow({ x: 0.5 - 2 ** -25 })).toBe(left);
  });

  it('reads booleans in a row as 1 and 0', () => {
    const model = stump(numeric, undefined, { bin: 1, missingLeft: false });
    expect([model.predictRow({ x: true }), model.predictRow({ x: false })]).toEqual([right, left]);
  });

  it.each([true, false])(
    'treats a category that the model does not know as missing (missing left: %s)',
    (missingLeft) => {
      const model = stump(colour, ['blue', 'red'], { bin: 0, missingLeft, set: 0b010 });
      const unknown = missingLeft ? left : right;
      expect(model.predictRow({ colour: 'blue' })).toBe(left);
      expect(model.predictRow({ colour: 'red' })).toBe(right);
      expect(model.predictRow({ colour: 'green' })).toBe(unknown);
      expect(model.predictRow({ colour: null })).toBe(unknown);
    },
  );

  it('matches the categories of a column by name', () => {
    const model = stump(colour, ['blue', 'red'], { bin: 0, missingLeft: false, set: 0b010 });
    const column: Column = {
      kind: 'categorical',
      name: 'colour',
      codes: Int32Array.of(0, 1, 2, -1),
      categories: ['amber', 'blue', 'red'],
    };
    expect(model.predict([column], 4)).toEqual(Float64Array.of(right, left, right, right));
  });

  it('finds the category that a number or a boolean is written as', () => {
    const categories = ['1.0', '1', '2.0', 'true'];
    const codes = { ...colour, bins: 4, binOfCategory: Uint8Array.of(1, 2, 3, 4) };
    const goesLeft = (set: number, value: RowValue) =>
      stump(codes, categories, { bin: 0, missingLeft: false, set }).predictRow({ colour: value }) === left;
    expect(goesLeft(0b00100, 1)).toBe(true);
    expect(goesLeft(0b00010, 1)).toBe(false);
    expect(goesLeft(0b01000, 2)).toBe(true);
    expect(goesLeft(0b10000, true)).toBe(true);
    expect(goesLeft(0b11110, Number.NaN)).toBe(false);
  });

  it('saturates after each tree, in tree order', () => {
    const limit = 2 ** 30 - 64;
    const leaves = (leaf: number[]) => {
      const { trees } = denseTraining(leaf.length, 0, 1);
      return Model.fromTraining({
        ...denseTraining(leaf.length, 0, 1),
        trees: { ...trees, leaf: Int32Array.from(leaf) },
      }).predictMargins([{ kind: 'numeric', name: 'f0', values: Float32Array.of(0) }], 1)[0];
    };
    expect(leaves([limit, limit, -limit])).toBe(64);
    expect(leaves([limit, -limit, limit])).toBe(limit);
    expect(leaves([-limit, -limit, limit])).toBe(-64);
  });

  it('scales the margin of a regression and adds the base value', () => {
    const training = denseTraining(1, 0, 1);
    const model = Model.fromTraining({
      ...training,
      objective: 'reg:squarederror',
      schema: { ...training.schema, target: { name: 'y' } },
      trees: { ...training.trees, marginBits: 3, baseValue: 10.5, leaf: Int32Array.of(-12) },
    });
    expect(model.predictRow({ f0: 1 })).toBe(9);
    expect(model.baseScore).toBe(10.5);
  });
});

describe.each(PREDICTORS)('bad input to prediction by $name', ({ make }) => {
  beforeAll(() => usePredictors(make));
  const model = stump(numeric, undefined, { bin: 1, missingLeft: false });
  const coloured = stump(colour, ['blue', 'red'], { bin: 0, missingLeft: false, set: 0b010 });

  it.each<[string, () => unknown, string]>([
    ['a row without the key of a feature', () => model.predictRow({ y: 1 }), 'no x'],
    ['text for a number', () => model.predictRow({ x: 'tall' }), 'The value of x is the text "tall"'],
    ['a list for a number', () => model.predictRow({ x: [1] as unknown as number }), 'of type object'],
    [
      'a list for a category',
      () => coloured.predictRow({ colour: [1] as unknown as string }),
      "a category's name",
    ],
    ['a big integer for a number', () => model.predictRow({ x: 1n as unknown as number }), 'of type bigint'],
    ['no row', () => model.predictRow(null as unknown as Record<string, number>), 'The row is null'],
    [
      'a number for a row',
      () => model.predictRow(1 as unknown as Record<string, number>),
      'The row is of type number',
    ],
    ['a row array of another length', () => model.predictRowArray([1, 2]), '2 values'],
    ['an empty row array', () => model.predictRowArray([]), '0 values'],
    ['no row array', () => model.predictRowArray(undefined as unknown as number[]), 'no values'],
    ['text in a row array', () => model.predictRowArray(['tall']), 'The value of x is the text "tall"'],
    ['another number of columns', () => model.predict([], 1), '0 columns'],
    ['no columns', () => model.predict(undefined as unknown as Column[], 1), 'no columns'],
    ['a list of nothing', () => model.predict([undefined as unknown as Column], 1), 'The column undefined'],
    [
      'a column without values',
      () => model.predict([{ kind: 'numeric', name: 'x' } as unknown as Column], 1),
      'must be a Float32Array',
    ],
    [
      'codes without categories',
      () =>
        coloured.predict(
          [{ kind: 'categorical', name: 'colour', codes: Int32Array.of(0) } as unknown as Column],
          1,
        ),
      'has no list of categories',
    ],
    ['columns in another order', () => model.predict([{ ...values(1), name: 'z' }], 1), 'The column z'],
    ['a column shorter than the rows', () => model.predict([values(1)], 2), 'at least 2 values'],
    ['a column of another type', () => coloured.predict([{ ...values(1), name: 'colour' }], 1), 'is numeric'],
    [
      'binary64 values',
      () =>
        model.predict(
          [{ kind: 'numeric', name: 'x', values: Float64Array.of(1) as unknown as Float32Array }],
          1,
        ),
      'must be a Float32Array',
    ],
    [
      'a code beyond the categories',
      () =>
        coloured.predict(
          [{ kind: 'categorical', name: 'colour', codes: Int32Array.of(0, 7), categories: ['blue', 'red'] }],
          2,
        ),
      'Row 1 of the column colour has the code 7',
    ],
    [
      'a code beyond the categories of many rows',
      () =>
        coloured.predict(
          [
            {
              kind: 'categorical',
              name: 'colour',
              codes: new Int32Array(3000).fill(2, 2999),
              categories: ['blue', 'red'],
            },
          ],
          3000,
        ),
      'Row 2999 of the column colour has the code 2',
    ],
    ['a fractional number of rows', () => model.predict([values(1)], 0.5), 'number of rows is 0.5'],
    ['a negative number of rows', () => model.predict([values(1)], -1), 'number of rows is -1'],
    [
      'more rows than there can be',
      () => model.predict([values(1)], 2 ** 31),
      'number of rows is 2147483648',
    ],
  ])('%s is an input error that says so', (_, act, message) => {
    expect(act).toThrow(InputError);
    expect(act).toThrow(message);
  });

  it('is an input error off the event loop too', async () => {
    await expect(model.predictAsync([], 1)).rejects.toThrow(InputError);
    const column: Column = {
      kind: 'categorical',
      name: 'colour',
      codes: new Int32Array(3000).fill(2, 2999),
      categories: ['blue', 'red'],
    };
    await expect(coloured.predictAsync([column], 3000)).rejects.toThrow('Row 2999 of the column colour');
  });
});
