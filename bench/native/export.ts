// Writes a data set of bench/boosting/sets.py, binned, as the file that lockstep_bench reads. usage: export.ts FOLDER FILE
import { closeSync, openSync, writeSync } from 'node:fs';
import { readTable } from '../../src/bench/table.ts';
import { binDataset } from '../../src/data/binning.ts';

const [folder, file] = process.argv.slice(2);
const { table, data } = await readTable(folder!);
const specs = data.columns.map(({ name, kind }) => ({ name, type: kind }));
const training = { start: 0, end: table.train_rows };
const { bins, rows, stride, features } = await binDataset(data, specs, { training });
const binary = data.label.every((y) => y === 0 || y === 1);
const out = openSync(file!, 'w');
for (const part of [
  Buffer.from('LSBENCH1'),
  Uint32Array.of(rows, table.train_rows, features.length, stride, Number(binary), 0),
  Int32Array.from(features, (feature) => feature.bins),
  Int32Array.from(features, (feature) => Number(feature.type === 'categorical')),
  data.label,
  bins.subarray(0, rows * stride),
]) {
  const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  for (let done = 0; done < bytes.length; ) done += writeSync(out, bytes, done);
}
closeSync(out);
