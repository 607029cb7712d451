import { availableParallelism } from 'node:os';
import {
  type AddonBatch,
  type AddonDataset,
  type AddonScores,
  fromAddonError,
  loadAddon,
  type SimdLevel,
} from '../addon.ts';
import type { BinnedDataset } from '../data/types.ts';
import { InputError } from '../errors.ts';
import type { Engine, ResidentDataset, RowSet, TrainingBatch, TrainingJob, TreeEnsemble } from './engine.ts';
import { datasetArrays, NativeTrainingBatch } from './native-batch.ts';

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

/**
 * The instruction set that the CPU engine takes by default.
 * @throws as `createCpuEngine` does.
 */
export function simdLevel(): SimdLevel {
  return chooseSimd('');
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
      ...datasetArrays(data),
      simd,
    });
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    const { Batch } = loadAddon();
    try {
      return new CpuTrainingBatch(new Batch(this.#dataset, jobs), jobs, this.#threads);
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

/**
 * Calls with less work than that, in updates of histogram cells (about half a second of one thread), go to native threads, which
 * need no messages: docs/workers.md.
 */
export const SHORT_WORK = 2e9;
/**
 * Parts of a thread's even share that jobs must be for worker threads, which train a job to its end: native threads take
 * jobs over from each other.
 */
export const LEAST_PARTS = 8;

class CpuTrainingBatch extends NativeTrainingBatch<AddonBatch> {
  readonly #threads: number;

  constructor(batch: AddonBatch, jobs: readonly TrainingJob[], threads: number) {
    super(batch, jobs);
    this.#threads = threads;
  }

  /** Large jobs one after the other by all threads, the others side by side: docs/workers.md. */
  protected async train(jobs: Uint32Array, rounds: number, flag: Int32Array): Promise<AddonScores[]> {
    const { batch } = this;
    const threads = this.#threads;
    const { shared, whole, costs } = batch.plan(jobs, rounds, threads);
    const scores: AddonScores[] = [];
    if (shared.length > 0) scores.push(await batch.advance(shared, rounds, threads, flag));
    if (whole.length === 0) return scores;
    const all = costs.reduce((sum, cost) => sum + cost, 0);
    if (threads > 1 && rounds * all >= SHORT_WORK && costs[0]! * threads * LEAST_PARTS <= all) {
      const { trainOnWorkers } = await import('../workers/pool.ts');
      const task = { batch: batch.id, rounds, cancel: flag };
      scores.push(...(await trainOnWorkers(task, whole, costs, threads)));
    } else {
      scores.push(await batch.advance(whole, rounds, threads, flag, true));
    }
    return scores;
  }
}
