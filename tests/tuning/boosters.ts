import { resolveParams } from '../../src/boosting/params.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { BinnedDataset, Schema } from '../../src/data/types.ts';
import type { EvaluateOptions } from '../../src/tuning/evaluate.ts';
import { makeFolds } from '../../src/tuning/folds.ts';
import type { SearchSpace } from '../../src/tuning/space.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { makeTable, type TableShape } from '../engine/generate.ts';

const SHAPE: TableShape = {
  seed: 5,
  rows: 240,
  numeric: 4,
  discrete: 1,
  categorical: [4],
  missing: 0.05,
  weighted: false,
  targetScale: 0,
  heavyTail: false,
  maxBin: 32,
  classes: 2,
};

export const SPACE: SearchSpace = [
  { name: 'n_estimators', distribution: { type: 'int', low: 5, high: 40, log: false, step: 1 } },
  { name: 'max_depth', distribution: { type: 'int', low: 1, high: 5, log: false, step: 1 } },
  { name: 'learning_rate', distribution: { type: 'float', low: 0.05, high: 1, log: true } },
  { name: 'subsample', distribution: { type: 'float', low: 0.5, high: 1, log: false } },
];

/** A small binary problem with its folds. */
export async function smallProblem(bins = 32): Promise<{ data: BinnedDataset; schema: Schema }> {
  const { data: table, features } = makeTable(SHAPE, 'binary:logistic');
  const data = await binDataset(table, features, { maxBin: bins });
  return { data, schema: { features, target: { name: 'y', classes: [0, 1] } } };
}

export const BASE = { objective: 'binary:logistic', max_bin: 32 } as const;
export const PARAMS = resolveParams({ ...BASE, learning_rate: 0.3, max_depth: 3, n_estimators: 30 });

export function foldsOf(data: BinnedDataset) {
  const { rows, label } = data;
  return makeFolds({ method: 'stratified', k: 4, rows, tableRows: rows, labels: label, seed: 3 });
}

/** Options that the tests share; `resident` and `folds` are still to be given. */
export const SCORING: Pick<EvaluateOptions, 'metric' | 'direction' | 'seed' | 'earlyStoppingRounds'> = {
  metric: 'auc_roc',
  direction: 'maximize',
  seed: 9,
  earlyStoppingRounds: 6,
};

export function runningTrial(number: number): Trial {
  return {
    number,
    state: 'running',
    params: new Map(),
    intermediate: new Map(),
    userAttrs: {},
    systemAttrs: {},
  };
}

/** A trial without what depends on the clock. */
export function timeless({ started: _started, ended: _ended, userAttrs, ...trial }: Trial) {
  const { seconds: _seconds, ...attrs } = userAttrs;
  return { ...trial, userAttrs: attrs };
}
