// Trains on arrays in memory: `node examples/typed-arrays.mjs` (in a project of your own: npm install, npx lockstep build).
import { train } from 'lockstep';

const rows = 10_000;
const age = Float32Array.from({ length: rows }, (_, i) => 18 + ((i * 37) % 60));
const town = Array.from({ length: rows }, (_, i) => ['Bern', 'Rome', null][(i * i + 1) % 3]);
const label = age.map((a, i) => (a > 50 || town[i] === 'Rome' ? 1 : 0));

const { model, rounds } = await train({
  features: { age, town },
  label,
  params: { objective: 'binary:logistic', n_estimators: 50, max_depth: 4 },
  onRound: ({ round, metrics }) => round % 10 === 0 && console.log(round, metrics.train.logloss),
});
console.log(rounds, model.fingerprint, model.predictRow({ age: 30, town: 'Rome' }));
