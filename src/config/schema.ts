import * as z from 'zod';
import { DECIDING_TESTS } from './comparison-tests.ts';
import { ENSEMBLE_METHODS } from './ensemble-methods.ts';
import { HYPERPARAMETER_RANGES, type NumberRange, type RangedHyperparameter } from './hyperparameters.ts';
import {
  CONFIG_METRICS,
  type ConfigMetric,
  DEFAULT_PRIMARY,
  kindsOfTask,
  METRIC_ALIASES,
  METRICS_BY_KIND,
  metricOfKind,
} from './metric-names.ts';
import {
  kindOf,
  type ModelKind,
  OBJECTIVES,
  type TaskType,
  taskOf as taskOfObjective,
} from './objectives.ts';
import { didYouMean } from './suggest.ts';

/** Every algorithm a config may name; `assertSupported` says which of them this version trains. */
export const ALGORITHMS = [
  'xgboost',
  'lightgbm',
  'catboost',
  'neural_network',
  'tensorflow',
  'pytorch',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** XGBoost's other names for a parameter; each means the same as the name on its right. */
export const HYPERPARAMETER_ALIASES: Readonly<Record<string, string>> = {
  eta: 'learning_rate',
  lambda: 'reg_lambda',
  alpha: 'reg_alpha',
  min_split_loss: 'gamma',
  num_boost_round: 'n_estimators',
};

const integer = (low: number, high?: number) => {
  const atLeast = z.int().min(low);
  return high === undefined ? atLeast : atLeast.max(high);
};
const positive = () => z.number().gt(0);
const metric = () =>
  z
    .enum([...CONFIG_METRICS, ...(Object.keys(METRIC_ALIASES) as (keyof typeof METRIC_ALIASES)[])])
    .transform(
      (name): ConfigMetric =>
        (name in METRIC_ALIASES ? METRIC_ALIASES[name as 'mlogloss'] : name) as ConfigMetric,
    );

/** A hyperparameter with the range and the default of the table. */
const ranged = (name: RangedHyperparameter) => {
  const range: NumberRange = HYPERPARAMETER_RANGES[name];
  const base = range.whole ? z.int() : z.number();
  const above = range.lowExcluded ? base.gt(range.low) : base.min(range.low);
  return above.max(range.high).default(range.default);
};

const filePath = () =>
  z
    .string()
    .min(1)
    .regex(
      /^(?![A-Za-z][A-Za-z0-9+.-]*:\/\/)/,
      'must be a file on this machine, not a URL; download it first',
    );

const version = () =>
  z.string().regex(/^\d+(\.\d+)*$/, 'must be a version such as "3.9": numbers separated by points');

const experiment = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(100)
    .regex(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses.
      /^(?![ .])[^\\/:*?"<>|\u0000-\u001f\u007f]*(?<![ .])$/,
      'is used in file names: leave out \\ / : * ? " < > | and control characters, and spaces or points at either end',
    )
    .describe('Name of the experiment; part of file names and of the tracked run.'),
  description: z.string().default('').describe('Free text, copied into the reports.'),
  tags: z.array(z.string().min(1)).default([]).describe('Labels of the tracked run.'),
});

const environment = z.strictObject({
  python_version: version()
    .optional()
    .describe('Python expected beside the run; a different one found is warned about and recorded.'),
  cuda_version: version()
    .optional()
    .describe('CUDA expected beside the run; a different one found is warned about and recorded.'),
  random_seed: integer(0, Number.MAX_SAFE_INTEGER)
    .default(42)
    .describe('Seeds splits, folds, sampling and search.'),
  deterministic: z
    .boolean()
    .default(true)
    .describe('Lockstep itself always repeats exactly; false relaxes only external frameworks.'),
  python: z
    .string()
    .min(1)
    .optional()
    .describe('Python to find versions and peer libraries with: a path, or a command on PATH.'),
});

const splitFractions = z.strictObject({
  train: z.number().gt(0).lte(1).default(0.8).describe('Share of the rows of train_path kept for training.'),
  val: z.number().min(0).lt(1).default(0.2).describe('Share that becomes the validation set.'),
  test: z.number().min(0).lt(1).default(0).describe('Share that becomes the test set.'),
  stratify: z
    .boolean()
    .default(true)
    .describe('Keep the class proportions in every part; without effect for regression.'),
});

