import { readFile, stat } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { type JsonNode, JsonSyntaxError, parseJson } from './json.ts';
import { didYouMean } from './suggest.ts';

/** How a feature's values are compared: by order, or as members of a set. */
export type FeatureType = 'numeric' | 'categorical' | 'ordinal';

/** One entry of a feature list. */
export interface FeatureEntry {
  readonly name: string;
  /** Absent: detected from the data. */
  readonly type?: FeatureType;
  /** Ordinal over strings: the levels, lowest first; distinct. */
  readonly categories?: readonly string[];
}

const MAX_BYTES = 16_000_000;
const TYPES: readonly FeatureType[] = ['numeric', 'categorical', 'ordinal'];
const KEYS = ['name', 'type', 'categories', 'description'];

/**
 * Reads `data.features`: a JSON list of names or of objects {name, type, categories, description}, by itself or as
 * the member "features" of an object. The order is kept.
 * @returns at least one entry, names distinct
 * @throws InputError (one sentence with file, line and column) for the first thing that is wrong
 */
export async function loadFeatureList(path: string): Promise<FeatureEntry[]> {
  const text = await readText(path);
  const fail = (node: { line: number; column: number }, message: string): never => {
    throw new InputError(`${path}:${node.line}:${node.column} ${message}.`);
  };
  let root: JsonNode;
  try {
    root = parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return fail(error, error.message);
    throw error;
  }
  const list = root.kind === 'object' ? (root.members.get('features') ?? root) : root;
  if (list.kind !== 'array') {
    return fail(list, 'is not a feature list; write a JSON list of names, or {"features": [...]}');
  }
  if (list.items.length === 0) return fail(list, 'lists no feature; name at least one');
  const names = new Set<string>();
  return list.items.map((item) => {
    const entry = readEntry(item, fail);
    if (names.has(entry.name)) return fail(item, `lists the feature ${quoted(entry.name)} twice; remove one`);
    names.add(entry.name);
    return entry;
  });
}

type Fail = (node: JsonNode, message: string) => never;

const quoted = (text: string) => JSON.stringify(text);

function readEntry(item: JsonNode, fail: Fail): FeatureEntry {
  if (item.kind !== 'object') return { name: readName(item, fail) };
  for (const [key, value] of item.members) {
    if (!KEYS.includes(key)) {
      const advice = didYouMean(key, KEYS) || `; known here: ${KEYS.join(', ')}`;
      return fail(value, `belongs to the unknown key ${quoted(key)}${advice}`);
    }
  }
  const name = readName(item.members.get('name') ?? item, fail);
  const typeNode = item.members.get('type');
  const levelsNode = item.members.get('categories');
  const type = typeNode === undefined ? undefined : readType(typeNode, fail);
  if (levelsNode === undefined) return type === undefined ? { name } : { name, type };
  if (type !== 'ordinal') {
    return fail(
      levelsNode,
      'gives categories, which only a feature of type "ordinal" has; remove one of the two',
    );
  }
  return { name, type, categories: readLevels(levelsNode, fail) };
}

function readName(node: JsonNode, fail: Fail): string {
  if (node.kind === 'scalar' && typeof node.value === 'string' && node.value !== '') return node.value;
  return fail(node, 'is not a feature; write a name that is not empty, or an object with a "name"');
}

function readType(node: JsonNode, fail: Fail): FeatureType {
  const type = node.kind === 'scalar' ? TYPES.find((known) => known === node.value) : undefined;
  if (type !== undefined) return type;
  const word = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : '';
  return fail(node, `is not a feature type; use one of ${TYPES.join(', ')}${didYouMean(word, TYPES)}`);
}

function readLevels(node: JsonNode, fail: Fail): string[] {
  if (node.kind !== 'array' || node.items.length === 0) {
    return fail(node, 'must be a list of the levels, lowest first');
  }
  const levels = new Set<string>();
  for (const item of node.items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') {
      return fail(item, 'is not a level; write each level as a string');
    }
    if (levels.has(item.value)) return fail(item, `lists the level ${quoted(item.value)} twice; remove one`);
    levels.add(item.value);
  }
  return [...levels];
}

async function readText(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new InputError(`${path} is not a file; name the JSON feature list.`);
    if (found.size > MAX_BYTES) {
      throw new InputError(`${path} is larger than 16 MB, too large for a feature list; is it a data file?`);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    if (cause instanceof TypeError) {
      throw new InputError(`${path} is not UTF-8 text; save it in that encoding.`, { cause });
    }
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new InputError(`The feature list ${path} ${reason}; correct data.features.`, { cause });
  }
}
