// Runs the benchmark with the real peers on tasks of every kind and checks that they were given the same one: scores near
// ours, all rounds trained, and a note for every parameter that a peer lacks. usage: tsx bench.ts PYTHON
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBenchmark } from '../../src/index.ts';

interface Task {
  readonly set: string;
  /** Sections of the config beside data.train_path. */
  readonly config: string;
  /** Largest relative difference of the validation score from ours; symmetric trees have the second. */
  readonly near: readonly [number, number];
  /** Notes to be found, by peer. */
  readonly notes?: Readonly<Record<string, readonly string[]>>;
}

const TASKS: readonly Task[] = [
  { set: 'adult', config: 'metrics: {primary: logloss}', near: [0.02, 0.2] },
  { set: 'higgs_7k', config: 'metrics: {primary: auc_roc}', near: [0.03, 0.06] },
  { set: 'lgb_multiclass5', config: 'metrics: {primary: logloss}', near: [0.02, 0.1] },
  {
    set: 'california_housing',
    config: `data: {weight: w, query: "SELECT *, 1 + (median_income > 3)::INT AS w FROM data"}
model: {task_type: regression}
metrics: {primary: mae}`,
    near: [0.05, 0.3],
  },
  {
    set: 'titanic',
    config: `metrics: {primary: logloss}
data: {split: none}`,
    near: [0.1, 0.5],
  },
  {
    set: 'higgs_7k',
    config: `metrics: {primary: logloss}
hyperparameters: {gamma: 0.5, reg_alpha: 0.5, reg_lambda: 2, min_child_weight: 5, max_delta_step: 1, subsample: 0.8,
  colsample_bytree: 0.8, colsample_bylevel: 0.9, colsample_bynode: 0.9, max_bin: 64, base_score: 0.4, scale_pos_weight: 2,
  monotone_constraints: {f0: 1, f3: -1}}`,
    near: [0.05, 0.2],
    notes: {
      xgboost: [],
      lightgbm: ['colsample_bylevel', 'base_score'],
      catboost: [
        'min_child_weight',
        'reg_alpha',
        'gamma',
        'max_delta_step',
        'colsample_bynode',
        'colsample_bylevel',
        'base_score',
      ],
    },
  },
];

const ROUNDS = 20;
const python = process.argv[2]!;
const folder = mkdtempSync(join(tmpdir(), 'lockstep-peers-'));
const problems: string[] = [];
try {
  for (const [i, { set, config, near, notes = {} }] of TASKS.entries()) {
    const path = new URL(`../data/${set}.parquet`, import.meta.url).pathname;
    const configPath = join(folder, `${i}.yaml`);
    const sections = config.includes('data: {') ? config : `${config}\ndata: {}`;
    const withPath = sections.replace('data: {', `data: {train_path: ${JSON.stringify(path)}, `);
    writeFileSync(configPath, `experiment: {name: ${set}}\n${withPath}\n`);
    const { results, not_run } = await runBenchmark({
      configPath,
      python,
      rounds: ROUNDS,
      depth: 4,
      repeats: 1,
      wait: 0,
      overrides: ['hyperparameters.learning_rate=0.1'],
    });
    const fail = (text: string) => problems.push(`${set} (${i}): ${text}`);
    for (const { name, reason } of not_run)
      if (!name.startsWith('engine')) fail(`${name} not run: ${reason}`);
    const part = config.includes('split: none') ? 'train' : 'val';
    const ours = results[0]!.repeats[0]!.scores[part]!;
    for (const { library, failure, repeats } of results) {
      const [timing] = repeats;
      if (timing === undefined) {
        fail(`${library} failed: ${failure}`);
        continue;
      }
      const difference = Math.abs((timing.scores[part] ?? Number.NaN) / ours - 1);
      process.stderr.write(`${set}: ${library} ${timing.scores[part]}, ${timing.boost.cpu_s.toFixed(3)} s\n`);
      if (!(difference <= near[library === 'catboost' ? 1 : 0])) {
        fail(`${library} scores ${timing.scores[part]}, Lockstep ${ours}`);
      }
      if (timing.rounds !== ROUNDS) fail(`${library} trained ${timing.rounds} rounds of ${ROUNDS}`);
      const missing = timing.notes.map((note) => /has no (\w+);/.exec(note)?.[1] ?? note);
      const expected = notes[library] ?? [];
      if (String(missing) !== String(expected)) fail(`${library} notes ${missing}, not ${expected}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exit(1);
}
