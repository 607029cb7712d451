// Where the border lies between a model that all threads share and models of one thread each (docs/workers.md): what
// sharing gains by the model's cost, on large tables with a metric too, and how long mixed batches take as planned and
// otherwise.
// usage: run.ts [--out FILE] [--threads N] [--repeats N] [--parts sharing,large,mixed]; parts that are left out stay in FILE
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type AddonBatch, type AddonDataset, loadAddon } from '../../src/addon.ts';
import { describeMachine } from '../../src/bench/machine.ts';
import { timedWhenIdle } from '../../src/bench/meter.ts';
import { median } from '../../src/bench/summary.ts';
import { generateSynthetic } from '../../src/bench/synthetic.ts';
import { resolveParams, treeParams } from '../../src/boosting/params.ts';
import { datasetFromArrays } from '../../src/data/arrays.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { TrainingJob } from '../../src/engine/engine.ts';
import { markdownTable } from '../../src/reporting/format.ts';
import { trainOnWorkers } from '../../src/workers/pool.ts';
import { measureHandoff } from './handoff.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/batches.json' },
    threads: { type: 'string', default: '2' },
    repeats: { type: 'string', default: '5' },
    parts: { type: 'string', default: 'sharing,large,mixed' },
  },
});
const threads = Number(values.threads);
const repeats = Number(values.repeats);
const parts = values.parts.split(',');
/** Rows and features of the tables on which a single model is scored after each round, with 50,000 rows to validate. */
const LARGE = [
  { rows: 100_000, features: 50 },
  { rows: 1_000_000, features: 28 },
] as const;
const VALIDATION = 50_000;
const LARGE_DEPTHS = [6, 8];
const FEATURES = 28;
const ROWS = [300, 1000, 3000, 10_000, 30_000, 100_000, 300_000];
const DEPTHS = [4, 6, 8];
/** Rounds of each model: later trees of small tables are mere stumps. */
const ROUNDS = 50;
/** Rows × levels × rounds that a timing trains at least, a few tenths of a second, with as many models as that takes. */
const WORK = 60_000_000;
const WAIT_S = 30;
/** Cores that others may keep busy during a timing. */
const IDLE = 0.15;
/** The longest hand-off between neighbouring cores, in nanoseconds; distant ones take 160 or more. */
const NEAR = 120;

const addon = loadAddon();

/** A synthetic table in the engine. */
async function load(rows: number, features: number): Promise<AddonDataset> {
  const columns: Record<string, Float32Array> = {};
  const label = await generateSynthetic({ rows, features, seed: 42 }, async (f, column) => {
    columns[`f${f}`] = column;
  });
  const { schema, dataset } = datasetFromArrays({ features: columns, label, taskType: 'classification' });
  const binned = await binDataset(dataset, schema.features);
  return new addon.Dataset({
    bins: binned.bins,
    rows,
    stride: binned.stride,
    featureBins: Int32Array.from(binned.features, (feature) => feature.bins),
    categorical: new Uint8Array(features),
    label: dataset.label,
    simd: addon.chooseSimd(''),
  });
}

const cancel = new Int32Array(new SharedArrayBuffer(4));

function jobOf(trainedRows: number, max_depth: number, seed: number): TrainingJob {
  const params = resolveParams({ objective: 'binary:logistic', max_depth });
  return {
    params: treeParams(params),
    seed,
    rows: { start: 0, end: trainedRows },
    evals: [],
    metrics: [],
  };
}

/** Jobs as the engine trains them: some shared by all threads, then the others side by side. */
async function advance(
  batch: AddonBatch,
  rounds: number,
  { shared, whole, costs }: { shared: Uint32Array; whole: Uint32Array; costs?: Float64Array },
): Promise<void> {
  if (shared.length > 0) await batch.advance(shared, rounds, threads, cancel);
  if (costs !== undefined) {
    await trainOnWorkers({ batch: batch.id, rounds, cancel }, whole, costs, threads);
  } else if (whole.length > 0) {
    await batch.advance(whole, rounds, threads, cancel, true);
  }
}

