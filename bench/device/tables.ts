// Writes public sets as tables that need neither parquet nor its reader, and checks that they are the very data: read
// back, they have the bins, cuts and labels that the tests train on. usage: tables.ts FOLDER [sets]
import { deepStrictEqual } from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readTable, writeDatasets } from '../../src/bench/table.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { BinnedDataset } from '../../src/data/types.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { PUBLIC_SETS, type PublicSet, readPublicSet, TRAINING_ROWS } from '../../tests/public-sets.ts';
import { binTable, type DeviceSet, SETS_FILE } from './support.ts';

/** All that an engine reads of a binned table. */
const seen = ({ rows, stride, bins, features, label, weight }: BinnedDataset) => ({
  rows,
  stride,
  bins,
  features: features.map((feature) => ({ ...feature, name: '', type: feature.type === 'categorical' })),
  label,
  weight,
});

const [folder = '', ...chosen] = process.argv.slice(2);
const sets: Record<string, DeviceSet> = {};
for (const set of (chosen.length > 0 ? chosen : Object.keys(PUBLIC_SETS)) as PublicSet[]) {
  const { schema, train } = await readPublicSet(set);
  const path = join(folder, set);
  await mkdir(path, { recursive: true });
  await writeDatasets(path, train, undefined);
  const binned = await binDataset(train, schema.features, { threads: 2 });
  deepStrictEqual(seen(await binTable((await readTable(path)).data)), seen(binned), set);
  sets[set] = { objective: PUBLIC_SETS[set], train_rows: TRAINING_ROWS[set] ?? train.rows };
}
await writeFileAtomically(join(folder, SETS_FILE), `${JSON.stringify(sets, null, 1)}\n`);
