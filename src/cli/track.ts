import type { Command } from 'commander';
import { ExitCode } from '../errors.ts';
import { type CommandContext, jsonOption, path } from './options.ts';
import { coloured, note, print, printJson } from './terminal.ts';

interface TrackCommandOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

/** `lockstep track`: sends what a tracking server has not got yet. */
export function addTrackCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('track')
    .summary('send recorded runs to an MLflow server that was away')
    .description(
      'Sends the runs of an output folder that a tracking server has not got yet: docs/tracking.md says how runs are recorded.',
    )
    .argument('<folder>', 'output folder of lockstep run', path)
    .option('--uri <uri>', 'server to send to (default: that of the run)')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep track experiments/adult')
    .action(async (folder: string, { uri, json }: TrackCommandOptions) => {
      const { sendUnsent } = await import('../protocol/track.ts');
      const warn = (text: string) => note(`${coloured('yellow', 'warning:', process.stderr)} ${text}`);
      const outcome = await sendUnsent(folder, { uri, signal, warn });
      if (json) printJson({ ...outcome, exit: ExitCode.done });
      else print(`${outcome.sent} ${outcome.sent === 1 ? 'run' : 'runs'} sent.`);
    });
}
