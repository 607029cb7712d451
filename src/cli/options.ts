import { InvalidArgumentError, Option } from 'commander';
import type { EngineChoice } from '../engine/choose.ts';
import type { EngineKind } from '../engine/engine.ts';

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

/** Reads a port to listen on. */
export function port(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 1 || number > 65_535)
    throw new InvalidArgumentError('Write a port from 1 to 65535.');
  return number;
}

/** Reads a list such as `a,b`. */
export function list(value: string): string[] {
  const items = value.split(',').map((item) => item.trim());
  if (items.includes('')) throw new InvalidArgumentError('Write names with commas between them.');
  return items;
}

const ENGINES: readonly EngineKind[] = ['cpu', 'cuda', 'webgpu'];

/** Reads engines such as `cpu,webgpu`. */
export function engineList(value: string): EngineKind[] {
  return list(value).map((name) => {
    const kind = ENGINES.find((engine) => engine === name);
    if (kind === undefined) throw new InvalidArgumentError(`The engines are ${ENGINES.join(', ')}.`);
    return kind;
  });
}

/** Reads whole numbers from 1 to `most` such as `1,2,8`. */
export function countList(value: string, most: number): number[] {
  return list(value).map((text) => {
    const count = Number(text);
    if (!/^\d+$/.test(text) || count < 1 || count > most) {
      throw new InvalidArgumentError(`Write whole numbers from 1 to ${most} with commas between them.`);
    }
    return count;
  });
}

/** Reads numbers of threads such as `1,2`. */
export function threadList(value: string): number[] {
  return countList(value, 1024);
}

/** Reads a number from `low` to `high`, a whole one if `whole`. */
export function numberIn(
  value: string,
  { low, high, whole }: { readonly low: number; readonly high: number; readonly whole: boolean },
): number {
  const isNumber = (whole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(value);
  if (isNumber && Number(value) >= low && Number(value) <= high) return Number(value);
  throw new InvalidArgumentError(`Give a ${whole ? 'whole ' : ''}number from ${low} to ${high}.`);
}
