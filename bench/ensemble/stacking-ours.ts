// Stacking of five members on adult by Lockstep: usage stacking-ours.ts THREADS. Prints one JSON object.
import { boostBatch } from '../../src/boosting/boost-batch.ts';
import { fitParams, resolveParams } from '../../src/boosting/params.ts';
import { binDataset } from '../../src/data/binning.ts';
import { loadExperimentData } from '../../src/data/load.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { combine } from '../../src/ensemble/combine.ts';
import { fitCombiner } from '../../src/ensemble/methods.ts';
import { outputsOfTrees } from '../../src/ensemble/outputs.ts';
import type { JudgedOutputs } from '../../src/ensemble/truth.ts';
import { scoreMargins } from '../../src/metrics/score.ts';
import { BestFolds } from '../../src/tuning/best-folds.ts';
import { evaluateTrials } from '../../src/tuning/evaluate.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import { beginTrial } from '../../src/tuning/storage.ts';
import { MEMBERS } from './stacking-members.ts';

const TRAINING_ROWS = 32_561;
const threads = Number(process.argv[2] ?? 2);
const { schema, train } = await loadExperimentData({
  trainPath: new URL('../../tests/data/adult.parquet', import.meta.url).pathname,
  target: 'target',
  taskType: 'classification',
  split: 'none',
  seed: 0,
});
const started = performance.now();
const training = { start: 0, end: TRAINING_ROWS };
const data = await binDataset(train, schema.features, { training, threads });
const resident = await createCpuEngine({ threads }).load(data);
const folds = makeFolds({
  method: 'stratified',
  k: 5,
  rows: TRAINING_ROWS,
  tableRows: train.rows,
  labels: data.label,
  seed: 42,
});
const params = MEMBERS.map((given) =>
  fitParams(resolveParams({ objective: 'binary:logistic', ...given }), schema),
);
const keep = new BestFolds(params.length, 'maximize');
await evaluateTrials(
  params.map((of, number) => ({
    trial: beginTrial(number, { state: 'running', params: new Map() }, new Date()),
    params: of,
  })),
  {
    resident: async () => resident,
    folds,
    metric: 'auc_roc',
    direction: 'maximize',
    seed: 42,
    earlyStoppingRounds: 0,
    keep,
  },
);
const trees = await boostBatch(resident, { params, seed: 42, rows: training });
const outputs = params.map((_, k) => {
  const own = keep.get(k)!;
  const all = new Float64Array(TRAINING_ROWS);
  folds.forEach(({ validation }, fold) => {
    let next = 0;
    if (!('folds' in validation)) throw new Error('Folds of shuffled rows are told apart by number.');
    for (let row = 0; row < TRAINING_ROWS; row++)
      if (validation.folds[row] === fold) all[row] = own[fold]![next++]!;
  });
  return all;
});
const scale = { objective: 'binary:logistic', marginBits: 20, baseValue: 0 } as const;
const outOfFold: JudgedOutputs = {
  outputs: { kind: 'binary', rows: TRAINING_ROWS, width: 1, members: outputs },
  truth: { scale, label: data.label.subarray(0, TRAINING_ROWS), metric: 'auc_roc' },
};
const combiner = await fitCombiner('stacking', outOfFold, outOfFold, { voting: 'soft' });
const seconds = (performance.now() - started) / 1000;

const test = { start: TRAINING_ROWS, end: train.rows };
const members: Float64Array[] = [];
for (const [k, of] of trees.entries()) {
  members.push(outputsOfTrees(params[k]!, of, await resident.predictMargins(of, test)));
}
const rows = test.end - test.start;
const margins = combine(combiner, { kind: 'binary', rows, width: 1, members }, scale);
const { auc_roc } = scoreMargins({ ...scale, margins, label: data.label.subarray(test.start) }, ['auc_roc']);
process.stdout.write(JSON.stringify({ seconds, test: auc_roc }));
process.exit();
