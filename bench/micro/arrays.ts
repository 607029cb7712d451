import { generateSynthetic } from '../../src/bench/synthetic.ts';
import { type ArrayColumn, datasetFromArrays } from '../../src/data/arrays.ts';
import { binDataset } from '../../src/data/binning.ts';
import { measure } from './support/measure.ts';

const ROWS = 100_000;
const float32 = Float32Array.from({ length: ROWS }, (_, i) => Math.fround(Math.sin(i)));
const label = Float32Array.from(float32, (x) => (x > 0 ? 1 : 0));
const columns: Record<string, ArrayColumn> = {
  Float32Array: float32,
  Float64Array: Float64Array.from(float32),
  'numbers and nulls': Array.from(float32, (x, i) => (i % 10 === 0 ? null : x)),
  'strings of 50 kinds': Array.from(float32, (_, i) => `kind ${i % 50}`),
};
const toDataset = (column: ArrayColumn) =>
  datasetFromArrays({ features: { column }, label, taskType: 'classification' });
const { schema, dataset } = toDataset(float32);

await measure({
  ...Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [
      `datasetFromArrays, 100k × 1, ${name}`,
      () => toDataset(column),
    ]),
  ),
  'binDataset, 100k × 1': () => binDataset(dataset, schema.features),
  'generateSynthetic, 10k × 10': () =>
    generateSynthetic({ rows: 10_000, features: 10, seed: 1 }, async () => {}),
});