const data = z.strictObject({
  train_path: filePath().describe('Training data: Parquet or CSV (also .gz), or a glob of such files.'),
  val_path: filePath().optional().describe('Validation data, in the same form.'),
  test_path: filePath().optional().describe('Test data, in the same form.'),
  features: filePath()
    .optional()
    .describe('JSON file listing the features; without it every column but the target, weight and group.'),
  target: z.string().min(1).default('target').describe('Column to predict.'),
  weight: z.string().min(1).optional().describe('Column of row weights, finite and not negative.'),
  group: z
    .string()
    .min(1)
    .optional()
    .describe('Column whose equal values stay in one part of a split or fold.'),
  query: z.string().min(1).optional().describe('SQL over the view "data" that gives the rows to use.'),
  split: z
    .union([z.literal('none'), splitFractions])
    .prefault({})
    .describe(
      'How train_path is divided when val_path or test_path is absent: none, or fractions that sum to 1.',
    ),
});

const model = z.strictObject({
  algorithm: z.enum(ALGORITHMS).default('xgboost').describe('What is trained; this version trains xgboost.'),
  task_type: z
    .enum(['classification', 'regression'])
    .optional()
    .describe('Kind of target. Default: what the objective implies, else classification.'),
  objective: z
    .enum(OBJECTIVES)
    .optional()
    .describe('Loss that is minimised. Default: by task_type and the number of classes.'),
  backend: z
    .enum(['auto', 'cpu', 'cuda', 'webgpu'])
    .default('auto')
    .describe('Engine; auto takes the fastest one that runs here. The model is the same on each.'),
});

const constraint = z.literal([-1, 0, 1]);

/** The hyperparameters of algorithm `xgboost` with XGBoost's names, defaults and ranges. */
export const hyperparametersSchema = z.strictObject({
  n_estimators: ranged('n_estimators').describe('Boosting rounds, the most that are trained.'),
  num_class: ranged('num_class').describe('Classes of the multi: objectives; 0 counts those of the target.'),
  max_depth: ranged('max_depth').describe('Levels of splits in a tree.'),
  learning_rate: ranged('learning_rate').describe('Factor on the leaves of every new tree.'),
  subsample: ranged('subsample').describe('Share of the rows drawn for each tree.'),
  colsample_bytree: ranged('colsample_bytree').describe('Share of the features drawn for each tree.'),
  colsample_bylevel: ranged('colsample_bylevel').describe(
    'Share of the features of the tree drawn for each depth.',
  ),
  colsample_bynode: ranged('colsample_bynode').describe(
    'Share of the features of the depth drawn for each node.',
  ),
  min_child_weight: ranged('min_child_weight').describe('Least sum of Hessians in a child.'),
  gamma: ranged('gamma').describe('Least loss reduction of a split.'),
  reg_alpha: ranged('reg_alpha').describe('L1 penalty on leaf values.'),
  reg_lambda: ranged('reg_lambda').describe('L2 penalty on leaf values.'),
  max_delta_step: ranged('max_delta_step').describe('Largest leaf before the learning rate; 0 is no limit.'),
  monotone_constraints: z
    .union([
      z.array(constraint),
      z.record(z.string(), constraint.describe('Constraint of the feature NAME.')),
      z
        .string()
        .regex(
          /^\(\s*(?:[+-]?[01]\s*(?:,\s*[+-]?[01]\s*)*,?\s*)?\)$/,
          'must be written as "(1,0,-1)", a number for each feature',
        ),
    ])
    .default([])
    .describe(
      'Features with which the prediction may only rise (1) or fall (-1): by name or in feature order.',
    ),
  scale_pos_weight: ranged('scale_pos_weight').describe(
    'Factor on the training weights of the positive class; binary:logistic only.',
  ),
  base_score: z
    .number()
    .nullable()
    .default(null)
    .describe('First prediction: a probability or a value; null takes the mean of the training target.'),
  max_bin: ranged('max_bin').describe(
    'Most bins for the values of a feature; 255 at most, missing has its own.',
  ),
  max_cat_to_onehot: ranged('max_cat_to_onehot').describe(
    'Features with fewer categories are split one category against the rest.',
  ),
  max_cat_threshold: ranged('max_cat_threshold').describe(
    'Most categories on one side of a partition split.',
  ),
});
type Hyperparameter = keyof typeof hyperparametersSchema.shape;

