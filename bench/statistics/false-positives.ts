// How often paired tests call two equally good models different at 0.05, on 10-fold cross-validation once and 10 times: models and rows
// are such that by symmetry neither model is better on average. Ten seconds.
import { kFold } from '../../src/data/split.ts';
import { nadeauBengioTTest, pairedTTest } from '../../src/stats/paired-t.ts';
import { wilcoxonTest } from '../../src/stats/wilcoxon.ts';
import { RandomState } from '../../src/tuning/samplers/random-state.ts';

const DATA_SETS = 1000;
const ROWS = 300;
const FOLDS = 10;
const REPETITIONS = 10;
/** Each of the two models sees its own half of the features; all features are alike. */
const FEATURES = 10;
const SIGNAL = 0.15;

interface Rows {
  readonly features: Float64Array;
  readonly labels: Uint8Array;
}

function drawRows(random: RandomState): Rows {
  const labels = Uint8Array.from({ length: ROWS }, () => (random.random() < 0.5 ? 0 : 1));
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random.random())) * Math.cos(2 * Math.PI * random.random());
  const features = Float64Array.from(
    { length: ROWS * FEATURES },
    (_, i) => normal() + SIGNAL * (labels[Math.floor(i / FEATURES)] === 1 ? 1 : -1),
  );
  return { features, labels };
}

/** Accuracy on a fold of the nearest of the two classes' means on the other folds, by the features from..from + FEATURES / 2 − 1. */
function accuracy({ features, labels }: Rows, foldOf: Uint8Array, fold: number, from: number): number {
  const width = FEATURES / 2;
  const means = [new Float64Array(width), new Float64Array(width)];
  const sizes = [0, 0];
  labels.forEach((label, row) => {
    if (foldOf[row] === fold) return;
    sizes[label]!++;
    for (let j = 0; j < width; j++) means[label]![j]! += features[row * FEATURES + from + j]!;
  });
  let right = 0;
  let rows = 0;
  labels.forEach((label, row) => {
    if (foldOf[row] !== fold) return;
    let nearer = 0;
    for (let j = 0; j < width; j++) {
      const [zero, one] = [means[0]![j]! / sizes[0]!, means[1]![j]! / sizes[1]!];
      nearer += (one - zero) * (features[row * FEATURES + from + j]! - (zero + one) / 2);
    }
    rows++;
    if ((nearer > 0 ? 1 : 0) === label) right++;
  });
  return right / rows;
}

const testTrainRatio = 1 / (FOLDS - 1);
const tests = {
  'paired t': pairedTTest,
  'Nadeau–Bengio': (first: number[], second: number[]) =>
    nadeauBengioTTest(first, second, { testTrainRatio }),
  Wilcoxon: wilcoxonTest,
};
const found = Object.fromEntries(Object.keys(tests).map((name) => [name, { once: 0, repeated: 0 }]));

for (let seed = 0; seed < DATA_SETS; seed++) {
  const rows = drawRows(new RandomState(seed));
  const scores = [0, FEATURES / 2].map((from) =>
    Array.from({ length: REPETITIONS }, (_, repetition) => {
      const foldOf = kFold({ rows: ROWS, k: FOLDS, seed: seed * REPETITIONS + repetition });
      return Array.from({ length: FOLDS }, (_, fold) => accuracy(rows, foldOf, fold, from));
    }).flat(),
  ) as [number[], number[]];
  for (const [name, test] of Object.entries(tests)) {
    if (test(scores[0].slice(0, FOLDS), scores[1].slice(0, FOLDS)).pValue < 0.05) found[name]!.once++;
    if (test(...scores).pValue < 0.05) found[name]!.repeated++;
  }
}

const percent = (count: number) => `${((100 * count) / DATA_SETS).toFixed(1)} %`;
console.log(`${DATA_SETS} data sets; a test that holds its level finds about 5 % of them`);
for (const [name, { once, repeated }] of Object.entries(found))
  console.log(
    `${name.padEnd(14)} ${FOLDS} folds ${percent(once)}, ${REPETITIONS} × ${FOLDS} folds ${percent(repeated)}`,
  );
