import { metricsFor, type ScoredRows, scoreMargins } from '../../src/index.ts';
import { rocAndPrCurves } from '../../src/metrics/score.ts';
import { measure } from './support/measure.ts';

const ROWS = 100_000;
const rows: ScoredRows = {
  objective: 'binary:logistic',
  // Multiplication by a large odd number scatters the margins over ±8.
  margins: Int32Array.from({ length: ROWS }, (_, i) => (Math.imul(i, 0x9e3779b1) >> 8) % (8 << 20)),
  label: Float32Array.from({ length: ROWS }, (_, i) => (i % 3 === 0 ? 1 : 0)),
  marginBits: 20,
  baseValue: 0,
};

await measure({
  ...Object.fromEntries(
    metricsFor('binary').map((name) => [`${name}, 100k rows`, () => scoreMargins(rows, [name])]),
  ),
  'all of them, 100k rows': () => scoreMargins(rows, metricsFor('binary')),
  'logloss, 100 rows': () =>
    scoreMargins({ ...rows, margins: rows.margins.subarray(0, 100), label: rows.label.subarray(0, 100) }, [
      'logloss',
    ]),
  'rocAndPrCurves, 100k rows': () => rocAndPrCurves(rows),
});
