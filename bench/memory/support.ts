// What the measurements of memory share: the process's peak, and a random table.
import { readFileSync, writeFileSync } from 'node:fs';
import { rowStride } from '../../src/data/binning.ts';
import type { BinnedDataset } from '../../src/data/types.ts';

/** The largest resident memory since the last call of `resetPeak`. */
export function peakBytes(): number {
  return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}

/** Lets `peakBytes` begin again. */
export function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

/** Even codes of 255 bins each, with labels that depend on some. */
export function randomTable(rows: number, features: number): BinnedDataset {
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
