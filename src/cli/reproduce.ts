import type { Command } from 'commander';
import type { EngineChoice } from '../engine/choose.ts';
import { ExitCode } from '../errors.ts';
import { type CommandContext, engineOption, jsonOption, numberIn, path, quietOption } from './options.ts';
import { createProgress } from './progress.ts';
import { print, printError, printJson, table } from './terminal.ts';

interface ReproduceCommandOptions {
  readonly engine?: EngineChoice;
  readonly threads?: number;
  readonly out?: string;
  readonly dataRoot?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const threadCount = (value: string) => numberIn(value, { low: 1, high: 1024, whole: true });

/** `lockstep reproduce`: a finished experiment again, compared with what it was. */
export function addReproduceCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('reproduce')
    .summary('run a finished experiment again, and compare every result')
    .description(
      'Runs a finished experiment again from its evidence package, and compares trials, scores, metrics, fingerprints and gates by equality. Exits with 1 where something differs, and names the first difference.',
    )
    .argument('<folder>', 'output folder of lockstep run, or its evidence package', path)
    .addOption(engineOption())
    .option('--threads <n>', 'threads (default: resources.n_jobs of the config)', threadCount)
    .option('--out <dir>', 'folder of the new run (default: a temporary one, removed if all is equal)', path)
    .option('--data-root <dir>', 'folder below which the data files lie now', path)
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText('after', '\nExample:\n  lockstep reproduce experiments/adult --engine cpu --threads 1')
    .action(async (folder: string, { json = false, quiet = false, ...options }: ReproduceCommandOptions) => {
      const { reproduce } = await import('../protocol/reproduce.ts');
      const progress = createProgress({ verbose: 0, quiet });
      const result = await reproduce({ folder, ...options, reporter: progress, signal }).finally(() =>
        progress.finish(),
      );
      const { compared, difference, notes, out } = result;
      const exit = difference === undefined ? ExitCode.done : ExitCode.checkFailed;
      process.exitCode = exit;
      if (json) printJson({ ...result, exit });
      else {
        const rows = compared.map(({ what, values, equal }) => [
          what,
          equal ? 'equal' : 'different',
          String(values),
        ]);
        print(table([['compared', 'result', 'values'], ...rows], 1));
        for (const text of notes) print(`${text}.`);
        if (exit === ExitCode.done) print('\nEverything is equal.');
        if (out !== undefined) print(`The new run is in ${out}.`);
      }
      if (difference !== undefined) printError(difference);
    });
}