interface Timing {
  readonly seconds: number;
  readonly busy_cores: number | null;
  /** The longer one of those before and after. */
  readonly handoff_ns: number;
}

async function time(body: () => Promise<void>): Promise<Timing> {
  const before = await measureHandoff();
  const { section } = await timedWhenIdle(WAIT_S, body);
  const handoff = Math.max(before, await measureHandoff());
  return { seconds: section.wall_s, busy_cores: section.busy_cores, handoff_ns: Math.round(handoff) };
}

const isNear = ({ handoff_ns }: Timing) => handoff_ns <= NEAR;

/** The median of the timings on an idle machine with its cores near; of all where there is none. */
function middle(timings: readonly Timing[]): number {
  const good = timings.filter((timing) => (timing.busy_cores ?? 0) <= IDLE && isNear(timing));
  return median((good.length > 0 ? good : timings).map(({ seconds }) => seconds));
}

const all = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);
const none = new Uint32Array();

interface Sharing {
  readonly rows: number;
  readonly features: number;
  readonly depth: number;
  readonly cost: number;
  /** Of all models of a timing. */
  readonly rounds: number;
  readonly alone: Timing[];
  readonly shared: Timing[];
}

/** Trains models on one thread and then on all, again and again. */
async function measureSharing(
  resident: AddonDataset,
  job: TrainingJob,
  features: number,
  least: number,
): Promise<Sharing> {
  const { max_depth } = job.params;
  const trainedRows = 'end' in job.rows ? job.rows.end : 0;
  const models = Math.max(1, Math.ceil(least / (trainedRows * max_depth * ROUNDS)));
  const alone: Timing[] = [];
  const shared: Timing[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const count of [1, threads]) {
      const jobs = Array.from({ length: models }, (_, seed) => ({ ...job, seed }));
      const batch = new addon.Batch(resident, jobs);
      const timing = await time(async () => {
        await batch.advance(all(models), ROUNDS, count, cancel);
      });
      batch.dispose();
      (count === 1 ? alone : shared).push(timing);
    }
  }
  const cost = trainedRows * features * max_depth;
  return { rows: trainedRows, features, depth: max_depth, cost, rounds: ROUNDS * models, alone, shared };
}

/** Mixed batches: numbers of jobs by rows. */
const MIXED: readonly Readonly<Record<number, number>>[] = [
  { 100000: 1, 3000: 40 },
  { 100000: 1, 3000: 5 },
  { 30000: 3 },
  { 300000: 1, 30000: 4, 3000: 40 },
];

interface Mixed {
  readonly jobs: Readonly<Record<number, number>>;
  readonly shared: number;
  readonly timings: Readonly<Record<'planned' | 'beside' | 'workers' | 'shared', Timing[]>>;
}

async function measureMixed(resident: AddonDataset, jobs: Readonly<Record<number, number>>): Promise<Mixed> {
  // Object keys that are numbers come in ascending order: the longest job last.
  const specs = Object.entries(jobs).flatMap(([trainedRows, count]) =>
    Array.from({ length: count }, (_, i) => jobOf(Number(trainedRows), 6, i)),
  );
  const indices = all(specs.length);
  const costs = Float64Array.from(specs, ({ rows: of }) => ('end' in of ? of.end - of.start : 0));
  const longestFirst = indices.slice().sort((a, b) => costs[b]! - costs[a]!);
  const costsOf = (order: Uint32Array) => Float64Array.from(order, (job) => costs[job]!);
  const planning = new addon.Batch(resident, specs);
  const { shared, whole } = planning.plan(indices, ROUNDS, threads);
  const plans = {
    planned: { shared, whole },
    beside: { shared: none, whole: longestFirst },
    workers: { shared: none, whole: longestFirst, costs: costsOf(longestFirst) },
    shared: { shared: longestFirst, whole: none },
  };
  // The worker threads start.
  await advance(planning, 1, plans.workers);
  planning.dispose();
  const timings = { planned: [], beside: [], workers: [], shared: [] } as Mixed['timings'];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [name, plan] of Object.entries(plans)) {
      const batch = new addon.Batch(resident, specs);
      timings[name as keyof Mixed['timings']].push(await time(() => advance(batch, ROUNDS, plan)));
      batch.dispose();
    }
  }
  return { jobs, shared: shared.length, timings };
}

