import { availableParallelism } from 'node:os';
import {
  type AddonBatch,
  type AddonDataset,
  fromAddonError,
  loadAddon,
  type SimdLevel,
  withCancelFlag,
} from '../addon.ts';
import type { BinnedDataset } from '../data/types.ts';
import { InputError } from '../errors.ts';
import type {
  AdvanceOptions,
  Engine,
  ResidentDataset,
  RoundResult,
  RowSet,
  TrainingBatch,
  TrainingJob,
  TreeEnsemble,
} from './engine.ts';

/** Threads for `n_jobs`: −1 is one for each core. */
export function resolveThreads(nJobs: number): number {
  if (nJobs === -1) return availableParallelism();
  if (Number.isInteger(nJobs) && nJobs >= 1 && nJobs <= 1024) return nJobs;
  throw new InputError(`n_jobs is ${nJobs}: it must be -1 (all cores) or a whole number from 1 to 1024.`);
}

/** What the CPU engine may be told. It changes the speed, never a result. */
export interface CpuEngineOptions {
  /** Threads in use; −1, the default, for all cores. */
  readonly threads?: number;
  /** The instruction set; by default what the environment variable LOCKSTEP_SIMD names, or else the best of the machine. */
  readonly simd?: SimdLevel;
}

/**
 * The CPU engine.
 * @throws EnvironmentError where the addon is not built, InputError for an instruction set that cannot run here.
 */
export function createCpuEngine(options: CpuEngineOptions = {}): Engine {
  const threads = resolveThreads(options.threads ?? -1);
  const simd = chooseSimd(options.simd ?? '');
  return {
    kind: 'cpu',
    description: `cpu (${threads} ${threads === 1 ? 'thread' : 'threads'}, ${simd})`,
    load: async (data) => new CpuResidentDataset(data, threads, simd),
  };
}

function chooseSimd(name: string): SimdLevel {
  try {
    return loadAddon().chooseSimd(name);
  } catch (error) {
    throw fromAddonError(error);
  }
}

class CpuResidentDataset implements ResidentDataset {
  readonly #dataset: AddonDataset;
  readonly #threads: number;

  constructor(data: BinnedDataset, threads: number, simd: SimdLevel) {
    const { Dataset } = loadAddon();
    this.#threads = threads;
    this.#dataset = new Dataset({
      bins: data.bins,
      rows: data.rows,
      stride: data.stride,
      featureBins: Int32Array.from(data.features, (feature) => feature.bins),
      categorical: Uint8Array.from(data.features, (feature) => (feature.type === 'categorical' ? 1 : 0)),
      label: data.label,
      ...(data.weight && { weight: data.weight }),
      simd,
    });
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    const { Batch } = loadAddon();
    try {
      return new CpuTrainingBatch(new Batch(this.#dataset, jobs), jobs.length, this.#threads);
    } catch (error) {
      throw fromAddonError(error);
    }
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    return this.#dataset.predictMargins(trees, rows, this.#threads);
  }

  dispose(): void {
    this.#dataset.dispose();
  }
}

class CpuTrainingBatch implements TrainingBatch {
  readonly jobs: number;
  readonly #batch: AddonBatch;
  readonly #threads: number;

  constructor(batch: AddonBatch, jobs: number, threads: number) {
    this.#batch = batch;
    this.jobs = jobs;
    this.#threads = threads;
  }

  async advance(rounds: number, options: AdvanceOptions = {}): Promise<RoundResult[]> {
    try {
      return await withCancelFlag(options.signal, (flag) => this.#batch.advance(rounds, this.#threads, flag));
    } catch (error) {
      throw fromAddonError(error);
    }
  }

  stop(job: number): void {
    this.#batch.stop(job);
  }

  async finish(job: number, rounds?: number): Promise<TreeEnsemble> {
    return this.#batch.finish(job, rounds);
  }

  dispose(): void {
    this.#batch.dispose();
  }
}
