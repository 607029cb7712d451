import { InputError } from '../errors.ts';

export type Scalar = string | number | boolean | null;
export type ScalarRecord = { readonly [key: string]: Scalar };

/**
 * UTF-8 bytes as text.
 * @param kind What the bytes should be, such as "a model".
 * @throws InputError naming the bytes where they are something else.
 */
export function decodeText(bytes: Uint8Array, name: string, kind: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const reason = cause instanceof TypeError ? 'it is not UTF-8 text' : (cause as Error).message;
    throw new InputError(`${name} cannot be read as ${kind}: ${reason}.`, { cause });
  }
}

/**
 * The value of a JSON text.
 * @throws InputError naming the text and the place, where it is no whole JSON.
 */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(String(error));
    const before = text.slice(0, position ? Number(position[1]) : text.length).split('\n');
    throw new InputError(
      `${name} is not a whole JSON file (line ${before.length}, column ${before.at(-1)!.length + 1}): it is truncated, damaged or not a model, so save the model again.`,
      { cause: error },
    );
  }
}

/** Reads JSON values, naming the file and the place in errors. */
export class JsonReader {
  readonly name: string;
  readonly #kind: string;

  /**
   * @param name What to call the text in errors, as a rule its path.
   * @param kind What the text should be, such as "model".
   */
  constructor(name: string, kind: string) {
    this.name = name;
    this.#kind = kind;
  }

  error(problem: string): InputError {
    return new InputError(`${this.name} is not an intact ${this.#kind}: ${problem}; save the model again.`);
  }

  object(value: unknown, path: string): Record<string, unknown> {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
    throw this.#not(value, path, 'an object');
  }

  keys(
    value: Readonly<Record<string, unknown>>,
    path: string,
    required: readonly string[],
    optional: readonly string[] = [],
  ): void {
    for (const key of required) {
      if (!Object.hasOwn(value, key)) throw this.error(`${path} has no ${key}`);
    }
    for (const key of Object.keys(value)) {
      if (!required.includes(key) && !optional.includes(key)) {
        throw this.error(`${path} has the unknown key ${show(key)}`);
      }
    }
  }

  version(file: Readonly<Record<string, unknown>>, key: string, newest: number): void {
    const version = this.integer(file[key], key, 1, Number.MAX_SAFE_INTEGER);
    if (version > newest) {
      throw new InputError(
        `${this.name} has ${key} ${version}, newer than ${newest}, the newest that this program reads: update Lockstep.`,
      );
    }
  }

  array(value: unknown, path: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    throw this.#not(value, path, 'a list');
  }

  string(value: unknown, path: string): string {
    if (typeof value === 'string') return value;
    throw this.#not(value, path, 'a text');
  }

  boolean(value: unknown, path: string): boolean {
    if (typeof value === 'boolean') return value;
    throw this.#not(value, path, 'true or false');
  }

  /** Finite; −0 is read as 0, which is how a file states it. */
  number(value: unknown, path: string): number {
    if (typeof value === 'number' && Number.isFinite(value)) return value + 0;
    throw this.#not(value, path, 'a finite number');
  }

  float32(value: unknown, path: string): number {
    const number = this.number(value, path);
    if (Math.fround(number) === number) return number;
    throw this.#not(value, path, 'a float32 number');
  }

  integer(value: unknown, path: string, low: number, high: number): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high)
      return value + 0;
    throw this.#not(value, path, `a whole number from ${low} to ${high}`);
  }

  oneOf<T extends string | boolean>(value: unknown, path: string, allowed: readonly T[]): T {
    const found = allowed.find((item) => item === value);
    if (found !== undefined) return found;
    throw this.#not(value, path, allowed.map((item) => JSON.stringify(item)).join(' or '));
  }

  scalars(value: unknown, path: string): ScalarRecord {
    const record = this.object(value, path);
    for (const [key, item] of Object.entries(record)) {
      if (typeof item === 'object' && item !== null)
        throw this.#not(item, `${path}.${key}`, 'a single value');
      if (typeof item === 'number') this.number(item, `${path}.${key}`);
    }
    return record as ScalarRecord;
  }

  #not(value: unknown, path: string, wanted: string): InputError {
    return this.error(value === undefined ? `${path} is absent` : `${path} is ${show(value)}, not ${wanted}`);
  }
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
