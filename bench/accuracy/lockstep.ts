// Trains Lockstep on seeded 80/20 splits (or, with --split N, on split N for every seed) of the public sets and writes, for each, the row numbers of the test part and
// the predictions for them; compare.py trains xgboost on the same splits and compares.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { boost } from '../../src/boosting/boost.ts';
import { predictionsOf } from '../../src/boosting/output.ts';
import { fitParams, resolveParams } from '../../src/boosting/params.ts';
import { taskOf } from '../../src/config/objectives.ts';
import { binDataset } from '../../src/data/binning.ts';
import { loadExperimentData } from '../../src/data/load.ts';
import { splitRows } from '../../src/data/split.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { PARAMS, SETS } from './sets.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/accuracy' },
    seeds: { type: 'string', default: '10' },
    split: { type: 'string' },
  },
});
mkdirSync(values.out, { recursive: true });

for (const { id, name, objective, params: further } of SETS) {
  const { schema, train: data } = await loadExperimentData({
    trainPath: new URL(`../../tests/data/${name}.parquet`, import.meta.url).pathname,
    target: 'target',
    taskType: taskOf(objective),
    split: 'none',
    seed: 0,
  });
  const params = fitParams(resolveParams({ ...PARAMS, ...further, objective }), schema);
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    const splitSeed = values.split === undefined ? seed : Number(values.split);
    const split = splitRows({
      rows: data.rows,
      fractions: { train: 0.8, val: 0.2, test: 0 },
      seed: splitSeed,
    });
    const binned = await binDataset(data, schema.features, { training: split.train });
    const resident = await createCpuEngine({ threads: 1 }).load(binned);
    const { trees } = await boost(resident, { params, seed, rows: split.train });
    const margins = await resident.predictMargins(trees, split.val);
    resident.dispose();
    const predictions = predictionsOf({ ...trees, objective, baseMargins: [...trees.baseMargins] }, margins);
    writeFileSync(join(values.out, `${id}.${seed}.rows.u32`), split.val);
    writeFileSync(join(values.out, `${id}.${seed}.predictions.f64`), predictions);
  }
  process.stderr.write(`${id}: ${values.seeds} models\n`);
}
writeFileSync(
  join(values.out, 'sets.json'),
  JSON.stringify({
    sets: SETS,
    params: PARAMS,
    seeds: Number(values.seeds),
    split: values.split ?? 'by seed',
  }),
);
