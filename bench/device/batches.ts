// Times a generation of a search on one engine: random trials of the protocol's default space, each on five stratified
// folds, all models in one batch by the sweep's own driver. Writes the trials and folds for peer.py, with --plan only those.
import { deepStrictEqual } from 'node:assert';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readTable } from '../../src/bench/table.ts';
import { XGBOOST_SEARCH_SPACE } from '../../src/config/schema.ts';
import type { Column, Dataset } from '../../src/data/types.ts';
import type { Engine, EngineKind, ResidentDataset, TrainingBatch } from '../../src/engine/engine.ts';
import { makeFolder, writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { searchBoosters } from '../../src/tuning/booster-search.ts';
import { type Fold, makeFolds } from '../../src/tuning/folds.ts';
import { createSampler } from '../../src/tuning/samplers/create.ts';
import { toSearchSpace } from '../../src/tuning/space.ts';
import { MemoryStorage } from '../../src/tuning/storage.ts';
import { Study } from '../../src/tuning/study.ts';
import { type Trial, trialValues } from '../../src/tuning/trial.ts';
import { binTable, readSets, requireEngine, timed, treesDigest } from './support.ts';

const { values } = parseArgs({
  options: {
    tables: { type: 'string', default: 'build/device-tables' },
    out: { type: 'string', default: 'build/device' },
    engine: { type: 'string', default: 'cpu' },
    set: { type: 'string', default: 'higgs_7k' },
    trials: { type: 'string', default: '100' },
    folds: { type: 'string', default: '5' },
    seed: { type: 'string', default: '42' },
    /** 0 trains every model for its own n_estimators. */
    'early-stopping': { type: 'string', default: '50' },
    plan: { type: 'boolean', default: false },
  },
});
const { set, engine: kind } = values;
const nTrials = Number(values.trials);
const k = Number(values.folds);
const seed = Number(values.seed);
const earlyStoppingRounds = Number(values['early-stopping']);
/** Models of which the fingerprint is taken: the first fold of every so many trials. */
const FINGERPRINT_EVERY = 25;

/** Seconds of each part of a batch's life, and the rounds that all its models were trained for. */
interface Spent {
  preparing: number;
  boosting: number;
  calls: number;
  trees: number;
}

/** A data set that keeps its latest batch, and what that took, beyond its end. */
class WatchedDataset implements ResidentDataset {
  spent: Spent = { preparing: 0, boosting: 0, calls: 0, trees: 0 };
  latest: TrainingBatch | undefined;
  readonly #inner: ResidentDataset;

  constructor(inner: ResidentDataset) {
    this.#inner = inner;
  }

  async start(jobs: Parameters<ResidentDataset['start']>[0]): Promise<TrainingBatch> {
    this.latest?.dispose();
    const { value: batch, seconds } = await timed(() => this.#inner.start(jobs));
    const spent = { preparing: seconds, boosting: 0, calls: 0, trees: 0 };
    this.spent = spent;
    this.latest = batch;
    return {
      jobs: batch.jobs,
      advance: async (rounds, options) => {
        const { value: results, seconds: boosting } = await timed(() => batch.advance(rounds, options));
        spent.boosting += boosting;
        spent.calls++;
        spent.trees += results.length;
        return results;
      },
      stop: (job) => batch.stop(job),
      finish: (job, rounds) => batch.finish(job, rounds),
      dispose: () => {},
    };
  }

  predictMargins: ResidentDataset['predictMargins'] = (trees, rows) =>
    this.#inner.predictMargins(trees, rows);

  dispose(): void {
    this.latest?.dispose();
    this.#inner.dispose();
  }
}

function firstRows({ columns, label }: Dataset, rows: number): Dataset {
  const cut = (column: Column): Column =>
    column.kind === 'numeric'
      ? { ...column, values: column.values.subarray(0, rows) }
      : { ...column, codes: column.codes.subarray(0, rows) };
  return { rows, columns: columns.map(cut), label: label.subarray(0, rows) };
}

/** The fold of each row. */
function foldNumbers({ validation }: Fold): Uint8Array {
  if (validation instanceof Uint32Array || !('folds' in validation)) throw new Error('The rows are no fold.');
  return validation.folds;
}

const { [set]: described } = await readSets(values.tables);
if (described === undefined) throw new Error(`${values.tables} has no set ${set}.`);
const rows = described.train_rows;
const data = firstRows((await readTable(join(values.tables, set))).data, rows);
const { objective } = described;
const folds = makeFolds({ method: 'stratified', k, rows, tableRows: rows, labels: data.label, seed });

const space = toSearchSpace(XGBOOST_SEARCH_SPACE);
const sampler = { name: 'random', seed } as const;
const newStorage = () => new MemoryStorage('bench', 'maximize');

/** The trials that the search will ask for: random ones do not depend on results. */
async function plan() {
  const study = new Study({
    storage: newStorage(),
    space,
    sampler: createSampler(sampler, space, 'maximize'),
  });
  return (await study.ask(nTrials)).map((trial) => trialValues(trial));
}

await makeFolder(values.out);
const planned = await plan();
await writeFileAtomically(
  join(values.out, `trials-${set}.json`),
  JSON.stringify({ set, rows, objective, k, trials: planned, folds: Array.from(foldNumbers(folds[0]!)) }),
);
if (values.plan) process.exit(0);

const { value: engine, seconds: opening }: { value: Engine; seconds: number } = await timed(() =>
  requireEngine(kind as EngineKind),
);
const { value: binned, seconds: binning } = await timed(() => binTable(data));
const { value: loaded, seconds: loading } = await timed(() => engine.load(binned));
const resident = new WatchedDataset(loaded);
process.once('SIGTERM', () => {
  const { boosting, trees, calls } = resident.spent;
  process.stdout.write(
    `${engine.description}: ${set}: its time was up after ${boosting.toPrecision(3)} s of boosting, ${calls} calls, ` +
      `${trees} trees, ${((boosting / trees) * 1000).toPrecision(4)} ms a tree\n`,
  );
  process.exit(1);
});
let generationAt = 0;
let generation = 0;
const before = process.cpuUsage();
const { study } = await searchBoosters({
  storage: newStorage(),
  space,
  sampler,
  pruner: { name: 'none' },
  nTrials,
  generation: nTrials,
  refitRounds: 'mean_best',
  validation: {
    resident: async () => resident,
    folds,
    metric: 'auc_roc',
    seed,
    earlyStoppingRounds,
    base: { objective },
    schema: {
      features: data.columns.map((column) => ({
        name: column.name,
        type: column.kind,
        ...(column.kind === 'categorical' && { categories: column.categories }),
      })),
      target: { name: 'label', classes: [0, 1] },
    },
  },
  // Once before the generation, once after each of its trials: all end together.
  onProgress: (_study, _running, trial) => {
    if (trial === undefined) generationAt = performance.now();
    else if (trial.number === 0) generation = (performance.now() - generationAt) / 1000;
  },
});
const { user, system } = process.cpuUsage(before);
const { trials } = study;
deepStrictEqual(
  trials.map((trial) => trialValues(trial)),
  planned,
);
const numbersOf = (trial: Trial, name: string) => trial.userAttrs[name] as readonly number[];
const bestRounds = trials.map((trial) => numbersOf(trial, 'best_rounds'));
const fingerprints: string[] = [];
for (let t = 0; t < trials.length; t += FINGERPRINT_EVERY) {
  fingerprints.push(treesDigest(await resident.latest!.finish(t * k, bestRounds[t]![0])));
}
const models = nTrials * k;
const { preparing, boosting, calls, trees } = resident.spent;
const needed = trials.reduce(
  (sum, trial) => sum + numbersOf(trial, 'best_rounds').reduce((of, round) => of + round, 0),
  0,
);
resident.dispose();

await writeFileAtomically(
  join(values.out, `batches-${set}-${kind}-${earlyStoppingRounds}.json`),
  toJson({
    engine: engine.description,
    set,
    rows,
    models,
    early_stopping_rounds: earlyStoppingRounds,
    opening,
    binning,
    loading,
    preparing,
    boosting,
    calls,
    generation,
    cpu: (user + system) / 1e6,
    trees,
    best_rounds: bestRounds,
    fold_scores: trials.map((trial) => numbersOf(trial, 'fold_scores')),
    fingerprints,
  }),
);

const stopping =
  earlyStoppingRounds === 0 ? 'n_estimators rounds each' : `early stopping ${earlyStoppingRounds}`;
process.stdout.write(
  `${engine.description}: ${set}, ${rows} rows, ${models} models (${nTrials} trials × ${k} folds), ${stopping}\n` +
    `generation ${generation.toPrecision(4)} s: preparing ${preparing.toPrecision(3)} s, boosting ${boosting.toPrecision(4)} s in ${calls} calls; ` +
    `${(models / generation).toPrecision(4)} models a second, ${trees} trees (${needed} up to best rounds), ${((boosting / trees) * 1000).toPrecision(4)} ms a tree; ` +
    `once: opening ${opening.toPrecision(3)} s, binning ${binning.toPrecision(3)} s, loading ${loading.toPrecision(3)} s\n` +
    `best AUC ${Math.max(...trials.map(({ value = 0 }) => value)).toFixed(6)}; fingerprints ${fingerprints.map((of) => of.slice(0, 12)).join(' ')}\n`,
);
process.exit(0);
