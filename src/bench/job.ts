import type { BoosterParams } from '../boosting/params.ts';
import type { EngineKind, MetricName } from '../engine/engine.ts';
import type { Section, Took } from './meter.ts';

/** The libraries that Lockstep is compared with, by their Python packages. */
export const PEERS = ['xgboost', 'lightgbm', 'catboost'] as const;
export type Peer = (typeof PEERS)[number];
export type Library = 'lockstep' | Peer;

/** What one timing process is to do; bench/peers/train.py takes the same object. */
export interface TimingJob {
  readonly library: Library;
  /** Folder of a `BenchTable`. */
  readonly table: string;
  readonly params: BoosterParams;
  /** Computed on training and validation rows after each round. */
  readonly metric: MetricName;
  readonly seed: number;
  readonly threads: number;
  /** The longest wait for an idle machine before each timed section. */
  readonly wait_s: number;
  /** Lockstep alone. */
  readonly engine?: EngineKind;
  /** Lockstep alone: models to train at once, with seeds one apart; absent for one model as `train` trains it. */
  readonly batch?: number;
}

/** What one timing process found. */
export interface Timing {
  readonly version: string;
  /** The engine and its instruction set; Lockstep alone. */
  readonly description?: string;
  /** From the columns on disk to arrays in memory, in the form that the library takes. */
  readonly load: Took;
  /** Opening the engine, a device with its kernels above all; Lockstep alone. */
  readonly start?: Took;
  /** From the binned table to what the engine trains on: on a device, the transfer. Lockstep alone. */
  readonly upload?: Took;
  /** Seconds from the start of opening the engine to the first model, binning included; Lockstep alone. */
  readonly first_model_s?: number;
  /** From arrays to what the library trains on, validation rows included; null where it does this as part of training. */
  readonly bin: Section | null;
  /** All rounds of training, with the metric on both row sets after each and early stopping on watch; of the second time if it is short. */
  readonly boost: Section;
  readonly rounds: number;
  /** Of the last round, as the library computes the metric; null where it is undefined or there are no such rows. */
  readonly scores: { readonly train: number | null; readonly val: number | null };
  readonly peak_memory_mb: number;
  /** Where the library could not be given the same task. */
  readonly notes: readonly string[];
}

const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);

function isTook(value: unknown): boolean {
  const took = value as Partial<Took> | null | undefined;
  return isNumber(took?.wall_s) && isNumber(took?.cpu_s);
}

function isSection(value: unknown): boolean {
  const busy = (value as Partial<Section> | null | undefined)?.busy_cores;
  return isTook(value) && (busy === null || isNumber(busy));
}

/** Whether a process that may be anything answered with a timing. */
export function isTiming(value: unknown): value is Timing {
  const timing = value as Partial<Timing> | null | undefined;
  const isScore = (score: unknown) => score === null || isNumber(score);
  return (
    typeof timing?.version === 'string' &&
    isTook(timing.load) &&
    (timing.bin === null || isSection(timing.bin)) &&
    isSection(timing.boost) &&
    isNumber(timing.rounds) &&
    isScore(timing.scores?.train) &&
    isScore(timing.scores?.val) &&
    isNumber(timing.peak_memory_mb) &&
    Array.isArray(timing.notes)
  );
}
