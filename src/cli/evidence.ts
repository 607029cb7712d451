import type { Command } from 'commander';
import { ExitCode } from '../errors.ts';
import { jsonOption, path } from './options.ts';
import { print, printError, printJson, table } from './terminal.ts';

/** `lockstep evidence`: what can be done with an evidence package. */
export function addEvidenceCommand(program: Command): void {
  const evidence = program
    .command('evidence')
    .summary('check the evidence package of a run')
    .description('Looks at the evidence package that a run has left, wherever it lies now.')
    .helpCommand(false)
    .addHelpText('after', '\nExample:\n  lockstep evidence verify experiments/adult');
  evidence
    .command('verify')
    .summary('check that a package is whole and unchanged')
    .description(
      'Checks that every file of the package is there with the SHA-256 of its manifest, that there is no other, and that each model loads and has the recorded fingerprint. Exits with 1 where something differs.',
    )
    .argument('<folder>', 'output folder of lockstep run, or the evidence package', path)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep evidence verify experiments/adult')
    .action(async (folder: string, { json }: { readonly json?: boolean }) => {
      const { verifyEvidence } = await import('../protocol/evidence.ts');
      const { failures, ...outcome } = await verifyEvidence(folder);
      const exit = failures.length === 0 ? ExitCode.done : ExitCode.checkFailed;
      process.exitCode = exit;
      if (json) {
        printJson({ ...outcome, failures, exit });
      } else {
        print(
          table([
            ['package', outcome.folder],
            ['files', String(outcome.files)],
            ['models', String(outcome.models)],
            ['SHA-256', outcome.sha256],
          ]),
        );
        if (exit === ExitCode.done) print('\nThe package is whole and unchanged.');
      }
      for (const failure of failures) printError(failure);
    });
}
