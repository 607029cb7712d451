import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  assertSupported,
  ConfigError,
  loadConfig,
  type ParseOptions,
  parseConfig,
} from '../../src/config/load.ts';
import { CONFIG_METRICS, METRIC_NAMES, metricDirection } from '../../src/config/metric-names.ts';
import { InputError } from '../../src/errors.ts';

const TEMPLATE = `experiment:
  name: "baseline_model_v1"
  description: "Initial baseline with default hyperparameters"
  tags: ["baseline", "classification", "v1.0"]

environment:
  python_version: "3.9"
  cuda_version: "11.8"
  random_seed: 42
  deterministic: true

data:
  train_path: "data/processed/train.parquet"
  val_path: "data/processed/val.parquet"
  test_path: "data/processed/test.parquet"
  features: "feature_store/v1.0/features.json"

model:
  algorithm: "xgboost"
  task_type: "classification"
  objective: "binary:logistic"

hyperparameters:
  n_estimators: 100
  max_depth: 6
  learning_rate: 0.1
  subsample: 0.8
  colsample_bytree: 0.8

metrics:
  primary: "auc_roc"
  secondary: ["accuracy", "precision", "recall", "f1"]

resources:
  max_memory_gb: 16
  max_time_hours: 4
  n_jobs: -1
`;
const MINIMAL = 'experiment: {name: e}\ndata: {train_path: t.csv}\n';

function parse(text: string, options?: ParseOptions) {
  return parseConfig(text, 'e.yaml', options).config;
}

/** The error lines of a config, without the first sentence. */
function errorsOf(text: string, options?: ParseOptions): string[] {
  try {
    parseConfig(text, 'e.yaml', options);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
    throw error;
  }
  return [];
}

const overridden = (...overrides: string[]) => errorsOf(MINIMAL, { overrides });