const metrics = z.strictObject({
  primary: metric()
    .optional()
    .describe('Metric of early stopping, search and comparison. Default: auc_roc or rmse, by task_type.'),
  secondary: z
    .array(metric())
    .optional()
    .describe('Further metrics to report. Default: all others of task_type.'),
});

const resources = z.strictObject({
  max_memory_gb: positive()
    .default(16)
    .describe('Memory the run may use, in GiB; more is refused beforehand.'),
  max_time_hours: positive().default(4).describe('Wall-clock limit of the run, in hours.'),
  n_jobs: z
    .union([z.literal(-1), integer(1)])
    .default(-1)
    .describe('Threads or workers; -1 is one a core.'),
});

const training = z.strictObject({
  epochs: integer(1).default(100).describe('Passes over the data; neural networks only.'),
  batch_size: integer(1).default(32).describe('Rows a gradient step; neural networks only.'),
  early_stopping_rounds: integer(0, 100_000)
    .default(50)
    .describe('Stop after so many rounds without a better primary metric on the validation set; 0 is off.'),
  verbose: integer(0, 100_000).default(100).describe('Print the metrics every so many rounds; 0 is never.'),
});

const numericRange = {
  low: z.number().describe('Least value, included.'),
  high: z.number().describe('Greatest value, included.'),
};
const log = z.boolean().default(false).describe('Draw evenly on a logarithmic scale.');
const choice = z.union([z.string(), z.number(), z.boolean()]);
const when = z
  .record(z.string(), z.union([choice.transform((value) => [value]), z.array(choice).min(1)]))
  .optional()
  .describe('Search it only where other searched hyperparameters, by name, have this value or one of these.');
const searchDimension = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('float').describe('Real numbers.'),
      ...numericRange,
      log,
      step: positive().optional().describe('Grid of the values, counted from low.'),
      when,
    }),
    z.strictObject({
      type: z.literal('int').describe('Whole numbers.'),
      low: z.int().describe('Least value, included.'),
      high: z.int().describe('Greatest value, included.'),
      log,
      step: integer(1).default(1).describe('Grid of the values, counted from low.'),
      when,
    }),
    z.strictObject({
      type: z.literal('categorical').describe('Values without an order.'),
      choices: z.array(choice).min(1).describe('Values to choose from.'),
      when,
    }),
  ])
  .describe('Values tried for one hyperparameter.');
export type SearchDimension = z.output<typeof searchDimension>;

/** The protocol's search space for xgboost, used when `optimization.search_space` is left out. */
export const XGBOOST_SEARCH_SPACE: Readonly<Record<string, SearchDimension>> = {
  n_estimators: { type: 'int', low: 100, high: 1000, log: false, step: 1 },
  max_depth: { type: 'int', low: 3, high: 10, log: false, step: 1 },
  learning_rate: { type: 'float', low: 0.01, high: 0.3, log: true },
  subsample: { type: 'float', low: 0.6, high: 1, log: false },
  colsample_bytree: { type: 'float', low: 0.6, high: 1, log: false },
  min_child_weight: { type: 'int', low: 1, high: 10, log: false, step: 1 },
  gamma: { type: 'float', low: 0, high: 0.5, log: false },
  reg_alpha: { type: 'float', low: 0, high: 1, log: false },
  reg_lambda: { type: 'float', low: 0, high: 1, log: false },
};

