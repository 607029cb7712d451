import { basename, resolve } from 'node:path';
import { type Comparison, compareModels, SHOWN_MODELS } from '../comparison/compare.ts';
import { type ComparedModel, rankModels, type TestRows } from '../comparison/compared-model.ts';
import type { DecidingTest } from '../config/comparison-tests.ts';
import { type NumbersReader, withNumbersReader } from '../data/read.ts';
import { InputError, InterruptedError } from '../errors.ts';
import { flattery } from './compare.ts';
import { writeComparison } from './comparison-output.ts';
import { type FinishedRun, readFinishedRun } from './finished-run.ts';
import { OutputFolder } from './output.ts';
import { type Reporter, silentReporter } from './reporter.ts';
import { testTrainRatio } from './run-data.ts';
import { openTestPredictions, type StoredPredictions } from './test-predictions.ts';

export interface CompareRunsOptions {
  /** Output folders of finished runs, in any order. */
  readonly folders: readonly string[];
  /** Models of each run that take part; by default its best one, of a single run all. */
  readonly models?: readonly string[] | undefined;
  /** Compare runs on other data or folds too; their fold scores are not paired then. */
  readonly force?: boolean | undefined;
  /** The test that decides; see ComparisonOptions. */
  readonly test?: DecidingTest | 'auto' | undefined;
  /** Significance level, 0.05 by default. */
  readonly alpha?: number | undefined;
  /** Folder for the reports; nothing is written without it. */
  readonly out?: string | undefined;
  readonly reporter?: Reporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CompareRunsOutcome {
  readonly comparison: Comparison;
  /** Absent where nothing was written. */
  readonly out?: string;
  /** Relative to `out`. */
  readonly files: readonly string[];
}

/** Runs whose files are read at the same time. */
const READERS = 16;
/** Tests of single rows. */
const ROW_TESTS: ReadonlySet<string> = new Set(['mcnemar', 'delong']);

/** Applies `use` to each item, a few at a time; results are in the order of the items. */
async function mapLimited<T, R>(
  items: readonly T[],
  use: (item: T) => Promise<R>,
  signal: AbortSignal | undefined,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      if (signal?.aborted) throw new InterruptedError();
      const i = next++;
      results[i] = await use(items[i]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(READERS, items.length) }, worker));
  return results;
}

const short = (sha256: string) => `${sha256.slice(0, 12)}…`;

/** What makes scores of two runs incomparable whatever the user says; undefined where nothing does. */
function metricDifference(a: FinishedRun, b: FinishedRun): string | undefined {
  if (a.scoring.kind !== b.scoring.kind || a.scoring.classes !== b.scoring.classes)
    return `${a.folder} is about ${kindText(a)} and ${b.folder} about ${kindText(b)}`;
  if (a.scoring.metric !== b.scoring.metric)
    return `the primary metric is ${a.scoring.metric} in ${a.folder} and ${b.scoring.metric} in ${b.folder}`;
  return undefined;
}

const kindText = ({ scoring: { kind, classes } }: FinishedRun) =>
  kind === 'regression' ? 'a regression' : `${classes} classes`;

