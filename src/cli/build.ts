import type { Command } from 'commander';
import { EnvironmentError, ExitCode } from '../errors.ts';
import { jsonOption } from './options.ts';
import { print, printJson } from './terminal.ts';

interface BuildModule {
  build(options: { force: boolean; addonOnly: boolean }): Promise<{ built: string[]; seconds: number }>;
}

/** `lockstep build`: compiles the native addon where an installation could not. */
export function addBuildCommand(program: Command): void {
  program
    .command('build')
    .summary('compile the native addon')
    .description(
      'Compiles the native addon where it is missing or out of date. Needs a C++20 compiler and CMake 3.24.',
    )
    .option('--force', 'compile it in any case')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npx lockstep build')
    .action(async (options: { force?: boolean; json?: boolean }) => {
      const script = new URL('../../scripts/build.mjs', import.meta.url);
      const { build } = (await import(script.href)) as BuildModule;
      const { built, seconds } = await build({ force: options.force ?? false, addonOnly: true }).catch(
        (cause) => {
          throw new EnvironmentError((cause as Error).message, { cause });
        },
      );
      if (options.json) printJson({ built, seconds, exit: ExitCode.done });
      else
        print(
          built.length === 0
            ? 'The native addon is up to date.'
            : `Built the ${built.join(' and ')} in ${seconds.toFixed(1)} s.`,
        );
    });
}
