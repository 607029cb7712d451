import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { AdvanceOptions, MetricName, RowSet, TrainingJob, TreeEnsemble } from './engine/engine.ts';
import { EnvironmentError, InputError, InterruptedError, LockstepError } from './errors.ts';

/** One column as the addon bins it. */
export type AddonColumn =
  | { readonly values: Float32Array }
  | { readonly codes: Int32Array; readonly categories: number };

export interface AddonFeatureBins {
  readonly bins: number;
  readonly cuts: Float32Array;
  readonly binOfCategory: Uint8Array;
}

/** A column of rows to predict; `ranks` has the rank of each code, then that of missing values. */
export type AddonPredictColumn =
  | { readonly values: Float32Array }
  | { readonly codes: Int32Array; readonly ranks: Int32Array };

/** A forest as native/cpu/predict.h describes it; nothing of it is kept. */
export interface AddonForest {
  readonly treeStart: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly missingLeft: Uint8Array;
  readonly left: Int32Array;
  readonly leaf: Int32Array;
  readonly set: Int32Array;
  readonly setStart: Int32Array;
  readonly setWords: Uint32Array;
  /** Ranks of each categorical feature, 0 for others. */
  readonly ranks: Int32Array;
  readonly baseMargins: Int32Array;
  readonly simd?: SimdLevel;
}

export interface AddonPredictor {
  /** Fills `margins`, (rows, outputs); false where a code is beyond its column's ranks. Columns that no split uses are not read. */
  predict(columns: readonly AddonPredictColumn[], rows: number, margins: Int32Array): boolean;
  /** The same off the event loop. */
  predictAsync(
    columns: readonly AddonPredictColumn[],
    rows: number,
    margins: Int32Array,
    threads: number,
    cancel: Int32Array,
  ): Promise<boolean>;
  /** Margins of the row in the arrays that the predictor was made with. */
  predictRow(): void;
}

export interface AddonDataset {
  predictMargins(trees: TreeEnsemble, rows: RowSet, threads: number): Promise<Int32Array>;
  dispose(): void;
}

/** Scores of some jobs: `values` has those of the first job, round by round, then those of the next. */
export interface AddonScores {
  readonly job: Uint32Array;
  /** The first of the rounds scored, counting from 1. */
  readonly firstRound: Uint32Array;
  readonly rounds: Uint32Array;
  readonly values: Float64Array;
}

export interface AddonBatch {
  /** Number under which every thread of the process reaches the batch. */
  readonly id: number;
  /** How to share out jobs: `shared` ones by all threads, `whole` ones, with their costs, side by side; longest first. */
  plan(
    jobs: Uint32Array,
    rounds: number,
    threads: number,
  ): { readonly shared: Uint32Array; readonly whole: Uint32Array; readonly costs: Float64Array };
  /** Trains jobs off the event loop: one after the other, each by all threads, or `sideBySide`, each by one at a time. */
  advance(
    jobs: Uint32Array,
    rounds: number,
    threads: number,
    cancel: Int32Array,
    sideBySide?: boolean,
  ): Promise<AddonScores>;
  finish(job: number, rounds?: number): TreeEnsemble;
  dispose(): void;
}

/** Margins and truth of a binary task; arrays have one element a row. */
export interface BinaryScores {
  readonly margins: Int32Array;
  readonly labels: Uint8Array;
  /** Integer weights up to 2^24; absent for all ones. */
  readonly weights?: Uint32Array;
}

/** Margins and truth of a task with several classes. */
export interface MulticlassScores {
  /** (rows, classes), row-major. */
  readonly margins: Int32Array;
  /** Below classes. */
  readonly labels: Uint8Array;
  /** Integer weights up to 2^24; absent for all ones. */
  readonly weights?: Uint32Array;
  /** 2 … 255. */
  readonly classes: number;
}

