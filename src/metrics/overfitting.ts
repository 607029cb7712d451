import { type MetricName, metricDirection } from './metrics.ts';

/**
 * Validation over training score, the other way round for metrics that are minimised: 1 is no loss, less is worse. NaN where a score is not
 * positive.
 */
export function overfittingRatio(metric: MetricName, train: number, val: number): number {
  const [part, whole] = metricDirection(metric) === 'maximize' ? [val, train] : [train, val];
  return part > 0 && whole > 0 ? part / whole : Number.NaN;
}