const sampler = z.strictObject({
  name: z.enum(['tpe', 'random', 'grid', 'sobol']).default('tpe').describe('How values are chosen.'),
  seed: integer(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('Seed of the sampler. Default: environment.random_seed.'),
  multivariate: z
    .boolean()
    .default(true)
    .describe('Model hyperparameters together rather than one by one; tpe only.'),
  constant_liar: z
    .boolean()
    .default(true)
    .describe('Keep away from trials that are still running; tpe only.'),
  n_startup_trials: integer(0, 1_000_000)
    .default(10)
    .describe('Trials chosen at random before the model has a say; tpe only.'),
  n_ei_candidates: integer(1, 10_000)
    .default(24)
    .describe('Candidates of which the most promising is tried; tpe only.'),
});

/** The options of each pruner; Optuna's names and defaults. */
const PRUNER_OPTIONS = {
  none: [],
  median: ['n_startup_trials', 'n_warmup_steps', 'interval_steps', 'n_min_trials'],
  percentile: ['percentile', 'n_startup_trials', 'n_warmup_steps', 'interval_steps', 'n_min_trials'],
  successive_halving: ['min_resource', 'reduction_factor', 'min_early_stopping_rate', 'bootstrap_count'],
  hyperband: ['min_resource', 'max_resource', 'reduction_factor', 'bootstrap_count'],
  patience: ['patience', 'min_delta'],
} as const;

const pruner = z.strictObject({
  name: z
    .enum(['median', 'percentile', 'successive_halving', 'hyperband', 'patience', 'none'])
    .default('median')
    .describe('Rule that stops a trial.'),
  percentile: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe(
      'Share of the earlier trials, in percent, that a trial must be among; percentile. Default: 25.',
    ),
  n_startup_trials: integer(0, 1_000_000)
    .optional()
    .describe('Trials that are finished before any is stopped; median, percentile. Default: 5.'),
  n_warmup_steps: integer(0, 1_000_000)
    .optional()
    .describe('Steps of a trial before it can be stopped; median, percentile. Default: 0.'),
  interval_steps: integer(1, 1_000_000)
    .optional()
    .describe('Steps from one decision to the next; median, percentile. Default: 1.'),
  n_min_trials: integer(1, 1_000_000)
    .optional()
    .describe('Earlier trials that a decision needs; median, percentile. Default: 1.'),
  min_resource: z
    .union([z.literal('auto'), integer(1)])
    .optional()
    .describe('Step of the first decision; successive_halving (default auto), hyperband (default 1).'),
  max_resource: z
    .union([z.literal('auto'), integer(1)])
    .optional()
    .describe('Most steps of a trial; hyperband. Default: auto.'),
  reduction_factor: integer(2, 1000)
    .optional()
    .describe('One in so many goes on; successive_halving (default 4), hyperband (default 3).'),
  min_early_stopping_rate: integer(0, 100)
    .optional()
    .describe('Makes the first decision later by powers of the factor; successive_halving. Default: 0.'),
  bootstrap_count: integer(0, 1_000_000)
    .optional()
    .describe(
      'Trials that must have got there before one goes on; successive_halving, hyperband. Default: 0.',
    ),
  patience: integer(0, 1_000_000).optional().describe('Steps without improvement; required by patience.'),
  min_delta: z.number().min(0).optional().describe('What counts as an improvement; patience. Default: 0.'),
});

const optimization = z.strictObject({
  enabled: z.boolean().default(true).describe('Run the hyperparameter search.'),
  n_trials: integer(1, 1_000_000).default(100).describe('Trials, pruned ones included.'),
  cv: integer(2, 255).default(5).describe('Folds that score a trial.'),
  cv_method: z
    .enum(['auto', 'stratified', 'random', 'grouped', 'time'])
    .default('auto')
    .describe(
      'How rows are divided; time chains forward in the order of the rows, and auto is grouped with data.group, else stratified, for regression random.',
    ),
  early_stopping_rounds: integer(0, 100_000)
    .optional()
    .describe(
      'A fold stops after so many rounds without a better score and keeps its best round; 0 is off. Default: training.early_stopping_rounds.',
    ),
  refit_rounds: z
    .enum(['mean_best', 'n_estimators'])
    .default('mean_best')
    .describe(
      "Rounds of the optimised model: the mean of the folds' best rounds, or the trial's n_estimators with early stopping on the validation set.",
    ),
  sampler: sampler.prefault({}).describe('Where the next trial comes from.'),
  pruner: pruner.prefault({}).describe('When a hopeless trial is stopped.'),
  search_space: z
    .record(z.string(), searchDimension)
    .optional()
    .describe('Hyperparameters to search, by name. Default: the space of the protocol.'),
  enqueue: z
    .array(z.record(z.string(), choice))
    .default([])
    .describe('Trials to begin with: values by name; those left out are suggested.'),
  generation: integer(1, 10_000).default(8).describe('Trials that are asked for and trained together.'),
  timeout_hours: positive()
    .optional()
    .describe('Time limit of the search, in hours; max_time_hours holds in any case.'),
});

const ensemble = z.strictObject({
  methods: z
    .array(z.enum(ENSEMBLE_METHODS))
    .default(['voting', 'stacking', 'blending', 'weighted'])
    .describe('Ensembles to build; an empty list builds none.'),
  top_k: integer(2, 1000)
    .default(5)
    .describe(
      'Best models that take part: of the trials and the baseline, by their mean score over the folds.',
    ),
  voting: z
    .enum(['soft', 'hard'])
    .default('soft')
    .describe('Mean of probabilities, or count of predicted classes; voting only. Values have a mean.'),
  passthrough: z
    .boolean()
    .default(false)
    .describe(
      'Whether the regression of stacking and blending sees the features of the rows beside the members.',
    ),
});

const comparison = z.strictObject({
  test: z
    .enum(['auto', ...DECIDING_TESTS])
    .default('auto')
    .describe('Test that decides; auto is nadeau_bengio for two models and friedman for more.'),
  alpha: z.number().gt(0).lt(1).default(0.05).describe('Significance level.'),
});

const tracking = z.strictObject({
  mlflow: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Record the run for MLflow.'),
      uri: z
        .string()
        .min(1)
        .regex(
          /^[^@?]*$/,
          'must not hold a name, a password or a query; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN',
        )
        .optional()
        .describe(
          'Tracking server that is sent the run beside the files in the output folder. Default: MLFLOW_TRACKING_URI.',
        ),
    })
    .prefault({})
    .describe('MLflow.'),
});

