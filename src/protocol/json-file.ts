import { readFileSync } from 'node:fs';
import type { JsonReader } from '../boosting/json-reader.ts';
import { InputError } from '../errors.ts';

/**
 * The JSON object of the file that a reader is named after; undefined where there is no such file.
 * @param advice what to do about a damaged file, as the end of a sentence
 * @throws InputError where the file cannot be read, or is no whole JSON object.
 */
export function readJsonObject(
  reader: JsonReader,
  advice: string,
): Readonly<Record<string, unknown>> | undefined {
  const path = reader.name;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new InputError(`${path} cannot be read: ${message}.`, { cause });
  }
  try {
    return reader.object(JSON.parse(text), 'the file');
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(`${path} is not a whole JSON file; ${advice}.`, { cause });
  }
}
