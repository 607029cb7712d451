import { type Command, InvalidArgumentError } from 'commander';
import type { BenchOutcome } from '../bench/benchmark.ts';
import { PEERS, type Peer } from '../bench/job.ts';
import type { ReportTable } from '../bench/report.ts';
import type { EngineKind } from '../engine/engine.ts';
import { ExitCode, type LockstepError } from '../errors.ts';
import {
  type CommandContext,
  countList,
  engineList,
  jsonOption,
  list,
  numberIn,
  path,
  quietOption,
  setOption,
  type TrainingOptions,
  threadList,
} from './options.ts';
import { createProgress } from './progress.ts';
import { print, printError, printJson, table } from './terminal.ts';

interface BenchCommandOptions extends Omit<TrainingOptions, 'engine'> {
  readonly data?: readonly string[];
  readonly engines?: readonly EngineKind[];
  readonly threads?: readonly number[];
  readonly peers?: readonly Peer[];
  readonly python?: string;
  readonly rounds?: number;
  readonly depth?: number;
  readonly metric?: string;
  readonly batch?: readonly number[];
  readonly repeats?: number;
  readonly wait?: number;
  readonly timeout?: number;
  readonly out?: string;
}

const MOST_MODELS = 100_000;
const MOST_SECONDS = 86_400;

function peerList(value: string): Peer[] {
  if (value === 'none') return [];
  return list(value).map((name) => {
    const peer = PEERS.find((known) => known === name);
    if (peer === undefined) throw new InvalidArgumentError(`The peers are ${PEERS.join(', ')}; or none.`);
    return peer;
  });
}

const whole = (low: number, high: number) => (value: string) => numberIn(value, { low, high, whole: true });
const secondsFrom = (low: number) => (value: string) =>
  numberIn(value, { low, high: MOST_SECONDS, whole: false });

async function printOutcome(outcome: BenchOutcome): Promise<void> {
  const { dataReports, LEGEND, machineLine } = await import('../bench/report.ts');
  const show = ({ head, rows }: ReportTable) => print(table([head, ...rows], head.length - 1));
  for (const { title, task, boosting, batches, engines, notes } of dataReports(outcome)) {
    print(`${title}\n${task}\n`);
    if (boosting.rows.length > 0) show(boosting);
    for (const more of [batches, engines]) {
      if (more === undefined) continue;
      print('');
      show(more);
    }
    for (const note of notes) print(note);
    print('');
  }
  for (const { name, reason } of outcome.not_run) print(`${name} not run: ${reason}`);
  print(`${machineLine(outcome)}\n${LEGEND.join('\n')}`);
}

async function writeOutcome(folder: string, outcome: BenchOutcome): Promise<void> {
  const { benchChart, markdownReport } = await import('../bench/report.ts');
  const { OutputFolder } = await import('../protocol/output.ts');
  const out = await OutputFolder.create(folder);
  await out.writeJson('bench.json', outcome);
  await out.write('bench.md', markdownReport(outcome));
  const chart = await benchChart(outcome);
  if (chart !== undefined) await out.write('bench.svg', chart);
}

/** What makes the command fail, though all that could be measured was: an interrupt, or an engine of ours that failed. */
async function failureOf({ interrupted, results }: BenchOutcome): Promise<LockstepError | undefined> {
  const { EnvironmentError, InterruptedError } = await import('../errors.ts');
  if (interrupted) {
    const timings = results.reduce((sum, { repeats }) => sum + repeats.length, 0);
    return new InterruptedError(
      `Interrupted after ${timings} ${timings === 1 ? 'timing' : 'timings'}; those are kept.`,
    );
  }
  const failed = results.find(({ library, failure }) => library === 'lockstep' && failure !== null);
  if (failed === undefined) return undefined;
  return new EnvironmentError(
    `The ${failed.engine} engine could not be measured on ${failed.data}: ${failed.failure!.replace(/\.$/, '')}.`,
  );
}

/** `lockstep bench`: engines, thread counts and peers side by side. */
export function addBenchCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('bench')
    .summary('time engines and thread counts beside xgboost, lightgbm and catboost')
    .description(
      'Times binning and boosting on the data of a config, or on synthetic sets: engines and thread counts of Lockstep beside the peers that a Python has, with equal parameters. Prints a table; --out keeps it, a chart and every raw timing.',
    )
    .argument('[config]', 'experiment file (YAML); without it, synthetic sets', path)
    .option('--data <sets>', 'synthetic sets, with commas (default: synth:10000x28,synth:100000x50)', list)
    .option('--engines <kinds>', 'engines, with commas (default: all that can run here)', engineList)
    .option('--threads <counts>', 'threads of engines and peers, with commas (default: 1)', threadList)
    .option('--peers <names>', 'peers, with commas, or none (default: xgboost,lightgbm,catboost)', peerList)
    .option(
      '--python <command>',
      'Python with the peers (default: environment.python of the config, else python3)',
      path,
    )
    .option(
      '--rounds <n>',
      'boosting rounds (default: n_estimators of the config, else 100)',
      whole(1, 100_000),
    )
    .option('--depth <n>', 'levels of a tree (default: max_depth of the config, else 6)', whole(1, 30))
    .option('--metric <name>', 'metric computed each round, such as logloss (default: the primary one)')
    .option('--batch <sizes>', 'numbers of models to train at once too, with commas', (value) =>
      countList(value, MOST_MODELS),
    )
    .option('--repeats <n>', 'timings of each (default: 3)', whole(1, 1000))
    .option(
      '--wait <seconds>',
      'longest wait for an idle machine before each timing (default: 10)',
      secondsFrom(0),
    )
    .option('--timeout <seconds>', 'time after which a timing is given up (default: 600)', secondsFrom(0.001))
    .option('--out <dir>', 'folder for bench.json, bench.md and bench.svg', path)
    .addOption(setOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText(
      'after',
      '\nExample:\n  lockstep bench experiment.yaml --threads 1,2 --peers xgboost,lightgbm --out bench',
    )
    .action(async (configPath: string | undefined, options: BenchCommandOptions) => {
      const { set: overrides, out, json, quiet, ...choices } = options;
      const { runBenchmark } = await import('../bench/benchmark.ts');
      if (out !== undefined) await (await import('../protocol/output.ts')).OutputFolder.create(out);
      const progress = createProgress({ verbose: 0, quiet: quiet ?? false });
      const outcome = await runBenchmark({
        configPath,
        ...choices,
        overrides,
        reporter: progress,
        signal,
      }).finally(() => progress.finish());
      if (out !== undefined && outcome.results.length > 0) await writeOutcome(out, outcome);
      const failure = await failureOf(outcome);
      const exit = failure?.exitCode ?? ExitCode.done;
      process.exitCode = exit;
      if (json) {
        printJson({ ...outcome, ...(failure && { error: { message: failure.message, exit } }), exit });
      } else {
        await printOutcome(outcome);
      }
      if (failure !== undefined) printError(failure.message);
    });
}