/** What the file holds: of each part all cases with their raw timings. */
interface Results {
  sharing?: Sharing[];
  large?: Sharing[];
  mixed?: Mixed[];
}

const results: Results = existsSync(values.out)
  ? (JSON.parse(readFileSync(values.out, 'utf8')) as Results)
  : {};
if (parts.includes('sharing') || parts.includes('mixed')) {
  const resident = await load(ROWS.at(-1)!, FEATURES);
  if (parts.includes('sharing')) {
    results.sharing = [];
    for (const depth of DEPTHS) {
      for (const trainedRows of ROWS) {
        process.stderr.write(`${trainedRows} rows, depth ${depth}\n`);
        results.sharing.push(await measureSharing(resident, jobOf(trainedRows, depth, 0), FEATURES, WORK));
      }
    }
  }
  if (parts.includes('mixed')) {
    results.mixed = [];
    for (const jobs of MIXED) {
      process.stderr.write(`${JSON.stringify(jobs)}\n`);
      results.mixed.push(await measureMixed(resident, jobs));
    }
  }
  resident.dispose();
}
if (parts.includes('large')) {
  results.large = [];
  for (const { rows, features } of LARGE) {
    const table = await load(rows + VALIDATION, features);
    for (const depth of LARGE_DEPTHS) {
      process.stderr.write(`${rows} rows × ${features}, depth ${depth}\n`);
      const job = jobOf(rows, depth, 0);
      const evals = [job.rows, { start: rows, end: rows + VALIDATION }];
      results.large.push(await measureSharing(table, { ...job, evals, metrics: ['auc_roc'] }, features, 0));
    }
    table.dispose();
  }
}

const machine = describeMachine();
const speedup = ({ alone, shared }: Sharing) => middle(alone) / middle(shared);
/** What a shared round takes beyond its even share of the threads, in updates. */
const excess = (one: Sharing) => one.cost * (1 / speedup(one) - 1 / threads);
process.stdout.write(
  `${machine.cpu}, ${machine.cores} cores, ${machine.simd}, Node ${machine.node_version}; ${threads} threads; medians of ${repeats}\n\n`,
);
const sharingHead = [
  'rows',
  'features',
  'depth',
  'cost, M updates',
  'ms a round, 1 thread',
  `${threads} threads`,
  'speed-up',
  'excess, M',
  'near',
];
const sharingTable = (list: readonly Sharing[]) =>
  markdownTable(
    sharingHead,
    list.map((one) => [
      String(one.rows),
      String(one.features),
      String(one.depth),
      (one.cost / 1e6).toPrecision(3),
      ((middle(one.alone) / one.rounds) * 1e3).toPrecision(3),
      ((middle(one.shared) / one.rounds) * 1e3).toPrecision(3),
      speedup(one).toFixed(2),
      (excess(one) / 1e6).toPrecision(2),
      `${one.shared.filter(isNear).length} of ${one.shared.length}`,
    ]),
  );
for (const list of [results.sharing, results.large]) process.stdout.write(`${sharingTable(list ?? [])}\n\n`);
process.stdout.write(
  `${markdownTable(
    ['jobs: number × rows', 'shared by plan', 'planned s', 'side by side', 'whole on workers', 'all shared'],
    (results.mixed ?? []).map(({ jobs, shared, timings }) => [
      Object.entries(jobs)
        .map(([trainedRows, count]) => `${count} × ${trainedRows}`)
        .join(', '),
      String(shared),
      ...(['planned', 'beside', 'workers', 'shared'] as const).map((name) =>
        middle(timings[name]).toPrecision(3),
      ),
    ]),
  )}\n`,
);
writeFileSync(values.out, `${JSON.stringify({ ...results, machine, threads, repeats }, null, 1)}\n`);
