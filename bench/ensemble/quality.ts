// Whether the ensemble that a run chooses is worth having: its test metric beside that of the best single member, on public sets.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../src/bench/machine.ts';
import { metricDirection } from '../../src/config/metric-names.ts';
import { taskOf } from '../../src/config/objectives.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { runExperiment } from '../../src/protocol/run.ts';
import { markdownTable } from '../../src/reporting/format.ts';
import { PUBLIC_SETS, type PublicSet } from '../../tests/public-sets.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/ensembles.json' },
    sets: { type: 'string', default: 'breast_cancer,titanic,diabetes,california_housing,digits,higgs_7k' },
    seeds: { type: 'string', default: '1,2,3' },
    trials: { type: 'string', default: '16' },
  },
});

interface Run {
  readonly set: string;
  readonly seed: number;
  readonly metric: string;
  readonly method: string;
  readonly members: number;
  readonly baseline: number;
  readonly optimized: number;
  readonly ensemble: number;
  /** Test metric of each method, and its mean score on the folds. */
  readonly methods: Readonly<Record<string, { readonly folds: number; readonly test: number }>>;
}

const data = new URL('../../tests/data/', import.meta.url).pathname;

async function runOnce(set: PublicSet, seed: number): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-ensembles-'));
  try {
    const config = join(folder, 'x.yaml');
    const text = `experiment: {name: ensembles}
environment: {random_seed: ${seed}}
data:
  train_path: ${join(data, `${set}.parquet`)}
  target: target
  split: {train: 0.6, val: 0.15, test: 0.25}
model: {task_type: ${taskOf(PUBLIC_SETS[set])}}
hyperparameters: {n_estimators: 200}
optimization: {n_trials: ${values.trials}}
ensemble: {methods: [voting, stacking, blending, weighted, greedy]}
`;
    await writeFile(config, text);
    const stages = ['baseline', 'optimize', 'ensemble'] as const;
    const { metrics, primary, ensemble } = await runExperiment({
      configPath: config,
      out: join(folder, 'out'),
      stages,
    });
    const test = (name: 'baseline' | 'optimized' | 'ensemble') => metrics[name]!.test![primary]!;
    return {
      set,
      seed,
      metric: primary,
      method: ensemble!.best.method,
      members: ensemble!.members.length,
      baseline: test('baseline'),
      optimized: test('optimized'),
      ensemble: test('ensemble'),
      methods: Object.fromEntries(
        ensemble!.fitted.map(({ method, score, scores }) => [
          method,
          { folds: score, test: scores.metrics.test![primary]! },
        ]),
      ),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

const runs: Run[] = [];
for (const set of values.sets.split(',') as PublicSet[]) {
  for (const seed of values.seeds.split(',').map(Number)) {
    const run = await runOnce(set, seed);
    runs.push(run);
    process.stderr.write(`${set} seed ${seed}: ${run.method}\n`);
  }
  await writeFileAtomically(
    values.out,
    toJson({ machine: describeMachine(), trials: Number(values.trials), runs }),
  );
}
const rows = values.sets.split(',').map((set) => {
  const ofSet = runs.filter((run) => run.set === set);
  const { metric } = ofSet[0]!;
  const sign = metricDirection(metric as 'auc_roc') === 'maximize' ? 1 : -1;
  const better = ofSet.filter(({ ensemble, optimized }) => sign * ensemble > sign * optimized).length;
  const column = (pick: (run: Run) => number) => mean(ofSet.map(pick)).toPrecision(6);
  return [
    set,
    metric,
    column(({ baseline }) => baseline),
    column(({ optimized }) => optimized),
    column(({ ensemble }) => ensemble),
    `${better} of ${ofSet.length}`,
    ofSet.map(({ method }) => method).join(', '),
  ];
});
const head = [
  'set',
  'test metric',
  'baseline',
  'best member',
  'ensemble',
  'ensemble better',
  'methods chosen',
];
process.stdout.write(`${markdownTable(head, rows)}\n`);
