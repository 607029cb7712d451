import { readFileSync } from 'node:fs';
import type { BinaryScores, MulticlassScores, RegressionScores } from '../../src/addon.ts';
import type { MetricName } from '../../src/engine/engine.ts';

/** A case of tests/peers/make_metric_fixtures.py: integer scores, and scikit-learn's value of each metric. */
export interface MetricFixture {
  readonly name: string;
  readonly scores: BinaryScores | MulticlassScores | RegressionScores;
  /** NaN where scikit-learn has it. */
  readonly expected: readonly (readonly [MetricName, number])[];
}

interface StoredCase {
  readonly name: string;
  readonly margins: readonly number[];
  readonly labels?: readonly number[];
  readonly classes?: number;
  readonly targets?: readonly number[];
  readonly raw?: readonly number[];
  readonly weights?: readonly number[];
  readonly marginBits?: number;
  readonly expected: Readonly<Partial<Record<MetricName, number | null>>>;
}

function toFixture(stored: StoredCase): MetricFixture {
  const shared = {
    margins: Int32Array.from(stored.margins),
    ...(stored.weights && { weights: Uint32Array.from(stored.weights) }),
  };
  const scores =
    stored.labels !== undefined
      ? {
          ...shared,
          labels: Uint8Array.from(stored.labels),
          ...(stored.classes && { classes: stored.classes }),
        }
      : {
          ...shared,
          targets: Int32Array.from(stored.targets ?? []),
          raw: Float32Array.from(stored.raw ?? []),
          marginBits: stored.marginBits ?? 0,
        };
  const expected = Object.entries(stored.expected).map(
    ([metric, value]) => [metric as MetricName, value ?? Number.NaN] as const,
  );
  return { name: stored.name, scores, expected };
}

/** All cases of every kind of model. */
export const metricFixtures: readonly MetricFixture[] = ['binary', 'regression', 'multiclass'].flatMap(
  (task) => {
    const text = readFileSync(new URL(`./fixtures/${task}.json`, import.meta.url), 'utf8');
    return (JSON.parse(text) as { cases: StoredCase[] }).cases.map(toFixture);
  },
);

/** Equal to 1e-6: absolutely for metrics of classifiers, relative to the value for those of regressions. */
export function agrees(scores: MetricFixture['scores'], value: number, expected: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(value);
  return Math.abs(value - expected) <= 1e-6 * ('labels' in scores ? 1 : Math.abs(expected));
}
