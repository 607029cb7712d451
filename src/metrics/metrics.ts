import { METRICS_BY_TASK, metricDirection, type TaskType } from '../config/metric-names.ts';
import type { MetricName } from '../engine/engine.ts';

export { metricDirection } from '../config/metric-names.ts';

/** Every metric that engines compute, in the order of the native enumeration (native/cpu/metrics.h). */
export const metricNames: readonly MetricName[] = [
  ...METRICS_BY_TASK.classification,
  ...METRICS_BY_TASK.regression,
];

/** What reports and plots call a metric. */
export const metricLabels: Readonly<Record<MetricName, string>> = {
  accuracy: 'Accuracy',
  precision: 'Precision',
  recall: 'Recall',
  f1: 'F1',
  auc_roc: 'ROC AUC',
  auc_pr: 'Average precision',
  logloss: 'Log-loss',
  mse: 'MSE',
  rmse: 'RMSE',
  mae: 'MAE',
  r2: 'R²',
  mape: 'MAPE',
};

/** The metrics of a task, in the order reports use. */
export function metricsFor(task: TaskType): readonly MetricName[] {
  return METRICS_BY_TASK[task];
}

/** Whether value `a` of a metric is better than `b`; a number is better than NaN, and nothing is better than itself. */
export function isBetter(name: MetricName, a: number, b: number): boolean {
  if (Number.isNaN(b)) return !Number.isNaN(a);
  return metricDirection(name) === 'maximize' ? a > b : a < b;
}
