import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, scratch, smallConfig, start, writeExperiment } from './cli.ts';

const newFolder = scratch();

const CONFIG = `${smallConfig.replace('{n_trials: 4, cv: 2}', '{n_trials: 20, cv: 3, generation: 4}')}environment:
  random_seed: 7
`;

async function results(folder: string, out: string) {
  const text = await readFile(join(folder, out, 'optimization_results.json'), 'utf8');
  const { trials, best, ...rest } = JSON.parse(text);
  const timeless = trials.map(({ seconds: _seconds, ...trial }: Record<string, unknown>) => trial);
  return { ...rest, best, trials: timeless };
}

async function tune(folder: string, out: string, ...args: string[]) {
  const ended = await cli(['tune', 'x.yaml', '--out', out, '--json', '--quiet', ...args], folder);
  return { ...ended, json: ended.stdout === '' ? undefined : JSON.parse(ended.stdout) };
}

describe('lockstep tune', () => {
  it('finds the same trials, model and values with one worker and with three', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: CONFIG });
    const [one, three] = await Promise.all([
      tune(folder, 'one', '--workers', '1'),
      tune(folder, 'three', '--workers', '3'),
    ]);
    expect([one.code, three.code]).toEqual([0, 0]);
    expect(three.json.fingerprints).toEqual(one.json.fingerprints);
    const [a, b] = await Promise.all([results(folder, 'one'), results(folder, 'three')]);
    expect(b.trials).toEqual(a.trials);
    expect(a.trials).toHaveLength(20);
    expect(a.best.number).toBe(one.json.best.number);
    const complete = a.trials.filter(({ state }: { state: string }) => state === 'complete');
    expect(Math.max(...complete.map(({ value }: { value: number }) => value))).toBe(a.best.value);
    const { baseline, optimized } = JSON.parse(
      await readFile(join(folder, 'one', 'metrics', 'cv_scores.json'), 'utf8'),
    );
    expect(baseline).toHaveLength(3);
    expect(optimized).toEqual(a.best.fold_scores);
  });

  it('killed at any moment, goes on with --resume to what it would have found', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: CONFIG });
    const whole = await tune(folder, 'whole');
    expect(whole.code).toBe(0);
    const expected = await results(folder, 'whole');
    for (const delay of [0, 15, 60]) {
      await rm(join(folder, 'cut'), { recursive: true, force: true });
      const { child, ended } = start(['tune', 'x.yaml', '--out', 'cut'], folder);
      // Kills some time after the search has begun.
      await new Promise<void>((resolve) => {
        child.stderr.on('data', (text: string) => {
          if (text.includes('Searching')) setTimeout(resolve, delay);
        });
        child.on('exit', () => resolve());
      });
      child.kill('SIGKILL');
      await ended;
      const resumed = await tune(folder, 'cut', '--resume');
      expect(resumed.stderr).toBe('');
      expect(resumed.code).toBe(0);
      expect((await results(folder, 'cut')).trials).toEqual(expected.trials);
      expect(resumed.json.fingerprints).toEqual(whole.json.fingerprints);
    }
  });

  it('writes a config whose baseline is the optimised model', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: CONFIG });
    const first = await tune(folder, 'out');
    await copyFile(join(folder, 'out', 'configs', 'best_config.yaml'), join(folder, 'best.yaml'));
    const ended = await cli(['train', 'best.yaml', '--out', 'm.json', '--json', '--quiet'], folder);
    expect(ended.stderr).toBe('');
    expect(JSON.parse(ended.stdout).fingerprints.baseline).toBe(first.json.fingerprints.optimized);
  });

  it('does not mix two studies: a folder that has one is refused without --resume, another space named', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: CONFIG });
    expect((await tune(folder, 'out', '--n-trials', '4')).code).toBe(0);
    const again = await cli(['tune', 'x.yaml', '--out', 'out', '--quiet'], folder);
    expect(again.code).toBe(2);
    expect(again.stderr).toBe(
      'error: out/study.journal already holds a study of 4 trials: add --resume to go on with it, or name another folder with --out.\n',
    );
    const space = '{max_depth: {type: categorical, choices: [2, 3]}}';
    const set = ['--set', `optimization.search_space=${space}`];
    const other = await cli(['tune', 'x.yaml', '--out', 'out', '--quiet', '--resume', ...set], folder);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('optimization.search_space.max_depth does not go with');
  });

  it('searches conditional parameters and numbers of bins, beginning with the trials of the config', async () => {
    const folder = await newFolder();
    const config = `${CONFIG}hyperparameters:
  subsample: 0.9
`.replace('hyperparameters:\n  n_estimators: 5\n', '');
    await writeExperiment(folder, { config });
    const optimization = `{n_trials: 12, cv: 2, enqueue: [{max_bin: 4, max_depth: 3}], search_space: {max_bin: {type: categorical, choices: [4, 16]}, max_depth: {type: int, low: 1, high: 3}, reg_alpha: {type: float, low: 0, high: 1, when: {max_bin: 4}}}}`;
    const ended = await tune(folder, 'out', '--set', `optimization=${optimization}`);
    expect(ended.stderr).toBe('');
    const { trials } = await results(folder, 'out');
    expect(trials[0].params).toMatchObject({ max_bin: 4, max_depth: 3 });
    const binned = new Set(trials.map(({ params }: { params: { max_bin: number } }) => params.max_bin));
    expect(binned).toEqual(new Set([4, 16]));
    for (const { params } of trials) expect('reg_alpha' in params).toBe(params.max_bin === 4);
  });

  it.each([
    [
      'optimization.search_space={max_depth: {type: int, low: 5, high: 3}}',
      'must not exceed high, 3, but is 5',
    ],
    [
      'optimization.search_space={learning_rate: {type: float, low: 0, high: 1, log: true}}',
      'greater than 0 with log',
    ],
    ['optimization.search_space={max_dept: {type: int, low: 1, high: 3}}', 'did you mean max_depth'],
    ['optimization.search_space={}', 'names no hyperparameter'],
    [
      'optimization.search_space={gamma: {type: float, low: 0, high: 1, when: {max_depth: 2}}}',
      'listed before gamma',
    ],
    ['optimization.pruner={name: median, patience: 3}', 'is not an option of median but of patience'],
    ['optimization.cv_method=grouped', 'name it in data.group'],
    ['optimization.enqueue=[{max_depth: 99}]', '99 is not in the search space of max_depth'],
    ['optimization.cv=50', 'The number of folds must be a whole number from 2 to'],
  ])('refuses %s with one sentence', async (setting, message) => {
    const folder = await newFolder();
    await writeExperiment(folder, { config: CONFIG });
    const ended = await cli(['tune', 'x.yaml', '--out', 'out', '--quiet', '--set', setting], folder);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(message);
  });

  it('says so where every trial fails', async () => {
    const folder = await newFolder();
    // A fold of forward chaining that has rows of one class only.
    const rows = Array.from({ length: 40 }, (_, i) => `${i},${i % 5},${i < 30 ? i % 2 : 1}`);
    await writeExperiment(folder, { csv: ['a,b,y', ...rows, ''].join('\n'), config: CONFIG });
    const set = ['--set', 'optimization.cv_method=time', '--set', 'data.split=none'];
    const ended = await cli(['tune', 'x.yaml', '--out', 'out', '--quiet', ...set], folder);
    expect(ended.stderr).toContain(
      'All 20 trials of the search failed, the first because the metric is NaN on fold 3;',
    );
    expect(ended.code).toBe(2);
  });
});
