import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, repository, scratch, smallConfig, writeExperiment } from './cli.ts';

const newFolder = scratch();
const read = async (folder: string, name: string) =>
  JSON.parse(await readFile(join(folder, 'out', name), 'utf8'));

/** A search space of trials that take some time. */
const SLOW =
  'optimization={cv: 2, generation: 4, n_trials: 1000, early_stopping_rounds: 0, pruner: {name: none}, search_space: {n_estimators: {type: int, low: 2000, high: 3000}}}';

/** Trials without times. */
const found = (trials: Record<string, unknown>[]) => trials.map(({ seconds: _, ...trial }) => trial);

async function timed(folder: string, ...settings: string[]) {
  const began = performance.now();
  const all = settings.flatMap((setting) => ['--set', setting]);
  const ended = await cli(['run', 'x.yaml', '--out', 'out', ...all], folder);
  return { ...ended, seconds: (performance.now() - began) / 1000 };
}

describe('resources.max_time_hours', () => {
  it('ends a search early enough for ensembles and comparison, with the trials that it would have had', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: smallConfig });
    const ended = await timed(
      folder,
      SLOW,
      'resources.max_time_hours=0.0006',
      'tracking.mlflow.enabled=false',
    );
    expect(ended.stderr).toMatch(/the search ended after \d+ of 1000 trials: its time was up/);
    expect(ended.code, ended.stderr).toBe(0);
    // Starting the process and reading the data are not counted by the run.
    expect(ended.seconds).toBeLessThan(2.16 + 3);
    expect((await read(folder, 'run.json')).ensemble.methods).toContain('voting');
    const { study, trials } = await read(folder, 'optimization_results.json');
    expect(study.ended_by).toBe('time');
    const again = await newFolder();
    await writeExperiment(again, { config: smallConfig });
    expect((await timed(again, SLOW, 'optimization.n_trials=8')).code).toBe(0);
    const first = found((await read(again, 'optimization_results.json')).trials);
    expect(found(trials).slice(0, 8)).toEqual(first);
  });

  it('gives a generation up that would take too long, and the run goes on with the baseline', async () => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const ended = await timed(
      folder,
      `data.train_path=${join(repository, 'tests', 'data', 'higgs_7k.parquet')}`,
      'data.target=target',
      'optimization={n_trials: 64, generation: 64, pruner: {name: none}, early_stopping_rounds: 0, search_space: {max_depth: {type: int, low: 9, high: 10}}}',
      'hyperparameters.n_estimators=1000',
      'training.early_stopping_rounds=1',
      'hyperparameters.learning_rate=0.5',
      'resources.max_time_hours=0.001',
    );
    expect(ended.stderr).toMatch(
      /there is no search: The time budget ended before the first trial; raise resources/,
    );
    expect(ended.code, ended.stderr).toBe(1);
    expect(ended.seconds).toBeLessThan(3.6 + 4);
    const { search, fingerprints } = await read(folder, 'run.json');
    expect(search.skipped).toMatch(/^The time budget ended before the first trial/);
    expect(Object.keys(fingerprints)).toEqual(['baseline']);
    const { gates } = await read(folder, 'run.json');
    expect(gates.failed.join()).toContain('Cross-validation completed');
  });
});

describe('resources.max_memory_gb', () => {
  it('makes generations smaller, which gives what so small ones give', async () => {
    const [shrunk, small] = [await newFolder(), await newFolder()];
    const rows = Array.from(
      { length: 4000 },
      (_, i) => `${i % 61},${(i * 7) % 11},${Number((i * i) % 61 > 20)}`,
    );
    for (const folder of [shrunk, small])
      await writeExperiment(folder, { csv: ['a,b,y', ...rows, ''].join('\n') });
    const ended = await timed(shrunk, 'optimization.n_trials=9', 'resources.max_memory_gb=0.0025');
    const [, size] = /generations of (\d) instead of 8 trials, which resources\.max_memory_gb/.exec(
      ended.stderr,
    )!;
    expect(Number(size)).toBeGreaterThan(1);
    expect(ended.code, ended.stderr).toBe(0);
    await timed(small, 'optimization.n_trials=9', `optimization.generation=${size}`);
    const { study, trials } = await read(shrunk, 'optimization_results.json');
    expect(study.generation).toBe(Number(size));
    expect(found(trials)).toEqual(found((await read(small, 'optimization_results.json')).trials));
  });

  it('that has room for the baseline alone leaves the search out', async () => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const ended = await timed(folder, 'resources.max_memory_gb=0.001');
    expect(ended.stderr).toMatch(
      /there is no search: The search needs about 0\.00147 GiB for the 2 models of a trial/,
    );
    expect(ended.code).toBe(1);
    expect((await read(folder, 'run.json')).fingerprints).toHaveProperty('baseline');
  });
});
