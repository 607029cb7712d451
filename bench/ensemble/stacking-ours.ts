// Stacking of five members on adult by Lockstep: usage stacking-ours.ts THREADS. Prints one JSON object.
import { boostBatch } from '../../src/boosting/boost-batch.ts';
import { fitParams, resolveParams } from '../../src/boosting/params.ts';
import { binDataset } from '../../src/data/binning.ts';
import { listRows } from '../../src/data/rows.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { combine } from '../../src/ensemble/combine.ts';
import { fitCombiner } from '../../src/ensemble/methods.ts';
import { outputsOfTrees } from '../../src/ensemble/outputs.ts';
import type { JudgedOutputs } from '../../src/ensemble/truth.ts';
import { scoreMargins } from '../../src/metrics/score.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import { readPublicSet } from '../../tests/public-sets.ts';
import { MEMBERS } from './stacking-members.ts';

const TRAINING_ROWS = 32_561;
const threads = Number(process.argv[2] ?? 2);
const { schema, train } = await readPublicSet('adult');
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
const models = params.flatMap((of) => [
  ...folds.map((fold) => ({ params: of, rows: fold.train })),
  { params: of, rows: training },
]);
const trees = await boostBatch(resident, models, { seed: 42 });
const outputs: Float64Array[] = [];
for (const [k, of] of params.entries()) {
  const all = new Float64Array(TRAINING_ROWS);
  for (const [f, { validation }] of folds.entries()) {
    const own = trees[k * (folds.length + 1) + f]!;
    const values = outputsOfTrees(of, own, await resident.predictMargins(own, validation));
    listRows(validation).forEach((row, i) => {
      all[row] = values[i]!;
    });
  }
  outputs.push(all);
}
const scale = { objective: 'binary:logistic', marginBits: 20, baseValue: 0 } as const;
const outOfFold: JudgedOutputs = {
  outputs: { kind: 'binary', rows: TRAINING_ROWS, width: 1, members: outputs },
  truth: { scale, label: data.label.subarray(0, TRAINING_ROWS), metric: 'auc_roc' },
};
const combiner = await fitCombiner('stacking', outOfFold, outOfFold, { voting: 'soft' });
const seconds = (performance.now() - started) / 1000;

const test = { start: TRAINING_ROWS, end: train.rows };
const members: Float64Array[] = [];
for (const [k, of] of params.entries()) {
  const own = trees[k * (folds.length + 1) + folds.length]!;
  members.push(outputsOfTrees(of, own, await resident.predictMargins(own, test)));
}
const rows = test.end - test.start;
const margins = combine(combiner, { kind: 'binary', rows, width: 1, members }, scale);
const { auc_roc } = scoreMargins({ ...scale, margins, label: data.label.subarray(test.start) }, ['auc_roc']);
process.stdout.write(JSON.stringify({ seconds, test: auc_roc }));
process.exit();
