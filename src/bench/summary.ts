import { busyCores, isBusy, type Measurement, type Repeat } from './measure.ts';
import type { Took } from './meter.ts';
import { isPeer } from './peers.ts';

/** Median, least and greatest of some repeats. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What the repeats of one subject come to. Times are on the clock of the measurement, in seconds. */
export interface Summary {
  /** Null where binning is part of training. */
  readonly bin_s: Spread | null;
  readonly boost_s: Spread;
  /** Wall time of opening the engine, of handing it the table, and up to the first model; null for peers. */
  readonly engine: {
    readonly start_s: number;
    readonly upload_s: number;
    readonly first_model_s: number;
  } | null;
  /** Repeats that count: those taken on an idle machine, or all where none was. */
  readonly repeats: number;
  /** Whether no repeat was taken on an idle machine. */
  readonly busy: boolean;
  /** The most cores that other processes kept busy in a repeat that counts; null where the system does not say. */
  readonly busy_cores: number | null;
  /** Training rows × features × levels × rounds × models, a second of boosting. */
  readonly cells_per_s: number;
  readonly models_per_s: number;
  readonly scores: Repeat['scores'];
  /** Boosting time over that of the fastest peer on as many threads; null for batches and without peers. */
  readonly ratio: number | null;
  /** Batches: models a second over those of one model at a time on as many threads; null where that is unknown. */
  readonly speedup: number | null;
}

/** What a second of boosting is counted against. */
export interface Work {
  readonly train_rows: number;
  readonly features: number;
  readonly max_depth: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  const [low, high] = [sorted[middle - 1]!, sorted[middle]!];
  // The sum of two finite values may be beyond the largest one.
  return Number.isFinite(low + high) ? (low + high) / 2 : low / 2 + high / 2;
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Medians; null where no repeat has them. */
function engineTimes(repeats: readonly Repeat[]): Summary['engine'] {
  const of = (value: (repeat: Repeat) => number | undefined) =>
    repeats.flatMap((repeat) => value(repeat) ?? []);
  const first = of(({ first_model_s }) => first_model_s);
  if (first.length === 0) return null;
  return {
    start_s: median(of(({ start }) => start?.wall_s)),
    upload_s: median(of(({ upload }) => upload?.wall_s)),
    first_model_s: median(first),
  };
}

type Own = Omit<Summary, 'ratio' | 'speedup'>;

function summarizeOne({ repeats, clock, batch = 1 }: Measurement, work: Work): Own | undefined {
  if (repeats.length === 0) return undefined;
  const quiet = repeats.filter((repeat) => !isBusy(repeat));
  const counted = quiet.length > 0 ? quiet : repeats;
  const time = (section: Took) => (clock === 'cpu' ? section.cpu_s : section.wall_s);
  const bins = counted.flatMap(({ bin }) => (bin === null ? [] : [time(bin)]));
  const boost_s = spread(counted.map(({ boost }) => time(boost)));
  const { rounds, scores } = counted[0]!;
  const busy = counted.flatMap((repeat) => busyCores(repeat) ?? []);
  const models_per_s = batch / boost_s.median;
  return {
    bin_s: bins.length === 0 ? null : spread(bins),
    boost_s,
    engine: engineTimes(counted),
    repeats: counted.length,
    busy: quiet.length === 0,
    busy_cores: busy.length === 0 ? null : Math.max(...busy),
    cells_per_s: work.train_rows * work.features * work.max_depth * rounds * models_per_s,
    models_per_s,
    scores,
  };
}

/**
 * Sums up the measurements of one data set.
 * @returns one for each measurement, in order; undefined for those without a repeat
 */
export function summarize(measurements: readonly Measurement[], work: Work): (Summary | undefined)[] {
  const own = measurements.map((measurement) => summarizeOne(measurement, work));
  const fastestPeer = new Map<number, number>();
  const single = new Map<string, number>();
  const key = ({ engine, threads }: Measurement) => `${engine} ${threads}`;
  measurements.forEach((measurement, i) => {
    const time = own[i]?.boost_s.median;
    if (time === undefined || measurement.batch !== undefined) return;
    const { library, threads } = measurement;
    if (isPeer(library)) fastestPeer.set(threads, Math.min(time, fastestPeer.get(threads) ?? time));
    else single.set(key(measurement), own[i]!.models_per_s);
  });
  return measurements.map((measurement, i) => {
    const summary = own[i];
    if (summary === undefined) return undefined;
    const peer = fastestPeer.get(measurement.threads);
    const alone = single.get(key(measurement));
    const isBatch = measurement.batch !== undefined;
    return {
      ...summary,
      ratio: isBatch || peer === undefined ? null : summary.boost_s.median / peer,
      speedup: isBatch && alone !== undefined ? summary.models_per_s / alone : null,
    };
  });
}
