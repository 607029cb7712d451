import { availableParallelism } from 'node:os';
import {
  type AddonBatch,
  type AddonDataset,
  type AddonScores,
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

class CpuTrainingBatch implements TrainingBatch {
  readonly jobs: number;
  readonly #batch: AddonBatch;
  readonly #threads: number;
  /** Values of a round, by job. */
  readonly #widths: readonly number[];
  readonly #live: Set<number>;
  #advancing = false;
  #disposed = false;

  constructor(batch: AddonBatch, jobs: readonly TrainingJob[], threads: number) {
    this.#batch = batch;
    this.jobs = jobs.length;
    this.#threads = threads;
    this.#widths = jobs.map(({ evals, metrics }) => evals.length * metrics.length);
    this.#live = new Set(jobs.keys());
  }

  async advance(rounds: number, options: AdvanceOptions = {}): Promise<RoundResult[]> {
    this.#checkIdle();
    this.#advancing = true;
    const live = Uint32Array.from(this.#live);
    try {
      const scores = await withCancelFlag(options.signal, (flag) => this.#train(live, rounds, flag));
      return this.#results(live, scores);
    } catch (error) {
      throw fromAddonError(error);
    } finally {
      this.#advancing = false;
      if (this.#disposed) this.#batch.dispose();
    }
  }

  /** Large jobs one after the other on native threads, all others side by side on worker threads: docs/workers.md. */
  async #train(jobs: Uint32Array, rounds: number, flag: Int32Array): Promise<AddonScores[]> {
    const batch = this.#batch;
    const threads = this.#threads;
    const { shared, whole, costs } = batch.plan(jobs, threads);
    const scores: AddonScores[] = [];
    if (shared.length > 0) scores.push(await batch.advance(shared, rounds, threads, flag));
    if (whole.length > 0 && threads === 1) {
      scores.push(await batch.advance(whole, rounds, 1, flag));
    } else if (whole.length > 0) {
      const { trainOnWorkers } = await import('../workers/pool.ts');
      const task = { batch: batch.id, rounds, cancel: flag };
      scores.push(...(await trainOnWorkers(task, whole, costs, threads)));
    }
    return scores;
  }

  /** Results by round, then job. */
  #results(jobs: Uint32Array, scores: readonly AddonScores[]): RoundResult[] {
    const ofJob = new Map<number, { readonly first: number; readonly values: Float64Array[] }>();
    for (const { job, firstRound, rounds, values } of scores) {
      let next = 0;
      job.forEach((j, i) => {
        const width = this.#widths[j]!;
        const rows = Array.from({ length: rounds[i]! }, () => {
          next += width;
          return values.subarray(next - width, next);
        });
        ofJob.set(j, { first: firstRound[i]!, values: rows });
      });
    }
    const most = Math.max(0, ...Array.from(ofJob.values(), ({ values }) => values.length));
    const results: RoundResult[] = [];
    for (let r = 0; r < most; r++) {
      for (const job of jobs) {
        const { first, values } = ofJob.get(job)!;
        if (r < values.length) results.push({ job, round: first + r, values: values[r]! });
      }
    }
    return results;
  }

  stop(job: number): void {
    this.#checkIdle();
    if (!Number.isInteger(job) || job < 0 || job >= this.jobs) {
      throw new RangeError(`The batch has no job ${job}.`);
    }
    this.#live.delete(job);
  }

  async finish(job: number, rounds?: number): Promise<TreeEnsemble> {
    this.#checkIdle();
    return this.#batch.finish(job, rounds);
  }

  dispose(): void {
    this.#disposed = true;
    if (!this.#advancing) this.#batch.dispose();
  }

  #checkIdle(): void {
    if (this.#disposed) throw new Error('The batch has been disposed of.');
    if (this.#advancing) throw new Error('The batch is training; wait for the running advance() first.');
  }
}
