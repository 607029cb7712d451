// Milliseconds in which the TPE samplers suggest a trial of nine parameters, by finished trials: medians. With PEERS_PYTHON, a Python with
// optuna, Optuna's beside them.
import { execFileSync } from 'node:child_process';
import { TpeSampler } from '../../src/tuning/samplers/tpe.ts';
import { type Dimension, type Distribution, externalValue } from '../../src/tuning/space.ts';
import type { Trial } from '../../src/tuning/trial.ts';

const SIZES = [100, 1000, 5000, 10_000];
const REPEATS = 25;

const float = (low: number, high: number, log = false): Distribution => ({ type: 'float', low, high, log });
const int = (low: number, high: number, step = 1, log = false): Distribution => ({
  type: 'int',
  low,
  high,
  log,
  step,
});

const SPACE: readonly Dimension[] = (
  [
    ['learning_rate', float(1e-3, 0.3, true)],
    ['max_depth', int(2, 12)],
    ['rounds', int(50, 1000, 50)],
    ['subsample', float(0.5, 1)],
    ['colsample', float(0.3, 1)],
    ['alpha', float(1e-8, 10, true)],
    ['lambda', float(1e-8, 10, true)],
    ['min_child', int(1, 100, 1, true)],
    ['grow', { type: 'categorical', choices: ['a', 'b', 'c'] }],
  ] as const
).map(([name, distribution]) => ({ name, distribution }));

function objective(values: ReadonlyMap<string, number>): number {
  const at = (name: string) => values.get(name)!;
  return (
    (Math.log(at('learning_rate')) + 2.5) ** 2 +
    (at('max_depth') - 6) ** 2 / 10 +
    (at('subsample') - 0.8) ** 2 +
    (at('colsample') - 0.7) ** 2 +
    Math.log(at('alpha')) ** 2 / 50 +
    Math.log(at('lambda')) ** 2 / 50 +
    (at('grow') === 1 ? 1 : 0) +
    at('rounds') / 1000 +
    Math.log(at('min_child'))
  );
}

function trialOf(number: number, values: ReadonlyMap<string, number>): Trial {
  const params = new Map(
    SPACE.map(({ name, distribution }) => [name, { distribution, value: values.get(name)! }]),
  );
  const nothing = { intermediate: new Map(), userAttrs: {}, systemAttrs: {} };
  return { number, state: 'complete', params, value: objective(values), ...nothing };
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

/** Median time of suggest and tell at each size, in one search that goes through all of them; and its first trials. */
function ours(multivariate: boolean, sizes: readonly number[]): { times: number[]; trials: Trial[] } {
  const sampler = new TpeSampler({ seed: 42, multivariate }, SPACE, 'minimize');
  const trials: Trial[] = [];
  const times = sizes.map((size) => {
    const repeats: number[] = [];
    while (trials.length < size + REPEATS) {
      const start = performance.now();
      const trial = trialOf(trials.length, sampler.suggest({ number: trials.length, running: [] }));
      sampler.tell(trial);
      trials.push(trial);
      if (trials.length > size) repeats.push(performance.now() - start);
    }
    return median(repeats);
  });
  return { times, trials };
}

/** Optuna on the same trials as far as they go; it takes about a minute. */
const PEER = `
import json, statistics, sys, time, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
job = json.load(sys.stdin)
make = {"float": lambda d: optuna.distributions.FloatDistribution(d["low"], d["high"], log=d["log"]),
        "int": lambda d: optuna.distributions.IntDistribution(d["low"], d["high"], log=d["log"], step=d["step"]),
        "categorical": lambda d: optuna.distributions.CategoricalDistribution(d["choices"])}
space = {d["name"]: make[d["distribution"]["type"]](d["distribution"]) for d in job["space"]}
study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=42, multivariate=job["multivariate"]))
def add(record):
    study.add_trial(optuna.trial.create_trial(params=record["params"], distributions=space, value=record["value"]))
for size in job["sizes"]:
    for record in job["trials"][len(study.trials):size]:
        add(record)
    times = []
    for _ in range(job["repeats"]):
        start = time.perf_counter()
        study.tell(study.ask(space), 100.0)
        times.append(time.perf_counter() - start)
    print(statistics.median(times) * 1000)
`;

function optunas(python: string, multivariate: boolean, trials: readonly Trial[]): number[] {
  const job = {
    multivariate,
    space: SPACE,
    sizes: SIZES,
    repeats: 7,
    trials: trials.map(({ params, value }) => ({
      value,
      params: Object.fromEntries(
        [...params].map(([name, { distribution, value }]) => [name, externalValue(distribution, value)]),
      ),
    })),
  };
  const output = execFileSync(python, ['-W', 'ignore', '-c', PEER], {
    input: JSON.stringify(job),
    encoding: 'utf8',
  });
  return output.trim().split('\n').map(Number);
}

ours(true, [300]);
ours(false, [300]);
const python = process.env.PEERS_PYTHON;
for (const multivariate of [true, false]) {
  const { times, trials } = ours(multivariate, SIZES);
  const peer = python === undefined ? undefined : optunas(python, multivariate, trials);
  console.log(multivariate ? 'multivariate' : 'univariate');
  for (const [i, size] of SIZES.entries()) {
    const beside = peer === undefined ? '' : `, Optuna ${peer[i]!.toFixed(2)} ms`;
    console.log(`  ${size} trials: ${times[i]!.toFixed(3)} ms${beside}`);
  }
}
