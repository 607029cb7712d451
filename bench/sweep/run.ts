// The protocol's search beside Optuna with xgboost and LightGBM: prints medians and ratios, keeps every repeat. Interrupted, it keeps what it has.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../src/bench/machine.ts';
import { ask } from '../../src/bench/process.ts';
import { median } from '../../src/bench/summary.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { markdownTable } from '../../src/reporting/format.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: 'bench/results/sweep.json' },
    sets: { type: 'string', default: 'breast_cancer,higgs_7k,adult' },
    trials: { type: 'string', default: '10' },
    repeats: { type: 'string', default: '3' },
    seeds: { type: 'string', default: '42' },
    methods: {
      type: 'string',
      default: 'lockstep-2,lockstep-1,naive,xgboost-1,xgboost-2,lightgbm-1,lightgbm-2',
    },
  },
});

interface Result {
  readonly seconds: number;
  readonly cpu_seconds: number;
  readonly best: number;
  readonly pruned: number;
  readonly test: number | null;
  readonly first: Readonly<Record<string, number>>;
}
interface Run extends Result {
  readonly set: string;
  readonly method: string;
  readonly seed: number;
}

const TIMEOUT_MS = 3_600_000;
const here = import.meta.dirname;

async function runOnce(set: string, method: string, seed: number): Promise<Run> {
  const [name = '', threads = '1'] = method.split('-');
  const answer =
    name === 'lockstep'
      ? await ask(
          process.execPath,
          ['--import', 'tsx', join(here, 'ours.ts'), set, values.trials, String(seed), threads],
          { timeoutMs: TIMEOUT_MS },
        )
      : await ask(values.python, [join(here, 'theirs.py'), set, name, values.trials, String(seed)], {
          env: { THREADS: threads },
          timeoutMs: TIMEOUT_MS,
        });
  if (answer.failure !== undefined) throw new Error(`${method} on ${set}: ${answer.failure}.`);
  return { set, method, seed, ...(answer.value as Result) };
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

const runs: Run[] = [];
const methods = values.methods.split(',');
for (const set of values.sets.split(',')) {
  for (const seed of values.seeds.split(',').map(Number)) {
    for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
      for (const method of methods) {
        const run = await runOnce(set, method, seed);
        const [one, other] = [run, runs.find((before) => before.set === set && before.seed === seed)];
        for (const [name, value] of Object.entries(one.first)) {
          const theirs = other?.first[name] ?? value;
          if (Math.abs(theirs - value) > 1e-9 * Math.abs(value)) {
            throw new Error(`${method} begins with ${name} ${value}, ${other?.method} with ${theirs}.`);
          }
        }
        runs.push(run);
        process.stderr.write(
          `${set} ${method} seed ${seed}: ${run.seconds.toFixed(2)} s, best ${run.best}\n`,
        );
        await writeFileAtomically(
          values.out,
          toJson({ machine: describeMachine(), trials: Number(values.trials), runs }),
        );
      }
    }
  }
  const of = (method: string) => runs.filter((run) => run.set === set && run.method === method);
  const ours = median(of(methods[0]!).map(({ seconds }) => seconds));
  const rows = methods.map((method) => {
    const its = of(method);
    const seconds = median(its.map((run) => run.seconds));
    const tests = its.flatMap(({ test }) => test ?? []);
    return [
      method,
      (seconds / Number(values.trials)).toPrecision(3),
      (seconds / ours).toPrecision(3),
      median(its.map((run) => run.cpu_seconds / Number(values.trials))).toPrecision(3),
      String(median(its.map((run) => run.pruned))),
      mean(its.map((run) => run.best)).toFixed(5),
      tests.length === 0 ? '' : mean(tests).toFixed(5),
    ];
  });
  const head = [
    'method',
    's a trial',
    `times ${methods[0]}`,
    'CPU s a trial',
    'pruned',
    'best CV AUC',
    'test AUC',
  ];
  process.stdout.write(`\n${set}, ${values.trials} trials\n\n${markdownTable(head, rows)}\n`);
}