/** Margins and truth of a regression, targets in margin units. */
export interface RegressionScores {
  readonly margins: Int32Array;
  readonly targets: Int32Array;
  readonly raw: Float32Array;
  readonly weights?: Uint32Array;
  readonly marginBits: number;
}

/** Points of the ROC and precision-recall curves, from the highest threshold down; counts are sums of integer weights. */
export interface CurvePoints {
  readonly margin: Int32Array;
  readonly truePositives: Float64Array;
  readonly falsePositives: Float64Array;
  readonly positives: number;
  readonly negatives: number;
}

/** Instruction sets of the CPU engine; every one gives the same bytes. */
export type SimdLevel = 'avx512' | 'avx2' | 'neon' | 'scalar';

/** The native addon: checked, typed, and nothing more. Everything here is CPU work. */
export interface Addon {
  /** `simd`: the instruction sets that this build and this machine have, best first. */
  describe(): { readonly hardwareThreads: number; readonly simd: readonly SimdLevel[] };
  /** The level that a name stands for: '' is what LOCKSTEP_SIMD names, or else the best. Throws for one that cannot run. */
  chooseSimd(name: string): SimdLevel;
  /** Fills `bins` with the codes of the tables on top of each other; `training` and `weight` are of the first. */
  binColumns(job: {
    readonly tables: readonly { readonly rows: number; readonly columns: readonly AddonColumn[] }[];
    readonly stride: number;
    readonly training: RowSet;
    readonly weight?: Float32Array;
    readonly maxBin: number;
    readonly bins: Uint8Array;
    readonly threads: number;
    readonly cancel: Int32Array;
  }): Promise<AddonFeatureBins[]>;
  /** How many bytes lie before the first cache line that begins in the array. */
  cacheLineOffset(bytes: Uint8Array): number;
  readonly Dataset: new (data: {
    readonly bins: Uint8Array;
    readonly rows: number;
    readonly stride: number;
    readonly featureBins: Int32Array;
    readonly categorical: Uint8Array;
    readonly label: Float32Array;
    readonly weight?: Float32Array;
    readonly simd?: SimdLevel;
  }) => AddonDataset;
  /** predictRow() reads `rowWords`, (features), the bits of float32 numbers or ranks, and writes `rowMargins`, (outputs). */
  readonly Predictor: new (
    forest: AddonForest,
    rowWords: Int32Array,
    rowMargins: Int32Array,
  ) => AddonPredictor;
  /** Trains jobs of a batch on the calling thread. */
  advanceHere(batch: number, jobs: Uint32Array, rounds: number, cancel: Int32Array): AddonScores;
  readonly Batch: new (dataset: AddonDataset, jobs: readonly TrainingJob[]) => AddonBatch;
  evaluateMetrics(
    names: readonly MetricName[],
    scores: BinaryScores | MulticlassScores | RegressionScores,
  ): Float64Array;
  /** With classes, those of class `ofClass` against the others. */
  curves(
    scores: BinaryScores | (MulticlassScores & { readonly ofClass: number }),
    maxPoints: number,
  ): CurvePoints;
}

/** The addon of the CUDA engine. */
export interface CudaAddon {
  /** Throws where there is no device that can be used. */
  describe(): { readonly name: string; readonly computeCapability: string; readonly memoryBytes: number };
  /** Uploads the bins. `memoryLimit`: bytes of device memory for the data set and its batches; by default what is free. */
  readonly Dataset: new (data: {
    readonly bins: Uint8Array;
    readonly rows: number;
    readonly stride: number;
    readonly featureBins: Int32Array;
    readonly categorical: Uint8Array;
    readonly label: Float32Array;
    readonly weight?: Float32Array;
    readonly memoryLimit?: number;
  }) => AddonDataset;
  readonly Batch: new (dataset: AddonDataset, jobs: readonly TrainingJob[]) => CudaAddonBatch;
}

