import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Source } from '../../src/data/read.ts';
import { InputError, InterruptedError } from '../../src/errors.ts';
import { readColumn, temporaryFolder, writeTable, writeText } from './tables.ts';

const folder = temporaryFolder();
const NaN_ = Number.NaN;

/** The error of opening a source and reading its first column. */
async function failure(path: string, query?: string): Promise<Error> {
  const read = Source.open(path, { query }, (source) =>
    source.read([{ name: source.columns[0]!.name, as: 'numbers' }]),
  );
  const error = await read.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  return error as Error;
}

describe('formats', () => {
  const csv = 'a,b\n1,x\n2.5,"y, ""z"""\n,\n';

  test.each([
    ['plain.csv', csv],
    ['crlf.csv', csv.replaceAll('\n', '\r\n')],
    ['mark.csv', `\ufeff${csv}`],
    ['semicolon.csv', 'a;b\n1;x\n2.5;"y, ""z"""\n;\n'],
    ['tab.tsv', 'a\tb\n1\tx\n2.5\t"y, ""z"""\n\t\n'],
    ['packed.csv.gz', gzipSync(csv)],
    ['lines.ndjson', '{"a":1,"b":"x"}\n{"a":2.5,"b":"y, \\"z\\""}\n{"a":null,"b":null}\n'],
    ['list.json', '[{"a":1,"b":"x"},{"a":2.5,"b":"y, \\"z\\""},{}]'],
  ])('%s gives the rows of the table', async (name, text) => {
    const path = writeText(folder, name, text);
    expect(await readColumn(path, 'a')).toEqual([1, 2.5, NaN_]);
    expect(await readColumn(path, 'b')).toEqual(['x', 'y, "z"', null]);
  });

  test('a CSV line may have 2,000,000 bytes', async () => {
    const text = 'x'.repeat(1_999_990);
    const path = writeText(folder, 'wide.csv', `a,b\n1,y\n2,${text}\n3,z\n`);
    expect(await readColumn(path, 'b')).toEqual(['y', text, 'z']);
  });

  test('a Parquet column of every numeric type becomes float32', async () => {
    const types = [
      'TINYINT',
      'SMALLINT',
      'INTEGER',
      'BIGINT',
      'HUGEINT',
      'UTINYINT',
      'UBIGINT',
      'UHUGEINT',
      'FLOAT',
      'DOUBLE',
      'DECIMAL(4,1)',
      'DECIMAL(30,2)',
      'BOOLEAN',
    ];
    const columns = types.map((type, i) => `v::${type} AS c${i}`);
    const path = await writeTable(
      folder,
      'types.parquet',
      `SELECT ${columns} FROM (VALUES (1), (NULL), (0)) t(v)`,
    );
    for (const i of types.keys()) expect(await readColumn(path, `c${i}`)).toEqual([1, NaN_, 0]);
  });

  test('nulls and NaN are missing, infinities are not', async () => {
    const path = await writeTable(
      folder,
      'special.parquet',
      "SELECT v::DOUBLE AS v FROM (VALUES ('inf'), ('-inf'), ('nan'), (NULL), ('1')) t(v)",
    );
    const values = [Infinity, -Infinity, NaN_, NaN_, 1];
    expect(await readColumn(path, 'v')).toEqual(values);
    expect(
      await readColumn(writeText(folder, 'special.csv', 'v,w\ninf,\n-inf,\nnan,\n,\n1,\n'), 'v'),
    ).toEqual(values);
  });

  test('times are seconds: timestamps and dates since 1970 in UTC, times of day since midnight', async () => {
    const path = await writeTable(
      folder,
      'times.parquet',
      `SELECT TIMESTAMP '1970-01-01 00:01:00.5' AS a, TIMESTAMPTZ '1970-01-01 01:00:00+01' AS b, DATE '1970-01-03' AS c,
        TIME '00:02:00' AS d, TIMESTAMP_NS '1970-01-01 00:00:02' AS e, TIMESTAMP_S '1970-01-01 00:00:03' AS f`,
    );
    const seconds = { a: 60.5, b: 0, c: 172_800, d: 120, e: 2, f: 3 };
    for (const [name, value] of Object.entries(seconds))
      expect(await readColumn(path, name)).toEqual([value]);
    const csv = writeText(
      folder,
      'times.csv',
      'a,b,c,d\n1970-01-01 00:01:00.5,1970-01-01T01:00:00+01:00,1970-01-03,00:02:00\n',
    );
    for (const name of ['a', 'b', 'c', 'd'] as const)
      expect(await readColumn(csv, name)).toEqual([seconds[name]]);
  });

  test('float32 values are those of rounding to nearest, whatever the format', async () => {
    // Zero is written without its sign.
    const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((v) => (v === 0 ? 0 : v));
    const finite = fc.array(number, { minLength: 1, maxLength: 50 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(finite, async (values) => {
        const rounded = values.map(Math.fround);
        const csv = writeText(folder, `round${run++}.csv`, `v\n${values.map(String).join('\n')}\n`);
        expect(await readColumn(csv, 'v')).toEqual(rounded);
        const parquet = await writeTable(
          folder,
          `round${run}.parquet`,
          `SELECT v::DOUBLE AS v FROM read_csv('${csv}', all_varchar = true, header = true)`,
        );
        expect(await readColumn(parquet, 'v')).toEqual(rounded);
      }),
      { numRuns: 15 },
    );
  });

  test('a column of numbers asked for as text has one spelling per number', async () => {
    const path = await writeTable(
      folder,
      'codes.parquet',
      'SELECT v::DOUBLE AS d, v::BIGINT AS i FROM (VALUES (1), (10), (NULL)) t(v)',
    );
    expect(await readColumn(path, 'd', 'texts')).toEqual(['1', '10', null]);
    expect(await readColumn(path, 'i', 'texts')).toEqual(['1', '10', null]);
  });
});

describe('CSV', () => {
  const late = 30_000;

  test.each([
    ['a fraction after 30,000 whole numbers', '1', '1.5', [1, 1.5]],
    ['a time after 30,000 dates', '1970-01-02', '1970-01-02 00:00:10', [86_400, 86_410]],
    ['a number after 30,000 empty cells', '', '7', [NaN_, 7]],
  ])('%s is read as it is', async (_, usual, last, [first, final]) => {
    const path = writeText(folder, 'late.csv', `v,w\n${`${usual},1\n`.repeat(late)}${last},1\n`);
    const values = await readColumn(path, 'v');
    expect(values).toHaveLength(late + 1);
    expect([values[0], values[late]]).toEqual([first, final]);
  });

  test('a word after 30,000 numbers makes the column text', async () => {
    const path = writeText(folder, 'word.csv', `v\n${'1\n'.repeat(late)}x\n`);
    expect((await readColumn(path, 'v')).slice(-2)).toEqual(['1', 'x']);
  });

  test('NA, NULL and null are missing, quoted or not', async () => {
    const path = writeText(folder, 'na.csv', 'v,t\n1,a\nNA,NA\n"NULL",null\n2,b\n');
    expect(await readColumn(path, 'v')).toEqual([1, NaN_, NaN_, 2]);
    expect(await readColumn(path, 't')).toEqual(['a', null, null, 'b']);
  });

  test('text keeps leading zeros', async () => {
    const path = writeText(folder, 'zip.csv', 'zip\n01234\n1234\n');
    expect(await readColumn(path, 'zip', 'texts')).toEqual(['01234', '1234']);
  });

  test('true and false are a truth value, t and f are text', async () => {
    const path = writeText(folder, 'truth.csv', 'a,b\nTrue,t\nfalse,f\n');
    expect(await readColumn(path, 'a')).toEqual([1, 0]);
    expect(await readColumn(path, 'b')).toEqual(['t', 'f']);
  });

  test('a row with too few cells is an error with its line', async () => {
    const path = writeText(folder, 'ragged.csv', `a,b\n${'1,2\n'.repeat(2500)}3\n4,5,6\n`);
    expect((await failure(path)).message).toMatch(
      /ragged\.csv cannot be read at line 2502 \(Expected Number of Columns: 2 Found: 1\)/,
    );
  });

  test('a column named twice is an error', async () => {
    const { message } = await failure(writeText(folder, 'twice.csv', 'a,b,a\n1,2,3\n'));
    expect(message).toMatch(/twice\.csv has two columns named a; rename or drop one\./);
  });

  test('names that differ in letter case only are different columns', async () => {
    const path = writeText(folder, 'case.csv', 'a,A\n1,2\n');
    expect(await readColumn(path, 'A')).toEqual([2]);
  });
});

describe('several files', () => {
  test('a pattern reads its files in the order of their names, and rows in file order', async () => {
    mkdirSync(join(folder, 'many'));
    for (const part of [2, 0, 10, 1]) {
      await writeTable(
        folder,
        `many/p${part}.parquet`,
        `SELECT ${part}::INTEGER AS f, i AS v FROM range(50000) t(i)`,
      );
    }
    const f = await readColumn(join(folder, 'many/*.parquet'), 'f');
    const v = await readColumn(join(folder, 'many/*.parquet'), 'v');
    expect(v).toEqual(Array.from({ length: 200_000 }, (_, i) => i % 50_000));
    expect(f).toEqual(Array.from({ length: 200_000 }, (_, i) => [0, 1, 10, 2][Math.floor(i / 50_000)]));
    const records = await Source.open(join(folder, 'many/*.parquet'), {}, (source) => source.records());
    expect(records.map(({ path, rows }) => [path, rows])).toEqual(
      ['p0', 'p1', 'p10', 'p2'].map((name) => [join(folder, `many/${name}.parquet`), 50_000]),
    );
  });

  test('every CSV file of a pattern has its own header, and quoted cells may span lines', async () => {
    mkdirSync(join(folder, 'csvs'));
    writeText(folder, 'csvs/b.csv', 'v,s\n3,"x\ny"\n4,z\n');
    writeText(folder, 'csvs/a.csv', 'v,s\n1,p\n2,q\n');
    expect(await readColumn(join(folder, 'csvs/*.csv'), 'v')).toEqual([1, 2, 3, 4]);
    expect(await readColumn(join(folder, 'csvs/*.csv'), 's')).toEqual(['p', 'q', 'x\ny', 'z']);
  });

  test('whole numbers in one file and fractions in another are numbers', async () => {
    await writeTable(folder, 'mix1.parquet', 'SELECT 1::INTEGER AS v');
    await writeTable(folder, 'mix2.parquet', 'SELECT 1.5::DOUBLE AS v');
    expect(await readColumn(join(folder, 'mix?.parquet'), 'v')).toEqual([1, 1.5]);
  });

  test.each([
    [
      'lacks',
      'SELECT 1 AS a',
      'SELECT 1 AS b',
      /two\.parquet does not have the columns of .*one\.parquet \(it lacks a\)/,
    ],
    ['extra', 'SELECT 1 AS a', 'SELECT 1 AS a, 2 AS c', /it also has c/],
    ['order', 'SELECT 1 AS a, 2 AS c', 'SELECT 2 AS c, 1 AS a', /another order/],
    [
      'type',
      'SELECT 1 AS a',
      "SELECT 'x' AS a",
      /Column a is VARCHAR in .*two\.parquet and INTEGER in .*one\.parquet/,
    ],
  ])('files that disagree (%s) are an error that names both', async (name, one, two, message) => {
    mkdirSync(join(folder, name));
    await writeTable(folder, `${name}/one.parquet`, one);
    await writeTable(folder, `${name}/two.parquet`, two);
    expect((await failure(join(folder, name, '*.parquet'))).message).toMatch(message);
  });

  test('a file whose name looks like a pattern is that file', async () => {
    const path = writeText(folder, 'odd[1]*.csv', 'v\n5\n');
    writeText(folder, 'odd1x.csv', 'v\n6\n');
    expect(await readColumn(path, 'v')).toEqual([5]);
  });
});

describe('query', () => {
  test('may give many more rows than its source has, or far fewer', async () => {
    const path = await writeTable(folder, 'long.parquet', 'SELECT i FROM range(100000) t(i)');
    const sum = (from: number, to: number) => ((from + to - 1) * (to - from)) / 2;
    for (const [from, to] of [
      [0, 250_000],
      [7, 9],
      [0, 60_000],
    ] as const) {
      const rows = `SELECT ${from} + row_number() OVER () - 1 AS v FROM data, range(3) ORDER BY v LIMIT ${to - from}`;
      const values = (await readColumn(path, 'v', 'numbers', rows)) as number[];
      expect(values.length).toBe(to - from);
      expect(values.reduce((total, value) => total + value, 0)).toBe(sum(from, to));
    }
  });

  test('it selects, computes and orders rows of the view data', async () => {
    const path = await writeTable(
      folder,
      'hours.parquet',
      'SELECT i % 24 AS hour, i AS v FROM range(100) t(i)',
    );
    expect(await readColumn(path, 'v', 'numbers', 'SELECT * FROM data WHERE hour >= 22')).toEqual([
      22, 23, 46, 47, 70, 71, 94, 95,
    ]);
    expect(
      await readColumn(path, 'w', 'numbers', 'SELECT v * 2 AS w FROM data ORDER BY v DESC LIMIT 3;'),
    ).toEqual([198, 196, 194]);
  });

  test('it sees CSV columns with their types', async () => {
    const path = writeText(folder, 'typed.csv', 'ts,v\n2024-05-01 06:00:00,1\n2024-05-01 17:30:00,2\n');
    expect(await readColumn(path, 'h', 'numbers', 'SELECT hour(ts) AS h FROM data WHERE v + 1 > 2')).toEqual([
      17,
    ]);
  });

  test.each([
    ['', /data\.query cannot be read \(it must be one SELECT statement\)/],
    ['SELECT 1; SELECT 2', /one SELECT statement/],
    ['SELECT nothing FROM data', /nothing/],
    ['SELEC * FROM data', /syntax error/],
    ['SELECT v, v FROM data', /result of data\.query has two columns named v/],
    ["COPY data TO 'stolen.csv'", /data\.query/],
    ['SELECT * FROM data) TO x; COPY (SELECT 1', /data\.query/],
    ["SELECT * FROM read_text('/etc/hostname')", /Cannot access|file system operations/],
    [
      "SELECT * FROM 'https://example.com/a.csv'",
      /Cannot access|file system operations|does not exist|disabled/,
    ],
  ])('%j is refused', async (query, message) => {
    const path = writeText(folder, 'small.csv', 'v\n1\n');
    const before = readdirSync(folder);
    expect((await failure(path, query)).message).toMatch(message);
    expect(readdirSync(folder)).toEqual(before);
    expect(existsSync('stolen.csv')).toBe(false);
  });
});

describe('what cannot be read is named in one sentence', () => {
  test.each([
    ['absent.csv', undefined, /absent\.csv does not exist; check the path\.$/],
    ['none-*.csv', undefined, /none-\*\.csv matches no file; check the pattern\.$/],
    ['empty.csv', '', /empty\.csv is empty; it needs a header and rows\.$/],
    ['empty.parquet', '', /empty\.parquet is empty/],
    [
      'notes.parquet',
      'this is no table',
      /notes\.parquet is not a complete Parquet file; write or copy it again\.$/,
    ],
    ['table.xlsx', 'PK', /table\.xlsx has no ending that tells its format/],
    ['latin.csv', Buffer.from('n\xe4me,b\n1,2\n', 'latin1'), /latin\.csv is not UTF-8 text/],
    ['latin2.csv', Buffer.from('name,b\n\xe4,2\n', 'latin1'), /latin2\.csv is not UTF-8 text/],
    [
      'latin3.csv',
      Buffer.from(`name,b\n${'a,2\n'.repeat(100_000)}\xe4,2\n`, 'latin1'),
      /latin3\.csv is not UTF-8 text/,
    ],
    [
      'cut.csv.gz',
      gzipSync('a,b\n'.repeat(9999)).subarray(0, 40),
      /cut\.csv\.gz is not a complete gzip file/,
    ],
    ['broken.ndjson', '{"a":1}\n{"a":', /broken\.ndjson cannot be read/],
    [
      'long.csv',
      `a,b\n1,${'x'.repeat(2_000_001)}\n2,y\n`,
      /long\.csv cannot be read at line 2 \(Maximum line size/,
    ],
    [
      'longer.csv',
      `a,b\n1,${'x'.repeat(9_000_000)}\n2,y\n`,
      /longer\.csv cannot be read \(a line is longer than 2000000 bytes\); correct it\.$/,
    ],
  ])('%s', async (name, content, message) => {
    const path = content === undefined ? join(folder, name) : writeText(folder, name, content);
    const error = await failure(path);
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/\n/);
  });

  test('a truncated Parquet file', async () => {
    const whole = await writeTable(folder, 'whole.parquet', 'SELECT i FROM range(10000) t(i)');
    const path = writeText(folder, 'cut.parquet', readFileSync(whole).subarray(0, 5000));
    expect((await failure(path)).message).toMatch(/cut\.parquet is not a complete Parquet file/);
  });

  test('a Parquet file with two columns of one name', async () => {
    const whole = await writeTable(folder, 'names.parquet', 'SELECT 1 AS name_1, 2 AS name_2');
    const bytes = readFileSync(whole).toString('latin1').replaceAll('name_2', 'name_1');
    const path = writeText(folder, 'same.parquet', Buffer.from(bytes, 'latin1'));
    expect((await failure(path)).message).toMatch(/same\.parquet has two columns named name_1/);
  });

  test('a folder', async () => {
    mkdirSync(join(folder, 'sub.parquet'));
    expect((await failure(join(folder, 'sub.parquet'))).message).toMatch(
      /sub\.parquet is a folder; name a file, or a pattern such as/,
    );
  });

  test('a network address', async () => {
    expect((await failure('https://example.com/a.parquet')).message).toMatch(
      /is a network address; copy the file/,
    );
  });

  test('a column of lists, when it is asked for', async () => {
    const path = await writeTable(folder, 'nested.parquet', 'SELECT [1, 2] AS l, 3 AS v');
    expect((await failure(path)).message).toMatch(/Column l of .*nested\.parquet has the type INTEGER\[\]/);
    expect(await readColumn(path, 'v')).toEqual([3]);
  });

  test('a file without permission to read', async () => {
    const path = writeText(folder, 'secret.csv', 'v\n1\n');
    chmodSync(path, 0);
    chmodSync(folder, 0o755);
    const { seteuid, geteuid } = process as Required<typeof process>;
    const user = geteuid.call(process);
    if (user === 0) seteuid.call(process, 65_534);
    try {
      expect((await failure(path)).message).toMatch(
        /secret\.csv may not be read by this user; change its permissions\.$/,
      );
    } finally {
      if (user === 0) seteuid.call(process, 0);
    }
  });
});

test('the record of a file has its SHA-256 and size', async () => {
  const path = writeText(folder, 'hashed.csv', 'v\n1\n2\n');
  const [record] = await Source.open(path, {}, (source) => source.records());
  const sha256 = createHash('sha256').update('v\n1\n2\n').digest('hex');
  expect(record).toEqual({ path, sha256, bytes: 6, rows: 2 });
});

test('reading stops when its signal is aborted', async () => {
  const path = await writeTable(folder, 'long.parquet', 'SELECT i FROM range(1000) t(i)');
  const stopped = new AbortController();
  stopped.abort();
  const read = Source.open(path, { signal: stopped.signal }, (source) =>
    source.read([{ name: 'i', as: 'numbers' }]),
  );
  await expect(read).rejects.toThrow(InterruptedError);
});

test('reading leaves no file behind and writes none', async () => {
  mkdirSync(join(folder, 'clean'));
  writeFileSync(join(folder, 'clean/a.csv'), 'v\n3\n1\n2\n');
  await readColumn(join(folder, 'clean/a.csv'), 'v', 'numbers', 'SELECT * FROM data ORDER BY v');
  expect(readdirSync(join(folder, 'clean'))).toEqual(['a.csv']);
});
