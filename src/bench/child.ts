// The process of one timing of Lockstep: takes a TimingJob as its argument, writes a Timing to stdout, and ends when its
// standard input does, so that it never outlives the process that asked.
import { boost } from '../boosting/boost.ts';
import { treeParams } from '../boosting/params.ts';
import { metricDirection } from '../config/metric-names.ts';
import { binDataset } from '../data/binning.ts';
import type { RowSet } from '../data/types.ts';
import { chooseEngine } from '../engine/choose.ts';
import type { ResidentDataset, TrainingJob } from '../engine/engine.ts';
import { ExitCode } from '../errors.ts';
import { lockstepVersion } from '../protocol/installed.ts';
import type { Timing, TimingJob } from './job.ts';
import { timed, timedWhenIdle } from './meter.ts';
import { readTable } from './table.ts';

/** Rounds of a batch between two looks at its scores, as a sweep takes them. */
const BATCH_ROUNDS = 10;

interface Trained {
  readonly rounds: number;
  /** Of the last round, by row set. */
  readonly scores: readonly number[];
}

/** One model, as `lockstep train` trains it, with a patience that never ends it. */
async function trainOne(
  resident: ResidentDataset,
  { params, seed, metric }: TimingJob,
  evals: readonly RowSet[],
): Promise<Trained> {
  const names = ['train', 'val'];
  const { rounds, history } = await boost(resident, {
    params,
    seed,
    rows: evals[0]!,
    evals: evals.map((rows, i) => ({ name: names[i]!, rows })),
    metrics: [metric],
    ...(evals.length > 1 && {
      earlyStopping: {
        rounds: params.n_estimators + 1,
        metric,
        direction: metricDirection(metric),
        on: 'val',
      },
    }),
  });
  return { rounds, scores: evals.map((_, i) => history[names[i]!]![metric]!.at(-1)!) };
}

/** Many models that differ in their seed, side by side. */
async function trainBatch(
  resident: ResidentDataset,
  { params, seed, metric, batch: size = 1 }: TimingJob,
  evals: readonly RowSet[],
): Promise<Trained> {
  const jobs = Array.from(
    { length: size },
    (_, i): TrainingJob => ({
      params: treeParams(params),
      seed: seed + i,
      rows: evals[0]!,
      evals,
      metrics: [metric],
    }),
  );
  const batch = await resident.start(jobs);
  try {
    const rounds = params.n_estimators;
    let scores: Float64Array | undefined;
    for (let done = 0; done < rounds; done += BATCH_ROUNDS) {
      const results = await batch.advance(Math.min(BATCH_ROUNDS, rounds - done));
      scores = results.findLast(({ job }) => job === 0)!.values;
    }
    for (const job of jobs.keys()) await batch.finish(job);
    return { rounds, scores: [...scores!] };
  } finally {
    batch.dispose();
  }
}

async function time(job: TimingJob): Promise<Timing> {
  const { result: engine, took: start } = await timed(() =>
    chooseEngine(job.engine ?? 'cpu', { threads: job.threads }),
  );
  const version = lockstepVersion();
  const { result: loaded, took: load } = await timed(() => readTable(job.table));
  const { table, data } = loaded;
  const training = { start: 0, end: table.train_rows };
  const evals: RowSet[] = [training];
  if (table.rows > table.train_rows) evals.push({ start: table.train_rows, end: table.rows });
  const features = data.columns.map(({ name, kind }) => ({ name, type: kind }));
  const { result: binned, section: bin } = await timedWhenIdle(job.wait_s, () =>
    binDataset(data, features, { training, maxBin: job.params.max_bin, threads: job.threads }),
  );
  const { result: resident, took: upload } = await timed(() => engine.load(binned));
  const train = job.batch === undefined ? trainOne : trainBatch;
  const {
    result,
    section: boosting,
    first,
  } = await timedWhenIdle(job.wait_s, () => train(resident, job, evals), true);
  const score = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? null : value);
  return {
    version,
    description: engine.description,
    load,
    start,
    bin,
    upload,
    first_model_s: start.wall_s + bin.wall_s + upload.wall_s + first.wall_s,
    boost: boosting,
    rounds: result.rounds,
    scores: { train: score(result.scores[0]), val: score(result.scores[1]) },
    peak_memory_mb: process.resourceUsage().maxRSS / 1024,
    notes: [],
  };
}

process.stdin.on('end', () => process.exit(ExitCode.interrupted)).resume();
try {
  const timing = await time(JSON.parse(process.argv[2]!) as TimingJob);
  process.stdout.write(JSON.stringify(timing), () => process.exit());
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`, () => process.exit(ExitCode.environment));
}
