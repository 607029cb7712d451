import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { TimingJob } from '../../src/bench/job.ts';
import type { BenchTable } from '../../src/bench/table.ts';
import {
  type BenchOptions,
  BudgetError,
  EnvironmentError,
  InputError,
  runBenchmark,
} from '../../src/index.ts';
import { smallCsv } from '../cli/cli.ts';
import { type Conduct, fakePython } from './fake-python.ts';

const root = mkdtemp(join(tmpdir(), 'lockstep-benchmark-'));
afterAll(async () => rm(await root, { recursive: true, force: true }));
let count = 0;
async function newFolder(): Promise<string> {
  const folder = join(await root, String(count++));
  await mkdir(folder);
  return folder;
}

const conducts = (conduct: Conduct) => ({ xgboost: conduct, lightgbm: conduct, catboost: conduct });

interface GivenJob {
  readonly job: TimingJob;
  readonly table: BenchTable;
  readonly threads: string;
}

async function jobsOf(folder: string): Promise<GivenJob[]> {
  const lines = await readFile(join(folder, 'jobs.jsonl'), 'utf8');
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as GivenJob);
}

const tiny: BenchOptions = { data: ['synth:200x4'], rounds: 3, repeats: 1, wait: 0 };

describe('a benchmark without peers', () => {
  it('has every raw repeat of each engine, thread count and batch, and what they come to', async () => {
    const outcome = await runBenchmark({ ...tiny, threads: [1, 2], batch: [2], repeats: 2, peers: [] });
    expect(outcome.python).toBeNull();
    expect(outcome.interrupted).toBe(false);
    expect(outcome.data).toMatchObject([
      { name: 'synth:200x4', train_rows: 200, val_rows: 50, features: 4, metric: 'auc_roc' },
    ]);
    expect(outcome.data[0]!.params).toMatchObject({ n_estimators: 3, max_depth: 6, learning_rate: 0.1 });
    const subjects = outcome.results.map(({ library, engine, threads, batch, clock, failure, repeats }) => ({
      of: [library, engine, threads, batch ?? 1, clock],
      failure,
      repeats: repeats.map(({ repeat }) => repeat),
    }));
    const rest = { failure: null, repeats: [1, 2] };
    expect(subjects).toEqual([
      { of: ['lockstep', 'cpu', 1, 1, 'cpu'], ...rest },
      { of: ['lockstep', 'cpu', 2, 1, 'wall'], ...rest },
      { of: ['lockstep', 'cpu', 1, 2, 'cpu'], ...rest },
      { of: ['lockstep', 'cpu', 2, 2, 'wall'], ...rest },
    ]);
    for (const { repeats, summary, clock } of outcome.results) {
      for (const { boost, bin, rounds, scores, description } of repeats) {
        expect(boost.wall_s).toBeGreaterThan(0);
        expect(boost.cpu_s).toBeGreaterThan(0);
        expect(bin!.wall_s).toBeGreaterThan(0);
        expect(rounds).toBe(3);
        expect(description).toMatch(/^cpu \(\d threads?, /);
        // The model is a pure function: threads, batches and repeats change no score.
        expect(scores).toEqual(outcome.results[0]!.repeats[0]!.scores);
      }
      const times = repeats.map(({ boost }) => (clock === 'cpu' ? boost.cpu_s : boost.wall_s));
      // Repeats on a busy machine may not count.
      const { median, min, max } = summary!.boost_s;
      expect([Math.min(...times), min, median, max, Math.max(...times)]).toEqual(
        [Math.min(...times), min, median, max, Math.max(...times)].sort((a, b) => a - b),
      );
      expect(summary!.ratio).toBeNull();
    }
    expect(outcome.results[2]!.summary!.speedup).toBeGreaterThan(0);
    expect(outcome.not_run.map(({ name }) => name)).toEqual(['engine cuda', 'engine webgpu']);
    expect(outcome.machine.simd_levels).toContain(outcome.machine.simd);
  });

  it('takes data, parameters, weights and the primary metric of a config', async () => {
    const folder = await newFolder();
    const python = await fakePython(folder, { ...conducts('missing'), lightgbm: 'times' });
    const [head, ...rows] = smallCsv().trimEnd().split('\n');
    const csv = rows.map((row, i) => `${row},${i % 4 === 0 ? '' : `k${i % 3}`},${1 + (i % 2)}`);
    await writeFile(join(folder, 'train.csv'), [`${head},kind,w`, ...csv].join('\n'));
    await writeFile(
      join(folder, 'x.yaml'),
      `experiment: {name: weighted}
data: {train_path: train.csv, target: y, weight: w, split: {train: 0.75, val: 0.25}}
environment: {random_seed: 7, python: ${JSON.stringify(python)}}
metrics: {primary: logloss}
hyperparameters: {max_depth: 2, n_estimators: 9, reg_lambda: 3, monotone_constraints: {a: 1}}
`,
    );
    const outcome = await runBenchmark({
      configPath: join(folder, 'x.yaml'),
      rounds: 4,
      repeats: 1,
      wait: 0,
      threads: [3],
      overrides: ['hyperparameters.gamma=0.25'],
    });
    expect(outcome.python).toEqual({ command: python, version: '3.99.0' });
    expect(outcome.data).toMatchObject([
      { name: 'weighted', train_rows: 30, val_rows: 10, features: 3, categorical_features: 1 },
    ]);
    const [{ job, table, threads }] = (await jobsOf(folder)) as [GivenJob];
    expect(threads).toBe('3');
    expect(job).toMatchObject({ library: 'lightgbm', threads: 3, metric: 'logloss', seed: 7 });
    expect(job.params).toMatchObject({
      n_estimators: 4,
      max_depth: 2,
      reg_lambda: 3,
      gamma: 0.25,
      monotone_constraints: [1, 0, 0],
    });
    expect(table).toEqual({
      rows: 40,
      train_rows: 30,
      features: [{ kind: 'numeric' }, { kind: 'numeric' }, { kind: 'categorical', categories: 3 }],
      weighted: true,
    });
    expect(outcome.results.map(({ library, failure }) => [library, failure])).toEqual([
      ['lockstep', null],
      ['lightgbm', null],
    ]);
  });

  it('says which metric stands in for a primary one that the peers do not have', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'train.csv'), smallCsv());
    await writeFile(
      join(folder, 'x.yaml'),
      'experiment: {name: f1}\ndata: {train_path: train.csv, target: y}\nmetrics: {primary: f1}\n',
    );
    const warnings: string[] = [];
    const reporter = { step() {}, warn: (text: string) => warnings.push(text), round() {}, search() {} };
    const configPath = join(folder, 'x.yaml');
    const outcome = await runBenchmark({ configPath, rounds: 2, repeats: 1, wait: 0, peers: [], reporter });
    expect(outcome.data[0]!.metric).toBe('logloss');
    expect(warnings).toEqual([
      expect.stringMatching(/^f1, the primary metric, .* logloss stands in for it\.$/),
    ]);
  });
});

