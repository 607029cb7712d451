import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type * as z from 'zod';
import { InputError } from '../errors.ts';
import { ConfigError, type ConfigIssue, type Place, placeText } from './config-error.ts';
import { dotted, IssueExplainer } from './explain.ts';
import { METRIC_ALIASES } from './metric-names.ts';
import {
  ALGORITHMS,
  type Algorithm,
  configSchema,
  type ExperimentConfig,
  HYPERPARAMETER_ALIASES,
} from './schema.ts';
import { type ConfigNode, lookup, type MapEntry, plainValue, readYaml } from './yaml.ts';

export { ConfigError, type ConfigIssue } from './config-error.ts';

/** Algorithms that this version trains. */
export const SUPPORTED_ALGORITHMS: readonly Algorithm[] = ['xgboost'];

const MAX_BYTES = 1_000_000;

export interface LoadOptions {
  /** `a.b=value` each, the value in YAML; applied in order, over what the file says. */
  readonly overrides?: readonly string[];
  /** Refuse what this version cannot train; default true. See `assertSupported`. */
  readonly checkSupported?: boolean;
}

export interface ParseOptions extends LoadOptions {
  /** Relative paths start here; default the working directory. */
  readonly folder?: string;
}

/** A config that is ready to use, and where it came from. */
export interface LoadedConfig {
  readonly config: ExperimentConfig;
  /** Absolute path of the file; for `parseConfig` the name it was given. */
  readonly path: string;
  /** Absolute; relative paths of the config were resolved against it. */
  readonly folder: string;
  /** The text of the file, without overrides. */
  readonly source: string;
  readonly overrides: readonly string[];
  /** For messages: a dotted key with the place its value was written, such as `a.yaml:3:9 data.target`. */
  where(key: string): string;
}

/**
 * Reads an experiment file: YAML of at most 1 MB, checked whole, with defaults filled in and paths made absolute.
 * @throws ConfigError listing every wrong key with its place; InputError (one sentence) when the file cannot be
 *   read as a config at all.
 */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const source = await readText(path);
  const absolute = resolve(path);
  return { ...parse(source, path, dirname(absolute), options), path: absolute };
}

/**
 * The same for text that is already in memory.
 * @param name how messages call the text
 * @throws as `loadConfig` does
 */
export function parseConfig(text: string, name: string, options: ParseOptions = {}): LoadedConfig {
  return parse(text, name, resolve(options.folder ?? '.'), options);
}

/**
 * Refuses a config that is valid but names what this version cannot do.
 * @throws InputError naming the key's place and what is available
 */
export function assertSupported(loaded: LoadedConfig): void {
  const message = unsupported(loaded.config.model.algorithm);
  if (message !== undefined) throw new InputError(`${loaded.where('model.algorithm')}: ${message}.`);
}

function unsupported(algorithm: Algorithm): string | undefined {
  if (SUPPORTED_ALGORITHMS.includes(algorithm)) return undefined;
  return `${algorithm} is not part of this version; use ${SUPPORTED_ALGORITHMS.join(' or ')}`;
}

function unsupportedIssue(root: ConfigNode): ConfigIssue | undefined {
  const { node, depth } = lookup(root, ['model', 'algorithm']);
  const algorithm = ALGORITHMS.find((name) => depth === 2 && node.kind === 'scalar' && node.value === name);
  const message = algorithm === undefined ? undefined : unsupported(algorithm);
  return message === undefined ? undefined : { ...node.at, path: 'model.algorithm', message };
}

