import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import {
  type DuckDBConnection,
  DuckDBDoubleVector,
  DuckDBFloatVector,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBVector,
} from '@duckdb/node-api';
import { BudgetError, InputError, InterruptedError, LockstepError } from '../errors.ts';
import type { SourceRecord } from './types.ts';

/** What the values of a source column are, whatever the width of their type. */
export type ValueKind = 'number' | 'boolean' | 'time' | 'text' | 'unsupported';

export interface SourceColumn {
  readonly name: string;
  /** As DuckDB names it; CSV columns are DOUBLE, BOOLEAN, TIMESTAMP WITH TIME ZONE, TIME or VARCHAR. */
  readonly sqlType: string;
  readonly kind: ValueKind;
}

/** Values read as float32. */
export interface NumberColumn {
  readonly form: 'numbers';
  readonly name: string;
  readonly kind: ValueKind;
  /** NaN is missing. */
  readonly values: Float32Array;
  /** How float32 changed the values; absent when it changed none. */
  readonly rounding?: Rounding;
}

/** Values read as text, each distinct one stored once. */
export interface TextColumn {
  readonly form: 'texts';
  readonly name: string;
  readonly kind: ValueKind;
  /** Index into `texts`; −1 is missing. */
  readonly codes: Int32Array;
  /** In order of first appearance. */
  readonly texts: readonly string[];
}

export type RawColumn = NumberColumn | TextColumn;

export interface Rounding {
  /** Finite values beyond float32, which became infinite. */
  readonly overflows: number;
  /** The first values that float32 changed, before the change. */
  readonly sample: Float64Array;
}

/** Columns of one source, in the order asked for. */
export interface RawTable {
  /** As the user wrote it. */
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly RawColumn[];
}

export interface ReadRequest {
  readonly name: string;
  readonly as: 'numbers' | 'texts';
}

export interface SourceOptions {
  /** A SELECT over the view `data`, which holds the rows of all files. */
  readonly query?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const FORMATS = [
  { format: 'parquet', ending: /\.(parquet|pq)$/i },
  { format: 'csv', ending: /\.(csv|tsv)(\.gz)?$/i },
  { format: 'json', ending: /\.(json|ndjson|jsonl)(\.gz)?$/i },
] as const;
type Format = (typeof FORMATS)[number]['format'];

/** What a CSV cell holds when its value is missing, besides a number that is not one (nan). */
const CSV_NULLS = ['', 'NA', 'NULL', 'null'];
/** A longer line of a CSV file is an error. */
const CSV_LINE_LIMIT = 2_000_000;
/** Of which DuckDB holds a few for each thread. */
const CSV_BUFFER_BYTES = 8_000_000;
/** One thread takes what DuckDB reads: with more readers of Parquet than this, more row groups wait in memory for it. */
const PARQUET_THREADS = 2;
const FILE_LIMIT_OF_HEADER = 16 * 1024 * 1024;
const FORM_SAMPLE_ROWS = 2048;
const BLOCK_ROWS = 65_536;
/** A query over more rows may well give far fewer. */
const MOST_GUESSED_ROWS = 4_194_304;
const ROUNDING_SAMPLE = 65_536;
/** Up to this many rows, every column that float32 changed has its distinct values counted. */
const COUNT_ALWAYS_ROWS = 131_072;

const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const sqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const sqlList = (texts: readonly string[]): string => `[${texts.map(sqlText).join(', ')}]`;

/** A file name in which DuckDB is to see no pattern. */
const withoutGlob = (path: string): string => path.replace(/[*?[]/g, '[$&]');
const sqlFiles = (files: readonly string[]): string => sqlList(files.map(withoutGlob));

function kindOf(sqlType: string): ValueKind {
  if (/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\))$/.test(sqlType)) return 'number';
  if (sqlType === 'BOOLEAN') return 'boolean';
  if (/^(VARCHAR|UUID|ENUM\([\s\S]*\))$/.test(sqlType)) return 'text';
  if (/^(DATE|TIME(_NS)?|TIMESTAMP(_S|_MS|_NS)?( WITH TIME ZONE)?)$/.test(sqlType)) return 'time';
  return 'unsupported';
}

