import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { STUDY_PLOTS } from '../../src/reporting/study-plots.ts';
import {
  cli,
  type Ended,
  filesBelow,
  filesBesideStores,
  repository,
  scratch,
  smallCsv,
  start,
  writeExperiment,
} from './cli.ts';

const newFolder = scratch();
const COMMANDS = [
  'run',
  'train',
  'tune',
  'compare',
  'predict',
  'export',
  'import',
  'init',
  'track',
  'mlflow',
  'verify',
  'evidence verify',
  'reproduce',
  'bench',
  'doctor',
  'build',
];
const HASH = /^[0-9a-f]{64}$/;

async function predictionsOf(path: string): Promise<number[]> {
  const [head, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n');
  expect(head).toBe('row,prediction');
  return lines.map((line, i) => {
    const [row, value] = line.split(',');
    expect(row).toBe(String(i));
    return Number(value);
  });
}

describe('run, then predict and verify', () => {
  let folder: string;
  let run: Ended;

  beforeAll(async () => {
    folder = await newFolder();
    await writeExperiment(folder);
    run = await cli(['run', 'x.yaml', '--out', 'out', '--set', 'training.verbose=2'], folder);
  });

  it('run prints metrics, fingerprint and places on stdout, and progress on stderr', () => {
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^metric +train +validation$/m);
    expect(run.stdout).toMatch(/^auc_roc \* +[\d.]+ +[\d.]+$/m);
    expect(run.stdout).toMatch(/^fingerprint +[0-9a-f]{64}$/m);
    expect(run.stdout).toMatch(/^report +out\/reports\/training_report\.md$/m);
    expect(run.stderr.match(/^baseline \d\/5 /gm)).toEqual([
      'baseline 2/5 ',
      'baseline 4/5 ',
      'baseline 5/5 ',
    ]);
    expect(run.stderr).toMatch(
      /^baseline 5\/5 {2}auc_roc: train [\d.]+, val [\d.]+ .*elapsed .*, remaining /m,
    );
  });

  it('no output has escape codes when it is not on a terminal', () => {
    expect(run.stdout + run.stderr).not.toContain('\u001b');
  });

  it('run writes the deliverables and the evidence package', async () => {
    const deliverables = [
      'experiment_comparison.json',
      'experiment_comparison.md',
      'configs/baseline_config.yaml',
      'configs/best_config.yaml',
      'gates.json',
      'metrics/curves.json',
      'metrics/cv_scores.json',
      'metrics/history.json',
      'metrics/training_metrics.json',
      'metrics/validation_metrics.json',
      'ensemble_results.json',
      'environment_info.json',
      'models/baseline_model.json',
      ...['blending', 'model', 'stacking', 'voting', 'weighted'].map(
        (name) => `models/ensemble_${name}.json`,
      ),
      'models/optimized_model.json',
      ...[0, 1, 2].map((trial) => `models/trial_${trial}_model.json`),
      'optimization_results.json',
      'package-lock.json',
      'reports/comparison_analysis.md',
      'reports/optimization_report.md',
      'reports/report.html',
      'reports/training_report.md',
      'run.json',
    ];
    const evidence = [...deliverables, 'manifest.json'].map(
      (name) => `evidence/protocol-11-training/${name}`,
    );
    const comparison = ['critical_differences', 'differences', 'folds', 'latency'];
    const ofModels = ['training_curves', 'feature_importances'].flatMap((name) =>
      ['baseline', 'optimized'].map((model) => `${name}_${model}`),
    );
    const matrices = ['baseline', 'ensemble', 'optimized'].map((model) => `confusion_matrix_${model}`);
    const drawn = [
      ...comparison.map((name) => `comparison_${name}`),
      ...ofModels,
      ...matrices,
      'calibration',
      'pr',
      'roc',
    ];
    const plots = [...STUDY_PLOTS, ...drawn.map((name) => `${name}.svg`)];
    const others = ['Dockerfile', 'study.journal', ...plots.map((name) => `visualizations/${name}`)];
    expect(await filesBesideStores(join(folder, 'out'))).toEqual(
      [...deliverables, ...evidence, ...others].sort(),
    );
  });

  it('run records itself and its trials for MLflow, beside the deliverables and in the evidence package', async () => {
    const { trials } = JSON.parse(await readFile(join(folder, 'out', 'run.json'), 'utf8'));
    for (const store of ['mlruns', 'evidence/protocol-11-training/mlruns']) {
      const files = await filesBelow(join(folder, 'out', store));
      const metas = files.filter((name) => /^\d+\/[0-9a-f]{32}\/meta\.yaml$/.test(name));
      expect(metas).toHaveLength(1 + trials);
      expect(files.filter((name) => name.endsWith('/artifacts/MLmodel'))).toHaveLength(2);
      expect(files.filter((name) => name.endsWith('/artifacts/run.json'))).toHaveLength(1);
    }
  });

  it('run says which stages it goes through, and leaves out those of --skip', async () => {
    expect(run.stderr).toMatch(/^Stages: baseline → optimize → ensemble → compare → gates → evidence$/m);
    const other = await newFolder();
    await writeExperiment(other);
    const skip = (names: string) => cli(['run', 'x.yaml', '--out', 'out', '--skip', names], other);
    const ended = await skip('optimize,ensemble,gates,evidence');
    expect(ended.stderr).toMatch(/^Stages: baseline → compare$/m);
    expect(ended.code).toBe(0);
    expect(await readdir(join(other, 'out'))).not.toContain('study.journal');
    const [unknown, all] = [await skip('gate'), await skip('baseline,optimize,ensemble')];
    expect(unknown.stderr).toMatch(/^error: There is no stage named gate; the stages are baseline, /);
    expect(all.stderr).toMatch(
      /^error: The stage compare needs models of the same run: add baseline or optimize/,
    );
    expect([unknown.code, all.code]).toEqual([2, 2]);
  });

  it('run ends with 1 where a gate fails, names it, and keeps everything', async () => {
    const other = await newFolder();
    await writeExperiment(other);
    const failing = ['--set', 'gates.targets={auc_roc: 1.1}', '--set', 'optimization.n_trials=2'];
    const { code, stdout, stderr } = await cli(
      ['run', 'x.yaml', '--out', 'out', '--quiet', ...failing],
      other,
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(/^2 +Target of auc_roc reached +failed +[\d.]+ +≥ 1\.1$/m);
    expect(stderr).toMatch(
      /^error: Gate 2, Target of auc_roc reached: measured [\d.]+, wanted ≥ 1\.1: .*\.$/m,
    );
    const read = async (name: string) => JSON.parse(await readFile(join(other, 'out', name), 'utf8'));
    expect((await read('gates.json')).passed).toBe(false);
    const { exit, gates } = await read('run.json');
    expect(exit).toBe(1);
    expect(gates).toEqual({ passed: false, failed: [expect.stringMatching(/^Gate 2, Target of auc_roc/)] });
    expect(await filesBelow(join(other, 'out', 'models'))).toContain('ensemble_model.json');
  });

  it('run writes histories, metrics, curves and run.json that agree with each other', async () => {
    const read = async (name: string) => JSON.parse(await readFile(join(folder, 'out', name), 'utf8'));
    const history = (await read('metrics/history.json')).baseline;
    expect(Object.keys(history)).toEqual(['train_loss', 'val_loss', 'train_metrics', 'val_metrics']);
    const trained = history.val_loss.length;
    expect(history.train_metrics.auc_roc).toHaveLength(trained);

    const model = await read('models/baseline_model.json');
    const best = model.best_iteration;
    expect(model.trees).toHaveLength(best + 1);
    for (const [split, file] of [
      ['train', 'training_metrics'],
      ['val', 'validation_metrics'],
    ] as const) {
      const { baseline } = await read(`metrics/${file}.json`);
      expect(baseline.auc_roc).toBe(history[`${split}_metrics`].auc_roc[best]);
      expect(baseline.logloss).toBe(history[`${split}_loss`][best]);

      const { confusion_matrix: counts, roc } = (await read('metrics/curves.json')).baseline[split];
      const rows =
        counts.true_positive + counts.true_negative + counts.false_positive + counts.false_negative;
      expect(baseline.accuracy).toBe((counts.true_positive + counts.true_negative) / rows);
      const area = roc.fpr.reduce((sum: number, x: number, i: number) => {
        const [x0, y0] = i === 0 ? [0, 0] : [roc.fpr[i - 1], roc.tpr[i - 1]];
        return sum + ((x - x0) * (roc.tpr[i] + y0)) / 2;
      }, 0);
      expect(area).toBeCloseTo(baseline.auc_roc, 12);
    }

    const record = await read('run.json');
    expect(record).toMatchObject({ fingerprints: { baseline: model.fingerprint }, engine: 'cpu', exit: 0 });
    expect(Object.keys(record.timings.baseline)).toEqual(['load_s', 'bin_s', 'boosting_s', 'metrics_s']);
  });

  it('predict writes what the model itself predicts, row by row', async () => {
    const model = 'out/models/baseline_model.json';
    const ended = await cli(
      ['predict', '--model', model, '--data', 'train.csv', '--out', 'p.csv', '--json'],
      folder,
    );
    const report = JSON.parse(ended.stdout);
    expect(report).toMatchObject({ out: 'p.csv', rows: 40, exit: 0 });
    expect(report.seconds).toBeGreaterThan(0);
    expect(report.fingerprint).toMatch(HASH);

    const { Model } = await import('../../src/boosting/model.ts');
    const loaded = await Model.load(join(folder, model));
    const rows = smallCsv().trimEnd().split('\n').slice(1);
    const expected = rows.map((line) => {
      const [a, b] = line.split(',').map(Number);
      return loaded.predictRow({ a, b });
    });
    expect(await predictionsOf(join(folder, 'p.csv'))).toEqual(expected);
    expect(new Set(expected).size).toBeGreaterThan(1);
  });

  it('predict --out - gives the same CSV on stdout, and the report on stderr', async () => {
    const args = [
      '--model',
      'out/models/baseline_model.json',
      '--data',
      'train.csv',
      '--query',
      'SELECT b, a FROM data LIMIT 3',
    ];
    const ended = await cli(['predict', ...args, '--out', '-'], folder);
    expect(ended.code).toBe(0);
    expect(ended.stdout.split('\n')).toHaveLength(5);
    expect(ended.stdout).toMatch(/^row,prediction\n0,0\.\d+\n1,/);
    expect(ended.stderr).toMatch(/^3 rows predicted in /);
  });

  it('predict writes Parquet, and refuses to write over its input or to another ending', async () => {
    const args = ['predict', '--model', 'out/models/baseline_model.json', '--data', 'train.csv', '--out'];
    expect((await cli([...args, 'p.parquet'], folder)).code).toBe(0);
    expect((await readFile(join(folder, 'p.parquet'))).subarray(0, 4).toString()).toBe('PAR1');
    const over = await cli([...args, './train.csv'], folder);
    expect(over.stderr).toMatch(/^error: --out names the same file as --data, which would be lost/);
    expect(over.code).toBe(2);
    const other = await cli([...args, 'p.xlsx'], folder);
    expect(other.stderr).toMatch(/^error: --out p\.xlsx must end in \.csv or \.parquet/);
    expect(other.code).toBe(2);
  });

  it('predict names a column that the data lacks', async () => {
    await writeFile(join(folder, 'less.csv'), 'a,bb\n1,2\n');
    const ended = await cli(
      ['predict', '--model', 'out/models/baseline_model.json', '--data', 'less.csv', '--out', 'q.csv'],
      folder,
    );
    expect(ended.stderr).toMatch(/^error: .*less\.csv.* b\b/m);
    expect(ended.code).toBe(2);
    expect(await filesBelow(folder)).not.toContain('q.csv');
  });

  it('verify finds equal fingerprints with 1, 2 and 3 threads, those of run', async () => {
    const [, fingerprint] = /^fingerprint +(\S+)$/m.exec(run.stdout)!;
    const ended = await cli(
      [
        'verify',
        'x.yaml',
        '--engines',
        'cpu',
        '--threads',
        '1,2,3',
        '--expect',
        fingerprint!.toUpperCase(),
        '--json',
      ],
      folder,
    );
    const outcome = JSON.parse(ended.stdout);
    expect(
      outcome.results.map(({ engine, threads }: { engine: string; threads: number }) => [engine, threads]),
    ).toEqual([
      ['cpu', 1],
      ['cpu', 2],
      ['cpu', 3],
    ]);
    for (const result of outcome.results) {
      expect(result.fingerprint).toBe(fingerprint);
      expect(result.seconds).toBeGreaterThan(0);
    }
    expect(outcome).toMatchObject({ equal: true, expected: fingerprint, failures: [], not_run: [], exit: 0 });
    expect(ended.code).toBe(0);
  });

  it('verify with another fingerprint than the expected one ends with 1 and names both', async () => {
    const wrong = '0'.repeat(64);
    const ended = await cli(['verify', 'x.yaml', '--threads', '1', '--expect', wrong], folder);
    expect(ended.stderr).toMatch(
      new RegExp(`^error: The fingerprint is [0-9a-f]{64}, not the expected ${wrong}: `, 'm'),
    );
    expect(ended.stdout).toMatch(/^cpu +1 +[0-9a-f]{64} /m);
    expect(ended.stdout).toMatch(/^cuda not run: /m);
    expect(ended.code).toBe(1);
  });

  it('verify on an engine that cannot run ends with 4, on an unknown one or a malformed fingerprint with 2', async () => {
    const ends = await Promise.all(
      [
        ['--engines', 'cpu,cuda'],
        ['--engines', 'gpu'],
        ['--expect', '12ab'],
      ].map((args) => cli(['verify', 'x.yaml', ...args], folder)),
    );
    expect(ends.map(({ code }) => code)).toEqual([4, 2, 2]);
    expect(ends[0]!.stderr).toMatch(/^error: The cuda engine cannot run here: /);
    expect(ends[1]!.stderr).toMatch(
      /^error: .*The engines are cpu, cuda, webgpu; see lockstep verify --help\.$/m,
    );
    expect(ends[2]!.stderr).toMatch(/^error: The expected fingerprint 12ab is not a SHA-256/);
  });

  it('train writes the same model as run, and nothing else', async () => {
    const ended = await cli(['train', 'x.yaml', '--out', 'alone/m.json', '--json', '--quiet'], folder);
    const outcome = JSON.parse(ended.stdout);
    expect(Object.keys(outcome)).toEqual(['out', 'engine', 'fingerprints', 'metrics', 'warnings', 'exit']);
    expect(await filesBelow(join(folder, 'alone'))).toEqual(['m.json']);
    const [trained, ran] = await Promise.all(
      ['alone/m.json', 'out/models/baseline_model.json'].map((name) => readFile(join(folder, name), 'utf8')),
    );
    expect(trained).toBe(ran);
    expect(ended.stderr).toBe('');
  });
});

describe('export and import', () => {
  let folder: string;
  const modelOf = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'));
  /** A model that the real xgboost saved. */
  const nativeText = async (wanted: string): Promise<string> => {
    const path = join(repository, 'tests', 'formats', 'fixtures', 'xgboost-models.json');
    const { cases } = JSON.parse(await readFile(path, 'utf8'));
    return cases.find(({ name }: { name: string }) => name === wanted).model;
  };

  beforeAll(async () => {
    folder = await newFolder();
    await writeExperiment(folder);
    await cli(['train', 'x.yaml', '--out', 'm.json', '--quiet'], folder);
  });

  it('export writes what the library does, and import a model that predicts the same', async () => {
    const args = ['export', '--model', 'm.json', '--format', 'xgboost', '--out', 'xgb.json', '--json'];
    const exported = JSON.parse((await cli(args, folder)).stdout);
    const [{ Model }, { exportXgboost }] = await Promise.all([
      import('../../src/boosting/model.ts'),
      import('../../src/boosting/formats/xgboost.ts'),
    ]);
    const model = await Model.load(join(folder, 'm.json'));
    const { trees, fingerprint } = model;
    expect(exported).toEqual({ out: 'xgb.json', format: 'xgboost', trees, fingerprint, exit: 0 });
    expect(await readFile(join(folder, 'xgb.json'), 'utf8')).toBe(exportXgboost(model));

    const imported = await cli(['import', 'xgb.json', '--out', 'again.json', '--json'], folder);
    const again = await Model.load(join(folder, 'again.json'));
    expect(JSON.parse(imported.stdout)).toEqual({
      out: 'again.json',
      objective: 'binary:logistic',
      rounds: trees,
      trees,
      features: 2,
      best_iteration: model.training.best_iteration,
      fingerprint: again.fingerprint,
      exit: 0,
    });
    expect(imported.stderr).toBe('');
    for (let a = 0; a < 40; a++) {
      expect(again.predictRow({ a, b: 3 })).toBeCloseTo(model.predictRow({ a, b: 3 }) as number, 6);
    }
  });

  it('import names target, classes and categories, and keeps the rounds that it is told', async () => {
    const text = await nativeText('partitions without names');
    await writeFile(join(folder, 'coded.json'), text);
    const names = Array.from('abcdefghijklm');
    await writeFile(join(folder, 'names.json'), JSON.stringify({ f1: names }));
    const ended = await cli(
      [
        ...['import', 'coded.json', '--out', 'named.json', '--target', 'income', '--classes', 'low,2'],
        ...['--categories', 'names.json', '--rounds', '1'],
      ],
      folder,
    );
    expect(ended.stdout).toMatch(
      /^binary:logistic, 1 tree, written to named\.json\.\nfingerprint {2}[0-9a-f]{64}\n$/,
    );
    const model = await modelOf('named.json');
    expect(model.target).toEqual({ name: 'income', classes: ['low', 2] });
    expect(model.features[1]).toEqual({ name: 'f1', type: 'categorical', categories: names });
    expect(model.trees).toHaveLength(1);
  });

  it('import says where scikit-learn would stop earlier', async () => {
    const whole = JSON.parse(await nativeText('logistic'));
    whole.learner.attributes.best_iteration = '0';
    await writeFile(join(folder, 'early.json'), JSON.stringify(whole));
    const ended = await cli(['import', 'early.json', '--out', 'early.model.json'], folder);
    expect(ended.code).toBe(0);
    expect(ended.stderr).toMatch(/^The best of the 2 rounds is round 0, .* as --rounds 1 does\.$/m);
  });

  it.each([
    {
      args: ['import', 'm.json', '--out', 'q.json'],
      message: /^error: m\.json is not an XGBoost model: it has no "learner"\.$/m,
    },
    {
      args: ['import', 'none.json', '--out', 'q.json'],
      message: /^error: none\.json cannot be read as an XGBoost model: there is no such file or folder\.$/m,
    },
    {
      args: ['import', 'train.csv', '--out', 'q.json'],
      message: /^error: train\.csv is not a whole JSON file/m,
    },
    {
      args: ['import', 'x.yaml', '--out', './x.yaml'],
      message: /^error: --out names the same file as the model/m,
    },
    {
      args: ['import', 'xgb.json', '--out', 'q.json', '--categories', 'x.yaml'],
      message: /^error: x\.yaml:1:1 /m,
    },
    {
      args: ['import', 'xgb.json', '--out', 'q.json', '--rounds', '0'],
      message: /Give a whole number from 1/,
    },
    {
      args: ['import', 'xgb.json', '--out', 'q.json', '--rounds', '900'],
      message: /^error: xgb\.json has \d rounds?, of which 900 cannot be kept/m,
    },
    {
      args: ['export', '--model', 'm.json', '--format', 'xgboost', '--out', 'm.json'],
      message: /^error: --out names the same file as --model/m,
    },
    {
      args: ['export', '--model', 'm.json', '--format', 'pmml', '--out', 'q.json'],
      message: /Allowed choices are xgboost; see lockstep export --help\.$/m,
    },
    {
      args: ['export', '--model', 'xgb.json', '--format', 'xgboost', '--out', 'q.json'],
      message: /^error: xgb\.json is not a Lockstep model/m,
    },
    {
      args: ['export', '--model', 'm.json', '--format', 'xgboost', '--out', 'absent/q.json'],
      message: /^error: Cannot write absent\/q\.json: there is no such folder/m,
    },
  ])('$args is refused with one sentence', async ({ args, message }) => {
    const ended = await cli(args, folder);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.match(/^error: /gm)).toHaveLength(1);
    expect([ended.code, ended.stdout]).toEqual([2, '']);
    expect(await filesBelow(folder)).not.toContain('q.json');
  });
});

