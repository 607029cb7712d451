import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadFeatureList } from '../../src/config/features.ts';
import { datasetFromArrays } from '../../src/data/arrays.ts';
import { type LoadOptions, loadForPrediction } from '../../src/data/load.ts';
import { splitRows } from '../../src/data/split.ts';
import { InputError } from '../../src/errors.ts';
import { load, readColumn, temporaryFolder, valuesOf, writeTable, writeText } from './tables.ts';

const folder = temporaryFolder();
const NaN_ = Number.NaN;
const root = join(import.meta.dirname, '../..');
const classification = { taskType: 'classification' as const };
let files = 0;

/** A CSV file of its own. */
const csv = (text: string): string => writeText(folder, `t${files++}.csv`, text);
/** A Parquet file of its own with the rows of a SELECT. */
const parquet = (select: string): Promise<string> => writeTable(folder, `t${files++}.parquet`, select);

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as Error;
  expect(message).not.toMatch(/\n|undefined/);
  return message;
}

describe('features', () => {
  const table = 'n,s,b,t,target,w,g\n1,x,true,1970-01-01,1,1,p\n2,y,false,1970-01-02,2,2,q\n';

  test('without a list they are all columns but target, weight and group, in file order, typed by their values', async () => {
    const { schema, train } = await load(csv(table), { weight: 'w', group: 'g' });
    expect(schema).toEqual({
      features: [
        { name: 'n', type: 'numeric' },
        { name: 's', type: 'categorical', categories: ['x', 'y'] },
        { name: 'b', type: 'numeric' },
        { name: 't', type: 'numeric', timestamp: true },
      ],
      target: { name: 'target' },
    });
    expect(valuesOf(train, 'b')).toEqual([1, 0]);
    expect(valuesOf(train, 't')).toEqual([0, 86_400]);
    expect([...train.label]).toEqual([1, 2]);
    expect([...train.weight!]).toEqual([1, 2]);
  });

  test('a list decides which columns, in which order', async () => {
    const { schema } = await load(csv(table), { features: [{ name: 's' }, { name: 'n' }] });
    expect(schema.features.map(({ name }) => name)).toEqual(['s', 'n']);
  });

  test('numbers declared categorical are categories in numeric order', async () => {
    const features = [{ name: 'n', type: 'categorical' as const }];
    const path = await parquet(
      'SELECT v::DOUBLE AS n, i AS target FROM (VALUES (10, 1), (9, 2), (NULL, 3), (-1.5, 4)) t(v, i)',
    );
    const { schema, train } = await load(path, { features });
    expect(schema.features[0]!.categories).toEqual(['-1.5', '9', '10']);
    expect(valuesOf(train, 'n')).toEqual(['10', '9', null, '-1.5']);
  });

  test('text declared numeric is read as the numbers it spells', async () => {
    const path = await parquet(
      "SELECT v AS n, i AS target FROM (VALUES ('1.5', 1), (' -inf', 2), ('nan', 3)) t(v, i)",
    );
    const { train } = await load(path, { features: [{ name: 'n', type: 'numeric' }] });
    expect(valuesOf(train, 'n')).toEqual([1.5, -Infinity, NaN_]);
  });

  test('ordinal text becomes the position of its level: as listed, else sorted', async () => {
    const path = csv('size,target\nsmall,1\nlarge,2\nmedium,3\n,4\n');
    const categories = ['small', 'medium', 'large'];
    const listed = await load(path, { features: [{ name: 'size', type: 'ordinal', categories }] });
    expect(listed.schema.features[0]).toEqual({ name: 'size', type: 'ordinal', categories });
    expect(valuesOf(listed.train, 'size')).toEqual([0, 2, 1, NaN_]);
    const sorted = await load(path, { features: [{ name: 'size', type: 'ordinal' }] });
    expect(valuesOf(sorted.train, 'size')).toEqual([2, 0, 1, NaN_]);
  });

  test('ordinal numbers stay numbers', async () => {
    const { schema, train } = await load(csv('n,target\n3,1\n1,2\n'), {
      features: [{ name: 'n', type: 'ordinal' }],
    });
    expect(schema.features[0]).toEqual({ name: 'n', type: 'ordinal' });
    expect(valuesOf(train, 'n')).toEqual([3, 1]);
  });

  test.each<[string, Partial<LoadOptions>, RegExp]>([
    [
      'absent features',
      { features: [{ name: 'nn' }, { name: 'zebra' }] },
      /does not have: nn \(did you mean n\?\), zebra; correct the list/,
    ],
    [
      'the target as a feature',
      { features: [{ name: 'n' }, { name: 'target' }] },
      /names target, which is data\.target/,
    ],
    ['the weight as a feature', { weight: 'w', features: [{ name: 'w' }] }, /names w, which is data\.weight/],
    ['a feature twice', { features: [{ name: 'n' }, { name: 'n' }] }, /names n twice/],
    ['an empty list', { features: [] }, /feature list is empty/],
    [
      'an absent target',
      { target: 'tarjet' },
      /has no column tarjet \(did you mean target\?\) for data\.target; its columns are n, s, b/,
    ],
    ['an absent weight', { weight: 'wt' }, /has no column wt \(.*\) for data\.weight/],
    ['an absent group', { group: 'zebra' }, /has no column zebra for data\.group/],
    [
      'one column in two roles',
      { weight: 'w', group: 'w' },
      /data\.weight and data\.group both name the column w/,
    ],
    [
      'a number expected where text is',
      { features: [{ name: 's', type: 'numeric' }] },
      /Column s of .* must hold numbers and has "x" in row 1/,
    ],
    [
      'a level that is not listed',
      { features: [{ name: 's', type: 'ordinal', categories: ['x'] }] },
      /Column s of .* has "y" in row 2, which is not among its listed categories/,
    ],
    [
      'levels for numbers',
      { features: [{ name: 'n', type: 'ordinal', categories: ['1', '2'] }] },
      /categories for n, which .* holds as numbers/,
    ],
  ])('%s: an error', async (_, options, message) => {
    expect(await failure(load(csv(table), options))).toMatch(message);
  });

  test('a column that is all null in the training rows is an error', async () => {
    expect(await failure(load(csv('a,b,target\n1,,1\n2,,2\n')))).toMatch(
      /Column b of .* has no value in the training rows; drop it/,
    );
    const half = await parquet(
      "SELECT CASE WHEN i < 2 THEN 'x' END AS a, i AS b, i AS target FROM range(50) t(i)",
    );
    const options = { split: { train: 0.1, val: 0.9, test: 0, stratify: false } };
    expect(splitRows({ rows: 50, fractions: options.split, seed: 42 }).train).not.toContain(0);
    expect(await failure(load(half, options))).toMatch(/Column a of .* has no value in the training rows/);
  });

  test('a column of structs is an error unless it is left out', async () => {
    const path = await parquet("SELECT {'a': 1} AS s, i AS v, i AS target FROM range(3) t(i)");
    expect(await failure(load(path))).toMatch(
      /Column s of .* has the type STRUCT\(a INTEGER\), .*; leave it out of data\.features/,
    );
    expect((await load(path, { features: [{ name: 'v' }] })).train.rows).toBe(3);
  });

  test('a table of the target alone has no feature', async () => {
    expect(await failure(load(csv('target\n1\n2\n')))).toMatch(/has no column for a feature besides target/);
  });
});

