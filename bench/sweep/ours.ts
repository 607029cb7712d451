// The protocol's search by Lockstep: usage ours.ts SET TRIALS SEED THREADS. Prints one JSON object.
import { boost } from '../../src/boosting/boost.ts';
import { XGBOOST_SEARCH_SPACE } from '../../src/config/schema.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { RowSet } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { scoreMargins } from '../../src/metrics/score.ts';
import { searchBoosters } from '../../src/tuning/booster-search.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import { toSearchSpace } from '../../src/tuning/space.ts';
import { MemoryStorage } from '../../src/tuning/storage.ts';
import { trialValues } from '../../src/tuning/trial.ts';
import { type PublicSet, readPublicSet, TRAINING_ROWS } from '../../tests/public-sets.ts';

const [set = '', trials = '', seed = '', threads = ''] = process.argv.slice(2);
const { schema, train } = await readPublicSet(set as PublicSet);
const rows = TRAINING_ROWS[set as PublicSet] ?? train.rows;
const started = performance.now();
const cpuBefore = process.cpuUsage();
const training: RowSet = { start: 0, end: rows };
const data = await binDataset(train, schema.features, { training, threads: Number(threads) });
const resident = await createCpuEngine({ threads: Number(threads) }).load(data);
const base = { objective: 'binary:logistic' } as const;
const search = await searchBoosters({
  storage: new MemoryStorage('bench', 'maximize'),
  space: toSearchSpace(XGBOOST_SEARCH_SPACE),
  sampler: { name: 'tpe', seed: Number(seed) },
  pruner: { name: 'median' },
  nTrials: Number(trials),
  generation: 8,
  refitRounds: 'mean_best',
  validation: {
    resident: async () => resident,
    folds: makeFolds({
      method: 'stratified',
      k: 5,
      rows,
      tableRows: train.rows,
      labels: data.label,
      seed: 42,
    }),
    metric: 'auc_roc',
    seed: 42,
    earlyStoppingRounds: 50,
    base,
    schema,
  },
});
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
let test: number | null = null;
if (rows < train.rows) {
  const { trees } = await boost(resident, { params: search.params, seed: 42, rows: training });
  const scored = { start: rows, end: train.rows };
  const { auc_roc } = scoreMargins(
    {
      objective: 'binary:logistic',
      margins: await resident.predictMargins(trees, scored),
      label: data.label.subarray(rows),
      marginBits: trees.marginBits,
      baseValue: trees.baseValue,
    },
    ['auc_roc'],
  );
  test = auc_roc ?? null;
}
process.stdout.write(
  JSON.stringify({
    seconds,
    cpu_seconds: (user + system) / 1e6,
    best: search.best.value,
    pruned: search.study.ended.pruned,
    test,
    first: trialValues(search.study.trials[0]!),
  }),
);
process.exit();