describe('init', () => {
  it('writes a config that runs, guesses target and task, and does not replace a file', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'my data.csv'), smallCsv());
    const init = await cli(['init', '--data', 'my data.csv'], folder);
    expect(init.stdout).toMatch(
      /^experiment\.yaml: classification of y from 2 columns, 40 rows\..*lockstep run experiment\.yaml\n$/s,
    );
    const again = await cli(['init', '--data', 'my data.csv', '--target', 'a'], folder);
    expect(again.stderr).toMatch(/^error: experiment\.yaml exists already; add --force/);
    expect(again.code).toBe(2);

    const quick = ['--set', 'optimization.n_trials=9', '--set', 'gates.overfitting_ratio=0'];
    const run = await cli(['run', 'experiment.yaml', '--out', 'out', '--json', ...quick], folder);
    const outcome = JSON.parse(run.stdout);
    expect(Object.keys(outcome)).toEqual([
      'out',
      'engine',
      'fingerprints',
      'metrics',
      'best',
      'best_model',
      'verdict',
      'gates',
      'evidence',
      'files',
      'warnings',
      'exit',
    ]);
    expect(outcome).toMatchObject({ out: 'out', engine: 'cpu', exit: 0 });
    expect(outcome.fingerprints.baseline).toMatch(HASH);
    expect(Object.keys(outcome.metrics.baseline)).toEqual(['train', 'val', 'test']);
    expect([...outcome.files].sort()).toEqual(await filesBesideStores(join(folder, 'out')));

    const forced = await cli(['init', '--data', 'my data.csv', '--target', 'a', '--force', '--json'], folder);
    expect(JSON.parse(forced.stdout)).toEqual({
      out: 'experiment.yaml',
      target: 'a',
      task_type: 'regression',
      rows: 40,
      features: 2,
      next: 'lockstep run experiment.yaml',
      exit: 0,
    });
  });

  it('--out - prints the config, and a target that is not a column is refused with the nearest one', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'd.csv'), smallCsv().replace('a,b,y', 'a,b,income'));
    const printed = await cli(['init', '--data', 'd.csv', '--out', '-'], folder);
    expect(printed.stdout).toMatch(/^ {2}target: "income"$/m);
    const wrong = await cli(['init', '--data', 'd.csv', '--target', 'incme'], folder);
    expect(wrong.stderr).toMatch(/^error: d\.csv has no column incme; did you mean income\?$/m);
    expect(wrong.code).toBe(2);
    expect(await filesBelow(folder)).toEqual(['d.csv']);
  });
});