describe('peers', () => {
  it('that are there are timed on the same table, each in turn, repeat by repeat', async () => {
    const folder = await newFolder();
    const python = await fakePython(folder, conducts('times'));
    const outcome = await runBenchmark({ ...tiny, python, repeats: 2, peers: ['xgboost', 'catboost'] });
    expect((await jobsOf(folder)).map(({ job }) => job.library)).toEqual([
      'xgboost',
      'catboost',
      'xgboost',
      'catboost',
    ]);
    expect(outcome.results.map(({ library }) => library)).toEqual(['lockstep', 'xgboost', 'catboost']);
    const { summary } = outcome.results[1]!;
    expect(summary).toMatchObject({ boost_s: { median: 1 }, ratio: 1, scores: { train: 0.75, val: null } });
    const own = outcome.results[0]!.summary!;
    expect(own.ratio).toBe(own.boost_s.median);
  });

  it('that the Python lacks are not run, with the reason', async () => {
    const python = await fakePython(await newFolder(), { ...conducts('missing'), xgboost: 'times' });
    const outcome = await runBenchmark({ ...tiny, python });
    expect(outcome.results.map(({ library }) => library)).toEqual(['lockstep', 'xgboost']);
    expect(outcome.not_run.slice(2)).toEqual([
      { name: 'lightgbm', reason: 'this Python has no package lightgbm' },
      { name: 'catboost', reason: 'this Python has no package catboost' },
    ]);
  });

  it('are all not run where there is no Python, and Lockstep is', async () => {
    const outcome = await runBenchmark({ ...tiny, python: '/nowhere/python' });
    expect(outcome.results.map(({ library }) => library)).toEqual(['lockstep']);
    expect(outcome.not_run.slice(2).map(({ reason }) => reason)).toEqual(
      Array(3).fill('/nowhere/python was not found'),
    );
    expect(outcome.python).toEqual({ command: '/nowhere/python', version: null });
  });

  it('that crash, hang or talk nonsense are results with the reason, asked once, and the others go on', async () => {
    const folder = await newFolder();
    const python = await fakePython(folder, {
      xgboost: 'crashes',
      lightgbm: 'hangs',
      catboost: 'talks nonsense',
    });
    const outcome = await runBenchmark({ ...tiny, python, repeats: 2, timeout: 4 });
    expect(
      outcome.results.map(({ library, failure, repeats }) => [library, failure, repeats.length]),
    ).toEqual([
      ['lockstep', null, 2],
      ['xgboost', 'it ended with exit code 1: MemoryError: too large', 0],
      ['lightgbm', 'it took longer than 4 s', 0],
      ['catboost', 'its answer is not a timing', 0],
    ]);
    expect(await jobsOf(folder)).toHaveLength(3);
    expect(outcome.results[0]!.summary!.ratio).toBeNull();
  });
});

