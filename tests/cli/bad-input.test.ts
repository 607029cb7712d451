import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, filesBelow, repository, scratch, smallConfig, smallCsv, writeExperiment } from './cli.ts';

const newFolder = scratch();

interface BadInput {
  readonly claim: string;
  readonly csv?: string;
  readonly config?: string;
  readonly args?: readonly string[];
  /** Further files, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly message: RegExp;
  readonly exit?: number;
}

/** The table with the cells of one column replaced. */
function withCells(column: number, value: (cell: string, row: number) => string): string {
  const [head, ...rows] = smallCsv().trimEnd().split('\n');
  const changed = rows.map((row, i) =>
    row
      .split(',')
      .map((cell, c) => (c === column ? value(cell, i) : cell))
      .join(','),
  );
  return [head, ...changed, ''].join('\n');
}

const aliasBomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
  .concat(
    Array.from({ length: 9 }, (_, i) => {
      const [from, to] = [String.fromCharCode(97 + i), String.fromCharCode(98 + i)];
      return `${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`;
    }),
  )
  .join('\n');

const cases: readonly BadInput[] = [
  {
    claim: 'a missing data file is named',
    args: ['--set', 'data.train_path=none.csv'],
    message: /none\.csv does not exist; check the path\.$/m,
  },
  {
    claim: 'an empty data file is refused',
    csv: '',
    message: /train\.csv is empty; it needs a header and rows\.$/m,
  },
  {
    claim: 'a target that is not a column is named',
    args: ['--set', 'data.target=z'],
    message: /train\.csv has no column z for data\.target; its columns are a, b, y\.$/m,
  },
  {
    claim: 'a constant target is refused',
    csv: withCells(2, () => '1'),
    message: /Target y of \S+ has the one class 1 in all training rows; classification needs two\.$/m,
  },
  {
    claim: 'a null in the target is refused with its row',
    csv: withCells(2, (cell, row) => (row === 6 ? '' : cell)),
    message: /Target y of \S+ has no value in row 7; /,
  },
  {
    claim: 'an infinite label is refused with its row',
    csv: withCells(2, (cell, row) => (row === 3 ? 'inf' : `${cell}.5`)),
    args: ['--set', 'model.task_type=regression'],
    message: /Target y of \S+ is infinite as a float32 in row 4; /,
  },
  {
    claim: 'a feature list that does not match names the absent column and the nearest one',
    files: { 'features.json': '["a", "bb"]' },
    args: ['--set', 'data.features=features.json'],
    message: /feature list names columns that \S+ does not have: bb \(did you mean b\?\)/,
  },
  {
    claim: 'a column without any value is named',
    csv: withCells(1, () => ''),
    message: /Column b of \S+ has no value in the training rows; /,
  },
  {
    claim: 'one row is too few',
    csv: 'a,b,y\n1,2,0\n',
    message: /gives 1 row; training needs at least 2\.$/m,
  },
  { claim: 'no row is too few', csv: 'a,b,y\n', message: /gives no row; training needs at least 2\.$/m },
  {
    claim: 'a column name that occurs twice is named',
    csv: smallCsv().replace('a,b,y', 'a,a,y'),
    message: /has two columns named a; rename or drop one\.$/m,
  },
  {
    claim: 'a negative weight is refused',
    csv: withCells(1, (cell, row) => (row === 2 ? '-1' : cell)),
    args: ['--set', 'data.weight=b'],
    message: /Weight b of \S+ is -1 in row 3; /,
  },
  {
    claim: 'n_estimators 0 is refused',
    args: ['--set', 'hyperparameters.n_estimators=0'],
    message: /--set hyperparameters\.n_estimators: must be a whole number from 1 to 100000, not 0/,
  },
  {
    claim: 'max_depth 40 is refused at its line',
    config: `${smallConfig}  max_depth: 40\n`,
    message: /x\.yaml:10:14 hyperparameters\.max_depth: must be a whole number from 1 to 30/,
  },
  {
    claim: 'a tab in the indentation is refused at its line',
    config: smallConfig.replace('  name', '\tname'),
    message: /x\.yaml:4:1: a tab is used for indentation/,
  },
  {
    claim: 'a duplicate key is refused at its line',
    config: `${smallConfig}  n_estimators: 6\n`,
    message: /x\.yaml:10:3: the key n_estimators is given twice/,
  },
  {
    claim: 'an alias bomb is refused',
    config: `${smallConfig}${aliasBomb}\n`,
    message: /x\.yaml grows beyond \d+ values through its aliases/,
  },
  {
    claim: 'a misspelt key is named with the nearest known one',
    config: smallConfig.replace('n_estimators', 'n_estimator'),
    message: /did you mean n_estimators\?/,
  },
  { claim: 'a --set of an unknown key is named', args: ['--set', 'a=b'], message: /a: unknown key/ },
  {
    claim: 'training above max_memory_gb is refused with the estimate',
    args: ['--set', 'resources.max_memory_gb=0.00001'],
    message: /needs about [\d.e-]+ GiB, more than resources\.max_memory_gb 0\.00001/,
    exit: 3,
  },
  {
    claim: 'an engine that cannot run is refused',
    args: ['--engine', 'cuda'],
    message: /CUDA engine/,
    exit: 4,
  },
  {
    claim: 'a stage of a later version is refused',
    args: ['--stages', 'ensemble'],
    message: /stage ensemble/,
  },
  {
    claim: 'an unknown stage is refused with the known ones',
    args: ['--stages', 'basline'],
    message: /basline.*baseline/,
  },
];

describe('bad input gives one sentence, its exit code, and no file', () => {
  it.concurrent.each(cases)('$claim', async ({ csv, config, args = [], files = {}, message, exit = 2 }) => {
    const folder = await newFolder();
    await writeExperiment(folder, {
      ...(csv !== undefined && { csv }),
      ...(config !== undefined && { config }),
    });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const ended = await cli(['run', 'x.yaml', '--out', 'out', ...args], folder);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.match(/^error: /gm)).toHaveLength(1);
    expect(ended.code).toBe(exit);
    expect(ended.stdout).toBe('');
    expect(await filesBelow(join(folder, 'out'))).toEqual([]);
  });

  it.concurrent('a truncated Parquet file is refused', async () => {
    const folder = await newFolder();
    const whole = await readFile(join(repository, 'tests', 'data', 'titanic.parquet'));
    await writeExperiment(folder);
    await writeFile(join(folder, 'cut.parquet'), whole.subarray(0, whole.length >> 1));
    const ended = await cli(
      ['run', 'x.yaml', '--out', 'out', '--set', 'data.train_path=cut.parquet'],
      folder,
    );
    expect(ended.stderr).toMatch(/^error: .*cut\.parquet .*\.$/m);
    expect(ended.code).toBe(2);
    expect(await filesBelow(join(folder, 'out'))).toEqual([]);
  });

  it.concurrent('a config that does not exist is named', async () => {
    const ended = await cli(['run', 'none.yaml'], await newFolder());
    expect(ended.stderr).toMatch(/^error: none\.yaml does not exist; check the path/);
    expect(ended.code).toBe(2);
  });

  it.concurrent.each(['x.yaml/out', '/proc/lockstep'])(
    'the output folder %s, which cannot be made, is refused before training',
    async (out) => {
      const folder = await newFolder();
      await writeExperiment(folder);
      const ended = await cli(['run', 'x.yaml', '--out', out], folder);
      expect(ended.stderr).toMatch(/^error: Cannot write .*\.$/m);
      expect(ended.stderr).not.toMatch(/^baseline \d/m);
      expect(ended.code).toBe(2);
      expect(await filesBelow(folder)).toEqual(['train.csv', 'x.yaml']);
    },
  );
});

