import type { Command } from 'commander';
import { ExitCode } from '../errors.ts';
import { type CommandContext, jsonOption, path, port } from './options.ts';
import { note, print, printJson } from './terminal.ts';

interface MlflowCommandOptions {
  readonly port?: number;
  readonly python?: string;
  readonly json?: boolean;
}

/** `lockstep mlflow`: MLflow's interface over recorded runs. */
export function addMlflowCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('mlflow')
    .summary('show the recorded runs of a folder in MLflow')
    .description(
      "Turns the runs that a folder has recorded into MLflow's database, with the MLflow that is installed, and starts its server on this machine until Ctrl-C.",
    )
    .argument('<folder>', 'output folder of lockstep run', path)
    .option('--port <port>', 'port to listen on (default: the first free one from 5000)', port)
    .option('--python <command>', 'Python that has MLflow (default: mlflow of the PATH, else python3)', path)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep mlflow experiments/adult')
    .action(async (folder: string, { json, ...options }: MlflowCommandOptions) => {
      const { openMlflowUi } = await import('../tracking/mlflow/ui.ts');
      const ui = await openMlflowUi(folder, { ...options, step: note, signal });
      if (!signal.aborted) {
        if (json) printJson({ url: ui.url, database: ui.database, exit: ExitCode.done });
        else print(`${ui.url}  (Ctrl-C ends it)`);
      }
      await ui.ended;
      if (!signal.aborted) {
        const { EnvironmentError } = await import('../errors.ts');
        throw new EnvironmentError(`mlflow server has ended; ${ui.database} is kept.`);
      }
    });
}
