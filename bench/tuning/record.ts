// Records sweeps for objectives.ts in recorded/SET.json: random configurations of the protocol's search space, each with its score by
// cross-validation, and the surrogate of 1 − score that goes through them, whose weight of each comes last. Four minutes a set at most, on one
// thread.
// usage: record.ts [--sets A,B] [--configs N]
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { XGBOOST_SEARCH_SPACE } from '../../src/config/schema.ts';
import { binDataset } from '../../src/data/binning.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { crossValidate } from '../../src/tuning/cross-validate.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import { RandomSampler } from '../../src/tuning/samplers/random.ts';
import { toSearchSpace } from '../../src/tuning/space.ts';
import { beginTrial } from '../../src/tuning/storage.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { type PublicSet, readPublicSet } from '../../tests/public-sets.ts';
import { RECORDED, toUnit } from './objectives.ts';
import { fitSurrogate } from './surrogate.ts';

/** First rows of the larger sets, so that recording stays cheap. */
const ROWS: Readonly<Record<string, number>> = { higgs_7k: 4000, adult: 6000 };
const BATCH = 8;
const FOLDS = 5;
const SEED = 42;

const { values } = parseArgs({
  options: {
    sets: { type: 'string', default: RECORDED.join() },
    configs: { type: 'string', default: '500' },
  },
});
const space = toSearchSpace(XGBOOST_SEARCH_SPACE);

/** Trials of even values, with fewer digits than the sampler gives: the file says exactly what was scored. */
function drawTrials(count: number): Trial[] {
  const sampler = new RandomSampler(SEED, space);
  return Array.from({ length: count }, (_, number) => {
    const drawn = sampler.suggest({ number, running: [] });
    const params = new Map(
      space.map(({ name, distribution }) => {
        const value = drawn.get(name)!;
        const kept = distribution.type === 'float' ? Number(value.toPrecision(4)) : value;
        return [name, { distribution, value: kept }];
      }),
    );
    return beginTrial(number, { state: 'running', params }, new Date());
  });
}

/** Random configurations of a set, each with its score. */
async function score(set: string): Promise<{ readonly rows: number; readonly trials: number[][] }> {
  const { schema, train } = await readPublicSet(set as PublicSet);
  const rows = ROWS[set] ?? train.rows;
  const data = await binDataset(train, schema.features, { training: { start: 0, end: rows }, threads: 1 });
  const resident = await createCpuEngine({ threads: 1 }).load(data);
  const folds = makeFolds({
    method: 'stratified',
    k: FOLDS,
    rows,
    tableRows: train.rows,
    labels: data.label,
    seed: SEED,
  });
  const drawn = drawTrials(Number(values.configs));
  const trials: number[][] = [];
  for (let first = 0; first < drawn.length; first += BATCH) {
    const batch = drawn.slice(first, first + BATCH);
    const results = await crossValidate(batch, {
      resident: async () => resident,
      folds,
      metric: 'auc_roc',
      direction: 'maximize',
      seed: SEED,
      earlyStoppingRounds: 50,
      base: { objective: 'binary:logistic' },
      schema,
    });
    batch.forEach(({ params }, i) => {
      const { value } = results[i]!;
      if (value === undefined) throw new Error(`Trial ${first + i} on ${set} has failed.`);
      trials.push([...[...params.values()].map((param) => param.value), Number(value.toFixed(7))]);
    });
  }
  return { rows, trials };
}

async function record(set: string): Promise<void> {
  const { rows, trials } = await score(set);
  const { surrogate, explained } = fitSurrogate(
    trials.map((trial) => toUnit(space, trial)),
    trials.map((trial) => 1 - trial.at(-1)!),
  );
  const { scale, mean, weights } = surrogate;
  const columns = [...space.map(({ name }) => name), 'score', 'weight'];
  const head = JSON.stringify({
    set,
    rows,
    folds: FOLDS,
    metric: 'auc_roc',
    explained,
    scale,
    mean,
    columns,
  });
  const lines = trials.map((trial, i) => JSON.stringify([...trial, Number(weights[i]!.toPrecision(9))]));
  const text = `${head.slice(0, -1)},"trials":[\n${lines.join(',\n')}\n]}\n`;
  await writeFileAtomically(join(import.meta.dirname, `recorded/${set}.json`), text);
  process.stderr.write(
    `${set}: the surrogate explains ${explained.toFixed(3)} of the variance of values left out\n`,
  );
}

await mkdir(join(import.meta.dirname, 'recorded'), { recursive: true });
for (const set of values.sets.split(',')) await record(set);
process.exit();
