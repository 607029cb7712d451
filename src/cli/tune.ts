import type { Command } from 'commander';
import {
  type CommandContext,
  engineOption,
  jsonOption,
  numberIn,
  path,
  quietOption,
  setOption,
  type TrainingOptions,
} from './options.ts';
import { runAndPrint } from './run.ts';

interface TuneCommandOptions extends TrainingOptions {
  readonly out?: string;
  readonly workers?: number;
  readonly nTrials?: number;
  readonly resume?: boolean;
}

const workers = (value: string) => numberIn(value, { low: 1, high: 1024, whole: true });
const trials = (value: string) => numberIn(value, { low: 1, high: 1_000_000, whole: true });

/** `lockstep tune`: the hyperparameter search of a config. */
export function addTuneCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('tune')
    .summary('search hyperparameters and train the best')
    .description(
      'Searches the hyperparameters of a config by cross-validation, trains the best, and writes the study, results, plots and report.',
    )
    .argument('<config>', 'experiment file (YAML)', path)
    .option('--out <dir>', 'output folder (default: experiments/<name of the experiment>)', path)
    .option('--workers <n>', 'threads (default: resources.n_jobs of the config)', workers)
    .option('--n-trials <n>', 'trials of the study in all (default: optimization.n_trials)', trials)
    .option('--resume', 'go on with the search that the output folder holds')
    .addOption(engineOption())
    .addOption(setOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText(
      'after',
      '\nExample:\n  lockstep tune experiment.yaml --n-trials 200 --out experiments/search --resume',
    )
    .action(async (configPath: string, options: TuneCommandOptions) => {
      const set = [
        ...(options.set ?? []),
        ...(options.workers === undefined ? [] : [`resources.n_jobs=${options.workers}`]),
        ...(options.nTrials === undefined ? [] : [`optimization.n_trials=${options.nTrials}`]),
      ];
      await runAndPrint(configPath, { ...options, set, stages: ['optimize'] }, signal);
    });
}
