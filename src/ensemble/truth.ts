import type { OutputScale } from '../boosting/output.ts';
import { metricDirection } from '../config/metric-names.ts';
import type { MetricName } from '../engine/engine.ts';
import { marginScorer } from '../metrics/score.ts';
import type { MemberOutputs } from './outputs.ts';

/** What is true of the rows that members have outputs for, and how predictions of them are judged. */
export interface Truth {
  /** Of the members' margins. */
  readonly scale: Pick<OutputScale, 'objective' | 'marginBits' | 'baseValue'>;
  /** Class, from 0, or value. */
  readonly label: Float32Array;
  readonly weight?: Float32Array | undefined;
  readonly metric: MetricName;
}

/** Members' outputs for rows whose truth is known. */
export interface JudgedOutputs {
  readonly outputs: MemberOutputs;
  readonly truth: Truth;
}

/** The truth of the listed rows, in their order. */
export function truthOf(truth: Truth, rows: Uint32Array): Truth {
  const { label, weight } = truth;
  const take = (values: Float32Array) => Float32Array.from(rows, (row) => values[row]!);
  return { ...truth, label: take(label), ...(weight && { weight: take(weight) }) };
}

/** The metric of margins of these rows. */
export function scorerOf({ scale, label, weight, metric }: Truth): (margins: Int32Array) => number {
  return marginScorer({ ...scale, label, ...(weight && { weight }) }, metric);
}

/** Turns a metric into one that is better the greater it is, and worst where it is undefined. */
export function benefitOf(metric: MetricName, value: number): number {
  if (Number.isNaN(value)) return Number.NEGATIVE_INFINITY;
  return metricDirection(metric) === 'maximize' ? value : -value;
}
