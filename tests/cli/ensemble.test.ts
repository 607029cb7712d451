import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli, type Ended, filesBelow, kindsCsv, noisyCsv, scratch, writeExperiment } from './cli.ts';

const newFolder = scratch();
const METHODS = ['voting', 'stacking', 'blending', 'weighted', 'greedy'];

const CSV: Readonly<Record<string, string>> = {
  binary: noisyCsv(240),
  multiclass: kindsCsv(),
  regression: noisyCsv(240, (a, b, noise) => (10 * a) / 101 + b + noise),
};

const configOf = (kind: string, more = '') => `experiment:
  name: ensembles
environment:
  random_seed: 3
data:
  train_path: train.csv
  target: y
model:
  task_type: ${kind === 'regression' ? 'regression' : 'classification'}
hyperparameters:
  n_estimators: 10
gates: {overfitting_ratio: 0}
optimization: {n_trials: 6, cv: 3, generation: 3, search_space: {max_depth: {type: int, low: 1, high: 4}, learning_rate: {type: float, low: 0.1, high: 0.5}}}
ensemble: {methods: [${METHODS.join(', ')}], top_k: 3${more}}
`;

describe.each(Object.keys(CSV))('the stage ensemble of a %s experiment', (kind) => {
  let folder: string;
  let run: Ended;
  const read = async (name: string, out = 'out') =>
    JSON.parse(await readFile(join(folder, out, name), 'utf8'));

  beforeAll(async () => {
    folder = await newFolder();
    await writeExperiment(folder, { csv: CSV[kind]!, config: configOf(kind) });
    run = await cli(['run', 'x.yaml', '--out', 'out', '--json', '--quiet'], folder);
  });

  it('leaves an ensemble for each method, the best with its members inside, and its scores among the others', async () => {
    expect(run.stderr).toBe('');
    expect(run.code).toBe(0);
    const { members, methods, best } = await read('ensemble_results.json');
    expect(methods.map(({ method }: { method: string }) => method)).toEqual(METHODS);
    expect(members).toHaveLength(3);
    const minimised = kind === 'regression';
    const scores = methods.map(({ score }: { score: number }) => (minimised ? -score : score));
    expect(scores[METHODS.indexOf(best)]).toBe(Math.max(...scores));
    const cv = await read('metrics/cv_scores.json');
    expect(cv.ensemble).toEqual(methods[METHODS.indexOf(best)].fold_scores);
    expect(Object.keys(cv)).toEqual(['baseline', 'optimized', 'ensemble']);
    for (const file of ['training', 'validation']) {
      expect(Object.keys(await read(`metrics/${file}_metrics.json`))).toEqual([
        'baseline',
        'optimized',
        'ensemble',
      ]);
    }
    const files = await filesBelow(join(folder, 'out'));
    const evidence = 'evidence/protocol-11-training';
    for (const method of METHODS) expect(files).toContain(`models/ensemble_${method}.json`);
    expect(files).toContain(`${evidence}/models/ensemble_model.json`);
    const { fingerprint } = await read('models/ensemble_model.json');
    expect(JSON.parse(run.stdout).fingerprints.ensemble).toBe(fingerprint);
  });

  it('predicts new rows from either of its files as one, also when moved away with its members', async () => {
    await mkdir(join(folder, 'moved'), { recursive: true });
    const { best } = await read('ensemble_results.json');
    for (const name of await filesBelow(join(folder, 'out', 'models'))) {
      await copyFile(join(folder, 'out', 'models', name), join(folder, 'moved', name));
    }
    const predicted = async (model: string) => {
      const ended = await cli(['predict', '--model', model, '--data', 'train.csv', '--out', '-'], folder);
      expect(ended).toMatchObject({ code: 0 });
      return ended.stdout;
    };
    const whole = await predicted('out/models/ensemble_model.json');
    expect(whole.split('\n').length).toBeGreaterThan(90);
    expect(await predicted(`moved/ensemble_${best}.json`)).toBe(whole);
  });

  it('sees the features of the rows with passthrough, in stacking and blending alone', async () => {
    const passed = ['--out', 'passed', '--set', 'ensemble.passthrough=true', '--json', '--quiet'];
    const ended = await cli(['run', 'x.yaml', ...passed], folder);
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    const plain = await read('ensemble_results.json');
    const { methods } = await read('ensemble_results.json', 'passed');
    for (const [k, { method, combiner, fingerprint }] of methods.entries()) {
      const sees = method === 'stacking' || method === 'blending';
      expect(fingerprint === plain.methods[k].fingerprint).toBe(!sees);
      expect(combiner.features?.map(({ name }: { name: string }) => name)).toEqual(
        sees ? ['a', 'b'] : undefined,
      );
    }
    const one = await cli(['run', 'x.yaml', ...passed, '--resume', '--set', 'resources.n_jobs=1'], folder);
    expect(JSON.parse(one.stdout).fingerprints).toEqual(JSON.parse(ended.stdout).fingerprints);
    const model = 'passed/models/ensemble_stacking.json';
    const predicted = await cli(['predict', '--model', model, '--data', 'train.csv', '--out', '-'], folder);
    expect(predicted).toMatchObject({ code: 0, stderr: expect.stringContaining('predicted') });
  });

  it('makes the same with one thread, resumed, and where every fold model is trained again', async () => {
    const again = await cli(
      ['run', 'x.yaml', '--out', 'again', '--json', '--quiet', '--set', 'resources.n_jobs=1'],
      folder,
    );
    expect(JSON.parse(again.stdout).fingerprints).toEqual(JSON.parse(run.stdout).fingerprints);
    const resumed = await cli(['run', 'x.yaml', '--out', 'again', '--resume', '--json', '--quiet'], folder);
    expect(JSON.parse(resumed.stdout).fingerprints).toEqual(JSON.parse(run.stdout).fingerprints);
    const timeless = async (out: string) => ({ ...(await read('ensemble_results.json', out)), seconds: 0 });
    expect(await timeless('again')).toEqual(await timeless('out'));
  });
});

