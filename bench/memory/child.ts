// One measurement of run.ts: trains on a random table and prints one line of JSON, the bytes that were added to the process.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolveParams, treeParams } from '../../src/boosting/params.ts';
import { rowStride } from '../../src/data/binning.ts';
import type { BinnedDataset } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';

const [rows, features, depth, threads, rounds] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
  number,
];

/** The largest resident memory since the last call of `resetPeak`. */
function peakBytes(): number {
  return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}

function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

function randomTable(): BinnedDataset {
  const stride = rowStride(features);
  const bins = new Uint8Array(new SharedArrayBuffer(rows * stride));
  const label = new Float32Array(rows);
  let state = 1;
  for (let row = 0; row < rows; row++) {
    for (let f = 0; f < features; f++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bins[row * stride + f] = 1 + (((state >>> 16) * 255) >>> 16);
    }
    label[row] = bins[row * stride]! + (bins[row * stride + 1]! & 63) + (state >>> 26) > 190 ? 1 : 0;
  }
  return {
    rows,
    stride,
    bins,
    label,
    features: Array.from({ length: features }, (_, f) => ({
      name: `f${f}`,
      type: 'numeric' as const,
      bins: 255,
      cuts: Float32Array.from({ length: 254 }, (_, i) => i),
      binOfCategory: new Uint8Array(0),
    })),
  };
}

const engine = createCpuEngine({ threads });
const train = { start: 0, end: Math.floor(rows * 0.95) };
const val = { start: train.end, end: rows };
const params = treeParams(resolveParams({ objective: 'binary:logistic', max_depth: depth }));
resetPeak();
const before = peakBytes();
const data = randomTable();
const withTable = process.memoryUsage.rss();
const resident = await engine.load(data);
const batch = await resident.start([
  { params, seed: 1, rows: train, evals: [train, val], metrics: ['auc_roc'] },
]);
await batch.advance(rounds);
const record = { bins: data.bins.length, table: withTable - before, all: peakBytes() - before };
process.stdout.write(`${JSON.stringify(record)}\n`);
