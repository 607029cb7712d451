import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli, filesBelow, isLikely, kindsCsv, noisyCsv, scratch, smallCsv, writeExperiment } from './cli.ts';

const newFolder = scratch();

/** A run with test rows, a search of four trials on three folds, and ensembles. */
const configOf = (depth: number, more = '') => `experiment:
  name: compared
environment: {random_seed: 5}
data:
  train_path: train.csv
  target: y
  split: {train: 0.6, val: 0.2, test: 0.2}
hyperparameters: {n_estimators: 6, max_depth: ${depth}}
gates: {overfitting_ratio: 0}
optimization: {n_trials: 4, cv: 3, generation: 2}
ensemble: {methods: [voting]}
${more}`;

const bigCsv = (shift = 0) => noisyCsv(200, isLikely, shift);

let folder: string;
const compare = async (...args: string[]) => {
  const ended = await cli(['compare', ...args, '--quiet'], folder);
  return {
    ...ended,
    json: args.includes('--json') && ended.code === 0 ? JSON.parse(ended.stdout) : undefined,
  };
};
const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'));
async function run(out: string, ...args: string[]): Promise<void> {
  const ended = await cli(['run', 'x.yaml', '--out', out, '--quiet', ...args], folder);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
}

beforeAll(async () => {
  folder = await newFolder();
  await writeExperiment(folder, { csv: bigCsv(), config: configOf(2) });
  await Promise.all([run('first'), run('second', '--set', 'hyperparameters.max_depth=5')]);
});

describe('the stage compare of lockstep run', () => {
  it('compares baseline, optimized and ensemble on folds and test rows, with the keys of the protocol', async () => {
    const { experiments, best_model, statistical_tests, verdict, not_run } = await read(
      'first/experiment_comparison.json',
    );
    const names = experiments.map(({ name }: { name: string }) => name);
    expect([...names].sort()).toEqual(['baseline', 'ensemble', 'optimized']);
    expect(best_model.name).toBe(names[0]);
    expect(Object.keys(statistical_tests.friedman_test)).toEqual(['statistic', 'p_value', 'significant']);
    expect(not_run).toEqual([]);
    const summary = await readFile(join(folder, 'first', 'experiment_comparison.md'), 'utf8');
    expect(summary).toContain(verdict);
    expect(await filesBelow(join(folder, 'first'))).toEqual(
      expect.arrayContaining([
        'reports/comparison_analysis.md',
        'predictions/test.parquet',
        'visualizations/comparison_folds.svg',
      ]),
    );
    const { optimized, ensemble } = await read('first/metrics/cv_scores.json');
    const scoresOf = (wanted: string) =>
      experiments.find(({ name }: { name: string }) => name === wanted).cv_scores;
    expect(scoresOf('optimized')).toEqual(optimized);
    expect(scoresOf('ensemble')).toEqual(ensemble);
  });

  it('names what it cannot run where there are no test rows, in a task of several classes too', async () => {
    const elsewhere = await newFolder();
    const config = configOf(2).replace(', test: 0.2', '').replace('train: 0.6', 'train: 0.8');
    await writeExperiment(elsewhere, { csv: kindsCsv(), config });
    const ended = await cli(['run', 'x.yaml', '--out', 'out', '--quiet'], elsewhere);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const text = await readFile(join(elsewhere, 'out', 'experiment_comparison.json'), 'utf8');
    const { not_run } = JSON.parse(text);
    expect(not_run.map(({ test }: { test: string }) => test)).toContain('mcnemar');
    expect(JSON.stringify(not_run)).toContain('the data has no test rows');
  });
});

describe('the stage compare of a regression', () => {
  it('ranks by the lesser error, and names the tests that are for classifiers', async () => {
    const elsewhere = await newFolder();
    const csv = noisyCsv(200, (a, b, noise) => a / 10 + b + noise);
    const config = configOf(2, 'model: {task_type: regression}\n');
    await writeExperiment(elsewhere, { csv, config });
    const ended = await cli(['run', 'x.yaml', '--out', 'out', '--quiet'], elsewhere);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const text = await readFile(join(elsewhere, 'out', 'experiment_comparison.json'), 'utf8');
    const { metric, direction, experiments, not_run } = JSON.parse(text);
    expect([metric, direction]).toEqual(['rmse', 'minimize']);
    const means = experiments.map(({ cv_mean }: { cv_mean: number }) => cv_mean);
    expect(means).toEqual(means.toSorted((x: number, y: number) => x - y));
    expect(experiments[0].intervals.rmse.low).toBeLessThanOrEqual(experiments[0].metrics.test.rmse);
    expect(not_run).toEqual([
      { test: 'mcnemar', reason: 'it is for classifiers' },
      { test: 'delong', reason: 'it is for classifiers' },
    ]);
    const analysis = await readFile(join(elsewhere, 'out', 'reports', 'comparison_analysis.md'), 'utf8');
    expect(analysis).toContain(
      '## Not run\n\n- mcnemar: it is for classifiers.\n- delong: it is for classifiers.\n',
    );
  });
});

