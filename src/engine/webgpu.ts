import { listRows } from '../data/rows.ts';
import { EnvironmentError } from '../errors.ts';
import type { Engine, ResidentDataset, RowSet, TrainingBatch, TrainingJob, TreeEnsemble } from './engine.ts';
import { WebGpuBatch } from './webgpu/batch.ts';
import { type Kernels, kernelsFor } from './webgpu/kernels.ts';
import { predictMargins } from './webgpu/predict.ts';
import { compilePipelines, type Pipelines, Resident, type Shaders } from './webgpu/resident.ts';

export { CORE_KERNELS, type Kernels, LARGE_KERNELS } from './webgpu/kernels.ts';
export type { Shaders } from './webgpu/resident.ts';

/** A device with the shaders compiled for it. */
export interface WebGpuDevice {
  readonly device: GPUDevice;
  readonly kernels: Kernels;
  readonly pipelines: Pipelines;
  readonly description: string;
  /** Rejects with an EnvironmentError once the device is lost. */
  readonly lost: Promise<never>;
}

/** What the WebGPU engine may be told. It changes the speed, never a result. */
export interface WebGpuEngineOptions {
  /** Bytes that histograms may take, and rankings of rows: more of them are made in turns. By default all that fits a buffer. */
  readonly scratchBytes?: number;
}

/**
 * Opens a device and compiles the shaders. Nothing of it is Node's.
 * @param adapter Of `navigator.gpu.requestAdapter()`, or of Dawn.
 * @param shaders The texts of shaders/*.wgsl by file name without its ending.
 * @param wanted What of the kernels is not to be chosen by the adapter's features and limits.
 * @throws EnvironmentError where the device cannot be had or refuses a shader.
 */
export async function openWebGpuDevice(
  adapter: GPUAdapter,
  shaders: Shaders,
  wanted: Partial<Kernels> = {},
): Promise<WebGpuDevice> {
  const kernels = kernelsFor(adapter, wanted);
  const {
    maxStorageBufferBindingSize,
    maxBufferSize,
    maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupSizeX,
  } = adapter.limits;
  const device = await adapter
    .requestDevice({
      requiredFeatures: kernels.subgroups ? ['subgroups'] : [],
      requiredLimits: {
        maxStorageBufferBindingSize,
        maxBufferSize,
        maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX,
      },
    })
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
  const { description, vendor } = adapter.info;
  return {
    device,
    kernels,
    pipelines: await compilePipelines(device, shaders, kernels),
    description: `webgpu (${description || vendor || 'unnamed adapter'})`,
    lost,
  };
}

/** The WebGPU engine on a device. */
export function createWebGpuEngine(device: WebGpuDevice, options: WebGpuEngineOptions = {}): Engine {
  return {
    kind: 'webgpu',
    description: device.description,
    load: (data) =>
      withMemory(
        device,
        'the data set',
        () => new WebGpuDataset(device, new Resident(device, data, options.scratchBytes)),
      ),
  };
}

/** @throws EnvironmentError where what is made does not fit the memory of the device. */
async function withMemory<T extends { dispose(): void }>(
  { device, lost }: WebGpuDevice,
  what: string,
  make: () => T,
): Promise<T> {
  device.pushErrorScope('out-of-memory');
  let made: T;
  try {
    made = make();
  } catch (error) {
    await Promise.race([device.popErrorScope(), lost]);
    throw error;
  }
  const error = await Promise.race([device.popErrorScope(), lost]);
  if (error === null) return made;
  made.dispose();
  throw new EnvironmentError(
    `The WebGPU device has no memory for ${what} (${error.message}): use --engine cpu.`,
  );
}

class WebGpuDataset implements ResidentDataset {
  readonly #device: WebGpuDevice;
  readonly #resident: Resident;

  constructor(device: WebGpuDevice, resident: Resident) {
    this.#device = device;
    this.#resident = resident;
  }

  start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    return withMemory(
      this.#device,
      jobs.length === 1 ? 'the job' : `${jobs.length} jobs at a time`,
      () => new WebGpuBatch(this.#resident, jobs),
    );
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    return predictMargins(this.#resident, trees, listRows(rows));
  }

  dispose(): void {
    this.#resident.dispose();
  }
}