describe('a valid file', () => {
  test("the protocol's template loads as it stands, paths against its folder", () => {
    const config = parse(TEMPLATE, { folder: '/base' });
    expect(config.experiment).toEqual({
      name: 'baseline_model_v1',
      description: 'Initial baseline with default hyperparameters',
      tags: ['baseline', 'classification', 'v1.0'],
    });
    expect(config.data).toEqual({
      train_path: '/base/data/processed/train.parquet',
      val_path: '/base/data/processed/val.parquet',
      test_path: '/base/data/processed/test.parquet',
      features: '/base/feature_store/v1.0/features.json',
      target: 'target',
      split: { train: 0.8, val: 0.2, test: 0, stratify: true },
    });
    expect(config.environment).toEqual({
      python_version: '3.9',
      cuda_version: '11.8',
      random_seed: 42,
      deterministic: true,
    });
    expect(config.metrics).toEqual({
      primary: 'auc_roc',
      secondary: ['accuracy', 'precision', 'recall', 'f1'],
    });
    expect(config.hyperparameters.learning_rate).toBe(0.1);
  });

  test("two keys suffice; the rest are XGBoost's and the protocol's defaults", () => {
    const config = parse(MINIMAL);
    expect(config.hyperparameters).toEqual({
      n_estimators: 100,
      num_class: 0,
      max_depth: 6,
      learning_rate: 0.3,
      subsample: 1,
      colsample_bytree: 1,
      colsample_bylevel: 1,
      colsample_bynode: 1,
      min_child_weight: 1,
      gamma: 0,
      reg_alpha: 0,
      reg_lambda: 1,
      max_delta_step: 0,
      monotone_constraints: [],
      scale_pos_weight: 1,
      base_score: null,
      max_bin: 256,
      max_cat_to_onehot: 4,
      max_cat_threshold: 64,
    });
    expect(config.model).toEqual({
      algorithm: 'xgboost',
      backend: 'auto',
      task_type: 'classification',
      objective: undefined,
    });
    expect(config.metrics).toEqual({ primary: 'auc_roc', secondary: undefined });
    expect(config.training).toEqual({
      epochs: 100,
      batch_size: 32,
      early_stopping_rounds: 50,
      verbose: 100,
    });
    expect(config.optimization).toMatchObject({
      n_trials: 100,
      cv: 5,
      generation: 8,
      pruner: { name: 'median' },
    });
    expect(Object.keys(config.optimization.search_space)).toHaveLength(9);
    expect(config.gates).toEqual({ overfitting_ratio: 0.9, targets: {}, require_significance: false });
    expect(config.resources).toEqual({ max_memory_gb: 16, max_time_hours: 4, n_jobs: -1 });
    expect([config.use_wandb, config.create_docker]).toEqual([false, false]);
  });

  test('an empty key or section means its default', () => {
    const config = parse(`${MINIMAL}hyperparameters:\nmodel: {backend: }\n`);
    expect(config).toEqual(parse(MINIMAL));
  });

  test('regression is implied by its objective, and brings its metrics', () => {
    const config = parse(`${MINIMAL}model: {objective: "reg:squarederror"}\n`);
    expect(config.model.task_type).toBe('regression');
    expect(config.metrics).toEqual({ primary: 'rmse', secondary: ['mse', 'mae', 'r2', 'mape'] });
  });

  test('an unquoted version keeps its text, from the file and from --set', () => {
    const text = `${MINIMAL}environment: {python_version: 3.10, cuda_version: 12}\n`;
    expect(parse(text).environment).toMatchObject({ python_version: '3.10', cuda_version: '12' });
    const overrides = ['environment.python_version=3.20'];
    expect(parse(text, { overrides }).environment.python_version).toBe('3.20');
  });

  test.each([
    ['eta', 'learning_rate', 0.25],
    ['lambda', 'reg_lambda', 2],
    ['alpha', 'reg_alpha', 2],
    ['min_split_loss', 'gamma', 2],
    ['num_boost_round', 'n_estimators', 7],
  ] as const)('%s is %s, in hyperparameters, the search space and --set', (alias, name, value) => {
    const text = `${MINIMAL}hyperparameters: {${alias}: ${value}}
optimization: {search_space: {${alias}: {type: categorical, choices: [${value}]}}}\n`;
    const config = parse(text);
    expect(config.hyperparameters[name]).toBe(value);
    expect(Object.keys(config.optimization.search_space)).toEqual([name]);
    const file = `${MINIMAL}hyperparameters: {${name}: ${value}}\n`;
    expect(parse(file, { overrides: [`hyperparameters.${alias}=3`] }).hyperparameters[name]).toBe(3);
  });

  test('anchors and merge keys work, and own keys win over merged ones', () => {
    const text = `${MINIMAL}optimization:
  search_space:
    subsample: &share {type: float, low: 0.5, high: 1}
    colsample_bytree: *share
    gamma: {<<: [{low: 0.25}, *share], high: 2}
`;
    expect(parse(text).optimization.search_space).toEqual({
      subsample: { type: 'float', low: 0.5, high: 1, log: false },
      colsample_bytree: { type: 'float', low: 0.5, high: 1, log: false },
      gamma: { type: 'float', low: 0.25, high: 2, log: false },
    });
  });

  test('globs resolve like paths, absolute paths stay, python resolves only when it is a path', () => {
    const text = `experiment: {name: e}
data: {train_path: ../a/*.csv, val_path: /x/v.csv}
environment: {python: python3.11}\n`;
    const config = parse(text, { folder: '/base/exp' });
    expect(config.data).toMatchObject({ train_path: '/base/a/*.csv', val_path: '/x/v.csv' });
    expect(config.environment.python).toBe('python3.11');
    const overrides = ['environment.python=.venv/bin/python'];
    expect(parse(text, { folder: '/b', overrides }).environment.python).toBe('/b/.venv/bin/python');
  });

  test('the sampler is seeded by random_seed unless it has a seed of its own', () => {
    expect(parse(`${MINIMAL}environment: {random_seed: 7}\n`).optimization.sampler.seed).toBe(7);
    expect(parse(MINIMAL, { overrides: ['optimization.sampler.seed=9'] }).optimization.sampler.seed).toBe(9);
  });
});

