import { readFileSync } from 'node:fs';
import { generateSynthetic } from '../../../src/bench/synthetic.ts';
import { datasetFromArrays } from '../../../src/data/arrays.ts';
import { binDataset } from '../../../src/data/binning.ts';
import { type BinnedDataset, type Model, train } from '../../../src/index.ts';

/** A synthetic table as arrays. */
export async function arrays(
  rows: number,
  features: number,
): Promise<{ features: Record<string, Float32Array>; label: Float32Array }> {
  const columns: Record<string, Float32Array> = {};
  const label = await generateSynthetic({ rows, features, seed: 1 }, async (f, values) => {
    columns[`f${f}`] = values;
  });
  return { features: columns, label };
}

/** A synthetic table, binned. */
export async function binned(rows: number, features: number): Promise<BinnedDataset> {
  const { schema, dataset } = datasetFromArrays({
    ...(await arrays(rows, features)),
    taskType: 'classification',
  });
  return binDataset(dataset, schema.features);
}

/** A model of 100 trees of depth 6. */
export async function trainedModel(): Promise<Model> {
  const params = { objective: 'binary:logistic', n_estimators: 100, max_depth: 6 } as const;
  const { model } = await train({ ...(await arrays(10_000, 28)), params, threads: 1 });
  return model;
}

/** The example's experiment file. */
export function exampleConfig(): string {
  return readFileSync(new URL('../../../examples/adult/experiment.yaml', import.meta.url), 'utf8');
}
