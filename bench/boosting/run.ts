// The boosting benchmark of docs: prints medians and ratios, and keeps every raw repeat. Interrupted, it keeps what it has.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type BenchData, type BenchResult, resultsOf, withFolder } from '../../src/bench/benchmark.ts';
import { describeMachine } from '../../src/bench/machine.ts';
import { type Measurement, measure, type Subject } from '../../src/bench/measure.ts';
import type { BenchTable } from '../../src/bench/table.ts';
import { resolveParams } from '../../src/boosting/params.ts';
import type { MetricName } from '../../src/engine/engine.ts';
import { ExitCode, InterruptedError } from '../../src/errors.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { markdownTable } from '../../src/reporting/format.ts';

/** What is measured on one set, beside one thread of everything. */
interface BoostingSet {
  readonly name: string;
  readonly rounds: number;
  /** Two threads too. */
  readonly twoThreads?: true;
  /** Models to train at once too. */
  readonly batch?: number;
}

const SETS: readonly BoostingSet[] = [
  { name: 'breast_cancer', rounds: 100 },
  { name: 'higgs_7k', rounds: 100, batch: 64 },
  { name: 'adult', rounds: 100 },
  { name: 'nycflights', rounds: 100 },
  { name: 'synth_100kx50', rounds: 100, twoThreads: true },
  { name: 'synth_1Mx28', rounds: 30, twoThreads: true },
];
const METRICS: readonly MetricName[] = ['auc_roc', 'logloss'];
const PEERS = ['xgboost', 'lightgbm'] as const;
const SEED = 42;
/** A timing on a busy machine is taken again so often before the benchmark gives up on it. */
const RETAKES = 3;
const TIMEOUT = 600;

interface Case {
  readonly data: BenchData;
  readonly results: readonly BenchResult[];
}

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: 'bench/results/boosting.json' },
    sets: { type: 'string', default: SETS.map(({ name }) => name).join(',') },
    depths: { type: 'string', default: '6,8' },
    metrics: { type: 'string', default: METRICS.join(',') },
    repeats: { type: 'string', default: '5' },
    wait: { type: 'string', default: '60' },
  },
});
const names = values.sets.split(',');
const unknown = names.find((name) => !SETS.some((set) => set.name === name));
if (unknown !== undefined) throw new Error(`There is no set named ${unknown}.`);
const metrics = METRICS.filter((metric) => values.metrics.split(',').includes(metric));
const depths = values.depths.split(',').map(Number);

const controller = new AbortController();
for (const event of ['SIGINT', 'SIGTERM'] as const) {
  process.once(event, () => controller.abort(new InterruptedError()));
}
const { signal } = controller;
const started = new Date().toISOString();
const machine = describeMachine();
const cases: Case[] = [];

function subjectsOf({ twoThreads, batch }: BoostingSet, metric: MetricName): Subject[] {
  const all = (threads: number): Subject[] => [
    { library: 'lockstep', engine: 'cpu', threads },
    ...PEERS.map((library): Subject => ({ library, threads })),
  ];
  const inFull = metric === METRICS[0];
  return [
    ...all(1),
    ...(twoThreads && inFull ? all(2) : []),
    ...(batch !== undefined && inFull
      ? [1, 2].map((threads): Subject => ({ library: 'lockstep', engine: 'cpu', threads, batch }))
      : []),
  ];
}

async function measureSet(set: BoostingSet, folder: string): Promise<void> {
  process.stderr.write(`Writing ${set.name}\n`);
  const script = new URL('sets.py', import.meta.url).pathname;
  await promisify(execFile)(values.python, [script, set.name, folder], { signal });
  const table = JSON.parse(readFileSync(join(folder, 'table.json'), 'utf8')) as BenchTable;
  for (const max_depth of depths) {
    for (const metric of metrics) {
      const params = resolveParams({
        objective: 'binary:logistic',
        n_estimators: set.rounds,
        learning_rate: 0.1,
        max_depth,
      });
      const data: BenchData = {
        name: set.name,
        train_rows: table.train_rows,
        val_rows: table.rows - table.train_rows,
        features: table.features.length,
        categorical_features: table.features.filter(({ kind }) => kind === 'categorical').length,
        metric,
        seed: SEED,
        params,
      };
      const measurements: Measurement[] = [];
      try {
        await measure(
          {
            data: set.name,
            table: folder,
            params,
            metric,
            seed: SEED,
            subjects: subjectsOf(set, metric),
            repeats: Number(values.repeats),
            wait: Number(values.wait),
            timeout: TIMEOUT,
            retakes: RETAKES,
            python: values.python,
            signal,
            onStep: (text) => process.stderr.write(`depth ${max_depth}, ${metric}, ${text}\n`),
          },
          measurements,
        );
      } finally {
        cases.push({ data, results: resultsOf(measurements, data) });
        const settings = { repeats: Number(values.repeats), wait_s: Number(values.wait), retakes: RETAKES };
        await writeFileAtomically(values.out, toJson({ started, machine, settings, cases }));
      }
    }
  }
}

