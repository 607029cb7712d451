import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Model } from '../../src/boosting/model.ts';
import { cli, filesBelow, filesBesideStores, repository, scratch, start, writeExperiment } from './cli.ts';

const newFolder = scratch();

/** A training of minutes, which prints every round. */
const longConfig = `experiment: {name: long}
data: {train_path: ${JSON.stringify(join(repository, 'tests', 'data', 'higgs_7k.parquet'))}}
hyperparameters: {n_estimators: 100000, max_depth: 8, learning_rate: 0.001}
training: {verbose: 1, early_stopping_rounds: 0}
`;

async function interruptAfterRounds(args: readonly string[], folder: string, signal: NodeJS.Signals) {
  const { child, ended } = start(args, folder);
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (text: string) => {
      if (/baseline \d+\//.test(text)) resolve();
    });
    child.on('close', () => resolve());
  });
  const sent = performance.now();
  child.kill(signal);
  const result = await ended;
  return { ...result, seconds: (performance.now() - sent) / 1000 };
}

describe('an interrupt', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s during a long run ends it within a second with 130 and leaves a valid partial model',
    async (signal) => {
      const folder = await newFolder();
      await writeExperiment(folder, { config: longConfig });
      const ended = await interruptAfterRounds(['run', 'x.yaml', '--out', 'out'], folder, signal);
      expect(ended.code).toBe(130);
      expect(ended.seconds).toBeLessThan(1);
      const [, rounds] = /^error: Interrupted after (\d+) of 100000 rounds; those are kept\.$/m.exec(
        ended.stderr,
      )!;
      expect(await filesBesideStores(join(folder, 'out'))).toEqual([
        'Dockerfile',
        'environment_info.json',
        'models/baseline_model.partial.json',
        'package-lock.json',
        'run.json',
      ]);
      const model = await Model.load(join(folder, 'out/models/baseline_model.partial.json'));
      expect(model.trees).toBe(Number(rounds));
      const run = JSON.parse(await readFile(join(folder, 'out/run.json'), 'utf8'));
      expect(run.exit).toBe(130);
    },
  );

  it('during train leaves a partial model beside the one that was asked for', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: longConfig });
    const ended = await interruptAfterRounds(
      ['train', 'x.yaml', '--out', 'm.json', '--json'],
      folder,
      'SIGINT',
    );
    expect(ended.code).toBe(130);
    expect(JSON.parse(ended.stdout).error.exit).toBe(130);
    expect(await filesBelow(folder)).toEqual(['m.partial.json', 'train.csv', 'x.yaml']);
    expect((await Model.load(join(folder, 'm.partial.json'))).trees).toBeGreaterThan(0);
  });

  it('the time budget ends a run with 3 and keeps the rounds that were finished', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: longConfig });
    const ended = await cli(
      ['run', 'x.yaml', '--out', 'out', '--set', 'resources.max_time_hours=0.0002'],
      folder,
    );
    expect(ended.stderr).toMatch(/^error: The time budget ended after \d+ of 100000 rounds; /m);
    expect(ended.code).toBe(3);
    expect(await filesBesideStores(join(folder, 'out'))).toEqual([
      'Dockerfile',
      'environment_info.json',
      'models/baseline_model.partial.json',
      'package-lock.json',
      'run.json',
    ]);
  });
});

it('a reader that closes stdout ends a command quietly', async () => {
  const folder = await newFolder();
  await writeExperiment(folder);
  expect((await cli(['train', 'x.yaml', '--out', 'm.json'], folder)).code).toBe(0);
  const { child, ended } = start(
    [
      'predict',
      '--model',
      'm.json',
      '--data',
      'train.csv',
      '--query',
      'SELECT a, b FROM data, range(5000)',
      '--out',
      '-',
    ],
    folder,
  );
  child.stdout.destroy();
  const { stderr, code } = await ended;
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

describe('a full disk', () => {
  const mounted: string[] = [];
  afterAll(() => {
    for (const path of mounted) execFileSync('umount', [path]);
  });

  /** A file system of so many KiB, or undefined where this process may not mount one. */
  async function tinyDisk(kib: number, at?: string): Promise<string | undefined> {
    const path = at ?? join(await newFolder(), 'disk');
    mkdirSync(path, { recursive: true });
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', path]);
    if (mount.status !== 0) return undefined;
    mounted.push(path);
    return path;
  }

  it('ends a run with 4, says so, and leaves no partial file', async ({ skip }) => {
    const disk = await tinyDisk(16);
    if (disk === undefined) return skip('not run: mounting a tmpfs needs root');
    const folder = await newFolder();
    await writeExperiment(folder);
    const args = ['--set', 'hyperparameters.n_estimators=200', '--set', 'training.early_stopping_rounds=0'];
    const ended = await cli(['run', 'x.yaml', '--out', join(disk, 'out'), ...args], folder);
    expect(ended.stderr).toMatch(
      /^error: Cannot write \S+baseline_model\.json: the disk is full; free some space\.$/m,
    );
    expect(ended.code).toBe(4);
    expect(await filesBelow(disk)).toEqual([]);
  });

  it('while the evidence package is written ends a run with 4 and keeps all that it has found', async ({
    skip,
  }) => {
    const folder = await newFolder();
    await writeExperiment(folder);
    if ((await tinyDisk(64, join(folder, 'out', 'evidence'))) === undefined)
      return skip('not run: mounting a tmpfs needs root');
    const ended = await cli(['run', 'x.yaml', '--out', 'out'], folder);
    expect(ended.stderr).toMatch(/^error: Cannot write \S+: the disk is full; free some space\.$/m);
    expect(ended.code).toBe(4);
    const files = await filesBelow(join(folder, 'out'));
    for (const name of ['models/ensemble_model.json', 'reports/report.html', 'run.json', 'gates.json'])
      expect(files).toContain(name);
    expect(files.some((name) => name.endsWith('manifest.json'))).toBe(false);
    // The run and its four trials, once.
    expect(files.filter((name) => /^mlruns\/\d+\/[0-9a-f]{32}\/meta\.yaml$/.test(name))).toHaveLength(5);
    const again = await cli(['run', 'x.yaml', '--out', 'again', '--quiet'], folder);
    expect(again.code).toBe(0);
  });

  it.for(['p.csv', 'p.parquet'])(
    'ends predict --out %s with 4, says so, and leaves no partial file',
    async (name, { skip }) => {
      const disk = await tinyDisk(16);
      if (disk === undefined) return skip('not run: mounting a tmpfs needs root');
      const folder = await newFolder();
      await writeExperiment(folder);
      expect((await cli(['train', 'x.yaml', '--out', 'm.json'], folder)).code).toBe(0);
      const query = 'SELECT a + range / 1000 AS a, b FROM data, range(500)';
      const ended = await cli(
        ['predict', '--model', 'm.json', '--data', 'train.csv', '--query', query, '--out', join(disk, name)],
        folder,
      );
      expect(ended.stderr).toMatch(/^error: Cannot write \S+: the disk is full; free some space\.$/m);
      expect(ended.code).toBe(4);
      expect(await filesBelow(disk)).toEqual([]);
    },
  );
});