/** The first difference of data or folds of two runs; undefined where both are the same. */
function dataDifference(a: FinishedRun, b: FinishedRun): string | undefined {
  const both = (what: string, of: (run: FinishedRun) => string | number) =>
    of(a) === of(b) ? undefined : `${what} is ${of(a)} in ${a.folder} and ${of(b)} in ${b.folder}`;
  const parts = [...new Set([...Object.keys(a.rows), ...Object.keys(b.rows)])];
  const files = Math.max(a.sources.length, b.sources.length);
  const checks: (() => string | undefined)[] = [
    () => both('the number of data files', ({ sources }) => sources.length),
    ...Array.from({ length: files }, (_, i) => () => {
      const name = basename(a.sources[i]?.path ?? b.sources[i]!.path);
      return both(`the SHA-256 of ${name}`, ({ sources }) => short(sources[i]!.sha256));
    }),
    ...parts.map((part) => () => both(`the number of ${part} rows`, ({ rows }) => rows[part] ?? 0)),
    () => both('the seed', ({ seed }) => seed),
    () => both('the SHA-256 of the labels', ({ scoring }) => short(scoring.rows_sha256)),
    () => foldDifference(a, b),
  ];
  for (const check of checks) {
    const difference = check();
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** The first difference of the folds of two runs that both have some. */
function foldDifference(a: FinishedRun, b: FinishedRun): string | undefined {
  const [one, two] = [a.scoring.folds, b.scoring.folds];
  if (one === undefined || two === undefined) return undefined;
  if (one.count !== two.count)
    return `the number of folds is ${one.count} in ${a.folder} and ${two.count} in ${b.folder}`;
  if (one.method !== two.method)
    return `folds are ${one.method} in ${a.folder} and ${two.method} in ${b.folder}`;
  return one.sha256 === two.sha256
    ? undefined
    : `the folds of ${a.folder} have other rows than those of ${b.folder}`;
}

/** Why fold scores of the runs cannot be paired. */
function unpairedReason(runs: readonly FinishedRun[]): string | undefined {
  const first = runs[0]!;
  for (const run of runs.slice(1)) {
    const folds = foldDifference(first, run);
    if (folds !== undefined) return folds;
    if (first.scoring.rows_sha256 !== run.scoring.rows_sha256)
      return `the labels of ${first.folder} are not those of ${run.folder}, so that their folds cannot be the same`;
  }
  return undefined;
}

/** One model that takes part. */
interface Member {
  readonly run: FinishedRun;
  /** In its run. */
  readonly model: string;
  readonly compared: ComparedModel;
}

const toCompared = (run: FinishedRun, model: string, name: string): ComparedModel => ({
  name,
  ...run.models.get(model)!,
});

/** The models of a run that take part. */
function chosenModels(run: FinishedRun, { models, folders }: CompareRunsOptions): string[] {
  const names = [...run.models.keys()];
  if (names.length === 0)
    throw new InputError(`${run.folder} has no metrics of any model; run the experiment again.`);
  if (models !== undefined) {
    const absent = models.find((name) => !run.models.has(name));
    if (absent !== undefined)
      throw new InputError(`${run.folder} has no model ${absent}; its models are ${names.join(', ')}.`);
    return [...new Set(models)];
  }
  if (folders.length === 1) return names;
  const candidates = names.map((name) => toCompared(run, name, name));
  return [rankModels(candidates, run.scoring.metric).models[0]!.name];
}

/** Short names of folders: the last part of the path where these differ. */
function folderLabels(folders: readonly string[]): string[] {
  const ends = folders.map((folder) => basename(resolve(folder)));
  return new Set(ends).size === ends.length ? ends : folders.map((folder) => folder.replace(/\/+$/, ''));
}

function membersOf(runs: readonly FinishedRun[], options: CompareRunsOptions): Member[] {
  const labels = folderLabels(runs.map(({ folder }) => folder));
  return runs.flatMap((run, i) =>
    chosenModels(run, options).map((model) => {
      const name = runs.length === 1 ? model : `${labels[i]}/${model}`;
      return { run, model, compared: toCompared(run, model, name) };
    }),
  );
}

function sameNumbers(a: ArrayLike<number> | undefined, b: ArrayLike<number> | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Members with readers of their predictions of the test rows, and these rows; or why there are none. */
async function withPredictions(
  members: readonly Member[],
  reader: NumbersReader,
  { test, signal }: CompareRunsOptions,
): Promise<{ models: ComparedModel[]; rows?: TestRows; noRows?: string }> {
  const { scoring } = members[0]!.run;
  const models = members.map(({ compared }) => compared);
  const without = members.find(({ run }) => run.rows.test === undefined);
  if (without !== undefined) return { models, noRows: `the data of ${without.run.folder} has no test rows` };
  // Each prediction file takes time; beyond what a report shows they are read only where they decide.
  const wanted =
    models.length <= SHOWN_MODELS || ROW_TESTS.has(test ?? 'auto')
      ? undefined
      : new Set(
          rankModels(models, scoring.metric)
            .models.slice(0, SHOWN_MODELS)
            .map(({ name }) => name),
        );
  const stored = new Map<FinishedRun, StoredPredictions>();
  let first: { readonly folder: string; readonly rows: TestRows } | undefined;
  for (const { run, compared } of members) {
    if (stored.has(run) || wanted?.has(compared.name) === false) continue;
    if (signal?.aborted) throw new InterruptedError();
    const of = await openTestPredictions(reader, run.folder, scoring, run.rows.test!);
    first ??= { folder: run.folder, rows: of.rows };
    if (!sameNumbers(of.rows.labels, first.rows.labels) || !sameNumbers(of.rows.weights, first.rows.weights))
      return { models, noRows: `the test rows of ${run.folder} are not those of ${first.folder}` };
    // Rows are the same, so that those of the first run are kept alone.
    stored.set(run, { ...of, rows: first.rows });
  }
  return {
    models: members.map(({ run, model, compared }) => {
      const of = wanted?.has(compared.name) === false ? undefined : stored.get(run);
      return of?.has(model) ? { ...compared, predictions: () => of.predictions(model) } : compared;
    }),
    rows: first!.rows,
    ...(wanted !== undefined && {
      noRows: `predictions are read of the best ${SHOWN_MODELS} of ${models.length} models, unless a test of rows decides`,
    }),
  };
}

function checkFolders(folders: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const folder of folders) {
    const path = resolve(folder);
    if (seen.has(path))
      throw new InputError(`${folder} is the same folder as ${seen.get(path)}: name each run once.`);
    seen.set(path, folder);
  }
}

/** What keeps the runs from being compared, or what a reader should know of them; empty where data and folds are the same. */
function checkComparable(runs: readonly FinishedRun[], force: boolean): string[] {
  const first = runs[0]!;
  const caveats = new Set<string>();
  for (const run of runs.slice(1)) {
    const metric = metricDifference(first, run);
    if (metric !== undefined)
      throw new InputError(`The runs cannot be compared: ${metric}; compare runs of one metric.`);
    const data = dataDifference(first, run);
    if (data === undefined) continue;
    if (!force)
      throw new InputError(
        `The runs are not on the same data and folds: ${data}; compare runs of one data set and seed, or add --force.`,
      );
    caveats.add(
      `The runs are not on the same data and folds: ${data}. What looks like a better model may be easier data.`,
    );
  }
  return [...caveats];
}

/**
 * Compares the models of finished runs, as `lockstep compare` does.
 * @throws InputError for a folder that holds no finished run, for fewer than two models, and for runs on other data or folds without
 *   `force`; InterruptedError on abort.
 */
export async function compareRuns(options: CompareRunsOptions): Promise<CompareRunsOutcome> {
  const { folders, force = false, signal, reporter = silentReporter } = options;
  checkFolders(folders);
  if (folders.length === 0)
    throw new InputError('There is no run to compare: name the output folders of runs.');
  reporter.step(`Reading ${folders.length} ${folders.length === 1 ? 'run' : 'runs'}`);
  // By their paths, so that nothing depends on the order in which they are named.
  const sorted = [...folders].sort((a, b) => (resolve(a) < resolve(b) ? -1 : 1));
  const runs = await mapLimited(sorted, readFinishedRun, signal);
  const caveats = checkComparable(runs, force);
  const members = membersOf(runs, options);
  if (members.length < 2)
    throw new InputError(
      `A comparison needs two models or more, and ${runs[0]!.folder} has the one model ${members[0]!.model}: name another run too.`,
    );
  const output = options.out === undefined ? undefined : await OutputFolder.create(options.out);
  reporter.step(`Comparing ${members.length} models`);
  const comparison = await withNumbersReader((reader) =>
    compareMembers(runs, members, caveats, reader, output, options),
  );
  return output === undefined
    ? { comparison, files: [] }
    : { comparison, out: output.path, files: output.written };
}

/** Compares the models and writes the reports, where there is a folder for them. */
async function compareMembers(
  runs: readonly FinishedRun[],
  members: readonly Member[],
  caveats: readonly string[],
  reader: NumbersReader,
  output: OutputFolder | undefined,
  options: CompareRunsOptions,
): Promise<Comparison> {
  const { models, rows, noRows } = await withPredictions(members, reader, options);
  const { metric } = runs[0]!.scoring;
  const folds = runs.find(({ scoring }) => scoring.folds !== undefined)?.scoring.folds;
  const comparison = await compareModels(models, {
    metric,
    metrics: Object.keys(models[0]!.metrics.test ?? {}) as (typeof metric)[],
    test: options.test,
    alpha: options.alpha,
    testTrainRatio: folds && testTrainRatio(folds),
    unpairedFolds: unpairedReason(runs),
    rows,
    noRows,
    seed: runs[0]!.seed,
    caveats: [
      ...caveats,
      ...(members.some(({ model }) => model === 'optimized') ? [flattery('An optimised model')] : []),
    ],
    signal: options.signal,
  });
  if (output !== undefined) await writeComparison(output, titleOf(runs), comparison, { models, rows });
  return comparison;
}

/** The experiment's name where all runs have one, else how many there are. */
function titleOf(runs: readonly FinishedRun[]): string {
  const names = new Set(runs.map(({ experiment }) => experiment));
  return names.size === 1 ? [...names][0]! : `${runs.length} runs`;
}
