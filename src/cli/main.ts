import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { EnvironmentError, ExitCode, InputError, InterruptedError, LockstepError } from '../errors.ts';
import { addBenchCommand } from './bench.ts';
import { addBuildCommand } from './build.ts';
import { addCompareCommand } from './compare.ts';
import { addDoctorCommand } from './doctor.ts';
import { addEvidenceCommand } from './evidence.ts';
import { addExportCommand } from './export.ts';
import { addImportCommand } from './import.ts';
import { addInitCommand } from './init.ts';
import { addMlflowCommand } from './mlflow.ts';
import { addPredictCommand } from './predict.ts';
import { addReproduceCommand } from './reproduce.ts';
import { addRunCommand } from './run.ts';
import { note, printError, printJson } from './terminal.ts';
import { addTrackCommand } from './track.ts';
import { addTrainCommand } from './train.ts';
import { addTuneCommand } from './tune.ts';
import { addVerifyCommand } from './verify.ts';

interface PackageFile {
  readonly version: string;
  readonly bugs?: { readonly url: string };
}

/** npm passes a Ctrl-C on to a process that the terminal has told already; both arrive within milliseconds. */
const SAME_PRESS_MS = 200;

function readPackage(): PackageFile {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as PackageFile;
}

function listenForInterrupts(): AbortSignal {
  const controller = new AbortController();
  let pressedAt = 0;
  const interrupt = () => {
    if (!controller.signal.aborted) {
      pressedAt = performance.now();
      note('\nStopping; once more ends at once.');
      controller.abort(new InterruptedError());
    } else if (performance.now() - pressedAt > SAME_PRESS_MS) {
      process.exit(ExitCode.interrupted);
    }
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

/** A reader that goes away, as `head` does, ends the command quietly; a full disk behind stdout is an error. */
function listenForClosedStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    printError(`Standard output cannot be written to: ${error.message}.`);
    process.exit(ExitCode.environment);
  });
  process.stderr.on('error', () => {});
}

function createProgram(signal: AbortSignal): Command {
  const program = new Command('lockstep')
    .description('Gradient-boosted trees and whole experiments, bit for bit the same on every engine.')
    .version(readPackage().version, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', '\nExample:\n  lockstep init --data train.parquet && lockstep run experiment.yaml');
  const context = { signal };
  addRunCommand(program, context);
  addTrainCommand(program, context);
  addTuneCommand(program, context);
  addCompareCommand(program, context);
  addPredictCommand(program, context);
  addExportCommand(program);
  addImportCommand(program);
  addInitCommand(program, context);
  addTrackCommand(program, context);
  addMlflowCommand(program, context);
  addEvidenceCommand(program);
  addReproduceCommand(program, context);
  addVerifyCommand(program, context);
  addBenchCommand(program, context);
  addDoctorCommand(program);
  addBuildCommand(program);
  return program;
}

/** A wrong command line as one sentence, such as: Unknown option '--egnine' (did you mean --engine?); see … */
function usageError(error: CommanderError, program: Command, argv: readonly string[]): InputError {
  const text = error.message
    .replace(/^error: /, '')
    .replace(/\n\(D/, ' (d')
    .replace(/\.$/, '');
  const command = program.commands.find((candidate) => candidate.name() === argv[2]);
  const help = ['lockstep', command?.name(), '--help'].filter((word) => word !== undefined).join(' ');
  return new InputError(`${text[0]!.toUpperCase()}${text.slice(1)}; see ${help}.`, { cause: error });
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof RangeError && /allocation failed|Invalid typed array length/.test(error.message);
}

/** The error as the user is told; anything that is not Lockstep's own is a bug. */
function explain(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  if (isOutOfMemory(error)) {
    return new EnvironmentError('Memory ran out: use fewer rows or features, or a machine with more.', {
      cause: error,
    });
  }
  return new EnvironmentError(
    `Lockstep failed unexpectedly: ${error instanceof Error ? error.message : String(error)}.`,
    {
      cause: error,
    },
  );
}

function report(error: unknown, json: boolean): void {
  const explained = explain(error);
  const { message, exitCode: exit } = explained;
  printError(message);
  if (explained !== error && !isOutOfMemory(error)) {
    const { bugs, version } = readPackage();
    note(`this is a bug, please report it${bugs === undefined ? '' : ` at ${bugs.url}`} with:`);
    note(`lockstep ${version}, Node ${process.version}, ${process.platform} ${process.arch}`);
    note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  if (json) {
    const issues = 'issues' in explained ? { issues: explained.issues } : {};
    printJson({ error: { message, exit, ...issues } });
  }
  process.exitCode = exit;
}

/** Ends the process once stdout has been taken; what still runs after an interrupt must not hold it up. */
function exitWhenWritten(): void {
  process.stdout.write('', () => process.exit());
}

/**
 * Runs a command line, and ends the process with one of the exit codes of src/errors.ts.
 * @param argv as `process.argv` has it
 */
export async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json');
  const fail = (error: unknown) => {
    report(error, json);
    exitWhenWritten();
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  listenForClosedStreams();
  const program = createProgram(listenForInterrupts());
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) report(error, json);
    else if (error.code === 'commander.help') process.exitCode = ExitCode.badInput;
    else if (error.exitCode !== 0) report(usageError(error, program, argv), json);
  }
  exitWhenWritten();
}
