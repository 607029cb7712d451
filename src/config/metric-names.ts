import type { ModelKind, TaskType } from './objectives.ts';

/** Metrics by kind of model, named as in scikit-learn and the config; lists are in the order reports use. */
export const METRICS_BY_KIND = {
  binary: ['accuracy', 'precision', 'recall', 'f1', 'auc_roc', 'auc_pr', 'logloss'],
  multiclass: [
    'accuracy',
    'precision',
    'recall',
    'f1',
    'auc_roc',
    'logloss',
    'precision_weighted',
    'recall_weighted',
    'f1_weighted',
    'auc_roc_weighted',
    'merror',
  ],
  regression: ['mse', 'rmse', 'mae', 'r2', 'mape'],
} as const satisfies Record<ModelKind, readonly string[]>;

export type MetricName = (typeof METRICS_BY_KIND)[ModelKind][number];

/** Every metric, in the order of the native enumeration (native/cpu/metrics.h). */
export const METRIC_NAMES: readonly MetricName[] = [
  ...new Set([...METRICS_BY_KIND.binary, ...METRICS_BY_KIND.multiclass, ...METRICS_BY_KIND.regression]),
];

/** The averages over classes by their full names; for two classes they would be something else, and are refused. */
const MACRO_NAMES = {
  precision_macro: 'precision',
  recall_macro: 'recall',
  f1_macro: 'f1',
  auc_roc_macro: 'auc_roc',
} as const satisfies Record<string, MetricName>;

/** Other names of metrics, whatever the number of classes. */
export const METRIC_ALIASES = { mlogloss: 'logloss' } as const satisfies Record<string, MetricName>;

/** What a config may call a metric, once aliases are resolved. */
export type ConfigMetric = MetricName | keyof typeof MACRO_NAMES;

/** Every name of `ConfigMetric`. */
export const CONFIG_METRICS: readonly ConfigMetric[] = [
  ...METRIC_NAMES,
  ...(Object.keys(MACRO_NAMES) as (keyof typeof MACRO_NAMES)[]),
];

/** The metric that decides when `metrics.primary` is left out. */
export const DEFAULT_PRIMARY = { classification: 'auc_roc', regression: 'rmse' } as const;

const MINIMIZED: ReadonlySet<MetricName> = new Set(['logloss', 'merror', 'mse', 'rmse', 'mae', 'mape']);

/** Whether the greater or the lesser of two values is better. */
export type Direction = 'minimize' | 'maximize';

/** Whether a better model has a higher or a lower value of `name`. */
export function metricDirection(name: MetricName): Direction {
  return MINIMIZED.has(name) ? 'minimize' : 'maximize';
}

/** The metric that `name` stands for in models of a kind; undefined where it does not measure them. */
export function metricOfKind(name: ConfigMetric, kind: ModelKind): MetricName | undefined {
  const full = name in MACRO_NAMES ? MACRO_NAMES[name as keyof typeof MACRO_NAMES] : (name as MetricName);
  if (full !== name && kind !== 'multiclass') return undefined;
  return (METRICS_BY_KIND[kind] as readonly MetricName[]).includes(full) ? full : undefined;
}

/** The kinds of model that a task may turn out to have. */
export function kindsOfTask(task: TaskType): readonly ModelKind[] {
  return task === 'classification' ? ['binary', 'multiclass'] : ['regression'];
}
