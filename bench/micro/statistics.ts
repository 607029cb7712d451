import { bootstrapInterval } from '../../src/stats/bootstrap.ts';
import { delongTest } from '../../src/stats/delong.ts';
import { criticalDifference } from '../../src/stats/nemenyi.ts';
import { drawCounts } from '../../src/stats/resampling.ts';
import { aucMetric, differenceOf } from '../../src/stats/row-metric.ts';
import { measure } from './support/measure.ts';

const ROWS = 16_000;
const labels = Uint8Array.from({ length: ROWS }, (_, i) => (i % 3 === 0 ? 1 : 0));
const scores = (step: number) =>
  Float64Array.from(labels, (label, i) => label + 2 * ((Math.imul(i, step) >>> 0) / 2 ** 32));
const [first, second] = [scores(0x9e3779b1), scores(0x85ebca6b)];
const auc = aucMetric(labels, first);
const difference = differenceOf(auc, aucMetric(labels, second));
const counts = new Uint32Array(ROWS);

await measure({
  'drawCounts, 16k rows': () => drawCounts(1, 2, counts),
  'AUC of counts, 16k rows': () => auc.of(counts),
  'bootstrapInterval of an AUC, 16k rows, 10,000 resamples': () => bootstrapInterval(auc, { seed: 1 }),
  'bootstrapInterval of a difference of AUCs, as many': () => bootstrapInterval(difference, { seed: 1 }),
  'delongTest, 16k rows': () => delongTest(labels, first, second),
  'criticalDifference, 10 models': () => criticalDifference(10, 10),
});