describe('target', () => {
  const table = (labels: string[]) =>
    csv(`v,target\n${labels.map((label, i) => `${i},${label}`).join('\n')}\n`);

  test.each([
    ['numbers', ['10', '9', '10'], [9, 10], [1, 0, 1]],
    ['text, by code units', ['b', 'B', 'b'], ['B', 'b'], [1, 0, 1]],
    ['several of them', ['c', '10', 'b', 'c'], ['10', 'b', 'c'], [2, 0, 1, 2]],
    ['several numbers', ['10', '9', '-1', '9.0'], [-1, 9, 10], [2, 1, 0, 1]],
    ['truth values', ['True', 'false', 'true'], [false, true], [1, 0, 1]],
    ['fractions', ['0.0', '1.0', '0'], [0, 1], [0, 1, 0]],
  ])('classes are sorted: %s', async (_, labels, classes, codes) => {
    const { schema, train } = await load(table(labels), classification);
    expect(schema.target).toEqual({ name: 'target', classes });
    expect([...train.label]).toEqual(codes);
  });

  test.each([
    ['a missing class', ['a', '', 'b'], classification, /Target target of .* has no value in row 2/],
    ['a class that is nan', ['1', 'nan', '2'], classification, /no value in row 2/],
    ['a missing value', ['1', '2', ''], {}, /no value in row 3/],
    ['an infinite value', ['1', 'inf', '2'], {}, /is infinite as a float32 in row 2/],
    ['a value beyond float32', ['1', '2', '1e39'], {}, /is infinite as a float32 in row 3/],
    ['an infinite class', ['1', '-inf', '1'], classification, /is infinite in row 2/],
    [
      'one class',
      ['a', 'a'],
      classification,
      /has the one class a in all training rows; classification needs two/,
    ],
    ['one value', ['7', '7'], {}, /is 7 in all training rows/],
    [
      'a text with 256 classes',
      Array.from({ length: 256 }, (_, i) => `c${i}`),
      classification,
      /has 256 classes \(c0, c1, .* and 246 more\) and 255 is the most; put rare ones together\.$/,
    ],
    [
      'a quantity as classes',
      Array.from({ length: 300 }, (_, i) => String(i / 4)),
      classification,
      /for a quantity set model\.task_type: regression/,
    ],
    ['text for regression', ['a', 'b'], {}, /holds text \("a"\); regression needs numbers/],
  ])('%s is an error', async (_, labels, options, message) => {
    expect(await failure(load(table(labels), options))).toMatch(message);
  });

  test.each([
    ['', /gives no row; training needs at least 2/],
    ['1,1\n', /gives 1 row; training needs at least 2/],
  ])('a table with the rows %j is too small', async (rows, message) => {
    expect(await failure(load(csv(`v,target\n${rows}`)))).toMatch(message);
    expect(
      await failure(load(csv('v,target\n1,1\n2,2\n'), { query: 'SELECT * FROM data WHERE v > 2' })),
    ).toMatch(/gives no row/);
  });
});

