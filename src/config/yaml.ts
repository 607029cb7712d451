import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  parseAllDocuments,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { InputError } from '../errors.ts';
import { ConfigError, type ConfigIssue, type Place } from './config-error.ts';

export interface MapEntry {
  readonly keyAt: Place;
  readonly value: ConfigNode;
}

/** A YAML value that knows where it was written; anchors and merge keys are resolved by sharing nodes. */
export type ConfigNode =
  | { readonly kind: 'map'; readonly at: Place; readonly entries: ReadonlyMap<string, MapEntry> }
  | { readonly kind: 'list'; readonly at: Place; readonly items: readonly ConfigNode[] }
  | {
      readonly kind: 'scalar';
      readonly at: Place;
      readonly value: string | number | boolean | null;
      /** The text as written, without quotes. */
      readonly text: string;
    };

const MAX_LEXEMES = 50_000;
const MAX_FLOW_DEPTH = 64;
const MAX_FLOW_PAIRS = 16;
const MAX_INDENT = 256;
const MAX_NODES = 100_000;

/**
 * Refuses text that is nested or long beyond any experiment. The YAML composer recurses, and a regular
 * expression compiled near the end of the stack ends the process rather than throwing, so this must come first.
 */
function checkShape(text: string, name: string): void {
  const refuse = (what: string) => {
    throw new InputError(`${name} ${what}; an experiment file is a few sections of keys and values.`);
  };
  for (const [indent] of text.matchAll(/^[ \t]*(?:[-?:][ \t]+)*/gm)) {
    if (indent.length > MAX_INDENT) refuse('is nested too deeply');
  }
  let lexemes = 0;
  let depth = 0;
  let pairs = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++lexemes > MAX_LEXEMES) refuse('holds too many values');
    if (lexeme === '[' || lexeme === '{') {
      depth++;
      pairs = 0;
    } else if (lexeme === ']' || lexeme === '}') {
      depth = Math.max(0, depth - 1);
      pairs = 0;
    } else if (lexeme === ',') {
      pairs = 0;
    } else if (lexeme === ':' && depth > 0) {
      pairs++;
    }
    if (depth > MAX_FLOW_DEPTH || pairs > MAX_FLOW_PAIRS) refuse('is nested too deeply');
  }
}

const SYNTAX_MESSAGES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key:" on one line; start a new line, or put the value in quotes',
  TAG_RESOLVE_FAILED: 'an unknown tag; leave out the word that begins with "!"',
  BAD_SCALAR_START: 'a value cannot start with this character; put the value in quotes',
};

function syntaxMessage(error: YAMLError): string {
  const known = SYNTAX_MESSAGES[error.code];
  if (known !== undefined) return known;
  const sentence = error.message.replace(/[.:]?\s*$/, '');
  return `${sentence[0]?.toLowerCase()}${sentence.slice(1)}; correct the YAML here`;
}

/** The start of the quoted scalar that `offset` lies in or ends, where the missing quote is best looked for. */
function openingQuote(text: string, document: Document.Parsed, offset: number): number | undefined {
  let start: number | undefined;
  const walk = (node: unknown): void => {
    if (isScalar(node) && node.range && node.range[0] < offset && /['"]/.test(text[node.range[0]] ?? '')) {
      start = node.range[0];
    } else if (isMap(node)) {
      for (const pair of node.items) {
        walk(pair.key);
        walk(pair.value);
      }
    } else if (isSeq(node)) {
      node.items.forEach(walk);
    }
  };
  walk(document.contents);
  return start;
}

/**
 * Reads one YAML 1.2 document with anchors and merge keys.
 * @param name how messages call the text
 * @param place gives the place of an offset in the text; by default line and column in `name`
 * @throws ConfigError with every syntax error; InputError when the text as a whole is unusable: not one
 *   document, nested too deeply, or (through aliases) too large.
 */
export function readYaml(
  text: string,
  name: string,
  place?: (offset: number) => Place,
): { root: ConfigNode; issues: ConfigIssue[] } {
  checkShape(text, name);
  const lines = new LineCounter();
  const placeOf =
    place ??
    ((offset: number) => {
      const { line, col } = lines.linePos(offset);
      return { source: name, line, column: col };
    });
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    // Its check compares every pair of keys; the one in NodeReader is linear.
    uniqueKeys: false,
    logLevel: 'silent',
  });
  const issues: ConfigIssue[] = [];
  const report = (offset: number, message: string) => issues.push({ ...placeOf(offset), path: '', message });
  for (const document of documents) {
    for (const error of [...document.errors, ...document.warnings]) {
      const open = /closing ['"]/.test(error.message)
        ? openingQuote(text, document, error.pos[0])
        : undefined;
      if (open === undefined) report(error.pos[0], syntaxMessage(error));
      else report(open, 'this quote is never closed; add the closing quote');
    }
  }
  if (issues.length > 0) throw new ConfigError(name, issues);
  if (documents.length > 1) {
    throw new InputError(
      `${name} holds ${documents.length} YAML documents; keep one and remove the "---" lines.`,
    );
  }
  const reader = new NodeReader(name, placeOf, report);
  return { root: reader.read(documents[0]?.contents ?? null), issues };
}