it('anchors and merge keys work', async () => {
  const folder = await newFolder();
  const config = smallConfig.replace(
    '  n_estimators: 5',
    '  <<: {n_estimators: &few 5, max_bin: 64}\n  max_depth: *few',
  );
  await writeExperiment(folder, { config });
  expect((await cli(['train', 'x.yaml', '--out', 'm.json'], folder)).code).toBe(0);
  expect(JSON.parse(await readFile(join(folder, 'm.json'), 'utf8')).params).toMatchObject({
    n_estimators: 5,
    max_bin: 64,
    max_depth: 5,
  });
});

it('with --json all errors of a config are in one object on stdout', async () => {
  const folder = await newFolder();
  await writeExperiment(folder, { config: `${smallConfig}  max_dept: 3\n  eta: -1\n` });
  const ended = await cli(['run', 'x.yaml', '--json'], folder);
  const { error } = JSON.parse(ended.stdout);
  expect(error.exit).toBe(2);
  expect(error.message).toMatch(/^x\.yaml has 2 errors/);
  expect(error.issues).toMatchObject([
    { source: 'x.yaml', line: 10, column: 3, path: 'hyperparameters.max_dept' },
    { source: 'x.yaml', line: 11, path: 'hyperparameters.learning_rate' },
  ]);
  expect(ended.code).toBe(2);
});
