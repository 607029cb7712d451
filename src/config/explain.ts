import type * as z from 'zod';
import type { ConfigIssue, Place } from './config-error.ts';
import { configJsonSchema, type JsonSchema, schemasAt } from './json-schema.ts';
import { didYouMean } from './suggest.ts';
import { type ConfigNode, lookup } from './yaml.ts';

/** A key path as people write it. */
export function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((segment) => (typeof segment === 'number' ? `[${segment + 1}]` : `.${String(segment)}`))
    .join('')
    .replace(/^\./, '');
}

/** What a value must be, in words. */
function expectation(schemas: readonly JsonSchema[]): string {
  return [...new Set(schemas.map(phrase))].join(' or ');
}

function phrase(schema: JsonSchema): string {
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  const types = [schema.type ?? []].flat().filter((type) => type !== 'null');
  const nouns: Readonly<Record<string, string>> = {
    boolean: 'true or false',
    object: 'a section of keys and values',
    array: schema.minItems ? 'a list that is not empty' : 'a list',
    string: schema.maxLength ? `text of 1 to ${schema.maxLength} characters` : 'text that is not empty',
    integer: `a whole number${bounds(schema)}`,
    number: `a number${bounds(schema)}`,
  };
  return types.map((type) => nouns[type]).join(' or ');
}

function bounds(schema: JsonSchema): string {
  const { minimum, exclusiveMinimum, exclusiveMaximum } = schema;
  // Every integer of zod ends at 2^53 − 1; only for seeds, which start at 0, is that a bound worth naming.
  const unbounded = schema.maximum === Number.MAX_SAFE_INTEGER && minimum !== 0;
  const maximum = unbounded ? undefined : schema.maximum;
  if (minimum !== undefined && maximum !== undefined && minimum > -Number.MAX_SAFE_INTEGER) {
    return ` from ${minimum} to ${maximum}`;
  }
  const parts: string[] = [];
  if (exclusiveMinimum !== undefined) parts.push(`greater than ${exclusiveMinimum}`);
  if (minimum !== undefined && minimum > -Number.MAX_SAFE_INTEGER) parts.push(`at least ${minimum}`);
  if (maximum !== undefined) parts.push(`at most ${maximum}`);
  if (exclusiveMaximum !== undefined) parts.push(`less than ${exclusiveMaximum}`);
  return parts.length === 0 ? '' : ` that is ${parts.join(' and ')}`;
}

function shown(node: ConfigNode): string {
  if (node.kind === 'map') return 'a section';
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (typeof node.value === 'string') return `the text ${JSON.stringify(node.value.slice(0, 40))}`;
  return node.value === null ? 'nothing' : node.text.slice(0, 40);
}

function wrongValue(schemas: readonly JsonSchema[], node: ConfigNode): string {
  const what = `must be ${expectation(schemas)}, not ${shown(node)}`;
  if (node.kind !== 'scalar') return what;
  if (typeof node.value === 'string') {
    const words = schemas.flatMap((schema) => schema.enum ?? schema.const ?? []);
    return what + didYouMean(node.value, words.map(String));
  }
  const wantsText = schemas.some(
    (schema) => schema.type === 'string' && schema.enum === undefined && schema.const === undefined,
  );
  return wantsText && node.value !== null ? `${what}; put it in quotes` : what;
}

/** Turns the issues that zod finds in a config into messages with places. */
export class IssueExplainer {
  readonly #root: ConfigNode;
  readonly #schema = configJsonSchema();

  constructor(root: ConfigNode) {
    this.#root = root;
  }

  /** One error for each wrong key, however many rules its value breaks. */
  explain(issues: readonly z.core.$ZodIssue[]): ConfigIssue[] {
    const found = new Map<string, ConfigIssue>();
    for (const issue of issues.flatMap((i) => this.#explainOne(i))) {
      if (!found.has(issue.path)) found.set(issue.path, issue);
    }
    return [...found.values()];
  }

  #explainOne(issue: z.core.$ZodIssue): ConfigIssue[] {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => this.#unknownKey(path, key));
    }
    if (issue.code === 'invalid_union') {
      const telling = ['unrecognized_keys', 'invalid_format'];
      const deeper = issue.errors.find((branch) =>
        branch.every((inner) => inner.path.length > 0 || telling.includes(inner.code)),
      );
      if (deeper !== undefined && deeper.length > 0) {
        return deeper.flatMap((inner) => this.#explainOne({ ...inner, path: [...path, ...inner.path] }));
      }
    }
    const { keyAt, node, depth } = lookup(this.#root, path);
    if (issue.code === 'custom' || issue.code === 'invalid_format') {
      return [this.#issue(path, node.at, issue.message)];
    }
    const possible = schemasAt(this.#schema, path);
    const empty = node.kind === 'scalar' && node.value === null && typeof path.at(-1) !== 'number';
    if (depth < path.length || empty) {
      return [this.#issue(path, keyAt, `is required; add it: ${expectation(possible)}`)];
    }
    // Of the kinds of search dimension, only the one that is meant asks for a whole number.
    const wantsInteger = issue.code === 'invalid_type' && issue.expected === 'int';
    const schemas = wantsInteger ? possible.filter(({ type }) => type === 'integer') : possible;
    return [this.#issue(path, node.at, wrongValue(schemas, node))];
  }
  #unknownKey(path: readonly PropertyKey[], key: string): ConfigIssue {
    const full = [...path, key];
    const { keyAt } = lookup(this.#root, full);
    const keys = schemasAt(this.#schema, path).flatMap((schema) => [
      ...Object.keys(schema.properties ?? {}),
      ...((schema.propertyNames?.enum ?? []) as string[]),
    ]);
    const here = [...new Set(keys)];
    const suggestion = didYouMean(key, here);
    const home = suggestion === '' ? this.#sectionOf(key) : undefined;
    const advice =
      home === undefined ? suggestion || `; known here: ${here.join(', ')}` : `; it belongs to ${home}`;
    return this.#issue(full, keyAt, `unknown key${advice}`);
  }

  #sectionOf(key: string): string | undefined {
    const sections = Object.entries(this.#schema.properties ?? {});
    const home = sections.find(([, section]) => Object.hasOwn(section.properties ?? {}, key));
    return home?.[0];
  }

  #issue(path: readonly PropertyKey[], at: Place, message: string): ConfigIssue {
    return { ...at, path: dotted(path), message };
  }
}