export interface CudaAddonBatch {
  /** Trains jobs side by side on the device, off the event loop. */
  advance(jobs: Uint32Array, rounds: number, cancel: Int32Array): Promise<AddonScores>;
  finish(job: number, rounds?: number): TreeEnsemble;
  dispose(): void;
}

const addonPath = fileURLToPath(new URL('../build/Release/lockstep.node', import.meta.url));
let loaded: Addon | undefined;

/** Whether the addon has been built. */
export function isAddonBuilt(): boolean {
  return existsSync(addonPath);
}

/**
 * The native addon, loaded once.
 * @throws EnvironmentError where it has not been built, or was built for another system.
 */
export function loadAddon(): Addon {
  if (loaded === undefined) {
    if (!isAddonBuilt()) {
      throw new EnvironmentError(
        'The native addon is not built: run `npx lockstep build` (it needs a C++20 compiler and CMake 3.24 or later).',
      );
    }
    try {
      loaded = createRequire(import.meta.url)(addonPath) as Addon;
    } catch (cause) {
      throw new EnvironmentError(
        `The native addon cannot be loaded (${(cause as Error).message}): build it for this system with \`npx lockstep build --force\`.`,
        { cause },
      );
    }
  }
  return loaded;
}

const cudaAddonPath =
  process.env.LOCKSTEP_CUDA_ADDON ??
  fileURLToPath(new URL('../build/Release/lockstep_cuda.node', import.meta.url));
let loadedCuda: CudaAddon | undefined;

/** Whether the addon of the CUDA engine has been built. */
export function isCudaAddonBuilt(): boolean {
  return existsSync(cudaAddonPath);
}

/**
 * The addon of the CUDA engine, loaded once, and only where someone asks for it. The environment variable LOCKSTEP_CUDA_ADDON names
 * another file.
 * @throws EnvironmentError where it has not been built, or was built for another system.
 */
export function loadCudaAddon(): CudaAddon {
  if (loadedCuda === undefined) {
    if (!isCudaAddonBuilt()) {
      throw new EnvironmentError(
        'The CUDA engine is not built: install the CUDA toolkit 12 or 13 and run `npx lockstep build --force`, or use another engine.',
      );
    }
    try {
      loadedCuda = createRequire(import.meta.url)(cudaAddonPath) as CudaAddon;
    } catch (cause) {
      throw new EnvironmentError(
        `The CUDA engine cannot be loaded (${(cause as Error).message}): build it for this system with \`npx lockstep build --force\`.`,
        { cause },
      );
    }
  }
  return loadedCuda;
}

/** Turns an error of the addon into one of Lockstep's classes. */
export function fromAddonError(error: unknown): unknown {
  if (error instanceof LockstepError || !(error instanceof Error)) return error;
  switch ((error as Error & { code?: string }).code) {
    case 'LOCKSTEP_INPUT':
      return new InputError(`${error.message[0]?.toUpperCase()}${error.message.slice(1)}.`, { cause: error });
    case 'LOCKSTEP_MEMORY':
      return new EnvironmentError(
        'The CPU engine ran out of memory: use fewer rows, fewer jobs in a batch, or a machine with more.',
        { cause: error },
      );
    case 'LOCKSTEP_DEVICE':
      return new EnvironmentError(`${error.message[0]?.toUpperCase()}${error.message.slice(1)}.`, {
        cause: error,
      });
    case 'LOCKSTEP_CANCELLED':
      return new InterruptedError('Interrupted before training began.', { cause: error });
    default:
      return error;
  }
}

/** Calls `body` with an Int32Array flag that is raised when the signal aborts. */
export async function withCancelFlag<T>(
  signal: AdvanceOptions['signal'],
  body: (flag: Int32Array) => Promise<T>,
): Promise<T> {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const raise = () => Atomics.store(flag, 0, 1);
  if (signal?.aborted) raise();
  signal?.addEventListener('abort', raise, { once: true });
  try {
    return await body(flag);
  } finally {
    signal?.removeEventListener('abort', raise);
  }
}
