import type { MetricName } from '../config/metric-names.ts';
import { kindOf, type Objective } from '../config/objectives.ts';
import type { BinnedDataset, RowSet } from '../data/types.ts';

export type { RowSet } from '../data/types.ts';

export type EngineKind = 'cpu' | 'cuda' | 'webgpu';

export type { MetricName } from '../config/metric-names.ts';
export type { Objective } from '../config/objectives.ts';

/** Tree parameters under XGBoost's names; every field is filled in. Ranges: see docs/parameters.md. */
export interface TreeParams {
  readonly objective: Objective;
  /** Classes of the multi: objectives, 2 … 255; 0 for the others. */
  readonly num_class: number;
  readonly max_depth: number;
  readonly learning_rate: number;
  readonly subsample: number;
  readonly colsample_bytree: number;
  readonly colsample_bylevel: number;
  readonly colsample_bynode: number;
  readonly min_child_weight: number;
  readonly gamma: number;
  readonly reg_alpha: number;
  readonly reg_lambda: number;
  /** The largest magnitude of a leaf before the learning rate; 0 is no limit. */
  readonly max_delta_step: number;
  /** −1 (falling), 0 or 1 (rising) for each feature, 0 for categorical ones; empty for none. */
  readonly monotone_constraints: readonly number[];
  /** Factor on the training weights of rows with label 1; 1 unless the objective is binary:logistic. */
  readonly scale_pos_weight: number;
  /** Probability (logistic) or value (regression); null takes the weighted mean of the job's training labels. Null with classes. */
  readonly base_score: number | null;
  readonly max_cat_to_onehot: number;
  readonly max_cat_threshold: number;
}

/** Trees of a round and margins of a row: one for each class of the multi: objectives, else one. */
export function outputsOf({ objective, num_class }: Pick<TreeParams, 'objective' | 'num_class'>): number {
  return kindOf(objective) === 'multiclass' ? num_class : 1;
}

/** When further rounds of a job are of no use. */
export interface Patience {
  /** Rounds without a strictly better value; 0 is off. As long as the value is NaN every round counts as better. */
  readonly rounds: number;
  readonly direction: 'maximize' | 'minimize';
  /** The place of the value in `RoundResult.values`. */
  readonly value: number;
}

/** One model to train. */
export interface TrainingJob {
  readonly params: TreeParams;
  /** 0 … 2^53 − 1; keys every random draw of the job. */
  readonly seed: number;
  readonly rows: RowSet;
  /** Row sets scored after each round; may be empty. */
  readonly evals: readonly RowSet[];
  /** Metrics computed on each row set of `evals` after each round; may be empty. */
  readonly metrics: readonly MetricName[];
  /** An engine may end the job by itself once its patience has run out: rounds beyond that have no results then. */
  readonly patience?: Patience;
  /** Trees of this very job, trained before on any engine: training goes on after them. They are part of what `finish` gives. */
  readonly resume?: TreeEnsemble;
}

/** The scores of one job after one round. */
export interface RoundResult {
  readonly job: number;
  /** Rounds trained so far, counting from 1. */
  readonly round: number;
  /** values[e · metrics.length + m]: metric m on row set e. NaN where a metric is undefined. */
  readonly values: Float64Array;
}

/**
 * Trees as flat arrays. Tree t adds to the margin of class t mod classes, in round ⌊t / classes⌋. Node n of tree t is at treeStart[t] + n; nodes are numbered breadth-first with
 * siblings adjacent, the root is 0. A row goes left when its bin satisfies the split, else to left + 1.
 */
export interface TreeEnsemble {
  /** Trees of a round and margins of a row; 1 unless the objective is multi:. */
  readonly classes: number;
  /** Margins are integers in units of 2^−marginBits. */
  readonly marginBits: number;
  /** Margins before the first tree, in those units; one for each class. */
  readonly baseMargins: Int32Array;
  /** Added to margin · 2^−marginBits (regression; 0 for logistic), a float32. */
  readonly baseValue: number;
  /** Length trees + 1. */
  readonly treeStart: Int32Array;
  /** Feature of the split, −1 for a leaf. */
  readonly feature: Int32Array;
  /** Numeric: bins 1…splitBin go left. */
  readonly splitBin: Uint8Array;
  /** 1 where rows with a missing value go left. */
  readonly missingLeft: Uint8Array;
  /** Left child, numbered within the tree; 0 for a leaf. */
  readonly left: Int32Array;
  /** Leaf value in margin units; 0 for a split. */
  readonly leaf: Int32Array;
  /** Loss reduction of the split, without gamma; 0 for a leaf. */
  readonly gain: Float64Array;
  /** Sum of Hessians of the node's training rows. */
  readonly cover: Float64Array;
  /** Index of the node's set in catSets, −1 unless the split is categorical. */
  readonly catIndex: Int32Array;
  /** Eight words a set, bit b of the 256: bin b goes left. */
  readonly catSets: Uint32Array;
}

/** Options of one call of `advance`. */
export interface AdvanceOptions {
  /** Ends the call early; rounds already finished are returned, a round under way is dropped. */
  readonly signal?: AbortSignal;
}

/**
 * A batch of models training together. The results of a job depend on nothing but the data set and the job:
 * not on the other jobs, the number of threads, or how rounds are split over calls.
 */
export interface TrainingBatch {
  readonly jobs: number;
  /** Trains every live job for up to `rounds` more rounds; results are ordered by round, then job. One call at a time. */
  advance(rounds: number, options?: AdvanceOptions): Promise<RoundResult[]>;
  /** Takes a job out of later `advance` calls; what it trained can still be finished. */
  stop(job: number): void;
  /** The job's trees so far, or those of its first `rounds` rounds. */
  finish(job: number, rounds?: number): Promise<TreeEnsemble>;
  /** Frees the batch's memory; every later call throws. */
  dispose(): void;
}

/** A data set held by an engine, ready for any number of batches. */
export interface ResidentDataset {
  start(jobs: readonly TrainingJob[]): Promise<TrainingBatch>;
  /** Margins of `rows` under `trees`, which must have been trained on this data set; (rows, classes), row-major. */
  predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array>;
  dispose(): void;
}

/** A way of training; every engine gives the same bytes. */
export interface Engine {
  readonly kind: EngineKind;
  /** For people: device name, instruction set, threads. */
  readonly description: string;
  load(data: BinnedDataset): Promise<ResidentDataset>;
}