/** Lends a connection to a new database in memory, which touches no network and spills to no file. */
async function withDatabase<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_persistent_secrets: 'false',
    preserve_insertion_order: 'true',
    temp_directory: '',
  });
  try {
    const connection = await instance.connect();
    try {
      await connection.run("SET TimeZone = 'UTC'");
      return await use(connection);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

async function selectRows(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  return (await connection.run(sql)).getRowsJS();
}

const notUtf8 = (file: string): string => `${file} is not UTF-8 text; convert it first.`;

/** Turns what DuckDB says into one sentence about `subject`. */
function readError(subject: string, error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/Out of Memory Error/.test(text)) {
    return new BudgetError(
      `${subject} needs more memory to read than this machine has free; read fewer rows.`,
      {
        cause: error,
      },
    );
  }
  if (/No magic bytes|metadata|footer|Invalid Parquet|TProtocolException/i.test(text)) {
    return new InputError(`${subject} is not a complete Parquet file; write or copy it again.`, {
      cause: error,
    });
  }
  const lines = text.split('\n').map((line) => line.trim());
  if (/not utf-8 encoded/.test(text)) return new InputError(notUtf8(subject), { cause: error });
  const csvLine = /CSV Error on Line: (\d+)/.exec(text);
  const what = /does not support a full read/.test(text)
    ? `a line is longer than ${CSV_LINE_LIMIT} bytes`
    : csvLine
      ? (lines.find((line, i) => i > 0 && line !== '' && !line.startsWith('Original Line')) ?? '')
      : lines[0]!.replace(/^(Failed to extract statements: )?[A-Z][A-Za-z ]* Error: /, '');
  const where = csvLine ? ` at line ${csvLine[1]}` : '';
  return new InputError(`${subject} cannot be read${where} (${what.replace(/[.\s]+$/, '')}); correct it.`, {
    cause: error,
  });
}

/** Whether the path names a file that can be read; false when nothing is there. */
async function checkFile(path: string): Promise<boolean> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) {
      throw new InputError(
        `${path} is a folder; name a file, or a pattern such as ${path.replace(/\/$/, '')}/*.parquet.`,
      );
    }
    await (await open(path)).close();
    if (info.isFile() && info.size === 0)
      throw new InputError(`${path} is empty; it needs a header and rows.`);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new InputError(`${path} may not be read by this user; change its permissions.`, { cause: error });
    }
    throw error;
  }
}

/** The files a path or pattern stands for, sorted by UTF-16 code units. */
async function expandPath(connection: DuckDBConnection, path: string): Promise<string[]> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
    throw new InputError(`${path} is a network address; copy the file to this machine and give its path.`);
  }
  if (await checkFile(path)) return [resolve(path)];
  if (!/[*?[]/.test(path)) throw new InputError(`${path} does not exist; check the path.`);
  const found = await selectRows(connection, `SELECT file FROM glob(${sqlText(resolve(path))})`);
  const files = found.map(([file]) => String(file)).sort((a, b) => (a < b ? -1 : 1));
  if (files.length === 0) throw new InputError(`${path} matches no file; check the pattern.`);
  for (const file of files) await checkFile(file);
  return files;
}

function formatOf(file: string): Format {
  const known = FORMATS.find(({ ending }) => ending.test(file));
  if (known === undefined) {
    throw new InputError(
      `${file} has no ending that tells its format; name it .parquet, .csv, .tsv, .json, .ndjson or .jsonl (.csv.gz and the like too).`,
    );
  }
  return known.format;
}

/** Reads a compressed file to its end: DuckDB takes what is left of a truncated one for the whole. */
async function checkGzip(file: string): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(createReadStream(file), createGunzip(), nowhere);
  } catch (error) {
    throw new InputError(`${file} is not a complete gzip file; write or copy it again.`, { cause: error });
  }
}

