import type { Command } from 'commander';
import type { EngineKind } from '../engine/engine.ts';
import { ExitCode } from '../errors.ts';
import { formatSeconds } from '../reporting/format.ts';
import {
  type CommandContext,
  engineList,
  jsonOption,
  path,
  quietOption,
  setOption,
  type TrainingOptions,
  threadList,
} from './options.ts';
import { createProgress } from './progress.ts';
import { print, printError, printJson, table } from './terminal.ts';

interface VerifyCommandOptions extends Omit<TrainingOptions, 'engine'> {
  readonly engines?: readonly EngineKind[];
  readonly threads?: readonly number[];
  readonly expect?: string;
}

/** `lockstep verify`: the determinism check. */
export function addVerifyCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('verify')
    .summary('train again on every engine and thread count, and compare fingerprints')
    .description(
      'Trains the baseline of a config on each engine and number of threads, and compares the fingerprints. Exits with 1 where they differ from each other or from --expect.',
    )
    .argument('<config>', 'experiment file (YAML)', path)
    .option('--engines <kinds>', 'engines, with commas (default: all that can run here)', engineList)
    .option(
      '--threads <counts>',
      'threads of the CPU engine, with commas (default: 1, 2 and all cores)',
      threadList,
    )
    .option('--expect <sha>', 'fingerprint that every training must have')
    .addOption(setOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText('after', '\nExample:\n  lockstep verify experiment.yaml --engines cpu --threads 1,2,3')
    .action(async (configPath: string, options: VerifyCommandOptions) => {
      const { verifyDeterminism } = await import('../protocol/verify.ts');
      const progress = createProgress({ verbose: 0, quiet: options.quiet ?? false });
      const { failures, ...outcome } = await verifyDeterminism({
        configPath,
        engines: options.engines,
        threads: options.threads,
        expect: options.expect,
        overrides: options.set,
        reporter: progress,
        signal,
      }).finally(() => progress.finish());
      const exit = failures.length === 0 ? ExitCode.done : ExitCode.checkFailed;
      process.exitCode = exit;
      if (options.json) {
        printJson({ ...outcome, failures, exit });
      } else {
        const rows = outcome.results.map(({ engine, threads, fingerprint, seconds }) => [
          engine,
          String(threads),
          fingerprint,
          formatSeconds(seconds),
        ]);
        print(table([['engine', 'threads', 'fingerprint', 'time'], ...rows]));
        for (const { engine, reason } of outcome.not_run) print(`${engine} not run: ${reason}`);
        if (exit === ExitCode.done) print('\nAll fingerprints are equal.');
      }
      for (const failure of failures) printError(failure);
    });
}
