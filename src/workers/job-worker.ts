import { type AddonScores, loadAddon } from '../addon.ts';

/** Jobs of one batch for a worker thread to train, one after the other. */
export interface JobTask {
  /** `AddonBatch.id`: the batch's native memory, the binned table included, is the whole process's. */
  readonly batch: number;
  readonly jobs: Uint32Array;
  readonly rounds: number;
  /** Shared with the thread that raises it. */
  readonly cancel: Int32Array;
}

/** What every worker thread of the pool runs. */
export default function trainJobs({ batch, jobs, rounds, cancel }: JobTask): AddonScores {
  return loadAddon().advanceHere(batch, jobs, rounds, cancel);
}