/** The fields of a CSV file's first line, and the delimiter: of , ; tab and | the most frequent outside quotes. */
async function readCsvHeader(file: string): Promise<{ names: string[]; delimiter: string }> {
  const bytes = createReadStream(file);
  const stream = /\.gz$/i.test(file) ? bytes.pipe(createGunzip()) : bytes;
  bytes.on('error', (error) => stream.destroy(error));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let end = -1;
  let quoted = false;
  try {
    for await (const part of stream) {
      const from = text.length;
      text += decoder.decode(part as Uint8Array, { stream: true });
      for (let i = from; i < text.length && end < 0; i++) {
        if (text[i] === '"') quoted = !quoted;
        else if (!quoted && (text[i] === '\n' || text[i] === '\r')) end = i;
      }
      if (end >= 0) break;
      if (text.length > FILE_LIMIT_OF_HEADER) {
        throw new InputError(`${file} has no end of its header line within 16 MiB; it is not a CSV table.`);
      }
    }
  } catch (error) {
    if (error instanceof TypeError) {
      throw new InputError(notUtf8(file), { cause: error });
    }
    throw error instanceof LockstepError ? error : readError(file, error);
  } finally {
    bytes.destroy();
  }
  const line = text.slice(0, end < 0 ? undefined : end);
  const unquoted = line.replace(/"[^"]*"/g, '');
  const counts = [',', ';', '\t', '|'].map((d) => ({ d, count: unquoted.split(d).length }));
  const delimiter = /\.tsv(\.gz)?$/i.test(file)
    ? '\t'
    : counts.reduce((a, b) => (b.count > a.count ? b : a)).d;
  const fields = [''];
  quoted = false;
  for (const char of line) {
    if (char === '"') quoted = !quoted;
    if (char === delimiter && !quoted) fields.push('');
    else fields[fields.length - 1] += char;
  }
  const names = fields.map((field) => field.replace(/^"([\s\S]*)"$/, '$1').replaceAll('""', '"'));
  return { names: names.map((name, i) => name || `column${i}`), delimiter };
}

/** A relation of SQL whose columns are c0, c1, … , and how to have the value of each. */
interface Relation {
  readonly from: string;
  readonly columns: readonly SourceColumn[];
  /** An expression per column, of the type that `columns` tells. */
  readonly typed: readonly string[];
  /** An expression per column with the text as the file has it, where the file is text. */
  readonly written?: readonly string[];
  /** How many rows to make room for, where something is known of that before they are read. */
  readonly expectedRows?: number;
}

/** The relation of some files, from which single files can be read too. */
interface FileRelation extends Relation {
  scan(files: readonly string[]): string;
}

function checkDuplicates(names: readonly string[], where: string): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new InputError(`${where} has two columns named ${twice}; rename or drop one.`);
  }
}

function checkSameColumns(
  first: readonly string[],
  names: readonly string[],
  file: string,
  of: string,
): void {
  const differs = names.length !== first.length || names.some((name, i) => name !== first[i]);
  if (!differs) return;
  const missing = first.filter((name) => !names.includes(name));
  const extra = names.filter((name) => !first.includes(name));
  const how = missing.length
    ? `lacks ${missing.join(', ')}`
    : extra.length
      ? `also has ${extra.join(', ')}`
      : 'has them in another order';
  throw new InputError(
    `${file} does not have the columns of ${of} (it ${how}); files of one pattern must agree.`,
  );
}

const positions = (count: number): string[] => Array.from({ length: count }, (_, i) => `c${i}`);

interface CellForm {
  readonly sqlType: string;
  readonly typed: (cell: string) => string;
}

const TEXT_FORM: CellForm = { sqlType: 'VARCHAR', typed: (c) => c };
/** In the order in which a column whose cells fit several is given one. */
const CELL_FORMS: readonly CellForm[] = [
  { sqlType: 'DOUBLE', typed: (c) => `TRY_CAST(${c} AS DOUBLE)` },
  { sqlType: 'BOOLEAN', typed: (c) => `CASE lower(${c}) WHEN 'true' THEN true WHEN 'false' THEN false END` },
  { sqlType: 'TIMESTAMP WITH TIME ZONE', typed: (c) => `TRY_CAST(${c} AS TIMESTAMPTZ)` },
  { sqlType: 'TIME', typed: (c) => `TRY_CAST(${c} AS TIME)` },
];

/**
 * The form of each column of text cells: the first that every filled cell of the file fits, else text. The first
 * rows rule out most forms, so that the pass over all rows has little to try.
 */
