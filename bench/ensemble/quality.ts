// Whether the ensemble that a run chooses is worth having: its test metric beside that of the best single member, on public sets.

import { existsSync, readFileSync } from 'node:fs';
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
  /** Test metric of each method, and its scores on the folds. */
  readonly methods: Readonly<Record<string, { readonly folds: readonly number[]; readonly test: number }>>;
  /** Fold scores of each member, best first. */
  readonly member_folds: readonly (readonly number[])[];
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
        ensemble!.fitted.map(({ method, foldScores, scores }) => [
          method,
          { folds: foldScores, test: scores.metrics.test![primary]! },
        ]),
      ),
      member_folds: ensemble!.members.map(({ foldScores }) => foldScores),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** Of the mean of the numbers. */
function standardError(numbers: readonly number[]): number {
  const middle = mean(numbers);
  const squares = numbers.reduce((sum, x) => sum + (x - middle) ** 2, 0);
  return Math.sqrt(squares / (numbers.length - 1) / numbers.length);
}

const signOf = ({ metric }: Run) => (metricDirection(metric as 'auc_roc') === 'maximize' ? 1 : -1);

/** The method with the best mean on the folds, unless it is less than so many standard errors better than voting. */
function chooseCautiously(run: Run, errors: number): string {
  const sign = signOf(run);
  const folds = (method: string) => run.methods[method]!.folds.map((score) => sign * score);
  const best = Object.keys(run.methods).reduce((a, b) => (mean(folds(b)) > mean(folds(a)) ? b : a));
  const gains = folds(best).map((score, fold) => score - folds('voting')[fold]!);
  return best !== 'voting' && mean(gains) > errors * standardError(gains) ? best : 'voting';
}

/** Ways of choosing a method; the first is the run's. */
const RULES: Readonly<Record<string, (run: Run) => string>> = {
  'best on the folds': (run) => run.method,
  'voting within 1 SE': (run) => chooseCautiously(run, 1),
  'voting within 2 SE': (run) => chooseCautiously(run, 2),
  'voting always': () => 'voting',
};

const sets = values.sets.split(',') as PublicSet[];
/** Sets that are left out stay in the file. */
const kept = existsSync(values.out)
  ? (JSON.parse(readFileSync(values.out, 'utf8')) as { runs: Run[] }).runs.filter(
      ({ set }) => !sets.includes(set as PublicSet),
    )
  : [];
const runs: Run[] = [...kept];
for (const set of sets) {
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
const ofSets = [...new Set(runs.map(({ set }) => set))].map((set) => runs.filter((run) => run.set === set));
const rows = ofSets.map((ofSet) => {
  const better = ofSet.filter((run) => signOf(run) * (run.ensemble - run.optimized) > 0).length;
  const column = (pick: (run: Run) => number) => mean(ofSet.map(pick)).toPrecision(6);
  return [
    ofSet[0]!.set,
    ofSet[0]!.metric,
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
const gains = ofSets.map((ofSet) => [
  ofSet[0]!.set,
  ...Object.values(RULES).map((choose) => {
    const differences = ofSet.map((run) => signOf(run) * (run.methods[choose(run)]!.test - run.optimized));
    return `${mean(differences).toPrecision(2)} ± ${standardError(differences).toPrecision(2)}`;
  }),
]);
process.stdout.write(
  `${markdownTable(head, rows)}\n\nGain over the best member, by the rule that chooses the method:\n`,
);
process.stdout.write(`\n${markdownTable(['set', ...Object.keys(RULES)], gains)}\n`);
