import { METRICS_BY_KIND, metricDirection } from '../config/metric-names.ts';
import type { ModelKind } from '../config/objectives.ts';
import type { MetricName } from '../engine/engine.ts';

export { type Direction, METRIC_NAMES as metricNames, metricDirection } from '../config/metric-names.ts';
export type { MetricName };

/** What reports and plots call a metric. */
export const metricLabels: Readonly<Record<MetricName, string>> = {
  accuracy: 'Accuracy',
  precision: 'Precision',
  recall: 'Recall',
  f1: 'F1',
  auc_roc: 'ROC AUC',
  auc_pr: 'Average precision',
  logloss: 'Log-loss',
  precision_weighted: 'Precision, weighted by class',
  recall_weighted: 'Recall, weighted by class',
  f1_weighted: 'F1, weighted by class',
  auc_roc_weighted: 'ROC AUC, weighted by class',
  merror: 'Error rate',
  mse: 'MSE',
  rmse: 'RMSE',
  mae: 'MAE',
  r2: 'R²',
  mape: 'MAPE',
};

/** The metrics of a kind of model, in the order reports use. */
export function metricsFor(kind: ModelKind): readonly MetricName[] {
  return METRICS_BY_KIND[kind];
}

/** Whether value `a` of a metric is better than `b`; a number is better than NaN, and nothing is better than itself. */
export function isBetter(name: MetricName, a: number, b: number): boolean {
  if (Number.isNaN(b)) return !Number.isNaN(a);
  return metricDirection(name) === 'maximize' ? a > b : a < b;
}
