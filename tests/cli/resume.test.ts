import { readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECKPOINT_FOLDER } from '../../src/protocol/checkpoints.ts';
import { LOCK_FILE } from '../../src/protocol/run-lock.ts';
import { cli, type Ended, repository, scratch, smallConfig, start, writeExperiment } from './cli.ts';
import { cutOffAndResume } from './killed-runs.ts';

const newFolder = scratch();

/** A run into out that is killed when it comes to the stage compare. */
function killedAtComparison(folder: string, ...options: string[]): Promise<Ended> {
  const { child, ended } = start(['run', 'x.yaml', '--out', 'out', ...options], folder);
  child.stderr.on('data', (text: string) => {
    if (text.includes('Comparing the models')) child.kill('SIGKILL');
  });
  return ended;
}

describe('a run that is cut off', () => {
  it('by SIGKILL or SIGTERM at any moment goes on with --resume to what it would have found', async () => {
    await cutOffAndResume(await newFolder(), 3, (n) => (n % 2 === 0 ? 'SIGKILL' : 'SIGTERM'));
  });

  it('does not train again what it had trained, and forgets nothing that it had found', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: `${smallConfig}training: {verbose: 1}\n` });
    const killed = await killedAtComparison(folder);
    expect(killed.code).toBe(null);
    expect(killed.stderr).toMatch(/baseline 5\/5/);
    expect(killed.stderr).toMatch(/optimized \d+\/\d+/);
    const kept = await readdir(join(folder, 'out', CHECKPOINT_FOLDER));
    const kinds = new Set(kept.map((name) => name.replace(/-[0-9a-f]{32}\.bin$/, '')));
    for (const kind of ['baseline', 'optimized', 'scores', 'folds', 'ensemble'])
      expect(kinds).toContain(kind);
    const resumed = await cli(['run', 'x.yaml', '--out', 'out', '--resume'], folder);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).not.toMatch(/(baseline|optimized) \d+\/\d+/);
    expect(await readdir(join(folder, 'out'))).not.toContain(CHECKPOINT_FOLDER);
  });

  it('trains anew after a change of the config, and where a checkpoint is damaged', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: `${smallConfig}training: {verbose: 1}\n` });
    const killRun = async () => (await killedAtComparison(folder, '--resume')).stderr;
    expect(await killRun()).toMatch(/baseline 5\/5/);
    expect(await killRun()).not.toMatch(/baseline 5\/5/);
    const checkpoints = join(folder, 'out', CHECKPOINT_FOLDER);
    const name = (await readdir(checkpoints)).find((file) => file.startsWith('baseline-'))!;
    const bytes = await readFile(join(checkpoints, name));
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(join(checkpoints, name), bytes);
    expect(await killRun()).toMatch(/baseline 5\/5/);
    const changed = await cli(
      ['run', 'x.yaml', '--out', 'out', '--resume', '--set', 'hyperparameters.learning_rate=0.2'],
      folder,
    );
    expect(changed.stderr).toMatch(/baseline 5\/5/);
  });
});

describe("a run's folder", () => {
  it('is refused while another process writes into it, and free again afterwards', async () => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const data = `data.train_path=${join(repository, 'tests', 'data', 'higgs_7k.parquet')}`;
    const long = ['data.target=target', 'training.verbose=1', 'hyperparameters.n_estimators=100000'];
    const settings = [data, ...long, 'training.early_stopping_rounds=0'].flatMap((text) => ['--set', text]);
    const { child, ended } = start(['run', 'x.yaml', '--out', 'out', ...settings], folder);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (text: string) => {
        if (/baseline \d+\//.test(text)) resolve();
      });
      child.on('close', () => resolve());
    });
    const second = await cli(['run', 'x.yaml', '--out', 'out'], folder);
    expect(second.stderr).toContain(
      `error: out is in use by process ${child.pid}: wait until it has ended, or name another folder with --out.`,
    );
    expect(second.code).toBe(2);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(130);
    expect((await cli(['run', 'x.yaml', '--out', 'out', '--quiet'], folder)).code).toBe(0);
  });

  it.each([
    ['a process that is gone', { pid: 2 ** 22 + 1, host: hostname(), began: '1' }],
    ['another process that has its number now', { pid: 1, host: hostname(), began: '1' }],
    ['nobody, as it is damaged', 'x'],
  ])('with the lock of %s is taken over', async (_, lock) => {
    const folder = await newFolder();
    await writeExperiment(folder);
    await writeFile(join(folder, LOCK_FILE), JSON.stringify(lock));
    const ended = await cli(['run', 'x.yaml', '--out', '.', '--stages', 'baseline', '--quiet'], folder);
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
  });

  it('with the lock of another machine, or a run of a newer version, is refused with what to do', async () => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const run = () => cli(['run', 'x.yaml', '--out', '.', '--quiet'], folder);
    await writeFile(join(folder, LOCK_FILE), JSON.stringify({ pid: 5, host: 'elsewhere', began: null }));
    const locked = await run();
    expect(locked.stderr).toMatch(
      /^error: \. is in use by process 5 on elsewhere \(if it has ended, remove /,
    );
    expect(locked.code).toBe(2);
    await writeFile(join(folder, LOCK_FILE), 'x');
    await writeFile(join(folder, 'run.json'), '{"format_version": 99}');
    const newer = await run();
    expect(newer.stderr).toMatch(
      /^error: \. has a run of a newer Lockstep \(format 99, known are formats up to 1\): /,
    );
    expect(newer.code).toBe(2);
  });
});
