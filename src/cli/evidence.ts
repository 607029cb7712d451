import type { Command } from 'commander';
import { ExitCode } from '../errors.ts';
import { jsonOption, path } from './options.ts';
import { print, printError, printJson } from './terminal.ts';

/** `lockstep evidence`: what can be done with the evidence package of a run. */
export function addEvidenceCommand(program: Command): void {
  program
    .command('evidence')
    .summary('check the evidence package of a run')
    .description('Commands for the evidence package of a run.')
    .helpCommand(false)
    .command('verify')
    .summary('check that an evidence package is as it was written')
    .description(
      'Checks an evidence package, wherever it lies: every file of the manifest is there and unchanged, and none besides; each model loads and has the recorded fingerprint. Exits with 1 where something differs.',
    )
    .argument('<folder>', 'output folder of lockstep run, or its evidence package', path)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep evidence verify experiments/adult')
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const { verifyEvidence } = await import('../protocol/evidence.ts');
      const check = await verifyEvidence(folder);
      const exit = check.differences.length === 0 ? ExitCode.done : ExitCode.checkFailed;
      process.exitCode = exit;
      if (json) printJson({ ...check, exit });
      else if (exit === ExitCode.done) {
        print(`${check.files} files are as they were written (SHA-256 of the manifest: ${check.sha256}).`);
      }
      for (const difference of check.differences) printError(difference);
    });
}