describe('--set', () => {
  test('is applied in order over the file, its value read as YAML', () => {
    const overrides = ['experiment.tags=[a, "b=c"]', 'data.target=y', 'data.target=z', 'data.split=none'];
    const config = parse(MINIMAL, { overrides });
    expect(config.experiment.tags).toEqual(['a', 'b=c']);
    expect(config.data).toMatchObject({ target: 'z', split: 'none' });
  });

  test('with nothing after the = gives the key its default back', () => {
    const text = `${MINIMAL}hyperparameters: {max_depth: 3}\n`;
    expect(parse(text, { overrides: ['hyperparameters.max_depth='] }).hyperparameters.max_depth).toBe(6);
  });

  test.each([
    ['no-equals', '--set no-equals: must have the form key=value with a key such as data.target'],
    ['a..b=1', '--set a..b: must have the form key=value with a key such as data.target'],
    ['hyperparameters.max_dept=3', '--set hyperparameters.max_dept: unknown key; did you mean max_depth?'],
    ['data.target="y', '--set data.target: this quote is never closed; add the closing quote'],
    [
      'experiment.name.first=x',
      '--set experiment.name.first: experiment.name is a value, not a section; set it as a whole',
    ],
    [
      'hyperparameters={max_depth: 31}',
      '--set hyperparameters (hyperparameters.max_depth): must be a whole number from 1 to 30, not 31',
    ],
  ])('%s is refused by the name of the option', (override, message) => {
    expect(overridden(override)).toEqual([message]);
  });
});