async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  if (bytes.includes(0)) {
    throw new InputError(`${path} holds a NUL byte, so it is not a text file; save it as UTF-8 text.`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InputError(`${path} is not UTF-8 text; save it in that encoding.`, { cause });
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputError(`${path} is a folder; name the YAML file in it.`);
    if (!found.isFile()) throw new InputError(`${path} is not a regular file; copy the config to one.`);
    if (found.size > MAX_BYTES) {
      throw new InputError(`${path} is larger than 1 MB, too large for a config; is it a data file?`);
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    const remedy = 'check the path, or write a config with "lockstep init --data FILE"';
    throw new InputError(`${path} ${reason}; ${remedy}.`, { cause });
  }
}

function parse(source: string, name: string, folder: string, options: LoadOptions): LoadedConfig {
  const overrides = options.overrides ?? [];
  const { root: written, issues } = readYaml(source, name);
  if (written.kind !== 'map') throw new InputError(`${name} ${notASection(written)}`);

  let root = renameAliases(written, issues);
  for (const override of overrides) root = applyOverride(root, override, issues);
  root = renameAliases(root, issues);

  const refusal = (options.checkSupported ?? true) ? unsupportedIssue(root) : undefined;
  if (refusal !== undefined) issues.push(refusal);
  const checked = validate(root, refusal !== undefined);
  issues.push(...checked.issues);
  if (checked.config === undefined || issues.length > 0) throw new ConfigError(name, issues);
  return {
    config: resolvePaths(checked.config, folder),
    path: name,
    folder,
    source,
    overrides,
    where: (key) => whereText(root, key),
  };
}

function notASection(root: ConfigNode): string {
  const remedy = 'write sections such as "experiment:" and "data:", or make a config with "lockstep init"';
  if (root.kind === 'list') return `holds a list; ${remedy}.`;
  return root.kind === 'scalar' && root.value === null && root.text === ''
    ? `is empty; ${remedy}.`
    : `holds a single value; ${remedy}.`;
}

function whereText(root: ConfigNode, key: string): string {
  const path = key.split('.');
  const { node, depth } = lookup(root, path);
  if (depth < path.length) return `${key} (default)`;
  const place = placeText(node.at);
  return place === `--set ${key}` ? place : `${place} ${key}`;
}

/** Where keys may have other names, and what those mean. */
const ALIASES: readonly {
  readonly home: readonly string[];
  readonly names: Readonly<Record<string, string>>;
}[] = [
  { home: ['hyperparameters'], names: HYPERPARAMETER_ALIASES },
  { home: ['optimization', 'search_space'], names: HYPERPARAMETER_ALIASES },
  { home: ['gates', 'targets'], names: METRIC_ALIASES },
];

/** Gives hyperparameters and the metrics of gates their canonical names; places still point at what was written. */
function renameAliases(root: ConfigNode, issues: ConfigIssue[]): ConfigNode {
  return ALIASES.reduce((tree, { home, names }) => {
    const { node, depth } = lookup(tree, home);
    if (node.kind !== 'map' || depth < home.length) return tree;
    const entries = new Map<string, MapEntry>();
    for (const [key, entry] of node.entries) {
      const name = canonicalName(key, names);
      if (entries.has(name) || (name !== key && node.entries.has(name))) {
        const message = `means the same as ${name === key ? 'its alias above' : name}, which is given too; remove one`;
        issues.push({ ...entry.keyAt, path: dotted([...home, key]), message });
      } else {
        entries.set(name, entry);
      }
    }
    return replaceAt(tree, home, { ...node, entries });
  }, root);
}

function canonicalName(key: string, names: Readonly<Record<string, string>>): string {
  return Object.hasOwn(names, key) ? names[key]! : key;
}

/** A copy of the tree with `value` at `path`, which must lead through sections or keys still missing. */
function replaceAt(root: ConfigNode, path: readonly string[], value: ConfigNode): ConfigNode {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const old = root.kind === 'map' ? root.entries : new Map<string, MapEntry>();
  const entry = old.get(key);
  const child: ConfigNode = entry?.value ?? { kind: 'map', at: value.at, entries: new Map() };
  const entries = new Map(old).set(key, {
    keyAt: entry === undefined || rest.length === 0 ? value.at : entry.keyAt,
    value: replaceAt(child, rest, value),
  });
  return { kind: 'map', at: root.at, entries };
}

function applyOverride(root: ConfigNode, override: string, issues: ConfigIssue[]): ConfigNode {
  const [, key = '', value = ''] = /^([^=]*)=([\s\S]*)$/.exec(override) ?? [];
  const name = `--set ${key.trim() || override}`;
  const at: Place = { source: name, line: null, column: null };
  const fail = (message: string) => {
    issues.push({ ...at, path: key.trim(), message });
    return root;
  };
  const written = key.trim().split('.');
  if (written.some((segment) => segment === '' || segment === '__proto__')) {
    return fail('must have the form key=value with a key such as data.target');
  }
  const aliases = ALIASES.find(({ home }) => home.every((segment, i) => written[i] === segment));
  const path = written.map((segment, i) =>
    aliases !== undefined && i === aliases.home.length ? canonicalName(segment, aliases.names) : segment,
  );

  for (let length = 1; length < path.length; length++) {
    const { node, depth } = lookup(root, path.slice(0, length));
    const empty = node.kind === 'scalar' && node.value === null;
    if (depth === length && node.kind !== 'map' && !empty) {
      return fail(`${dotted(path.slice(0, length))} is a value, not a section; set it as a whole`);
    }
  }
  try {
    const read = readYaml(value, name, () => at);
    issues.push(...read.issues);
    return replaceAt(root, path, read.root);
  } catch (error) {
    if (error instanceof ConfigError) {
      issues.push(...error.issues);
      return root;
    }
    throw error;
  }
}

type Plain = Record<string, unknown>;

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks the tree against the schema; the rules between keys are checked even when other keys are wrong.
 * @param foreign the hyperparameters are those of an algorithm that is refused anyway, not misspelt ones of xgboost
 */
function validate(root: ConfigNode, foreign: boolean): { config?: ExperimentConfig; issues: ConfigIssue[] } {
  const plain = plainValue(root) as Plain;
  keepVersionsAsWritten(root, plain);
  const first = configSchema.safeParse(plain);
  if (first.success) return { config: first.data, issues: [] };
  const explainer = new IssueExplainer(root);
  const wrong = first.error.issues.filter((issue) => issue.code !== 'custom');
  const found = explainer.explain(
    wrong.filter(
      ({ code, path }) => !(foreign && code === 'unrecognized_keys' && path[0] === 'hyperparameters'),
    ),
  );
  const rest = configSchema.safeParse(withoutWrongKeys(plain, wrong));
  const rules = rest.success ? [] : rest.error.issues.filter((issue) => issue.code === 'custom');
  const overlaps = (a: string, b: string) => a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
  const independent = rules.filter((issue) => {
    const about = [dotted(issue.path), ...((issue.params?.about ?? []) as string[])];
    return !found.some(({ path }) => about.some((key) => overlaps(key, path)));
  });
  return { issues: [...found, ...explainer.explain(independent)] };
}

/** YAML reads an unquoted 3.10 as the number 3.1; a version is the text. */
function keepVersionsAsWritten(root: ConfigNode, plain: Plain): void {
  for (const key of ['python_version', 'cuda_version']) {
    const { node, depth } = lookup(root, ['environment', key]);
    if (depth === 2 && node.kind === 'scalar' && typeof node.value === 'number') {
      (plain.environment as Plain)[key] = node.text;
    }
  }
}

/** What is left of a config for the rules between keys: keys with an issue go, the required ones are filled in. */
function withoutWrongKeys(plain: Plain, issues: readonly z.core.$ZodIssue[]): Plain {
  const rest = structuredClone(plain);
  const wrong = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path],
  );
  for (const [section, key] of wrong) {
    const owner = key === undefined ? rest : rest[String(section)];
    if (isPlain(owner)) delete owner[String(key ?? section)];
  }
  const fill = (section: string, key: string) => {
    const owner = isPlain(rest[section]) ? rest[section] : {};
    rest[section] = { ...owner, [key]: owner[key] ?? 'unknown' };
  };
  fill('experiment', 'name');
  fill('data', 'train_path');
  return rest;
}

function resolvePaths(config: ExperimentConfig, folder: string): ExperimentConfig {
  const absolute = (path: string) => resolve(folder, path);
  const data = { ...config.data };
  for (const key of ['train_path', 'val_path', 'test_path', 'features'] as const) {
    if (data[key] !== undefined) data[key] = absolute(data[key]);
  }
  const environment = { ...config.environment };
  if (environment.python?.includes('/')) environment.python = absolute(environment.python);
  return { ...config, data, environment };
}
