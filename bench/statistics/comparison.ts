// Seconds that compareModels takes by kind of model, and a hash of what it finds, which no change of speed may change:
//   npx tsx bench/statistics/comparison.ts [ROWS]
import { createHash } from 'node:crypto';
import { compareModels } from '../../src/comparison/compare.ts';
import type { ComparedModel, TestRows } from '../../src/comparison/compared-model.ts';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import type { ModelKind } from '../../src/config/objectives.ts';
import { RandomState } from '../../src/tuning/samplers/random-state.ts';

/** The test rows of adult. */
const ROWS = Number(process.argv[2] ?? 16_281);
const FOLDS = 5;
const PRIMARY = { binary: 'auc_roc', multiclass: 'auc_roc', regression: 'rmse' } as const;
const CLASSES = { binary: 2, multiclass: 5, regression: 1 } as const;

function testRows(kind: ModelKind, weighted: boolean): TestRows {
  const random = new RandomState(1);
  const classes = CLASSES[kind];
  const labels = Float64Array.from({ length: ROWS }, () =>
    kind === 'regression' ? random.random() : Math.floor(classes * random.random()),
  );
  const weights = weighted && Float64Array.from(labels, () => 0.5 + random.random());
  return { kind, classes, labels, ...(weights && { weights }) };
}

function predictions({ kind, classes, labels }: TestRows, seed: number): Float64Array {
  const random = new RandomState(seed);
  if (kind === 'regression') return Float64Array.from(labels, (label) => label + random.random());
  if (kind === 'binary') return Float64Array.from(labels, (label) => 0.3 * label + 0.7 * random.random());
  const all = new Float64Array(labels.length * classes);
  for (let row = 0; row < labels.length; row++) {
    const odds = Array.from({ length: classes }, (_, c) => random.random() + (c === labels[row] ? 0.5 : 0));
    const sum = odds.reduce((total, odd) => total + odd, 0);
    odds.forEach((odd, c) => {
      all[row * classes + c] = odd / sum;
    });
  }
  return all;
}

async function time(kind: ModelKind, count: number, weighted = false): Promise<void> {
  const rows = testRows(kind, weighted);
  const random = new RandomState(2);
  const models: ComparedModel[] = Array.from({ length: count }, (_, i) => ({
    name: `m${i}`,
    foldScores: Array.from({ length: FOLDS }, () => 0.8 + 0.1 * random.random()),
    metrics: {},
    predictions: predictions(rows, i + 3),
  }));
  const start = performance.now();
  const found = await compareModels(models, { metric: PRIMARY[kind], metrics: METRICS_BY_KIND[kind], rows });
  const seconds = (performance.now() - start) / 1000;
  const hash = createHash('sha256').update(JSON.stringify(found)).digest('hex');
  const name = `${count} models, ${kind}${weighted ? ', weighted' : ''}`;
  console.log(`${name.padEnd(32)} ${seconds.toFixed(2).padStart(6)} s  ${hash.slice(0, 16)}`);
}

console.log(`${ROWS} test rows, every metric`);
await time('binary', 3);
await time('binary', 20);
await time('binary', 3, true);
await time('multiclass', 3);
await time('regression', 3);
