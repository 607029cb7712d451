import { type AddonScores, fromAddonError, withCancelFlag } from '../addon.ts';
import type { BinnedDataset } from '../data/types.ts';
import type { AdvanceOptions, RoundResult, TrainingBatch, TrainingJob, TreeEnsemble } from './engine.ts';

/** A data set as the constructors of native data sets take it. */
export function datasetArrays(data: BinnedDataset) {
  return {
    bins: data.bins,
    rows: data.rows,
    stride: data.stride,
    featureBins: Int32Array.from(data.features, (feature) => feature.bins),
    categorical: Uint8Array.from(data.features, (feature) => (feature.type === 'categorical' ? 1 : 0)),
    label: data.label,
    ...(data.weight && { weight: data.weight }),
  };
}

/** What a batch of an addon offers to every engine. */
export interface NativeBatch {
  finish(job: number, rounds?: number): TreeEnsemble;
  dispose(): void;
}

/** A batch whose jobs a native addon trains: its life, and its scores as the contract wants them. */
export abstract class NativeTrainingBatch<Batch extends NativeBatch> implements TrainingBatch {
  readonly jobs: number;
  protected readonly batch: Batch;
  /** Values of a round, by job. */
  readonly #widths: readonly number[];
  readonly #live: Set<number>;
  #advancing = false;
  #disposed = false;

  constructor(batch: Batch, jobs: readonly TrainingJob[]) {
    this.batch = batch;
    this.jobs = jobs.length;
    this.#widths = jobs.map(({ evals, metrics }) => evals.length * metrics.length);
    this.#live = new Set(jobs.keys());
  }

  async advance(rounds: number, options: AdvanceOptions = {}): Promise<RoundResult[]> {
    this.#checkIdle();
    this.#advancing = true;
    const live = Uint32Array.from(this.#live);
    try {
      const scores = await withCancelFlag(options.signal, (flag) => this.train(live, rounds, flag));
      return this.#results(live, scores);
    } catch (error) {
      throw fromAddonError(error);
    } finally {
      this.#advancing = false;
      if (this.#disposed) this.batch.dispose();
    }
  }

  /** Trains jobs for up to `rounds` rounds; ends early once the flag is raised. */
  protected abstract train(jobs: Uint32Array, rounds: number, flag: Int32Array): Promise<AddonScores[]>;

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
    return this.batch.finish(job, rounds);
  }

  dispose(): void {
    this.#disposed = true;
    if (!this.#advancing) this.batch.dispose();
  }

  #checkIdle(): void {
    if (this.#disposed) throw new Error('The batch has been disposed of.');
    if (this.#advancing) throw new Error('The batch is training; wait for the running advance() first.');
  }
}
