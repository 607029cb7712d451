// What TPE finds beside Optuna's, one trial after the other and in generations of 8, on the functions of objectives.ts: means of the best
// value over seeds, with their standard errors. Prints tables and keeps every search's best values.
// usage: quality.ts [--python PYTHON] [--out FILE] [--seeds N] [--objectives A,B]
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../src/bench/machine.ts';
import { ask } from '../../src/bench/process.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { markdownTable } from '../../src/reporting/format.ts';
import { createSampler, type SamplerConfig } from '../../src/tuning/samplers/create.ts';
import { runSearch } from '../../src/tuning/search.ts';
import { MemoryStorage } from '../../src/tuning/storage.ts';
import { Study } from '../../src/tuning/study.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { makeObjectives, type Objective } from './objectives.ts';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: 'bench/results/tuning-quality.json' },
    seeds: { type: 'string', default: '20' },
    objectives: { type: 'string' },
  },
});
const seeds = Array.from({ length: Number(options.seeds) }, (_, seed) => seed);
/** Trials after which the best value counts. */
const BUDGETS = [25, 50, 100] as const;
const TRIALS = 100;
const GENERATION = 8;
const TIMEOUT_MS = 1_800_000;
/** Relative differences up to which two values are the same. */
const SAME = 1e-9;

/** Trials of one search: the values of each and, last, what the objective gave. */
type Trace = readonly (readonly number[])[];

const valuesOf = (trial: Trial) => [...trial.params.values()].map(({ value }) => value);

async function ours(objective: Objective, sampler: SamplerConfig, generation: number): Promise<Trace> {
  const { space, evaluate } = objective;
  const storage = new MemoryStorage(objective.name, 'minimize');
  const study = new Study({ storage, space, sampler: createSampler(sampler, space, 'minimize') });
  await runSearch({
    study,
    nTrials: TRIALS,
    generation,
    evaluate: async (trials) =>
      trials.map((trial) => ({
        number: trial.number,
        state: 'complete',
        value: evaluate(valuesOf(trial)),
      })),
  });
  return study.trials.map((trial) => [...valuesOf(trial), trial.value!]);
}

const folder = await mkdtemp(join(tmpdir(), 'lockstep-quality-'));

/** Optuna's searches, one a seed; its values are checked to be of the same function. */
async function optunas(objective: Objective, multivariate: boolean, generation: number): Promise<Trace[]> {
  const { name, surrogate, space } = objective;
  const path = join(folder, 'job.json');
  await writeFile(
    path,
    JSON.stringify({ name, surrogate, space, multivariate, generation, trials: TRIALS, seeds }),
  );
  const script = join(import.meta.dirname, 'quality.py');
  const answer = await ask(options.python, [script, path], { timeoutMs: TIMEOUT_MS });
  if (answer.failure !== undefined) throw new Error(`Optuna on ${name}: ${answer.failure}.`);
  const traces = answer.value as Trace[];
  for (const values of traces.flat()) {
    const theirs = values.at(-1)!;
    const value = objective.evaluate(values.slice(0, -1));
    if (!isSame(value, theirs))
      throw new Error(`${name} is ${value} here and ${theirs} in Python, at ${values}.`);
  }
  return traces;
}

function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= SAME * Math.max(1, Math.abs(a), Math.abs(b));
}

function isSameTrace(a: Trace, b: Trace): boolean {
  return a.every((values, i) => values.every((value, j) => isSame(value, b[i]![j]!)));
}

function bestAfter(trace: Trace, trials: number): number {
  return Math.min(...trace.slice(0, trials).map((values) => values.at(-1)!));
}

interface Estimate {
  readonly mean: number;
  /** Standard error of the mean. */
  readonly error: number;
}

function estimate(values: readonly number[]): Estimate {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length) };
}

/** Searches of one objective, by what searched: one trace a seed. */
interface Searches {
  readonly random: readonly Trace[];
  readonly optuna1: readonly Trace[];
  readonly ours1: readonly Trace[];
  readonly optuna8: readonly Trace[];
  readonly ours8: readonly Trace[];
}

