import type { RowValue } from '../boosting/model.ts';
import type { RowRange } from '../data/binning.ts';
import type { FeatureSpec } from '../data/types.ts';
import type { PreparedExperiment } from './prepare.ts';

/** A model that predicts single rows. */
export interface RowPredictor {
  predictRow(row: Readonly<Record<string, RowValue>>): unknown;
}

const MOST_ROWS = 500;
/** Calls before the clock counts: the first ones compile. */
const WARM_UP = 500;
const CALLS = 2000;

/** A value that lies in the bin of a code: the columns themselves are let go once binned. */
function valueInBin(
  code: number,
  spec: FeatureSpec,
  { cuts, binOfCategory }: { readonly cuts: Float32Array; readonly binOfCategory: Uint8Array },
): RowValue {
  if (code === 0) return null;
  if (spec.type === 'categorical') return spec.categories![binOfCategory.indexOf(code)] ?? null;
  if (spec.categories !== undefined)
    return spec.categories[code === 1 ? 0 : Math.ceil(cuts[code - 2]!)] ?? null;
  if (code > 1) return cuts[code - 2]!;
  return cuts.length === 0 ? 0 : cuts[0]! - Math.abs(cuts[0]!) - 1;
}

/** Up to 500 rows of a part of the data, with values that go the same way through the trees as their own. */
export function latencyRows({ binned, data }: PreparedExperiment, { start, end }: RowRange) {
  const count = Math.min(MOST_ROWS, end - start);
  return Array.from({ length: count }, (_, i) => {
    const row = start + Math.floor((i * (end - start)) / count);
    const entries = data.schema.features.map((spec, f): [string, RowValue] => [
      spec.name,
      valueInBin(binned.bins[row * binned.stride + f]!, spec, binned.features[f]!),
    ]);
    return Object.fromEntries(entries);
  });
}

/**
 * The median time that predicting one row takes, in microseconds, on rows of the last part of the data.
 * @param clock in milliseconds
 */
export function measureLatency(
  experiment: PreparedExperiment,
  model: RowPredictor,
  clock: () => number = () => performance.now(),
): number {
  const rows = latencyRows(experiment, experiment.splits.at(-1)!.rows);
  for (let i = 0; i < WARM_UP; i++) model.predictRow(rows[i % rows.length]!);
  const times = new Float64Array(CALLS);
  for (let i = 0; i < CALLS; i++) {
    const row = rows[i % rows.length]!;
    const started = clock();
    model.predictRow(row);
    times[i] = (clock() - started) * 1000;
  }
  return times.sort()[CALLS / 2]!;
}
