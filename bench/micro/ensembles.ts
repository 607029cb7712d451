import { selectGreedily } from '../../src/ensemble/greedy.ts';
import { fitLogisticRegression } from '../../src/ensemble/logistic-regression.ts';
import type { JudgedOutputs } from '../../src/ensemble/truth.ts';
import { fitWeights } from '../../src/ensemble/weighted.ts';
import { measure } from './support/measure.ts';

const ROWS = 50_000;
const MEMBERS = 20;
const noise = (i: number, step: number) => (Math.imul(i + 1, step) >>> 0) / 2 ** 32;
const label = Float32Array.from({ length: ROWS }, (_, i) => Number(noise(i, 0x9e3779b1) < 0.3));
const members = Array.from({ length: MEMBERS }, (_, k) =>
  Float64Array.from(label, (y, i) => {
    const own = noise(i, 0x85ebca6b + 2 * k) + noise(i, 0xc2b2ae35 + 2 * k);
    return 1 / (1 + Math.exp(3 * (1 - own) - (0.5 + 0.05 * k) * (2 * y - 1)));
  }),
);
const given: JudgedOutputs = {
  outputs: { kind: 'binary', rows: ROWS, width: 1, members },
  truth: {
    scale: { objective: 'binary:logistic', marginBits: 20, baseValue: 0 },
    label,
    metric: 'auc_roc',
  },
};
const x = new Float64Array(ROWS * MEMBERS);
members.forEach((values, k) => {
  values.forEach((value, row) => {
    x[row * MEMBERS + k] = value;
  });
});

await measure({
  'fitWeights, AUC, 20 members, 50k rows': () => fitWeights(given),
  'selectGreedily, AUC, as many': () => selectGreedily(given),
  'fitLogisticRegression, as many': () => fitLogisticRegression({ x, features: MEMBERS, label, classes: 2 }),
});