async function detectForms(
  connection: DuckDBConnection,
  cells: string[],
  from: string,
): Promise<{ forms: CellForm[]; rows: number }> {
  let rows = 0;
  let candidates = cells.map(() => CELL_FORMS);
  let filled: boolean[] = [];
  for (const limit of [` LIMIT ${FORM_SAMPLE_ROWS}`, '']) {
    const counts = cells.flatMap((c, i) => [c, ...candidates[i]!.map(({ typed }) => typed(c))]);
    const [row] = await selectRows(
      connection,
      `SELECT count(*), ${counts.map((sql) => `count(${sql})`).join(', ')} FROM (SELECT * FROM ${from}${limit})`,
    );
    rows = Number(row![0]);
    let next = 1;
    filled = [];
    candidates = candidates.map((forms) => {
      const all = row![next++];
      filled.push(all !== 0n);
      return forms.filter(() => row![next++] === all);
    });
  }
  return { forms: cells.map((_, i) => (filled[i] ? candidates[i]![0] : undefined) ?? TEXT_FORM), rows };
}

async function csvRelation(connection: DuckDBConnection, files: readonly string[]): Promise<FileRelation> {
  const first = await readCsvHeader(files[0]!);
  checkDuplicates(first.names, files[0]!);
  for (const file of files.slice(1)) {
    const header = await readCsvHeader(file);
    checkSameColumns(first.names, header.names, file, files[0]!);
  }
  const cells = positions(first.names.length);
  // Every cell is read as text and typed below: DuckDB's own detection looks at a sample of the rows, and then
  // rounds a later 1.5 in a column of whole numbers, or cuts the time off a later date, without an error.
  const scan = (some: readonly string[]): string =>
    `read_csv(${sqlFiles(some)}, auto_detect = false, header = true, skip = 0,
    buffer_size = ${CSV_BUFFER_BYTES}, max_line_size = ${CSV_LINE_LIMIT}, delim = ${sqlText(first.delimiter)}, quote = '"', escape = '"', nullstr = ${sqlList(CSV_NULLS)},
    columns = {${cells.map((cell) => `${cell}: 'VARCHAR'`).join(', ')}})`;
  const from = scan(files);
  const { forms, rows } = await detectForms(connection, cells, from);
  return {
    from,
    scan,
    expectedRows: rows,
    columns: first.names.map((name, i) => ({
      name,
      sqlType: forms[i]!.sqlType,
      kind: kindOf(forms[i]!.sqlType),
    })),
    typed: cells.map((cell, i) => forms[i]!.typed(cell)),
    written: cells,
  };
}

async function describe(connection: DuckDBConnection, select: string): Promise<SourceColumn[]> {
  const rows = await selectRows(connection, `SELECT column_name, column_type FROM (DESCRIBE ${select})`);
  return rows.map(([name, sqlType]) => ({
    name: String(name),
    sqlType: String(sqlType),
    kind: kindOf(String(sqlType)),
  }));
}

async function parquetColumns(connection: DuckDBConnection, file: string): Promise<SourceColumn[]> {
  const columns = await describe(connection, `SELECT * FROM read_parquet(${sqlFiles([file])})`);
  const tree = await selectRows(
    connection,
    `SELECT name, coalesce(num_children, 0) FROM parquet_schema(${sqlFiles([file])})`,
  );
  // DuckDB renames columns that differ in letter case only; the file's own schema has the true names.
  const names: string[] = [];
  const skip = (at: number): number => {
    let next = at + 1;
    for (let child = 0; child < Number(tree[at]![1]); child++) next = skip(next);
    return next;
  };
  for (let at = 1; at < tree.length; at = skip(at)) names.push(String(tree[at]![0]));
  checkDuplicates(names, file);
  return columns.map((column, i) => ({ ...column, name: names[i]! }));
}

async function parquetRelation(
  connection: DuckDBConnection,
  files: readonly string[],
): Promise<FileRelation> {
  const [first, ...others] = await Promise.all(
    files.map((file) =>
      parquetColumns(connection, file).catch((error: unknown) => {
        throw readError(file, error);
      }),
    ),
  );
  const names = first!.map(({ name }) => name);
  const comparable = (kind: ValueKind): ValueKind => (kind === 'boolean' ? 'number' : kind);
  for (const [i, columns] of others.entries()) {
    const file = files[i + 1]!;
    checkSameColumns(
      names,
      columns.map(({ name }) => name),
      file,
      files[0]!,
    );
    const at = columns.findIndex(({ kind }, c) => comparable(kind) !== comparable(first![c]!.kind));
    if (at >= 0) {
      throw new InputError(
        `Column ${names[at]} is ${columns[at]!.sqlType} in ${file} and ${first![at]!.sqlType} in ${files[0]}; give it one type in all files.`,
      );
    }
  }
  const scan = (some: readonly string[]): string => `read_parquet(${sqlFiles(some)}, union_by_name = true)`;
  const unified = files.length === 1 ? first! : await describe(connection, `SELECT * FROM ${scan(files)}`);
  const cells = positions(names.length);
  const [count] = await selectRows(connection, `SELECT count(*) FROM ${scan(files)}`);
  return {
    from: `${scan(files)} AS t(${cells.join(', ')})`,
    scan,
    expectedRows: Number(count![0]),
    columns: unified.map((column, i) => ({ ...column, name: names[i]! })),
    typed: cells,
  };
}