describe('weights', () => {
  test.each([
    ['-1', /Weight w of .* is -1 in row 2/],
    ['inf', /is Infinity in row 2/],
    ['nan', /is missing in row 2/],
    ['', /is missing in row 2/],
    ['0', /is 0 in every row/],
  ])('a weight of %j is an error', async (weight, message) => {
    const path = csv(`v,target,w\n1,1,0\n2,2,${weight}\n`);
    expect(await failure(load(path, { weight: 'w' }))).toMatch(message);
  });
});

describe('validation, test and prediction tables', () => {
  const training = 'n,s,k,target\n1,a,01,no\n2,b,2x,yes\n3,a,03,no\n';

  test('extra columns and another order do not matter; unseen categories are missing', async () => {
    const val = csv('extra,target,s,k,n\n9,yes,b,01,5\n9,no,zzz,03,\n');
    const data = await load(csv(training), { ...classification, valPath: val, testPath: val });
    for (const part of [data.val, data.test]) {
      expect(valuesOf(part, 'n')).toEqual([5, NaN_]);
      expect(valuesOf(part, 's')).toEqual(['b', null]);
      expect(valuesOf(part, 'k')).toEqual(['01', '03']);
      expect([...part!.label]).toEqual([1, 0]);
    }
    expect(data.sources.map(({ role, rows }) => [role, rows])).toEqual([
      ['train', 3],
      ['val', 2],
      ['test', 2],
    ]);
    expect(data.warnings).toEqual([expect.stringMatching(/\(test\) has the same bytes as .* \(val\)/)]);
  });

  test.each([
    ['a missing column', 's,k,target\na,01,no\n', /lacks the column n of the training data/],
    [
      'text in a column of numbers',
      'n,s,k,target\n1,a,01,no\nabc,a,01,no\n',
      /Column n of .* must hold numbers and has "abc" in row 2/,
    ],
    [
      'times in a column of numbers',
      'n,s,k,target\n2024-01-01,a,01,no\n',
      /Column n of .* holds times where the training data had numbers/,
    ],
    [
      'a class unseen in training',
      'n,s,k,target\n1,a,01,no\n2,a,01,maybe\n',
      /Target target of .* is "maybe" in row 2, a class that the training rows do not have \(no, yes\)/,
    ],
    ['a missing class', 'n,s,k,target\n1,a,01,\n', /has no value in row 1/],
    ['no row', 'n,s,k,target\n', /gives no row; at least 1 is needed/],
  ])('%s is an error', async (_, text, message) => {
    const loading = load(csv(training), { ...classification, valPath: csv(text) });
    expect(await failure(loading)).toMatch(message);
  });

  test('a misspelt column is named with the nearest one', async () => {
    const loading = load(csv('income,target\n1,1\n2,2\n'), { valPath: csv('incom,target\n1,1\n') });
    expect(await failure(loading)).toMatch(
      /lacks the column income \(did you mean incom\?\) of the training data/,
    );
  });

  test('numbers, whole numbers and text that spells numbers are the same column', async () => {
    const train = await parquet(
      'SELECT v::BIGINT AS v, v::BIGINT AS c, v::INTEGER AS target FROM (VALUES (0), (1), (1)) t(v)',
    );
    const features = [{ name: 'v' }, { name: 'c', type: 'categorical' as const }];
    const written = ['DOUBLE', 'VARCHAR', 'DECIMAL(5,2)', 'FLOAT', 'UTINYINT'];
    for (const type of written) {
      const valPath = await parquet(
        `SELECT v::${type} AS v, v::${type} AS c, v::${type} AS target FROM (VALUES (1), (0)) t(v)`,
      );
      const { val } = await load(train, { ...classification, features, valPath });
      expect(valuesOf(val, 'v')).toEqual([1, 0]);
      expect(valuesOf(val, 'c')).toEqual(['1', '0']);
      expect([...val!.label]).toEqual([1, 0]);
    }
  });

  test('truth values match the classes 0 and 1, and the other way round', async () => {
    const numbers = csv('v,target\n1,0\n2,1\n');
    const truths = csv('v,target\n1,true\n2,false\n');
    const [a, b] = [
      await load(numbers, { ...classification, valPath: truths }),
      await load(truths, { ...classification, valPath: numbers }),
    ];
    expect([...a.val!.label]).toEqual([1, 0]);
    expect([...b.val!.label]).toEqual([0, 1]);
  });

  test('a column without a value in the new table is missing throughout', async () => {
    const { columns } = await loadForPrediction(
      csv('n,s,k\n,,\n,,\n'),
      (await load(csv(training), classification)).schema,
    );
    expect(
      columns.map((column) => (column.kind === 'numeric' ? [...column.values] : [...column.codes])),
    ).toEqual([
      [NaN_, NaN_],
      [-1, -1],
      [-1, -1],
    ]);
  });

  test('unlisted categories keep their names where the schema sends them right, and nulls stay missing', async () => {
    const feature = (name: string, categories: string[]) => ({
      name,
      type: 'categorical' as const,
      categories,
      unlisted_right: true as const,
    });
    const schema = {
      features: [feature('n', ['0', '1', '2']), feature('s', ['a', 'b'])],
      target: { name: 'target' },
    };
    const { columns } = await loadForPrediction(csv('n,s\n2.0,b\n7,\n,c\nnan,a\n'), schema);
    const names = columns.map((column) =>
      column.kind === 'categorical'
        ? Array.from(column.codes, (code) => (code < 0 ? null : column.categories[code]))
        : [],
    );
    expect(names).toEqual([
      ['2', '7', null, null],
      ['b', null, 'c', 'a'],
    ]);
  });

  test('prediction needs no target and may use a query', async () => {
    const { schema } = await load(csv(training), classification);
    const rows = await loadForPrediction(csv('k,s,n\n01,a,1\n01,b,2\n'), schema, {
      query: 'SELECT * FROM data WHERE n > 1',
    });
    expect(rows.rows).toBe(1);
    expect(rows.columns.map(({ name }) => name)).toEqual(['n', 's', 'k']);
  });
});