const gates = z.strictObject({
  overfitting_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe(
      'Least ratio of validation to training score, inverted for metrics that are minimised; 0 is off.',
    ),
  targets: z
    .partialRecord(z.enum(CONFIG_METRICS), z.number())
    .default({})
    .describe('Value each metric must reach: at least, or at most for metrics that are minimised.'),
  require_significance: z
    .boolean()
    .default(false)
    .describe('Fail when the improvement over the baseline is not significant.'),
});

const sections = z.strictObject({
  experiment: experiment.describe('What the run is called.'),
  environment: environment.prefault({}).describe('Seed and expected surroundings.'),
  data: data.describe('Where the rows come from. Relative paths start at the folder of this file.'),
  model: model.prefault({}).describe('What is trained, and where.'),
  hyperparameters: hyperparametersSchema.prefault({}).describe("Training parameters under XGBoost's names."),
  metrics: metrics.prefault({}).describe('How models are judged.'),
  resources: resources.prefault({}).describe('Limits of the run.'),
  training: training.prefault({}).describe('Course of one training.'),
  optimization: optimization.prefault({}).describe('Hyperparameter search.'),
  ensemble: ensemble.prefault({}).describe('Models made of the best models.'),
  comparison: comparison.prefault({}).describe('Statistical comparison of the models.'),
  tracking: tracking.prefault({}).describe('Where runs are recorded.'),
  gates: gates.prefault({}).describe('Conditions a run must meet; a failed one ends it with exit code 1.'),
  use_wandb: z.boolean().default(false).describe('Record the run with Weights & Biases too.'),
  create_docker: z
    .boolean()
    .default(false)
    .describe('Build the image of the Dockerfile that every run leaves, where Docker is.'),
});
type Sections = z.output<typeof sections>;

function taskOf({ task_type, objective }: Sections['model']): TaskType {
  return task_type ?? (objective === undefined ? 'classification' : taskOfObjective(objective));
}

/** The kinds of model that a config may turn out to train; one, but for a classification without an objective. */
function kindsOf(model: Sections['model']): readonly ModelKind[] {
  const task = taskOf(model);
  const { objective } = model;
  return objective !== undefined && taskOfObjective(objective) === task
    ? [kindOf(objective)]
    : kindsOfTask(task);
}

const KIND_NAMES: Readonly<Record<ModelKind, string>> = {
  binary: 'two classes',
  multiclass: 'several classes',
  regression: 'regression',
};

/** What a metric that does not fit should be, in words. */
export function unfitMetric(name: ConfigMetric, kinds: readonly ModelKind[]): string {
  const known = new Set(kinds.flatMap((kind) => METRICS_BY_KIND[kind]));
  const what = kinds.length > 1 ? 'classification' : KIND_NAMES[kinds[0]!];
  return `${name} does not measure ${what}; use one of ${[...known].join(', ')}`;
}

type Report = (path: (string | number)[], message: string, about?: readonly string[]) => void;