async function jsonRelation(connection: DuckDBConnection, files: readonly string[]): Promise<FileRelation> {
  const scan = (some: readonly string[]): string =>
    `read_json(${sqlFiles(some)}, union_by_name = true, sample_size = -1)`;
  const columns = await describe(connection, `SELECT * FROM ${scan(files)}`);
  const cells = positions(columns.length);
  return { from: `${scan(files)} AS t(${cells.join(', ')})`, scan, columns, typed: cells };
}

const RELATIONS = { csv: csvRelation, parquet: parquetRelation, json: jsonRelation };

async function queryRelation(connection: DuckDBConnection, data: Relation, query: string): Promise<Relation> {
  const select = query.trim().replace(/[;\s]+$/, '');
  const view = data.columns.map(({ name }, i) => `${data.typed[i]} AS ${sqlName(name)}`);
  await connection.run(`CREATE VIEW data AS SELECT ${view.join(', ')} FROM ${data.from}`);
  try {
    const statements = select === '' ? 0 : (await connection.extractStatements(select)).count;
    if (statements !== 1) throw new Error('it must be one SELECT statement');
    const columns = await describe(connection, `${select}\n`);
    checkDuplicates(
      columns.map(({ name }) => name),
      'The result of data.query',
    );
    const cells = positions(columns.length);
    return {
      from: `(${select}\n) AS t(${cells.join(', ')})`,
      columns,
      typed: cells,
      // Most queries give no more rows than there are, and memory that is not written to is not taken from the system.
      ...(data.expectedRows !== undefined && {
        expectedRows: Math.min(data.expectedRows, MOST_GUESSED_ROWS),
      }),
    };
  } catch (error) {
    throw readError('data.query', error);
  }
}

/** Collects the values of a column: in one array while the expected number suffices, else in blocks, which do not have to grow. */
class Blocks<A extends Float32Array | Int32Array> {
  readonly #make: (length: number) => A;
  #full: A[] = [];
  #block: A;
  #used = 0;

  constructor(make: (length: number) => A, expected = BLOCK_ROWS) {
    this.#make = make;
    this.#block = make(expected);
  }

  /** Room for the next `count` values, at most 65,536. */
  next(count: number): A {
    if (this.#used + count > this.#block.length) {
      this.#full.push(this.#block.subarray(0, this.#used) as A);
      this.#block = this.#make(BLOCK_ROWS);
      this.#used = 0;
    }
    this.#used += count;
    return this.#block.subarray(this.#used - count, this.#used) as A;
  }