describe('splitting the training table', () => {
  const split = { train: 0.6, val: 0.2, test: 0.2, stratify: true };
  const rows =
    'SELECT i AS v, (i % 10 = 0)::INTEGER AS target, i // 5 AS g, i + 1 AS w FROM range(1000) t(i)';

  test('the parts are the rows that splitRows names, with their labels and weights', async () => {
    const {
      train,
      val,
      test: last,
    } = await load(await parquet(rows), { ...classification, split, weight: 'w', features: [{ name: 'v' }] });
    const labels = Float32Array.from({ length: 1000 }, (_, i) => Number(i % 10 === 0));
    const expected = splitRows({ rows: 1000, fractions: split, labels, seed: 42 });
    for (const [part, chosen] of [
      [train, expected.train],
      [val, expected.val],
      [last, expected.test],
    ] as const) {
      expect(valuesOf(part, 'v')).toEqual([...chosen]);
      expect([...part!.label]).toEqual([...chosen].map((i) => labels[i]));
      expect([...part!.weight!]).toEqual([...chosen].map((i) => i + 1));
    }
    expect([train.rows, val!.rows, last!.rows]).toEqual([600, 200, 200]);
    expect(val!.label.reduce((sum, label) => sum + label, 0)).toBe(20);
  });

  test('rows of a group are in one part', async () => {
    const {
      train,
      val,
      test: last,
    } = await load(await parquet(rows), { ...classification, split, group: 'g' });
    const groups = [train, val, last].map(
      (part) => new Set(valuesOf(part, 'v').map((v) => Math.floor(Number(v) / 5))),
    );
    expect(groups.reduce((sum, set) => sum + set.size, 0)).toBe(200);
  });

  test('categories come from the training rows alone', async () => {
    const path = await parquet('SELECT i::VARCHAR AS s, i AS target FROM range(100) t(i)');
    const { schema, train, val } = await load(path, {
      split: { train: 0.5, val: 0.5, test: 0, stratify: false },
    });
    expect(schema.features[0]!.categories).toEqual(valuesOf(train, 's').sort());
    expect(valuesOf(val, 's')).toEqual(new Array(50).fill(null));
  });

  test('given a validation table there is no split', async () => {
    const path = await parquet(rows);
    expect((await load(path, { ...classification, split, valPath: path })).train.rows).toBe(1000);
  });

  test('a test share beside a test table is an error', async () => {
    const path = await parquet(rows);
    expect(await failure(load(path, { ...classification, split, testPath: path }))).toMatch(
      /data\.split\.test and data\.test_path are both given/,
    );
  });
});

