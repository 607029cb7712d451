// One measurement of generation.ts: trains models of a generation of the protocol's search space on the folds of a random table, and prints
// the bytes that were added to the process: by the table and its codes in the engine, and at most in all.
import { resolveParams, treeParams } from '../../src/boosting/params.ts';
import { XGBOOST_SEARCH_SPACE } from '../../src/config/schema.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import { RandomSampler } from '../../src/tuning/samplers/random.ts';
import { toSearchSpace } from '../../src/tuning/space.ts';
import { peakBytes, randomTable, resetPeak } from './support.ts';

const [rows, features, models, threads, rounds] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
  number,
];

const engine = createCpuEngine({ threads });
const sampler = new RandomSampler(42, toSearchSpace(XGBOOST_SEARCH_SPACE));
resetPeak();
const before = peakBytes();
const data = randomTable(rows, features);
const folds = makeFolds({ method: 'stratified', k: 5, rows, tableRows: rows, labels: data.label, seed: 42 });
const resident = await engine.load(data);
resetPeak();
const withTable = peakBytes();
const jobs = Array.from({ length: Math.ceil(models / folds.length) }, (_, number) => {
  const searched = Object.fromEntries(sampler.suggest({ number, running: [] }));
  const params = treeParams(resolveParams({ objective: 'binary:logistic', ...searched }));
  return folds.map(({ train, validation }) => ({
    params,
    seed: 42,
    rows: train,
    evals: [validation],
    metrics: ['auc_roc'] as const,
  }));
});
const batch = await resident.start(jobs.flat().slice(0, models));
await batch.advance(rounds);
process.stdout.write(`${JSON.stringify({ table: withTable - before, training: peakBytes() - withTable })}\n`);
process.exit();