describe('doctor, build and the command line itself', () => {
  it('doctor lists each check, and a remedy with each that is missing', async () => {
    const ended = await cli(['doctor', '--json'], await newFolder(), { PATH: '/nowhere' });
    const { checks, exit } = JSON.parse(ended.stdout);
    const names = checks.map(({ name }: { name: string }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'Node',
        'CMake',
        'C++ compiler',
        'native addon',
        'engine cpu',
        'engine cuda',
        'cores',
        'memory',
        'Python',
        'xgboost',
        'NVIDIA driver',
      ]),
    );
    expect(checks.find(({ name }: { name: string }) => name === 'CMake')).toEqual({
      name: 'CMake',
      ok: false,
      detail: 'not found',
      remedy: expect.stringContaining('install CMake'),
    });
    expect(exit).toBe(0);
    expect(ended.code).toBe(0);
  });

  describe('in a package whose addon is not built', () => {
    const withoutTools = { PATH: '/nowhere', CXX: '' };
    let copy: string;
    const inCopy = (args: readonly string[]) =>
      start(args, copy, withoutTools, join(copy, 'bin', 'lockstep.js')).ended;

    beforeAll(async () => {
      copy = await newFolder();
      for (const name of ['bin', 'dist', 'scripts', 'native', 'CMakeLists.txt', 'package.json']) {
        await cp(join(repository, name), join(copy, name), { recursive: true });
      }
      await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'));
      await writeExperiment(copy);
    });

    it('run ends with 4 before it reads the data, and names the command that builds it', async () => {
      const ended = await inCopy(['run', 'x.yaml']);
      expect(ended.stderr).toMatch(/^error: The native addon is not built: run `npx lockstep build`/);
      expect(ended.code).toBe(4);
    });

    it('doctor ends with 4 and gives the remedy', async () => {
      const ended = await inCopy(['doctor']);
      expect(ended.stdout).toMatch(/^missing +native addon +not built; npx lockstep build$/m);
      expect(ended.stdout).toMatch(/^missing +engine cpu /m);
      expect(ended.code).toBe(4);
    });

    it('build without CMake ends with 4 and says where to get it', async () => {
      const ended = await inCopy(['build']);
      expect(ended.stderr).toMatch(
        /^error: Lockstep's addon needs CMake 3\.24 or later, and none was found: install it .*\.$/m,
      );
      expect(ended.code).toBe(4);
    });

    it('build does nothing once the addon is newer than its sources', async () => {
      await mkdir(join(copy, 'build', 'Release'), { recursive: true });
      await writeFile(join(copy, 'build', 'Release', 'lockstep.node'), '');
      const ended = await inCopy(['build', '--json']);
      expect(JSON.parse(ended.stdout)).toMatchObject({ built: [], exit: 0 });
    });

    it('the launcher of a package without dist says how to build it', async () => {
      await rm(join(copy, 'dist'), { recursive: true });
      const ended = await inCopy(['--help']);
      expect(ended).toEqual({
        code: 4,
        stdout: '',
        stderr: 'error: Lockstep is not built: run `npm run build` in its folder.\n',
      });
    });
  });

  it.each([
    {
      args: ['rnu', 'x.yaml'],
      message: /^error: Unknown command 'rnu' \(did you mean run\?\); see lockstep --help\.$/m,
    },
    {
      args: ['run', '--egnine', 'cpu', 'x.yaml'],
      message: /^error: Unknown option '--egnine' \(did you mean --engine\?\); see lockstep run --help\.$/m,
    },
    {
      args: ['run', '--engine', 'gpu', 'x.yaml'],
      message: /Allowed choices are auto, cpu, cuda, webgpu; see lockstep run --help\.$/m,
    },
    { args: ['run'], message: /^error: Missing required argument 'config'; see lockstep run --help\.$/m },
    {
      args: ['run', 'a.yaml', 'b.yaml'],
      message: /^error: Too many arguments for 'run'.*; see lockstep run --help\.$/m,
    },
    {
      args: ['predict', '--model', 'm.json'],
      message: /^error: Required option '--data <file>' not specified; see lockstep predict --help\.$/m,
    },
    { args: ['verify', 'x.yaml', '--threads', '1,0'], message: /whole numbers from 1 to 1024/ },
    { args: ['init', '--data', ''], message: /Name a file or folder/ },
    { args: [], message: /^Usage: lockstep/ },
  ])('the wrong command line $args ends with 2 and one sentence', async ({ args, message }) => {
    const ended = await cli(args, await newFolder());
    expect(ended.stderr).toMatch(message);
    expect(ended.stdout).toBe('');
    expect(ended.code).toBe(2);
  });

  it('a wrong command line with --json gives its error as an object', async () => {
    const ended = await cli(['run', '--json'], await newFolder());
    expect(JSON.parse(ended.stdout)).toEqual({
      error: { message: "Missing required argument 'config'; see lockstep run --help.", exit: 2 },
    });
  });

  it('--help of every command has an example, and docs/cli.md has each of its options', async () => {
    const folder = await newFolder();
    const docs = await readFile(join(repository, 'docs', 'cli.md'), 'utf8');
    const helps = await Promise.all(
      COMMANDS.map((command) => cli([...command.split(' '), '--help'], folder)),
    );
    for (const [i, { stdout, code }] of helps.entries()) {
      const [section] = docs.split(`## lockstep ${COMMANDS[i]}\n`)[1]?.split('\n## ') ?? [];
      const options = [...stdout.matchAll(/^ {2}(--[a-z]+)/gm)].map(([, option]) => option!);
      expect(code).toBe(0);
      expect(stdout).toContain(`Example:\n  `);
      expect(options).toContain('--json');
      expect(options.filter((option) => option !== '--help' && !section?.includes(`\`${option}`))).toEqual(
        [],
      );
    }
  });

  it('--version is that of the package', async () => {
    const { version } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'));
    const ended = await cli(['--version'], await newFolder());
    expect(ended.stdout).toBe(`${version}\n`);
  });

  it('--help loads commander and the commands, but neither the config schema nor the data reader', async () => {
    const log = `import { writeSync } from 'node:fs';
      export async function load(url, context, next) { writeSync(2, url + '\\n'); return next(url, context); }`;
    const register = `import { register } from 'node:module';
      register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(log))});`;
    const ended = await cli(['--help'], await newFolder(), {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(register)}`,
    });
    expect(ended.stderr).toContain('/cli/run.js');
    expect(ended.stderr).not.toMatch(/zod|duckdb|\/yaml\/|\/config\/|\/data\/|observablehq|linkedom/);
  });

  it('a bug ends with 4, one sentence, and the stack to report', async () => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const broken = `Int32Array.from = () => { throw new TypeError('something is broken'); };`;
    const ended = await cli(['run', 'x.yaml', '--out', 'out', '--json'], folder, {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(broken)}`,
    });
    expect(ended.stderr).toMatch(/^error: Lockstep failed unexpectedly: something is broken\.$/m);
    expect(ended.stderr).toMatch(
      /^this is a bug, please report it.* with:\n.*\nTypeError: something is broken\n +at /m,
    );
    expect(JSON.parse(ended.stdout)).toEqual({
      error: { message: 'Lockstep failed unexpectedly: something is broken.', exit: 4 },
    });
    expect(ended.code).toBe(4);
  });
});
