import { taskOf } from '../src/config/objectives.ts';
import { binDataset } from '../src/data/binning.ts';
import { type ExperimentData, loadExperimentData } from '../src/data/load.ts';
import type { BinnedDataset, Column, Schema } from '../src/data/types.ts';
import type { Objective } from '../src/engine/engine.ts';

/** The public sets in tests/data. */
export const PUBLIC_SETS = {
  adult: 'binary:logistic',
  agaricus: 'binary:logistic',
  breast_cancer: 'binary:logistic',
  california_housing: 'reg:squarederror',
  diabetes: 'reg:squarederror',
  diamonds: 'reg:squarederror',
  digits: 'multi:softprob',
  higgs_7k: 'binary:logistic',
  lgb_multiclass5: 'multi:softprob',
  madelon: 'binary:logistic',
  nycflights: 'binary:logistic',
  titanic: 'binary:logistic',
} as const satisfies Record<string, Objective>;

export type PublicSet = keyof typeof PUBLIC_SETS;

/** Rows that the source of a set gives for training; they come first, and the others test. */
export const TRAINING_ROWS: Readonly<Partial<Record<PublicSet, number>>> = { higgs_7k: 7000, adult: 32_561 };

/** Reads a public set, all its rows as training rows. */
export function readPublicSet(name: PublicSet): Promise<ExperimentData> {
  return loadExperimentData({
    trainPath: new URL(`data/${name}.parquet`, import.meta.url).pathname,
    target: 'target',
    taskType: taskOf(PUBLIC_SETS[name]),
    split: 'none',
    seed: 0,
  });
}

/** Reads and bins a public set. */
export async function loadPublicSet(
  name: PublicSet,
): Promise<{ data: BinnedDataset; schema: Schema; columns: readonly Column[] }> {
  const { schema, train } = await readPublicSet(name);
  return { data: await binDataset(train, schema.features, { threads: 2 }), schema, columns: train.columns };
}