describe('the stage ensemble', () => {
  it('is left out with a reason when the time is up, and made by the run that goes on', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { csv: CSV.binary!, config: configOf('binary') });
    const run = (...args: string[]) =>
      cli(
        ['run', 'x.yaml', '--stages', 'optimize,ensemble,compare', '--out', 'out', '--json', ...args],
        folder,
      );
    const read = async (name: string) => JSON.parse(await readFile(join(folder, 'out', name), 'utf8'));
    const whole = JSON.parse((await run()).stdout);
    expect((await read('run.json')).ensemble).toMatchObject({ methods: METHODS, left_out: [] });
    const late = await run('--resume', '--set', 'resources.max_time_hours=1e-7');
    expect(late.code).toBe(0);
    expect(late.stderr).toContain('the stage ensemble is left out: the time was up');
    const { skipped } = await read('ensemble_results.json');
    expect(await read('run.json')).toMatchObject({
      ensemble: { skipped },
      warnings: [
        expect.stringMatching(/^the model optimized has \d+ of \d+ rounds: the time was up$/),
        expect.stringContaining(skipped),
      ],
    });
    expect(Object.keys(JSON.parse(late.stdout).metrics)).toEqual(['optimized']);
    expect(JSON.parse((await run('--resume')).stdout).fingerprints).toEqual(whole.fingerprints);
  });

  it('is left out without methods or a search, and refused where it is asked for', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, { csv: CSV.binary!, config: configOf('binary') });
    const run = (...args: string[]) => cli(['run', 'x.yaml', '--out', 'out', '--quiet', ...args], folder);
    const none = await run('--set', 'ensemble.methods=[]');
    expect([none.code, none.stderr]).toEqual([0, '']);
    expect(await filesBelow(join(folder, 'out', 'models'))).toEqual([
      'baseline_model.json',
      'optimized_model.json',
    ]);
    expect(await run('--stages', 'baseline,ensemble')).toMatchObject({
      code: 2,
      stderr: 'error: The stage ensemble takes the models of optimize; add optimize to --stages.\n',
    });
    expect(await run('--stages', 'optimize,ensemble', '--set', 'ensemble.methods=[]')).toMatchObject({
      code: 2,
      stderr: 'error: ensemble.methods is empty; name a method, or leave out the stage ensemble.\n',
    });
    const single = await run(
      '--stages',
      'optimize,ensemble',
      '--set',
      'optimization.n_trials=1',
      '--out',
      'one',
    );
    expect(single.code).toBe(2);
    expect(single.stderr).toContain('An ensemble needs two models and the run has 1');
  });
});