describe('an abort', () => {
  it('ends the process that is timed and gives what was measured, without a trace of the tables', async () => {
    const folder = await newFolder();
    const python = await fakePython(folder, conducts('hangs'));
    const controller = new AbortController();
    const reporter = {
      step: (text: string) => {
        if (text.includes('lightgbm, 1 thread')) setTimeout(() => controller.abort(), 300);
      },
      warn() {},
      round() {},
      search() {},
    };
    const outcome = await runBenchmark({
      ...tiny,
      python,
      peers: ['lightgbm'],
      reporter,
      signal: controller.signal,
    });
    expect(outcome.interrupted).toBe(true);
    expect(outcome.results.map(({ library, repeats }) => [library, repeats.length])).toEqual([
      ['lockstep', 1],
    ]);
    const [{ job }] = (await jobsOf(folder)) as [GivenJob];
    await expect(readdir(job.table)).rejects.toThrow('ENOENT');
  });
});

describe('what cannot be measured is refused before anything runs', () => {
  it.each<[string, BenchOptions, RegExp]>([
    [
      'settings without a config',
      { overrides: ['a=1'] },
      /--set overrides keys of a config, and none is named/,
    ],
    ['a config and synthetic sets', { configPath: 'x.yaml', data: ['synth:200x4'] }, /leave one of them out/],
    ['a set with another name', { data: ['higgs'] }, /write synth:ROWSxFEATURES/],
    ['a metric of one library', { metric: 'f1' }, /take auc_roc or logloss/],
    ['a depth out of range', { depth: 31 }, /max_depth is 31/],
  ])('%s', async (_what, options, message) => {
    const error = await runBenchmark({ peers: [], ...options }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(message);
  });

  it('an engine that cannot run', async () => {
    await expect(runBenchmark({ ...tiny, engines: ['cuda'] })).rejects.toThrow(EnvironmentError);
  });

  it('a set that is larger than the memory', async () => {
    await expect(runBenchmark({ data: ['synth:100000000x10000'] })).rejects.toThrow(BudgetError);
  });
});
