import type { BinnedDataset } from '../data/types.ts';
import { EnvironmentError } from '../errors.ts';
import type { Engine, ResidentDataset, RowSet, TrainingBatch, TrainingJob, TreeEnsemble } from './engine.ts';
import { WebGpuBatch } from './webgpu/batch.ts';
import { compilePipelines, type Pipelines, Resident, type Shaders } from './webgpu/resident.ts';
import { listRows } from './webgpu/scale.ts';

export type { Shaders } from './webgpu/resident.ts';

/** What the WebGPU engine needs; nothing of it is Node's. */
export interface WebGpuEngineOptions {
  /** Of `navigator.gpu.requestAdapter()`, or of Dawn. */
  readonly adapter: GPUAdapter;
  /** The texts of shaders/*.wgsl by file name without its ending. */
  readonly shaders: Shaders;
}

/**
 * The WebGPU engine: the shaders of shaders/ through any implementation of WebGPU.
 * @throws EnvironmentError where the device cannot be had or refuses a shader.
 */
export async function createWebGpuEngine({ adapter, shaders }: WebGpuEngineOptions): Promise<Engine> {
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  const device = await adapter
    .requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } })
    .catch((error: Error) => {
      throw new EnvironmentError(
        `The WebGPU adapter gives no device (${error.message}): update its driver, or use --engine cpu.`,
      );
    });
  const lost = device.lost.then(({ message }): never => {
    throw new EnvironmentError(
      `The WebGPU device was lost${message === '' ? '' : ` (${message})`}: start again, or use --engine cpu.`,
    );
  });
  lost.catch(() => undefined);
  const pipelines = await compilePipelines(device, shaders);
  const { description, vendor } = adapter.info;
  return {
    kind: 'webgpu',
    description: `webgpu (${description || vendor || 'unnamed adapter'})`,
    load: async (data) => new WebGpuDataset(device, pipelines, data, lost),
  };
}

class WebGpuDataset implements ResidentDataset {
  readonly #resident: Resident;

  constructor(device: GPUDevice, pipelines: Pipelines, data: BinnedDataset, lost: Promise<never>) {
    this.#resident = new Resident(device, pipelines, data, lost);
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    return new WebGpuBatch(this.#resident, jobs);
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    const listed = listRows(rows);
    const { bins, stride } = this.#resident.data;
    const { classes } = trees;
    const margins = new Int32Array(listed.length * classes);
    listed.forEach((row, i) => {
      for (let c = 0; c < classes; c++) margins[i * classes + c] = trees.baseMargins[c]!;
      for (let t = 0; t + 1 < trees.treeStart.length; t++) {
        const start = trees.treeStart[t]!;
        let node = start;
        while (trees.feature[node]! >= 0) {
          const code = bins[row * stride + trees.feature[node]!]!;
          const set = trees.catIndex[node]!;
          let left: boolean;
          if (code === 0) left = trees.missingLeft[node] === 1;
          else if (set < 0) left = code <= trees.splitBin[node]!;
          else left = ((trees.catSets[set * 8 + (code >> 5)]! >>> (code & 31)) & 1) === 1;
          node = start + trees.left[node]! + (left ? 0 : 1);
        }
        const at = i * classes + (t % classes);
        margins[at] = Math.min(Math.max(margins[at]! + trees.leaf[node]!, -(2 ** 30)), 2 ** 30);
      }
    });
    return margins;
  }

  dispose(): void {
    this.#resident.dispose();
  }
}
