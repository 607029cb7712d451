// One measurement of run.ts: trains on a random table and prints one line of JSON, the bytes that were added to the process.
import { resolveParams, treeParams } from '../../src/boosting/params.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { peakBytes, randomTable, resetPeak } from './support.ts';

const [rows, features, depth, threads, rounds] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
  number,
];

const engine = createCpuEngine({ threads });
const train = { start: 0, end: Math.floor(rows * 0.95) };
const val = { start: train.end, end: rows };
const params = treeParams(resolveParams({ objective: 'binary:logistic', max_depth: depth }));
resetPeak();
const before = peakBytes();
const data = randomTable(rows, features);
const withTable = process.memoryUsage.rss();
const resident = await engine.load(data);
const batch = await resident.start([
  { params, seed: 1, rows: train, evals: [train, val], metrics: ['auc_roc'] },
]);
await batch.advance(rounds);
const record = { bins: data.bins.length, table: withTable - before, all: peakBytes() - before };
process.stdout.write(`${JSON.stringify(record)}\n`);
