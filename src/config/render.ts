import type { FeatureType } from './features.ts';
import { METRICS_BY_KIND, type MetricName } from './metric-names.ts';
import type { ModelKind, Objective } from './objectives.ts';

/** What `renderConfig` writes into a new config. */
export interface ConfigOutline {
  /** See `experimentName`. */
  readonly name: string;
  /** Paths relative to the folder of the config, or absolute. */
  readonly trainPath: string;
  readonly valPath?: string;
  readonly testPath?: string;
  readonly target: string;
  readonly kind: ModelKind;
  /** The feature columns as detected; `detail` is free text such as "41 categories". */
  readonly columns: readonly { readonly name: string; readonly type: FeatureType; readonly detail: string }[];
  readonly primary: MetricName;
}

/** The text with everything that `experiment.name` refuses replaced or cut off; never empty. */
export function experimentName(text: string): string {
  const name = text
    .replace(/[\\/:*?"<>|\p{Cc}]+/gu, '_')
    .slice(0, 100)
    .replace(/^[ .]+|[ .]+$/g, '');
  return name === '' ? 'experiment' : name;
}

// A JSON string is a double-quoted YAML scalar; escaping all but printable ASCII and letters keeps it on one line.
const quoted = (text: string) =>
  JSON.stringify(text).replace(
    /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu,
    (c) => `\\U${c.codePointAt(0)!.toString(16).padStart(8, '0')}`,
  );

const oneLine = (text: string) => text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim();

const OBJECTIVE_OF_KIND: Readonly<Record<ModelKind, Objective>> = {
  binary: 'binary:logistic',
  multiclass: 'multi:softprob',
  regression: 'reg:squarederror',
};

/** A commented YAML config for `lockstep init`; it loads back with the meaning of `outline`. */
export function renderConfig(outline: ConfigOutline): string {
  const { kind, primary } = outline;
  const taskType = kind === 'regression' ? 'regression' : 'classification';
  const secondary = METRICS_BY_KIND[kind].filter((name) => name !== primary);
  const objective = OBJECTIVE_OF_KIND[kind];
  const ownFiles = [
    outline.valPath === undefined ? [] : `  val_path: ${quoted(outline.valPath)}`,
    outline.testPath === undefined ? [] : `  test_path: ${quoted(outline.testPath)}`,
  ].flat();
  const val = outline.valPath === undefined ? (outline.testPath === undefined ? 0.15 : 0.2) : 0;
  const test = outline.testPath === undefined ? 0.15 : 0;
  const fractions = `train: ${(1 - val - test).toFixed(2)}, val: ${val}, test: ${test}`;
  const split = [
    '  # How train_path is divided to give the sets that have no file of their own.',
    `  split: {${fractions}, stratify: ${taskType === 'classification'}}`,
  ];
  const columns = outline.columns.map(({ name, type, detail }) =>
    `  #   ${quoted(name)}: ${type}${detail === '' ? '' : `, ${oneLine(detail)}`}`.trimEnd(),
  );
  return `# A Lockstep experiment. Every key and its default: docs/config.md. Run it with: lockstep run THIS_FILE

experiment:
  name: ${quoted(outline.name)}
  description: ""
  tags: [${taskType}]

environment:
  # Seeds splits, folds, row and column sampling, and the search.
  random_seed: 42

data:
  # Relative paths start at the folder of this file.
  train_path: ${quoted(outline.trainPath)}
${[...ownFiles, ...(ownFiles.length === 2 ? [] : split)].join('\n')}
  target: ${quoted(outline.target)}
  # Columns of row weights, and of groups that a split must keep together:
  # weight: "..."
  # group: "..."
  # Every other column is a feature; to choose, name a JSON list of them:
  # features: "features.json"
  # Detected columns:
${columns.length === 0 ? '  #   none' : columns.join('\n')}

model:
  algorithm: xgboost
  task_type: ${taskType}
  objective: "${objective}"
  # auto, cpu, cuda or webgpu: all train the same model.
  backend: auto

# XGBoost's names and meanings.
hyperparameters:
  n_estimators: 100
  max_depth: 6
  learning_rate: 0.1
  subsample: 0.8
  colsample_bytree: 0.8

metrics:
  # Decides early stopping, the search and the comparison.
  primary: ${primary}
  secondary: [${secondary.join(', ')}]

training:
  # Stop after so many rounds without a better primary metric on the validation set; 0 is off.
  early_stopping_rounds: 50
  # Print the metrics every so many rounds.
  verbose: 100

# Hyperparameter search.
optimization:
  enabled: true
  n_trials: 100
  cv: 5

ensemble:
  methods: [voting, stacking, blending, weighted]

# The test that decides between models; auto fits it to their number.
comparison:
  test: auto
  alpha: 0.05

# Conditions that make the run fail when they are not met.
gates:
  overfitting_ratio: 0.9
  # targets: {${primary}: ...}

tracking:
  mlflow: {enabled: true}

resources:
  max_memory_gb: 16
  max_time_hours: 4
  # Threads; -1 is one a core.
  n_jobs: -1
`;
}
