import { InvalidArgumentError, Option } from 'commander';
import type { EngineChoice } from '../engine/choose.ts';

/** What every command is given beside its own arguments. */
export interface CommandContext {
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Options of the commands that train from a config. */
export interface TrainingOptions {
  readonly engine?: EngineChoice;
  readonly set?: readonly string[];
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `--engine`, with every name that `EngineChoice` has. */
export function engineOption(): Option {
  return new Option('--engine <kind>', 'engine to train on (default: model.backend of the config)').choices([
    'auto',
    'cpu',
    'cuda',
    'webgpu',
  ] satisfies EngineChoice[]);
}

/** `--set key=value`, once or more. */
export function setOption(): Option {
  return new Option(
    '--set <key=value>',
    'override a key of the config, such as hyperparameters.max_depth=4',
  ).argParser((value: string, before: string[] = []) => [...before, value]);
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON object on stdout');
}

export function quietOption(): Option {
  return new Option('--quiet', 'no progress and no warnings on stderr');
}

/** Reads a path, which may not be empty. */
export function path(value: string): string {
  if (value === '') throw new InvalidArgumentError('Name a file or folder.');
  return value;
}

/** Reads a list such as `a,b`. */
export function list(value: string): string[] {
  const items = value.split(',').map((item) => item.trim());
  if (items.includes('')) throw new InvalidArgumentError('Write names with commas between them.');
  return items;
}