describe('float32', () => {
  test('a column whose values collapse is reported with both counts', async () => {
    const path = await parquet(
      `SELECT 2000000000 + i AS id, i AS fine, i + 0.1 AS near, 16777216 + i % 2 AS pair, i AS target FROM range(1000) t(i)`,
    );
    const { warnings } = await load(path);
    expect(warnings).toEqual([
      'column id: 1000 distinct values become 9 in float32',
      'column pair: 2 distinct values become 1 in float32',
    ]);
    expect(new Set(await readColumn(path, 'id')).size).toBe(9);
  });

  test('finite values that become infinite are reported, and not as collapsed too', async () => {
    const { warnings } = await load(csv('v,target\n1e39,1\n-1e40,2\n1,3\n'));
    expect(warnings).toEqual(['column v: 2 finite values are beyond float32 and become infinite']);
  });
});

describe('real data', () => {
  const adult = join(root, 'examples/adult');

  test('the example of the repository: adult', async () => {
    const features = await loadFeatureList(join(adult, 'features.json'));
    const {
      schema,
      train,
      val,
      test: last,
      sources,
      warnings,
    } = await load(join(adult, 'adult.train.parquet'), {
      ...classification,
      features,
      valPath: join(adult, 'adult.val.parquet'),
      testPath: join(adult, 'adult.test.parquet'),
    });
    expect([train.rows, val!.rows, last!.rows]).toEqual([26_088, 6_473, 16_281]);
    expect(schema.features.filter(({ type }) => type === 'categorical')).toHaveLength(8);
    expect(schema.target).toEqual({ name: 'target', classes: [0, 1] });
    expect(schema.features.find(({ name }) => name === 'education')!.categories).toHaveLength(16);
    expect(last!.label.reduce((sum, label) => sum + label, 0)).toBe(3846);
    expect(valuesOf(train, 'workclass').filter((value) => value === null)).toHaveLength(1439);
    expect(sources.map(({ bytes }) => bytes)).toEqual(
      ['train', 'val', 'test'].map((part) => readFileSync(join(adult, `adult.${part}.parquet`)).length),
    );
    expect(warnings).toEqual([]);
  });

  test.each([
    ['adult', 48_842, 14, 6465, classification],
    ['agaricus', 8124, 127, 0, classification],
    ['breast_cancer', 569, 30, 0, classification],
    ['california_housing', 20_640, 9, 207, {}],
    ['diabetes', 442, 10, 0, {}],
    ['diamonds', 53_940, 9, 0, {}],
    ['higgs_7k', 7500, 28, 0, classification],
    ['madelon', 2600, 500, 0, classification],
    ['nycflights', 327_346, 11, 0, classification],
    ['titanic', 891, 9, 869, classification],
  ])('%s has %i rows, %i features and %i missing cells', async (name, rows, features, missing, task) => {
    const { train } = await load(join(root, `tests/data/${name}.parquet`), task);
    const cells = train.columns.map((column) =>
      column.kind === 'numeric'
        ? column.values.filter(Number.isNaN).length
        : column.codes.filter((c) => c < 0).length,
    );
    expect([train.rows, train.columns.length, cells.reduce((sum, count) => sum + count)]).toEqual([
      rows,
      features,
      missing,
    ]);
  });

  test('a table written as CSV loads as the Parquet it came from', async () => {
    const path = join(root, 'tests/data/titanic.parquet');
    const copy = await writeTable(folder, 'titanic.csv', `SELECT * FROM '${path}'`);
    const [a, b] = [await load(path, classification), await load(copy, classification)];
    expect(b.schema).toEqual(a.schema);
    expect(b.train).toEqual(a.train);
  });
});