describe('lockstep compare', () => {
  it('compares the best models of two runs, whatever the order of the folders', async () => {
    const [one, other] = await Promise.all([
      compare('first', 'second', '--json', '--out', 'both'),
      compare('second', 'first', '--json'),
    ]);
    expect([one.code, other.code]).toEqual([0, 0]);
    expect(one.json.best_model).toEqual(other.json.best_model);
    expect(one.json.verdict).toBe(other.json.verdict);
    expect(Object.keys(one.json.statistical_tests.paired_ttest)).toEqual(
      expect.arrayContaining(['t_statistic', 'p_value', 'significant']),
    );
    expect(one.json.decision.test).toBe('nadeau_bengio');
    expect(await filesBelow(join(folder, 'both'))).toEqual([...one.json.files].sort());
    expect(one.json.files).toContain('reports/comparison_analysis.md');
    expect(other.json.files).toEqual([]);
  });

  it('compares the models of one run, those that are named, and by the test that is named', async () => {
    const all = await compare('first', '--json');
    expect(all.json.experiments).toHaveLength(3);
    const two = await compare(
      'first',
      '--models',
      'baseline,optimized',
      '--test',
      'paired_ttest',
      '--alpha',
      '0.2',
      '--json',
    );
    expect(two.json.experiments.map(({ name }: { name: string }) => name).sort()).toEqual([
      'baseline',
      'optimized',
    ]);
    expect(two.json.decision).toMatchObject({ asked: 'paired_ttest', test: 'paired_ttest' });
    expect(two.json.alpha).toBe(0.2);
    const text = await compare('first', '--models', 'baseline,optimized');
    expect(text.stdout).toMatch(/^model +auc_roc, folds/m);
  });

  it('finds no difference between a run and its copy', async () => {
    await cp(join(folder, 'first'), join(folder, 'copy'), { recursive: true });
    const { json } = await compare('first', 'copy', '--json');
    expect(json.statistical_tests.paired_ttest).toMatchObject({
      t_statistic: 0,
      p_value: 1,
      significant: false,
    });
    expect(json.decision.significant).toBe(false);
  });

  it('refuses runs on other data, rows or folds in one sentence, and with --force leaves out what needs the same folds', async () => {
    const elsewhere = await newFolder();
    await writeExperiment(elsewhere, { csv: bigCsv(1), config: configOf(2) });
    const ended = await cli(['run', 'x.yaml', '--out', join(folder, 'shifted'), '--quiet'], elsewhere);
    expect(ended.code).toBe(0);
    await run('folds', '--set', 'optimization.cv=4');
    await run('seed', '--set', 'environment.random_seed=6');
    for (const [other, difference] of [
      ['shifted', 'the SHA-256 of train.csv is'],
      ['folds', 'the number of folds is 3 in first and 4 in folds'],
      ['seed', 'the seed is 5 in first and 6 in seed'],
    ] as const) {
      const refused = await compare('first', other);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(difference);
      expect(refused.stderr.trim().split('\n')).toHaveLength(1);
    }
    const forced = await compare('first', 'folds', '--force', '--out', 'forced', '--json');
    expect(forced.code).toBe(0);
    const left = forced.json.not_run.map(({ test }: { test: string }) => test);
    expect(left).toEqual(expect.arrayContaining(['paired_ttest', 'nadeau_bengio', 'wilcoxon']));
    const report = await readFile(join(folder, 'forced', 'reports', 'comparison_analysis.md'), 'utf8');
    expect(report).toContain('- paired_ttest: the number of folds is 3 in first and 4 in folds.');
  });

  it('says which folder or model is wrong, and what to do', async () => {
    await mkdir(join(folder, 'empty'), { recursive: true });
    await cp(join(folder, 'first'), join(folder, 'torn'), { recursive: true });
    await writeFile(join(folder, 'torn', 'run.json'), '{"exit": 0');
    for (const [args, message] of [
      [
        ['first', 'empty'],
        'error: empty holds no finished run: it has no run.json; name the output folder of lockstep run.\n',
      ],
      [['first', 'torn'], 'error: torn/run.json is not a whole JSON file; run the experiment again.\n'],
      [
        ['first', '--models', 'best'],
        'first has no model best; its models are baseline, optimized, ensemble.',
      ],
      [['first', 'first'], 'error: first is the same folder as first: name each run once.\n'],
      [
        ['first', '--models', 'baseline'],
        'A comparison needs two models or more, and first has the one model baseline: name another run too.',
      ],
    ] as const) {
      const ended = await compare(...args);
      expect(ended.code).toBe(2);
      expect(ended.stderr).toContain(message);
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
    }
  });

  it('compares 1,000 runs within seconds', async () => {
    const scores = await read('first/metrics/cv_scores.json');
    const links = ['run.json', 'models', 'predictions', 'optimization_results.json'];
    const names = Array.from({ length: 1000 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    const metrics = ['training', 'validation', 'test'].map((part) => `metrics/${part}_metrics.json`);
    for (const [i, name] of names.entries()) {
      await mkdir(join(folder, name, 'metrics'), { recursive: true });
      for (const link of [...links, ...metrics])
        await symlink(join(folder, 'first', link), join(folder, name, link));
      const shifted = { ...scores, optimized: scores.optimized.map((score: number) => score - i * 1e-4) };
      await writeFile(join(folder, name, 'metrics', 'cv_scores.json'), JSON.stringify(shifted));
    }
    const { code, stderr, json } = await compare(...names, '--models', 'optimized', '--json');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(json.experiments).toHaveLength(1000);
    expect(json.best_model.name).toBe('0000/optimized');
  }, 40_000);
});

it('has nothing to compare in a run of one model, and says so', async () => {
  const alone = await newFolder();
  await writeExperiment(alone, {
    csv: smallCsv(),
    config: configOf(2).replace('{n_trials: 4', '{enabled: false, n_trials: 4'),
  });
  const ended = await cli(['run', 'x.yaml', '--out', 'out', '--quiet'], alone);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const text = await readFile(join(alone, 'out', 'experiment_comparison.json'), 'utf8');
  const { experiments, verdict } = JSON.parse(text);
  expect(experiments).toHaveLength(1);
  expect(verdict).toContain('It is the only model, so there is nothing to compare it with.');
});