const seconds = (value: number) => value.toPrecision(3);
const nameOf = ({ data }: Case, threads: number) => [
  data.name,
  String(data.params.max_depth),
  data.metric,
  String(threads),
];

/** Lockstep beside both peers: a row for each set, depth, metric and number of threads. */
function boostingRows(): string[][] {
  return cases.flatMap((entry) =>
    [1, 2].flatMap((threads) => {
      const summaryOf = (library: string) =>
        entry.results.find(
          (result) => result.library === library && result.threads === threads && result.batch === undefined,
        )?.summary;
      const own = summaryOf('lockstep');
      if (own == null) return [];
      const peers = PEERS.map(summaryOf);
      const busy = [own, ...peers].some((summary) => summary?.busy);
      return [
        [
          ...nameOf(entry, threads),
          ...[own, ...peers].map((summary) => (summary == null ? '–' : seconds(summary.boost_s.median))),
          ...peers.map((peer) =>
            peer == null ? '–' : (peer.boost_s.median / own.boost_s.median).toFixed(2),
          ),
          ...[own, ...peers].map((summary) => summary?.scores.val?.toFixed(5) ?? '–'),
          busy ? 'busy' : '',
        ],
      ];
    }),
  );
}

/** Batches, against the rates of Lockstep and xgboost with one model at a time on one thread. */
function batchRows(): string[][] {
  return cases.flatMap((entry) => {
    const singleOf = (name: string) =>
      entry.results.find(
        ({ library, threads, batch }) => library === name && threads === 1 && batch === undefined,
      )?.summary;
    const single = singleOf('lockstep');
    const xgboost = singleOf('xgboost');
    return entry.results.flatMap(({ batch, threads, summary }) =>
      batch === undefined || summary === null || single == null
        ? []
        : [
            [
              ...nameOf(entry, threads),
              String(batch),
              summary.models_per_s.toPrecision(3),
              single.models_per_s.toPrecision(3),
              (summary.models_per_s / single.models_per_s).toFixed(2),
              xgboost?.models_per_s.toPrecision(3) ?? '–',
              xgboost == null ? '–' : (summary.models_per_s / xgboost.models_per_s).toFixed(1),
              summary.busy || single.busy ? 'busy' : '',
            ],
          ],
    );
  });
}

try {
  for (const set of SETS) {
    if (names.includes(set.name)) await withFolder((folder) => measureSet(set, folder));
  }
} catch (error) {
  if (!signal.aborted) throw error;
  process.exitCode = ExitCode.interrupted;
}
const results = cases.flatMap((entry) => entry.results);
const version = (library: string) =>
  `${library} ${results.find((result) => result.library === library)?.repeats[0]?.version ?? ''}`;
const { cpu, cores, simd, node_version } = machine;
process.stdout.write(
  `${cpu}, ${cores} cores, ${simd}, Node ${node_version}; ${PEERS.map(version).join(', ')}; ${started}; medians of ${values.repeats} interleaved repeats; one thread by CPU time, two by wall time; boosting with the metric on training and validation rows each round\n\n`,
);
process.stdout.write(
  `${markdownTable(
    [
      'set',
      'depth',
      'metric',
      'threads',
      'Lockstep s',
      'xgboost s',
      'lightgbm s',
      'xgboost / Lockstep',
      'lightgbm / Lockstep',
      'Lockstep val',
      'xgboost val',
      'lightgbm val',
      'machine',
    ],
    boostingRows(),
  )}\n`,
);
const batches = batchRows();
if (batches.length > 0) {
  process.stdout.write(
    `\n${markdownTable(['set', 'depth', 'metric', 'threads', 'models', 'models/s', 'one thread, one at a time', 'ratio', 'xgboost, one thread', 'ratio', 'machine'], batches)}\n`,
  );
}
for (const { data, library, failure } of results) {
  if (failure === null) continue;
  process.stderr.write(`${library} failed on ${data}: ${failure}\n`);
  process.exitCode ??= ExitCode.checkFailed;
}
if (results.some(({ summary }) => summary?.busy)) {
  process.stderr.write('Some figures were taken on a busy machine: do not publish them.\n');
  process.exitCode ??= ExitCode.checkFailed;
}