function checkModel(config: Sections, report: Report): void {
  const { objective } = config.model;
  const task = taskOf(config.model);
  const kinds = kindsOf(config.model);
  if (objective !== undefined && taskOfObjective(objective) !== task) {
    const fitting = OBJECTIVES.filter((name) => taskOfObjective(name) === task).join(' or ');
    report(['model', 'objective'], `does not fit task_type ${task}; use ${fitting}`, ['model.task_type']);
  }

  const basis = ['model.task_type', 'model.objective'];
  const checkMetric = (path: (string | number)[], name: ConfigMetric | undefined) => {
    if (name !== undefined && kinds.every((kind) => metricOfKind(name, kind) === undefined)) {
      report(path, unfitMetric(name, kinds), basis);
    }
  };
  checkMetric(['metrics', 'primary'], config.metrics.primary);
  config.metrics.secondary?.forEach((name, i) => {
    checkMetric(['metrics', 'secondary', i], name);
  });
  for (const name of Object.keys(config.gates.targets) as ConfigMetric[]) {
    checkMetric(['gates', 'targets', name], name);
  }

  const { base_score: base, scale_pos_weight: factor, num_class: classes } = config.hyperparameters;
  if (base !== null && !kinds.includes('regression')) {
    if (!kinds.includes('binary')) {
      const message = `must be null for ${objective}, which starts from the shares of the classes, not ${base}`;
      report(['hyperparameters', 'base_score'], message, basis);
    } else if (!(base > 0 && base < 1)) {
      const message = `must be between 0 and 1, both excluded, for binary:logistic, not ${base}`;
      report(['hyperparameters', 'base_score'], message, basis);
    }
  }
  if (factor !== 1 && !kinds.includes('binary')) {
    const message = `is for binary:logistic alone, so it must be 1, not ${factor}`;
    report(['hyperparameters', 'scale_pos_weight'], message, basis);
  }
  if (classes !== 0 && !kinds.includes('multiclass')) {
    const message = `is for multi:softprob and multi:softmax alone, so it must be left out, not ${classes}`;
    report(['hyperparameters', 'num_class'], message, basis);
  }
}

function checkSplit({ split }: Sections['data'], report: Report): void {
  if (split === 'none') return;
  const sum = split.train + split.val + split.test;
  if (Math.abs(sum - 1) > 1e-9) {
    const total = Number(sum.toPrecision(12));
    report(['data', 'split'], `train + val + test must be 1, not ${total}; change one of them`);
  }
}

type Range = (typeof hyperparametersSchema.shape)[Hyperparameter];

function checkDimension(name: string, dimension: SearchDimension, range: Range | undefined, report: Report) {
  const at = (key: string) => ['optimization', 'search_space', name, key];
  const checkValue = (path: (string | number)[], value: unknown) => {
    if (range !== undefined && !range.safeParse(value).success) {
      report(path, `${String(value)} is not a possible ${name}; keep to its range in hyperparameters`);
    }
  };
  if (dimension.type === 'categorical') {
    dimension.choices.forEach((choice, i) => {
      checkValue([...at('choices'), i], choice);
    });
    return;
  }
  const { type, low, high, log, step } = dimension;
  if (low > high) report(at('low'), `must not exceed high, ${high}, but is ${low}`);
  if (log && low <= 0) report(at('low'), `must be greater than 0 with log: true, not ${low}`);
  if (log && step !== undefined && (type === 'float' || step !== 1)) {
    report(at('step'), 'cannot be combined with log: true; leave one of them out');
  }
  checkValue(at('low'), low);
  if (high !== low) checkValue(at('high'), high);
}

function contains(dimension: SearchDimension, value: string | number | boolean): boolean {
  return dimension.type === 'categorical'
    ? dimension.choices.includes(value)
    : typeof value === 'number' && value >= dimension.low && value <= dimension.high;
}

function checkCondition(
  name: string,
  { when }: SearchDimension,
  before: ReadonlyMap<string, SearchDimension>,
  report: Report,
): void {
  for (const [parent, values] of Object.entries(when ?? {})) {
    const path = ['optimization', 'search_space', name, 'when', parent];
    const of = before.get(parent);
    if (of === undefined) {
      report(path, `must be a searched hyperparameter that is listed before ${name}`);
      continue;
    }
    const foreign = values.find((value) => !contains(of, value));
    if (foreign !== undefined) report(path, `${String(foreign)} is not among the values of ${parent}`);
  }
}

function checkPruner({ optimization }: Sections, report: Report): void {
  const { name, ...options } = optimization.pruner;
  const known: readonly string[] = PRUNER_OPTIONS[name];
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const owners = Object.entries(PRUNER_OPTIONS).flatMap(([owner, keys]) =>
      (keys as readonly string[]).includes(key) ? [owner] : [],
    );
    report(['optimization', 'pruner', key], `is not an option of ${name} but of ${owners.join(' and ')}`);
  }
  if (name === 'patience' && options.patience === undefined) {
    report(['optimization', 'pruner'], 'needs patience, the number of steps without improvement');
  }
}

