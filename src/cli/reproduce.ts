import type { Command } from 'commander';
import type { EngineChoice } from '../engine/choose.ts';
import { ExitCode } from '../errors.ts';
import { type CommandContext, engineOption, jsonOption, path, quietOption } from './options.ts';
import { createProgress } from './progress.ts';
import { print, printError, printJson, table } from './terminal.ts';

interface ReproduceCommandOptions {
  readonly engine?: EngineChoice;
  readonly out?: string;
  readonly dataRoot?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `lockstep reproduce`: a finished experiment again, and whether it comes out the same. */
export function addReproduceCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('reproduce')
    .summary('run a finished experiment again and compare everything that it found')
    .description(
      'Runs a finished experiment again from its evidence and compares data, fingerprints, metrics, trials and verdicts, all by equality. Exits with 1 and the first difference where something differs.',
    )
    .argument('<folder>', 'output folder of lockstep run, or its evidence package', path)
    .addOption(engineOption())
    .option(
      '--out <dir>',
      'folder for the new run (default: a temporary one, kept where something differs)',
      path,
    )
    .option('--data-root <dir>', 'folder in which the data files lie now', path)
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText('after', '\nExample:\n  lockstep reproduce experiments/adult --engine cpu')
    .action(async (folder: string, { json, quiet = false, ...options }: ReproduceCommandOptions) => {
      const { reproduceRun } = await import('../protocol/reproduce.ts');
      const progress = createProgress({ verbose: 0, quiet });
      const outcome = await reproduceRun({ folder, ...options, reporter: progress, signal }).finally(() =>
        progress.finish(),
      );
      const exit = outcome.equal ? ExitCode.done : ExitCode.checkFailed;
      process.exitCode = exit;
      if (json) {
        printJson({ ...outcome, exit });
      } else {
        const rows = outcome.compared.map(({ what, compared, different }) => [
          what,
          String(compared),
          String(different),
        ]);
        print(table([['what', 'values', 'different'], ...rows], 2));
        if (outcome.equal) print(`\nAll values are equal (engine ${outcome.engine}).`);
        if (outcome.out !== undefined) print(`\nThe new run is in ${outcome.out}.`);
      }
      const [first, ...others] = outcome.differences;
      if (first !== undefined) {
        printError(others.length === 0 ? first : `${first} ${others.length} further values differ.`);
      }
    });
}