  /** All values as one array; the blocks are let go. */
  take(): A {
    const parts = [...this.#full, this.#block.subarray(0, this.#used) as A];
    const wasted = this.#block.length - this.#used;
    this.#full = [];
    this.#block = this.#make(0);
    if (parts.length === 1 && wasted <= parts[0]!.length) return parts[0]!;
    const all = this.#make(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

class NumberReader {
  readonly #values: Blocks<Float32Array>;
  #sample: Float64Array | undefined;
  #sampled = 0;
  #overflows = 0;

  constructor(rows: number | undefined) {
    this.#values = new Blocks((length) => new Float32Array(length), rows);
  }

  read(vector: DuckDBVector, rows: number): void {
    if (!(vector instanceof DuckDBFloatVector || vector instanceof DuckDBDoubleVector)) {
      throw new TypeError('a column of numbers must arrive as FLOAT or DOUBLE');
    }
    const values = this.#values.next(rows);
    for (let i = 0; i < rows; i++) {
      const value = vector.getItem(i)!;
      const rounded = Math.fround(value);
      values[i] = rounded;
      if (rounded !== value && !Number.isNaN(value)) this.#note(value, rounded);
    }
  }

  #note(value: number, rounded: number): void {
    this.#sample ??= new Float64Array(ROUNDING_SAMPLE);
    if (this.#sampled < ROUNDING_SAMPLE) this.#sample[this.#sampled++] = value;
    if (!Number.isFinite(rounded)) this.#overflows++;
  }

  take({ name, kind }: SourceColumn): NumberColumn {
    const values = this.#values.take();
    if (this.#sample === undefined) return { form: 'numbers', name, kind, values };
    const rounding = { overflows: this.#overflows, sample: this.#sample.subarray(0, this.#sampled) };
    return { form: 'numbers', name, kind, values, rounding };
  }
}

class TextReader {
  readonly #codes: Blocks<Int32Array>;
  readonly #index = new Map<string | number, number>();

  constructor(rows: number | undefined) {
    this.#codes = new Blocks((length) => new Int32Array(length), rows);
  }

  read(vector: DuckDBVector, rows: number): void {
    const codes = this.#codes.next(rows);
    for (let i = 0; i < rows; i++) {
      const value = vector.getItem(i) as string | number | null;
      if (value === null || Number.isNaN(value)) {
        codes[i] = -1;
        continue;
      }
      let code = this.#index.get(value);
      if (code === undefined) {
        code = this.#index.size;
        this.#index.set(value, code);
      }
      codes[i] = code;
    }
  }

  take({ name, kind }: SourceColumn): TextColumn {
    return {
      form: 'texts',
      name,
      kind,
      codes: this.#codes.take(),
      texts: [...this.#index.keys()].map(String),
    };
  }
}

/** Distinct values among those given, as they are and as float32. */
function countDistinct(values: Float64Array): { exact: number; float32: number } {
  const sorted = values.slice().sort();
  let exact = 0;
  let float32 = 0;
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) exact++;
    if (i === 0 || Math.fround(sorted[i]!) !== Math.fround(sorted[i - 1]!)) float32++;
  }
  return { exact, float32 };
}

/**
 * A table in one or several files, opened for reading. Rows come in the order of the files (sorted by name), then
 * of the rows within each, unless the query orders them otherwise.
 */
export class Source {
  readonly path: string;
  /** Absolute paths, sorted. */
  readonly files: readonly string[];
  readonly columns: readonly SourceColumn[];
  readonly #connection: DuckDBConnection;
  readonly #relation: Relation;
  readonly #scan: FileRelation['scan'];
  readonly #signal: AbortSignal | undefined;

  private constructor(
    path: string,
    files: readonly string[],
    connection: DuckDBConnection,
    relations: { files: FileRelation; result: Relation },
    signal: AbortSignal | undefined,
  ) {
    this.path = path;
    this.files = files;
    this.columns = relations.result.columns;
    this.#connection = connection;
    this.#relation = relations.result;
    this.#scan = relations.files.scan;
    this.#signal = signal;
  }

  /**
   * Opens the file, or the files of a pattern, for the time of `use`. The format follows the ending: .parquet,
   * .csv or .tsv, .json or .ndjson, the text formats also with .gz. Nothing but these files can be read, and
   * nothing written, by the query.
   *
   * @throws InputError when the path names nothing that can be read, the files disagree, or the query cannot run.
   */
  static open<T>(path: string, options: SourceOptions, use: (source: Source) => Promise<T>): Promise<T> {
    return withDatabase(async (connection) => {
      const files = await expandPath(connection, path);
      const format = formatOf(files[0]!);
      const other = files.find((file) => formatOf(file) !== format);
      if (other !== undefined) {
        throw new InputError(
          `${path} matches files of two formats (${files[0]} and ${other}); narrow the pattern.`,
        );
      }
      for (const file of files) if (/\.gz$/i.test(file)) await checkGzip(file);
      const allowed = [...files, ...files.map(withoutGlob)];
      await connection.run(`SET allowed_paths = ${sqlList(allowed)}`);
      if (format === 'parquet' && options.query === undefined) {
        await connection.run(`SET threads = ${Math.min(PARQUET_THREADS, availableParallelism())}`);
      }
      await connection.run('SET enable_external_access = false');
      await connection.run('SET lock_configuration = true');
      const interrupt = (): void => connection.interrupt();
      options.signal?.addEventListener('abort', interrupt);
      try {
        const data = await RELATIONS[format](connection, files);
        const result =
          options.query === undefined ? data : await queryRelation(connection, data, options.query);
        return await use(new Source(path, files, connection, { files: data, result }, options.signal));
      } catch (error) {
        if (options.signal?.aborted) throw new InterruptedError(undefined, { cause: error });
        throw error instanceof Error && /^[A-Za-z ]+ Error: /.test(error.message)
          ? readError(path, error)
          : error;
      } finally {
        options.signal?.removeEventListener('abort', interrupt);
      }
    });
  }

  #indexOf(name: string): number {
    const index = this.columns.findIndex((column) => column.name === name);
    if (index < 0) throw new InputError(`${this.path} has no column ${name}.`);
    return index;
  }

  /** The SQL of a column as FLOAT or DOUBLE without nulls, or as VARCHAR or DOUBLE with nulls. */
  #expression(index: number, as: ReadRequest['as']): string {
    const { kind, sqlType } = this.columns[index]!;
    const typed = this.#relation.typed[index]!;
    if (as === 'texts') {
      const written = this.#relation.written?.[index];
      if (written !== undefined) return written;
      return /^(FLOAT|DOUBLE|DECIMAL.*)$/.test(sqlType)
        ? `CAST(${typed} AS DOUBLE)`
        : `CAST(${typed} AS VARCHAR)`;
    }
    const type = sqlType === 'FLOAT' ? 'FLOAT' : 'DOUBLE';
    const number = kind === 'time' ? `epoch(${typed})` : `CAST(${typed} AS ${type})`;
    return `coalesce(${number}, CAST('nan' AS ${type}))`;
  }

  /**
   * Reads columns in one pass over the rows. A column of text is always read as texts, whatever was asked for.
   *
   * @throws InputError for an absent column, one of a type that holds neither numbers nor text, or a bad row.
   */
  async read(requests: readonly ReadRequest[]): Promise<RawTable> {
    const expected = this.#relation.expectedRows;
    const jobs = requests.map(({ name, as }) => {
      const index = this.#indexOf(name);
      const column = this.columns[index]!;
      if (column.kind === 'unsupported') {
        throw new InputError(
          `Column ${name} of ${this.path} has the type ${column.sqlType}, which holds neither numbers nor text; leave it out of data.features, or turn it into such columns in data.query.`,
        );
      }
      const form = column.kind === 'text' ? 'texts' : as;
      const reader = form === 'numbers' ? new NumberReader(expected) : new TextReader(expected);
      return { column, reader, sql: this.#expression(index, form) };
    });
    const result = await this.#connection.stream(
      `SELECT ${jobs.map(({ sql }) => sql).join(', ')} FROM ${this.#relation.from}`,
    );
    let rows = 0;
    for (;;) {
      if (this.#signal?.aborted) throw new InterruptedError();
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      for (const [i, { reader }] of jobs.entries()) reader.read(chunk.getColumnVector(i), chunk.rowCount);
      rows += chunk.rowCount;
    }
    return { path: this.path, rows, columns: jobs.map(({ column, reader }) => reader.take(column)) };
  }

  /**
   * A sentence for every column whose distinct values became fewer in float32, or infinite. All columns are
   * judged in tables of up to 131,072 rows; in larger ones, those of whose first 65,536 rounded values more than
   * one in a hundred distinct ones were lost. The counts are exact, over all rows.
   */
  async roundingWarnings(columns: readonly RawColumn[]): Promise<string[]> {
    const warnings: string[] = [];
    for (const column of columns) {
      if (column.form !== 'numbers' || column.rounding === undefined) continue;
      const { overflows, sample } = column.rounding;
      if (overflows > 0) {
        warnings.push(
          `column ${column.name}: ${overflows} finite values are beyond float32 and become infinite`,
        );
      }
      const { exact, float32 } = countDistinct(sample);
      if (column.values.length > COUNT_ALWAYS_ROWS && exact - float32 <= exact / 100) continue;
      const value = this.#expression(this.#indexOf(column.name), 'numbers');
      const [row] = await selectRows(
        this.#connection,
        `SELECT count(DISTINCT v), count(DISTINCT TRY_CAST(v AS FLOAT)) FROM (SELECT ${value} AS v FROM ${this.#relation.from}) WHERE NOT isnan(v) AND TRY_CAST(v AS FLOAT) IS NOT NULL`,
      );
      const [before, after] = row!;
      if (Number(after) < Number(before)) {
        warnings.push(`column ${column.name}: ${before} distinct values become ${after} in float32`);
      }
    }
    return warnings;
  }

  /** One row of aggregates over all rows, or the first `rowLimit`; `expressions` call the columns v0, v1, … */
  async aggregate(expressions: readonly string[], rowLimit?: number): Promise<unknown[]> {
    const limit = rowLimit === undefined ? '' : ` LIMIT ${rowLimit}`;
    const cells = this.#relation.typed.map((sql, i) => `${sql} AS v${i}`);
    const from = `(SELECT ${cells.join(', ')} FROM ${this.#relation.from}${limit})`;
    const [row] = await selectRows(this.#connection, `SELECT ${expressions.join(', ')} FROM ${from}`);
    return row!;
  }

  /** Path, SHA-256, size and number of rows (before any query) of every file. */
  async records(): Promise<(SourceRecord & { readonly rows: number })[]> {
    const records: (SourceRecord & { readonly rows: number })[] = [];
    for (const file of this.files) {
      const [row] = await selectRows(this.#connection, `SELECT count(*) FROM ${this.#scan([file])}`);
      records.push({ ...(await fingerprintFile(file, this.#signal)), rows: Number(row![0]) });
    }
    return records;
  }
}

/** Path, SHA-256 and size of a file, read as a stream. */
export async function fingerprintFile(path: string, signal?: AbortSignal): Promise<SourceRecord> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (signal?.aborted) throw new InterruptedError();
    hash.update(part as Uint8Array);
    bytes += (part as Uint8Array).length;
  }
  return { path, sha256: hash.digest('hex'), bytes };
}

const parquet = (path: string) => `read_parquet(${sqlFiles([path])})`;

/** Reads Parquet files of numbers, one after the other: one database serves them all, and to open it takes longer than to read a file. */
export class NumbersReader {
  readonly #connection: DuckDBConnection;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /**
   * The names of a file's columns, in their order.
   * @throws InputError where there is no such file, or it is none of Parquet.
   */
  async columns(path: string): Promise<string[]> {
    if (!(await checkFile(path))) throw new InputError(`${path} does not exist; check the path.`);
    return this.#query(path, `SELECT * FROM ${parquet(path)} LIMIT 0`, async (result) =>
      result.columnNames(),
    );
  }

  /**
   * Columns in binary64, in the order asked for; null is NaN.
   * @param names of columns that the file has
   * @throws InputError where the file cannot be read, or a column holds something else than numbers.
   */
  async read(path: string, names: readonly string[]): Promise<Float64Array[]> {
    const list = names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
    return this.#query(path, `SELECT ${list} FROM ${parquet(path)}`, async (result) => {
      const chunks = await result.fetchAllChunks();
      const rows = chunks.reduce((sum, { rowCount }) => sum + rowCount, 0);
      const values = names.map(() => new Float64Array(rows));
      let at = 0;
      for (const chunk of chunks) {
        for (const [i, name] of names.entries()) {
          const vector = chunk.getColumnVector(i);
          for (let row = 0; row < chunk.rowCount; row++) {
            const value = vector.getItem(row);
            if (value !== null && typeof value !== 'number')
              throw new InputError(`Column ${name} of ${path} holds ${String(value)}, which is no number.`);
            values[i]![at + row] = value ?? Number.NaN;
          }
        }
        at += chunk.rowCount;
      }
      return values;
    });
  }

  async #query<T>(path: string, sql: string, use: (result: DuckDBResult) => Promise<T>): Promise<T> {
    try {
      return await use(await this.#connection.run(sql));
    } catch (error) {
      throw readError(path, error);
    }
  }
}

/** Opens a NumbersReader for as long as `use` takes. */
export function withNumbersReader<T>(use: (reader: NumbersReader) => Promise<T>): Promise<T> {
  return withDatabase(async (connection) => {
    // Files are read once or a few times; those of a thousand runs are not to fill the memory.
    await connection.run('SET enable_external_file_cache = false');
    return use(new NumbersReader(connection));
  });
}