describe('datasetFromArrays', () => {
  const arrays = {
    features: {
      n: [1, null, 3],
      s: ['b', null, 'a'],
      t: [true, false, null],
      f: Float32Array.of(1, NaN_, 2),
    },
    label: ['no', 'yes', 'no'],
    taskType: 'classification' as const,
  };

  test('arrays follow the rules of tables', () => {
    const { schema, dataset } = datasetFromArrays({ ...arrays, weight: [1, 2, 3] });
    expect(schema).toEqual({
      features: [
        { name: 'n', type: 'numeric' },
        { name: 's', type: 'categorical', categories: ['a', 'b'] },
        { name: 't', type: 'numeric' },
        { name: 'f', type: 'numeric' },
      ],
      target: { name: 'label', classes: ['no', 'yes'] },
    });
    expect(valuesOf(dataset, 'n')).toEqual([1, NaN_, 3]);
    expect(valuesOf(dataset, 's')).toEqual(['b', null, 'a']);
    expect(valuesOf(dataset, 't')).toEqual([1, 0, NaN_]);
    expect(dataset.columns[3]).toHaveProperty('values', arrays.features.f);
    expect([...dataset.label]).toEqual([0, 1, 0]);
    expect([...dataset.weight!]).toEqual([1, 2, 3]);
  });

  test('later arrays are read through the schema of the first', () => {
    const { schema } = datasetFromArrays(arrays);
    const features = { ...arrays.features, s: ['zzz', 'a', 'b'] };
    const { dataset } = datasetFromArrays({ ...arrays, features, schema });
    expect(valuesOf(dataset, 's')).toEqual([null, 'a', 'b']);
  });

  test('truth values are classes', () => {
    const { schema, dataset } = datasetFromArrays({ ...arrays, label: [true, false, true] });
    expect(schema.target.classes).toEqual([false, true]);
    expect([...dataset.label]).toEqual([1, 0, 1]);
  });

  test.each([
    [{ features: { n: [1, 2] } }, /n has 2 values and label has 3/],
    [{ weight: [1, 2] }, /weight has 2 values and label has 3/],
    [{ weight: [1, -2, 1] }, /Weight weight of the given arrays is -2 in row 2/],
    [{ features: { n: [1, 'x', 2] as never } }, /n mixes number and string \(item 1\)/],
    [{ label: [1, 1, 1] }, /has the one class 1/],
    [{ features: { n: [1], m: [2] }, label: [1] }, /gives 1 row; training needs at least 2/],
    [{ features: {} }, /no feature/],
  ])('%j is refused', (options, message) => {
    const make = () => datasetFromArrays({ ...arrays, ...options });
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
  });
});
