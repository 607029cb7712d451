import type { BinnedDataset } from '../data/types.ts';
import { EnvironmentError } from '../errors.ts';
import type { Engine, ResidentDataset, RowSet, TrainingBatch, TrainingJob, TreeEnsemble } from './engine.ts';
import { WebGpuBatch } from './webgpu/batch.ts';
import { predictMargins } from './webgpu/predict.ts';
import { compilePipelines, Resident, type Shaders } from './webgpu/resident.ts';
import { listRows } from './webgpu/scale.ts';

export type { Shaders } from './webgpu/resident.ts';

/** What the WebGPU engine needs; nothing of it is Node's. */
export interface WebGpuEngineOptions {
  /** Of `navigator.gpu.requestAdapter()`, or of Dawn. */
  readonly adapter: GPUAdapter;
  /** The texts of shaders/*.wgsl by file name without its ending. */
  readonly shaders: Shaders;
}

/** How a data set is held; it changes the speed, never a result. */
export interface WebGpuLoadOptions {
  /** Bytes that histograms may take, and rankings of rows: more of them are made in turns. By default all that fits a buffer. */
  readonly scratchBytes?: number;
}

/** An engine whose memory can be bounded. */
export interface WebGpuEngine extends Engine {
  load(data: BinnedDataset, options?: WebGpuLoadOptions): Promise<ResidentDataset>;
}

/**
 * The WebGPU engine: the shaders of shaders/ through any implementation of WebGPU.
 * @throws EnvironmentError where the device cannot be had or refuses a shader.
 */
export async function createWebGpuEngine({ adapter, shaders }: WebGpuEngineOptions): Promise<WebGpuEngine> {
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
    load: async (data, { scratchBytes = Number.POSITIVE_INFINITY } = {}) =>
      new WebGpuDataset(new Resident(device, pipelines, data, lost, scratchBytes)),
  };
}

class WebGpuDataset implements ResidentDataset {
  readonly #resident: Resident;

  constructor(resident: Resident) {
    this.#resident = resident;
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    return new WebGpuBatch(this.#resident, jobs);
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    return predictMargins(this.#resident, trees, listRows(rows));
  }

  dispose(): void {
    this.#resident.dispose();
  }
}
