// Stacking of five members on adult beside scikit-learn's StackingClassifier of xgboost's classifiers, both cores each, interleaved.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../src/bench/machine.ts';
import { ask } from '../../src/bench/process.ts';
import { median } from '../../src/bench/summary.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { markdownTable } from '../../src/reporting/format.ts';
import { MEMBERS } from './stacking-members.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: 'bench/results/stacking.json' },
    repeats: { type: 'string', default: '3' },
  },
});

interface Run {
  readonly method: string;
  readonly seconds: number;
  readonly test: number;
}

const here = import.meta.dirname;
const timeoutMs = 3_600_000;
const METHODS: Readonly<Record<string, () => ReturnType<typeof ask>>> = {
  lockstep: () =>
    ask(process.execPath, ['--import', 'tsx', join(here, 'stacking-ours.ts'), '2'], { timeoutMs }),
  'scikit-learn, xgboost': () =>
    ask(values.python, [join(here, 'stacking_theirs.py'), JSON.stringify(MEMBERS)], { timeoutMs }),
};

const runs: Run[] = [];
for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
  for (const [method, start] of Object.entries(METHODS)) {
    const answer = await start();
    if (answer.failure !== undefined) throw new Error(`${method}: ${answer.failure}.`);
    runs.push({ method, ...(answer.value as Omit<Run, 'method'>) });
    await writeFileAtomically(values.out, toJson({ machine: describeMachine(), members: MEMBERS, runs }));
  }
}
const of = (method: string) => runs.filter((run) => run.method === method);
const ours = median(of('lockstep').map(({ seconds }) => seconds));
const rows = Object.keys(METHODS).map((method) => {
  const seconds = median(of(method).map((run) => run.seconds));
  const test = median(of(method).map((run) => run.test));
  return [method, seconds.toPrecision(3), (seconds / ours).toPrecision(3), test.toFixed(5)];
});
process.stdout.write(`${markdownTable(['method', 'seconds', 'times lockstep', 'test AUC'], rows)}\n`);