async function searchAll(objective: Objective, multivariate: boolean): Promise<Searches> {
  const tpe = (generation: number) =>
    Promise.all(seeds.map((seed) => ours(objective, { name: 'tpe', seed, multivariate }, generation)));
  return {
    random: await Promise.all(seeds.map((seed) => ours(objective, { name: 'random', seed }, 1))),
    optuna1: await optunas(objective, multivariate, 1),
    ours1: await tpe(1),
    optuna8: await optunas(objective, multivariate, GENERATION),
    ours8: await tpe(GENERATION),
  };
}

interface Comparison {
  readonly name: string;
  readonly cells: readonly string[];
  /** Generations of 8 beside Optuna's trials one by one: the mean difference over its standard error; negative is better. */
  readonly deviation: number;
}

/**
 * Optuna one by one against generations of 8, by seed: searches of one seed begin with the same ten trials, so that differences have a
 * smaller error than the means.
 */
function compare(name: string, searches: Searches, trials: number): Comparison {
  const best = (traces: readonly Trace[]) => traces.map((trace) => bestAfter(trace, trials));
  const digits = (x: number) => x.toFixed(Math.abs(x) < 0.2 ? 5 : 4);
  const cell = (traces: readonly Trace[]) => {
    const { mean, error } = estimate(best(traces));
    return `${digits(mean)} ± ${error.toPrecision(2)}`;
  };
  const less = (a: readonly Trace[], b: readonly Trace[]) => {
    const other = best(b);
    return estimate(best(a).map((value, i) => value - other[i]!));
  };
  const same = (a: readonly Trace[], b: readonly Trace[]) => {
    const count = a.filter((trace, i) => isSameTrace(trace, b[i]!)).length;
    if (count === a.length) return 'all';
    const { mean, error } = less(a, b);
    return `${count}; ${(mean / error).toFixed(2)} standard errors`;
  };
  const { random, optuna1, ours1, optuna8, ours8 } = searches;
  const { mean, error } = less(ours8, optuna1);
  const deviation = mean / error;
  const verdict = Math.abs(deviation) <= 1 ? 'equal within one' : deviation < 0 ? 'better' : 'worse';
  return {
    name,
    deviation,
    cells: [
      name,
      cell(random),
      cell(optuna1),
      cell(ours1),
      same(ours1, optuna1),
      cell(optuna8),
      cell(ours8),
      same(ours8, optuna8),
      `${mean.toPrecision(2)} ± ${error.toPrecision(2)}`,
      deviation.toFixed(2),
      verdict,
    ],
  };
}

const HEAD = [
  'objective',
  'random',
  'Optuna, one by one',
  'Lockstep, generation 1',
  'same searches',
  'Optuna, eight at a time',
  'Lockstep, generation 8',
  'same searches',
  'generation 8 less Optuna one by one',
  'in standard errors',
  'verdict',
];

const wanted = options.objectives?.split(',');
const objectives = makeObjectives().filter(({ name }) => wanted?.includes(name) ?? true);
const results: object[] = [];
try {
  for (const multivariate of [true, false]) {
    const mode = multivariate ? 'multivariate' : 'univariate';
    const found = new Map<string, Searches>();
    for (const objective of objectives) {
      const searches = await searchAll(objective, multivariate);
      found.set(objective.name, searches);
      for (const [searched, traces] of Object.entries(searches) as [string, readonly Trace[]][]) {
        const best = traces.map((trace) => BUDGETS.map((trials) => bestAfter(trace, trials)));
        results.push({ mode, objective: objective.name, searched, best });
      }
      process.stderr.write(`${mode}, ${objective.name}\n`);
    }
    for (const trials of BUDGETS) {
      const comparisons = [...found].map(([name, searches]) => compare(name, searches, trials));
      const deviations = comparisons.map(({ deviation }) => deviation);
      const together = deviations.reduce((sum, x) => sum + x, 0) / Math.sqrt(deviations.length);
      const table = markdownTable(
        HEAD,
        comparisons.map(({ cells }) => cells),
      );
      process.stdout.write(
        `\n${mode}, best of ${trials} trials, mean ± standard error over ${seeds.length} seeds, lower is better\n\n${table}\n\nall objectives together: ${together.toFixed(2)} standard errors\n`,
      );
    }
  }
} finally {
  await rm(folder, { recursive: true });
}
const head = JSON.stringify({ machine: describeMachine(), budgets: BUDGETS, generation: GENERATION });
const lines = results.map((result) => JSON.stringify(result));
await writeFileAtomically(options.out, `${head.slice(0, -1)},"searches":[\n${lines.join(',\n')}\n]}\n`);