describe('wrong keys and values', () => {
  test('a misspelt key is named with its line, column and the nearest known key', () => {
    expect(errorsOf(`${MINIMAL}hyperparameters:\n  subsample: 1\n  max_dept: 3\n`)).toEqual([
      'e.yaml:5:3 hyperparameters.max_dept: unknown key; did you mean max_depth?',
    ]);
  });

  test('all errors are reported at once in the order of the file, --set last', () => {
    const text = `experiment: {nam: x}
data: {train_path: 3}
model: {task_type: regresion}
metrics: {primary: auc}
gates: {targets: {f2: 1}}
`;
    expect(errorsOf(text, { overrides: ['use_wandb=maybe'] })).toEqual([
      'e.yaml:1:1 experiment.name: is required; add it: text of 1 to 100 characters',
      'e.yaml:1:14 experiment.nam: unknown key; did you mean name?',
      'e.yaml:2:20 data.train_path: must be text that is not empty, not 3; put it in quotes',
      'e.yaml:3:20 model.task_type: must be one of classification, regression, not the text "regresion"; did you mean regression?',
      `e.yaml:4:20 metrics.primary: must be one of ${[...CONFIG_METRICS, 'mlogloss'].join(', ')}, not the text "auc"; did you mean auc_roc?`,
      'e.yaml:5:19 gates.targets.f2: unknown key; did you mean f1?',
      '--set use_wandb: must be true or false, not the text "maybe"',
    ]);
  });

  test('the issues carry line, column, path and message as data', () => {
    const load = () => parseConfig(`${MINIMAL}use_wandb: 1\n`, 'e.yaml', { overrides: ['q=1'] });
    expect(load).toThrow(ConfigError);
    try {
      load();
    } catch (error) {
      expect(error).toMatchObject({
        exitCode: 2,
        issues: [
          { source: 'e.yaml', line: 3, column: 12, path: 'use_wandb' },
          { source: '--set q', line: null, column: null, path: 'q' },
        ],
      });
    }
  });

  test('rules between keys are checked even when other keys are wrong', () => {
    const text = `experiment: {name: e, tag: x}
data: {train_path: t.csv, split: {train: 0.7}}
model: {task_type: regression, objective: "binary:logistic", algoritm: x}
metrics: {primary: f1}
`;
    expect(errorsOf(text).map((line) => line.split(': ')[0])).toEqual([
      'e.yaml:1:23 experiment.tag',
      'e.yaml:2:34 data.split',
      'e.yaml:3:43 model.objective',
      'e.yaml:3:62 model.algoritm',
      'e.yaml:4:20 metrics.primary',
    ]);
  });

  test('a wrong task_type is not followed by errors that only come of it', () => {
    const errors = errorsOf(`${MINIMAL}model: {task_type: regresssion}\nmetrics: {primary: rmse}\n`);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain('did you mean regression?');
  });

  test('a key in the wrong section is sent to its own', () => {
    expect(overridden('hyperparameters.random_seed=1')).toEqual([
      '--set hyperparameters.random_seed: unknown key; it belongs to environment',
    ]);
  });

  test.each([
    ['[1, 3]', '3:45 hyperparameters.monotone_constraints[2]: must be one of -1, 0, 1, not 3'],
    ['{a: up}', '3:45 hyperparameters.monotone_constraints.a: must be one of -1, 0, 1, not the text "up"'],
    [
      '"(1,2)"',
      '3:41 hyperparameters.monotone_constraints: must be written as "(1,0,-1)", a number for each feature',
    ],
  ])('monotone constraints %s are refused where they are wrong', (value, message) => {
    const text = `${MINIMAL}hyperparameters: {monotone_constraints: ${value}}\n`;
    expect(errorsOf(text)).toEqual([`e.yaml:${message}`]);
  });

  test('scale_pos_weight and num_class are refused for objectives that they do not fit', () => {
    expect(
      errorsOf(`${MINIMAL}model: {task_type: regression}\nhyperparameters: {scale_pos_weight: 2}\n`),
    ).toEqual([
      'e.yaml:4:37 hyperparameters.scale_pos_weight: is for binary:logistic alone, so it must be 1, not 2',
    ]);
    expect(
      errorsOf(`${MINIMAL}model: {objective: 'multi:softmax'}\nhyperparameters: {scale_pos_weight: 2}\n`),
    ).toHaveLength(1);
    expect(
      errorsOf(`${MINIMAL}model: {objective: 'binary:logistic'}\nhyperparameters: {num_class: 3}\n`),
    ).toEqual([
      'e.yaml:4:30 hyperparameters.num_class: is for multi:softprob and multi:softmax alone, so it must be left out, not 3',
    ]);
    expect(errorsOf(`${MINIMAL}hyperparameters: {num_class: 3, scale_pos_weight: 2}\n`)).toEqual([]);
  });

  test('a parameter and its alias together are refused at the second', () => {
    expect(errorsOf(`${MINIMAL}hyperparameters: {eta: 1, learning_rate: 1}\n`)).toEqual([
      'e.yaml:3:19 hyperparameters.eta: means the same as learning_rate, which is given too; remove one',
    ]);
  });

  test.each([
    ['hyperparameters.n_estimators', ['1', '100000'], ['0', '100001', '1.5', '"5"', '[1]']],
    ['hyperparameters.max_depth', ['1', '30'], ['0', '31', '40']],
    ['hyperparameters.learning_rate', ['1e-9', '10'], ['0', '10.5', '-1', '.nan']],
    ['hyperparameters.subsample', ['0.001', '1'], ['0', '1.01']],
    ['hyperparameters.colsample_bytree', ['0.001', '1'], ['0', '1.01']],
    ['hyperparameters.colsample_bylevel', ['0.001', '1'], ['0', '1.01']],
    ['hyperparameters.colsample_bynode', ['0.001', '1'], ['0', '1.01']],
    ['hyperparameters.max_delta_step', ['0', '0.7'], ['-1']],
    [
      'hyperparameters.monotone_constraints',
      ['[1, 0, -1]', '[]', '{age: 1, b c: -1}', '"(1,-1,0)"', '"()"', '"( 1, -1, )"'],
      ['[2]', '{age: 0.5}', '"(1,2)"', '"1,-1"', '7', '[true]'],
    ],
    ['hyperparameters.scale_pos_weight', ['0.001', '1', '99'], ['0', '-1']],
    ['hyperparameters.min_child_weight', ['0', '1e6'], ['-0.1', '.inf']],
    ['hyperparameters.gamma', ['0', '5'], ['-1']],
    ['hyperparameters.reg_alpha', ['0', '5'], ['-1']],
    ['hyperparameters.reg_lambda', ['0', '5'], ['-1']],
    ['hyperparameters.base_score', ['0.001', '0.999', 'null'], ['0', '1', '-3', 'x']],
    ['hyperparameters.max_bin', ['2', '256'], ['1', '257']],
    ['hyperparameters.max_cat_to_onehot', ['1'], ['0']],
    ['hyperparameters.max_cat_threshold', ['1'], ['0']],
    ['environment.random_seed', ['0', '9007199254740991'], ['-1', '9007199254740993', '0.5']],
    ['environment.python_version', ['3.9', '"3"', '3.11.2'], ['latest', '"3."', '>=3']],
    ['resources.n_jobs', ['-1', '1', '64'], ['0', '-2', '1.5']],
    ['resources.max_memory_gb', ['0.5'], ['0', '-1']],
    ['resources.max_time_hours', ['0.01'], ['0']],
    ['training.early_stopping_rounds', ['0', '50'], ['-1', '1.5']],
    ['training.verbose', ['0', '1'], ['-1', 'true']],
    ['optimization.cv', ['2'], ['1']],
    ['comparison.alpha', ['0.01'], ['0', '1']],
    ['gates.overfitting_ratio', ['0', '1'], ['-0.1', '1.1']],
    [
      'data.split',
      ['none', '{train: 0.5, val: 0.25, test: 0.25}'],
      ['all', '3', '{train: 0.9}', '{train: 0}'],
    ],
    ['experiment.name', ['a b', 'v1.0', 'Größe'], ['a/b', '".."', '"a."', '" a"', '""', '"a\\nb"', 'c:d']],
    ['data.train_path', ['x.csv', '/a/*.csv'], ['s3://a/b', 'https://a/b.csv', '""']],
    [
      'tracking.mlflow.uri',
      ['http://host:5000', 'https://host/path'],
      ['http://me:secret@host', 'http://secret@host', 'http://host/?token=secret', '""'],
    ],
  ])('%s accepts its range and nothing else', (key, good, bad) => {
    for (const value of good) expect(overridden(`${key}=${value}`), value).toEqual([]);
    for (const value of bad) expect(overridden(`${key}=${value}`), value).toHaveLength(1);
  });

  test('fractions that sum to 1 only within rounding are accepted', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 0.98, noNaN: true }), (train) => {
        const val = (1 - train) / 3;
        expect(overridden(`data.split={train: ${train}, val: ${val}, test: ${1 - train - val}}`)).toEqual([]);
      }),
    );
    expect(overridden('data.split={train: 0.8, val: 0.2001}')[0]).toContain('must be 1, not 1.0001');
  });

  test.each([
    ['max_depht: {type: int, low: 1, high: 3}', 'did you mean max_depth?'],
    ['max_depth: {type: int, low: 5, high: 3}', 'low: must not exceed high, 3, but is 5'],
    ['max_depth: {type: int, low: 1, high: 2.5}', 'high: must be a whole number, not 2.5'],
    ['max_depth: {type: int, low: 1, high: 99}', 'high: 99 is not a possible max_depth'],
    ['gamma: {type: float, low: 0, high: 1, log: true}', 'low: must be greater than 0 with log: true'],
    [
      'gamma: {type: float, low: 1, high: 2, log: true, step: 0.5}',
      'step: cannot be combined with log: true',
    ],
    ['gamma: {type: categorical, choices: []}', 'choices: must be a list that is not empty'],
    ['gamma: {type: categorical, choices: [1, -1]}', 'choices[2]: -1 is not a possible gamma'],
    ['gamma: {type: flot, low: 0, high: 1}', 'did you mean float?'],
    ['gamma: {type: float, low: 0}', 'high: is required'],
    ['gamma: {type: float, low: 0, high: 1, setp: 1}', 'did you mean step?'],
  ])('the search dimension %s is refused', (dimension, message) => {
    const errors = errorsOf(`${MINIMAL}optimization: {search_space: {${dimension}}}\n`);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(message);
  });

  test.each(['lightgbm', 'catboost', 'neural_network', 'tensorflow', 'pytorch'])(
    '%s is valid but not part of this version',
    (algorithm) => {
      const text = `${MINIMAL}model:\n  algorithm: ${algorithm}\nhyperparameters: {num_leaves: 31}\n`;
      const message = `model.algorithm: ${algorithm} is not part of this version; use xgboost`;
      expect(errorsOf(text)).toEqual([`e.yaml:4:14 ${message}`]);
      expect(errorsOf(text, { checkSupported: false })[0]).toContain('num_leaves: unknown key');
      const valid = text.replace('num_leaves: 31', '');
      const loaded = parseConfig(valid, 'e.yaml', { checkSupported: false });
      expect(() => assertSupported(loaded)).toThrow(new InputError(`e.yaml:4:14 ${message}.`));
    },
  );

  test('a value knows where it was written', () => {
    const loaded = parseConfig(MINIMAL, 'e.yaml', { overrides: ['data.target=y'] });
    expect(loaded.where('data.train_path')).toBe('e.yaml:2:20 data.train_path');
    expect(loaded.where('data.target')).toBe('--set data.target');
    expect(loaded.where('data.split')).toBe('data.split (default)');
  });
});

