/** Metrics by task, named as in scikit-learn and the config; lists are in the order reports use. */
export const METRICS_BY_TASK = {
  classification: ['accuracy', 'precision', 'recall', 'f1', 'auc_roc', 'auc_pr', 'logloss'],
  regression: ['mse', 'rmse', 'mae', 'r2', 'mape'],
} as const;

export type TaskType = keyof typeof METRICS_BY_TASK;
export type ConfigMetric = (typeof METRICS_BY_TASK)[TaskType][number];

/** Every metric a config may name. */
export const METRIC_NAMES = [...METRICS_BY_TASK.classification, ...METRICS_BY_TASK.regression] as const;

/** The metric that decides when `metrics.primary` is left out. */
export const DEFAULT_PRIMARY = { classification: 'auc_roc', regression: 'rmse' } as const;

const MINIMIZED: ReadonlySet<ConfigMetric> = new Set(['logloss', 'mse', 'rmse', 'mae', 'mape']);

/** Whether a better model has a higher or a lower value of `name`. */
export function metricDirection(name: ConfigMetric): 'maximize' | 'minimize' {
  return MINIMIZED.has(name) ? 'minimize' : 'maximize';
}

/** Whether `name` measures models of `task`. */
export function metricFitsTask(name: ConfigMetric, task: TaskType): boolean {
  return (METRICS_BY_TASK[task] as readonly ConfigMetric[]).includes(name);
}
