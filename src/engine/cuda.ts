import { availableParallelism } from 'node:os';
import {
  type AddonDataset,
  type AddonScores,
  type CudaAddon,
  type CudaAddonBatch,
  fromAddonError,
  loadCudaAddon,
} from '../addon.ts';
import type { BinnedDataset } from '../data/types.ts';
import type { Engine, ResidentDataset, RowSet, TrainingBatch, TrainingJob, TreeEnsemble } from './engine.ts';
import { datasetArrays, NativeTrainingBatch } from './native-batch.ts';

/** What the CUDA engine may be told. It changes the speed, never a result. */
export interface CudaEngineOptions {
  /** Bytes of device memory for a data set and its batches; by default nearly all that is free. */
  readonly memoryLimit?: number;
}

/**
 * The CUDA engine, on the first device.
 * @throws EnvironmentError where its addon is not built, or there is no driver or device for it.
 */
export function createCudaEngine(options: CudaEngineOptions = {}): Engine {
  const addon = loadCudaAddon();
  const { name, computeCapability, memoryBytes } = guarded(() => addon.describe());
  const gibibytes = Math.round(memoryBytes / 2 ** 30);
  return {
    kind: 'cuda',
    description: `cuda (${name}, compute capability ${computeCapability}, ${gibibytes} GiB)`,
    load: async (data) => guarded(() => new CudaResidentDataset(addon, data, options)),
  };
}

function guarded<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw fromAddonError(error);
  }
}

class CudaResidentDataset implements ResidentDataset {
  readonly #addon: CudaAddon;
  readonly #dataset: AddonDataset;

  constructor(addon: CudaAddon, data: BinnedDataset, { memoryLimit }: CudaEngineOptions) {
    this.#addon = addon;
    this.#dataset = new addon.Dataset({
      ...datasetArrays(data),
      ...(memoryLimit !== undefined && { memoryLimit }),
    });
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    return guarded(() => new CudaTrainingBatch(new this.#addon.Batch(this.#dataset, jobs), jobs));
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    return this.#dataset.predictMargins(trees, rows, availableParallelism());
  }

  dispose(): void {
    this.#dataset.dispose();
  }
}

class CudaTrainingBatch extends NativeTrainingBatch<CudaAddonBatch> {
  protected async train(jobs: Uint32Array, rounds: number, flag: Int32Array): Promise<AddonScores[]> {
    return [await this.batch.advance(jobs, rounds, flag)];
  }
}