describe('broken YAML', () => {
  test.each([
    ['experiment:\n\tname: e\n', 'e.yaml:2:1: a tab is used for indentation; use spaces'],
    [
      `${MINIMAL}use_wandb: true\nuse_wandb: true\n`,
      'e.yaml:4:1: the key use_wandb is given twice; remove one',
    ],
    ['data:\n  target: "y\n', 'e.yaml:2:11: this quote is never closed; add the closing quote'],
    ["data:\n  target: 'y\nmodel: {}\n", 'e.yaml:2:11: this quote is never closed; add the closing quote'],
    [
      'data: target: y\n',
      'e.yaml:1:7: a second "key:" on one line; start a new line, or put the value in quotes',
    ],
    ['data: @y\n', 'e.yaml:1:7: a value cannot start with this character; put the value in quotes'],
    ['data: !secret y\n', 'e.yaml:1:7: an unknown tag; leave out the word that begins with "!"'],
  ])('%j is reported with line and column', (text, message) => {
    expect(errorsOf(text)).toEqual([message]);
  });

  test.each([
    [`${MINIMAL}model: *m\n`, 'e.yaml:3:8: the alias *m has no anchor &m before it; define it first'],
    [
      `${MINIMAL}model: &m {backend: *m}\n`,
      'e.yaml:3:21: the alias *m has no anchor &m before it; define it first',
    ],
    [`${MINIMAL}? [a]\n: 1\n`, 'e.yaml:3:3: a key must be a plain word, not a list, a section or an alias'],
    [`${MINIMAL}__proto__: {use_wandb: true}\n`, 'e.yaml:3:1: __proto__ cannot be a key; remove it'],
    [
      `${MINIMAL}model: {<<: 3}\n`,
      'e.yaml:3:9: "<<" takes a section or a list of sections; give an alias such as *defaults',
    ],
    [
      `${MINIMAL}model: {backend: !!binary YQ==}\n`,
      'e.yaml:3:27: a value of this type has no meaning here; leave out the tag',
    ],
  ])('%j is refused', (text, message) => {
    expect(errorsOf(text)).toEqual([message]);
  });

  test.each([
    ['', 'is empty'],
    ['# nothing but a comment\n', 'is empty'],
    ['- a\n- b\n', 'holds a list'],
    ['hello\n', 'holds a single value'],
    [`${MINIMAL}---\n${MINIMAL}`, 'holds 2 YAML documents'],
  ])('%j is refused as a whole in one sentence', (text, reason) => {
    expect(() => parse(text)).toThrow(InputError);
    expect(() => parse(text)).toThrow(new RegExp(`^e\\.yaml ${reason}[^\\n]*\\.$`));
  });

  const letters = [...'abcdefghij'];
  const nine = (word: string) => Array(9).fill(word).join(',');
  const bomb = letters
    .map((c, i) => `${c}: &${c} [${nine(i === 0 ? '1' : `*${letters[i - 1]}`)}]\n`)
    .join('');
  const wide = Array.from({ length: 5000 }, (_, i) => `k${i}: 1`).join(', ');
  test.each([
    ['an alias bomb', bomb],
    ['a merge bomb', `a: &a {${wide}}\nb: {<<: [${Array(9000).fill('*a').join(',')}]}\n`],
    ['100,000 open brackets', '['.repeat(100_000)],
    ['100,000 open braces', '{'.repeat(100_000)],
    ['100,000 dashes', '- '.repeat(100_000)],
    ['100,000 question marks', '? '.repeat(100_000)],
    ['300,000 pairs in a list', `[${'x: '.repeat(300_000)}]`],
    ['keys indented ever deeper', Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')],
    ['a million commas', `[${','.repeat(1_000_000)}]`],
    ['100,000 keys', Array.from({ length: 100_000 }, (_, i) => `k${i}: 1\n`).join('')],
    ['250,000 documents', '---\n'.repeat(250_000)],
    ['49,000 closing brackets', ']'.repeat(49_000)],
    ['10,000 unknown keys', Array.from({ length: 10_000 }, (_, i) => `unknown_${i}: 1\n`).join('')],
    ['a name of a million letters', `experiment: {name: ${'a'.repeat(1_000_000)}}\n`],
  ])('%s is refused within five seconds', (_, text) => {
    const start = performance.now();
    expect(() => parse(text)).toThrow(InputError);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test('any text, and any damage to a good file, ends in a config or an InputError', () => {
    const yamlish = fc.string({ unit: fc.constantFrom(...'ab:-[]{}&*?!|>\'"#%@, \n\t<0.~\\') });
    const damaged = fc
      .tuple(fc.nat(TEMPLATE.length), fc.nat(12), fc.oneof(yamlish, fc.string()))
      .map(([at, length, text]) => TEMPLATE.slice(0, at) + text + TEMPLATE.slice(at + length));
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string({ unit: 'binary' }), damaged), (text) => {
        try {
          expect(parse(text).experiment.name).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('loadConfig', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lockstep-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function file(name: string, content: string | Uint8Array) {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  }

  test('reads a file, with or without a byte order mark and carriage returns', async () => {
    const path = await file('ok.yaml', MINIMAL);
    const loaded = await loadConfig(path, { overrides: ['data.target=y'] });
    expect(loaded).toMatchObject({ path, folder, source: MINIMAL, overrides: ['data.target=y'] });
    expect(loaded.config.data).toMatchObject({ train_path: join(folder, 't.csv'), target: 'y' });
    const windows = await file('windows.yaml', `\ufeff${TEMPLATE.replaceAll('\n', '\r\n')}`);
    expect((await loadConfig(windows)).config).toEqual(parse(TEMPLATE, { folder }));
  });

  test('unusable files are refused in one sentence', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const cases: [string, string][] = [
      [join(folder, 'absent.yaml'), 'does not exist'],
      [join(await file('plain', 'x'), 'inside'), 'cannot be read (ENOTDIR)'],
      [folder, 'is a folder'],
      [join(folder, 'pipe'), 'is not a regular file'],
      [await file('large.yaml', `#${' '.repeat(1_000_000)}`), 'is larger than 1 MB'],
      [await file('latin1.yaml', Uint8Array.of(0x61, 0x3a, 0x20, 0xe9)), 'is not UTF-8 text'],
      [await file('nul.yaml', 'a: \0\n'), 'holds a NUL byte'],
      [await file('utf16.yaml', Buffer.from('\ufeffa: 1', 'utf16le')), 'holds a NUL byte'],
      [await file('empty.yaml', ''), 'is empty'],
    ];
    for (const [path, reason] of cases) {
      const error = await loadConfig(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(InputError);
      const { message } = error as InputError;
      expect(message.startsWith(`${path} ${reason}`), message).toBe(true);
      expect(message).toMatch(/^[^\n]*[.?]$/);
    }
  });
});

test('scores are maximised and losses minimised', () => {
  const minimised = METRIC_NAMES.filter((name) => metricDirection(name) === 'minimize');
  expect(minimised).toEqual(['logloss', 'merror', 'mse', 'rmse', 'mae', 'mape']);
});