function checkTrials({ optimization, data, model }: Sections, report: Report): void {
  const { cv_method: method, enqueue, search_space: space } = optimization;
  if (method === 'grouped' && data.group === undefined) {
    report(['optimization', 'cv_method'], 'grouped needs the column of the groups; name it in data.group');
  }
  if (method === 'stratified' && taskOf(model) === 'regression') {
    report(['optimization', 'cv_method'], 'stratified needs classes; use random for a regression');
  }
  const searched: Readonly<Record<string, SearchDimension>> = space ?? XGBOOST_SEARCH_SPACE;
  enqueue.forEach((values, i) => {
    for (const [name, value] of Object.entries(values)) {
      const path = ['optimization', 'enqueue', i, name];
      const dimension = searched[name];
      if (dimension === undefined) report(path, 'is not searched; leave it out or add it to search_space');
      else if (!contains(dimension, value))
        report(path, `${String(value)} is not in the search space of ${name}`);
    }
  });
}

/** Hyperparameters that follow from the data. */
const NOT_SEARCHED = new Set(['num_class', 'monotone_constraints', 'base_score']);

function checkSearchSpace(config: Sections, report: Report): void {
  const isXgboost = config.model.algorithm === 'xgboost';
  const ranges = new Map<string, Range>(
    Object.entries(hyperparametersSchema.shape).filter(([name]) => !NOT_SEARCHED.has(name)),
  );
  const space = config.optimization.search_space ?? {};
  if (config.optimization.search_space !== undefined && Object.keys(space).length === 0) {
    report(['optimization', 'search_space'], 'names no hyperparameter; leave it out for the default space');
  }
  const before = new Map<string, SearchDimension>();
  for (const [name, dimension] of Object.entries(space)) {
    checkCondition(name, dimension, before, report);
    before.set(name, dimension);
    const range = isXgboost ? ranges.get(name) : undefined;
    if (isXgboost && range === undefined) {
      const advice = didYouMean(name, ranges.keys()) || '; use a key of hyperparameters';
      report(['optimization', 'search_space', name], `unknown hyperparameter${advice}`, ['model.algorithm']);
    }
    checkDimension(name, dimension, range, report);
  }
}

function complete(config: Sections) {
  const { metrics, model, optimization } = config;
  const task = taskOf(model);
  const [kind, otherKind] = kindsOf(model);
  const primary: ConfigMetric = metrics.primary ?? DEFAULT_PRIMARY[task];
  const others: readonly ConfigMetric[] | undefined =
    metrics.secondary ?? (otherKind === undefined ? METRICS_BY_KIND[kind!] : undefined);
  const space = optimization.search_space ?? (model.algorithm === 'xgboost' ? XGBOOST_SEARCH_SPACE : {});
  return {
    ...config,
    model: {
      ...model,
      task_type: task,
      objective: model.objective ?? (task === 'regression' ? ('reg:squarederror' as const) : undefined),
    },
    metrics: { primary, secondary: others && [...new Set(others)].filter((name) => name !== primary) },
    optimization: {
      ...optimization,
      sampler: {
        ...optimization.sampler,
        seed: optimization.sampler.seed ?? config.environment.random_seed,
      },
      early_stopping_rounds: optimization.early_stopping_rounds ?? config.training.early_stopping_rounds,
      search_space: space,
    },
  };
}

/**
 * The experiment file: strict (unknown keys are errors), defaults filled in, keys consistent with each other.
 * Issues of code `custom` are about consistency; `params.about` lists further keys they depend on.
 */
export const configSchema = sections
  .superRefine((config, context) => {
    const report: Report = (path, message, about = []) =>
      context.addIssue({ code: 'custom', path, message, params: { about } });
    checkModel(config, report);
    checkSplit(config.data, report);
    checkSearchSpace(config, report);
    checkPruner(config, report);
    checkTrials(config, report);
  })
  .transform(complete);

/**
 * A whole experiment with every default filled in, but for those that wait for the number of classes: the objective of a
 * classification, and the secondary metrics. `fitConfig` adds them.
 */
export type ExperimentConfig = z.output<typeof configSchema>;
/** What a config file may hold, before defaults. */
export type ExperimentInput = z.input<typeof configSchema>;