class NodeReader {
  readonly #name: string;
  readonly #placeOf: (offset: number) => Place;
  readonly #report: (offset: number, message: string) => void;
  readonly #anchors = new Map<string, ConfigNode>();
  readonly #sizes = new Map<ConfigNode, number>();
  #merges = 0;

  constructor(
    name: string,
    placeOf: (offset: number) => Place,
    report: (offset: number, message: string) => void,
  ) {
    this.#name = name;
    this.#placeOf = placeOf;
    this.#report = report;
  }

  read(node: ParsedNode | null): ConfigNode {
    const offset = node?.range[0] ?? 0;
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target !== undefined) return target;
      this.#report(
        offset,
        `the alias *${node.source} has no anchor &${node.source} before it; define it first`,
      );
      return this.#scalar(offset, null, '');
    }
    const result = isMap(node)
      ? this.#map(node, offset)
      : isSeq(node)
        ? this.#list(node.items as ParsedNode[], offset)
        : this.#scalar(offset, node?.value ?? null, node?.source ?? '');
    if (node?.anchor !== undefined) this.#anchors.set(node.anchor, result);
    return result;
  }

  #scalar(offset: number, value: unknown, text: string): ConfigNode {
    const at = this.#placeOf(offset);
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      return { kind: 'scalar', at, value: value as string | number | boolean | null, text };
    }
    this.#report(offset, 'a value of this type has no meaning here; leave out the tag');
    return { kind: 'scalar', at, value: null, text };
  }

  #list(nodes: readonly ParsedNode[], offset: number): ConfigNode {
    const items = nodes.map((item) => this.read(item));
    return this.#measured({ kind: 'list', at: this.#placeOf(offset), items }, items);
  }

  #map(node: YAMLMap.Parsed, offset: number): ConfigNode {
    const own = new Map<string, MapEntry>();
    const merged = new Map<string, MapEntry>();
    for (const pair of node.items) {
      const keyOffset = pair.key.range[0];
      if (!isScalar(pair.key)) {
        this.#report(keyOffset, 'a key must be a plain word, not a list, a section or an alias');
        continue;
      }
      const key = pair.key.source ?? '';
      const value = this.read(pair.value);
      if (key === '<<' && pair.key.type === 'PLAIN') {
        this.#merge(merged, value, keyOffset);
      } else if (key === '__proto__') {
        this.#report(keyOffset, '__proto__ cannot be a key; remove it');
      } else if (own.has(key)) {
        this.#report(keyOffset, `the key ${key} is given twice; remove one`);
      } else {
        own.set(key, { keyAt: this.#placeOf(keyOffset), value });
      }
    }
    for (const [key, entry] of merged) if (!own.has(key)) own.set(key, entry);
    const values = [...own.values()].map((entry) => entry.value);
    return this.#measured({ kind: 'map', at: this.#placeOf(offset), entries: own }, values);
  }

  /** Earlier sources of a merge win over later ones, as the merge key's definition says. */
  #merge(merged: Map<string, MapEntry>, source: ConfigNode, offset: number): void {
    const sources = source.kind === 'list' ? source.items : [source];
    for (const map of sources) {
      if (map.kind !== 'map') {
        this.#report(offset, '"<<" takes a section or a list of sections; give an alias such as *defaults');
        continue;
      }
      for (const [key, entry] of map.entries) if (!merged.has(key)) merged.set(key, entry);
      this.#merges += map.entries.size;
      if (this.#merges > MAX_NODES) this.#refuseSize();
    }
  }

  /** Counts the nodes below `node` as if every alias were written out, and refuses an alias bomb. */
  #measured(node: ConfigNode, children: readonly ConfigNode[]): ConfigNode {
    let size = 1;
    for (const child of children) size += this.#sizes.get(child) ?? 1;
    if (size > MAX_NODES) this.#refuseSize();
    this.#sizes.set(node, size);
    return node;
  }

  #refuseSize(): never {
    throw new InputError(
      `${this.#name} grows beyond ${MAX_NODES} values through its aliases; use fewer of them.`,
    );
  }
}

/** The plain value of a tree; an empty key (null in a map) is undefined, which means its default. */
export function plainValue(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(plainValue);
  const plain: Record<string, unknown> = {};
  for (const [key, { value }] of node.entries) plain[key] = plainValue(value) ?? undefined;
  return plain;
}

/** The deepest entry along `path`, and how many segments of the path it covers. */
export function lookup(
  root: ConfigNode,
  path: readonly PropertyKey[],
): { keyAt: Place; node: ConfigNode; depth: number } {
  let found = { keyAt: root.at, node: root, depth: 0 };
  for (const segment of path) {
    const { node, depth } = found;
    if (node.kind === 'map') {
      const entry = node.entries.get(String(segment));
      if (entry === undefined) break;
      found = { keyAt: entry.keyAt, node: entry.value, depth: depth + 1 };
    } else if (node.kind === 'list') {
      const item = node.items[Number(segment)];
      if (item === undefined) break;
      found = { keyAt: item.at, node: item, depth: depth + 1 };
    } else break;
  }
  return found;
}
