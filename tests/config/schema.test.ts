import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { parseConfig } from '../../src/config/load.ts';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import {
  HYPERPARAMETER_ALIASES,
  hyperparametersSchema,
  XGBOOST_SEARCH_SPACE,
} from '../../src/config/schema.ts';

interface Leaf {
  readonly key: string;
  readonly schema: JsonSchema;
}

/** Every key that is not a section, with members of free-form sections as `section.NAME`. */
function leaves(schema: JsonSchema, prefix = ''): Leaf[] {
  const choices = schema.anyOf ?? schema.oneOf ?? [schema];
  const sections = choices.filter(
    ({ properties, additionalProperties }) => properties || additionalProperties,
  );
  if (sections.length === 0) return [{ key: prefix, schema }];
  return sections.flatMap((section) => [
    ...Object.entries(section.properties ?? {}).flatMap(([key, inner]) =>
      leaves(inner, prefix === '' ? key : `${prefix}.${key}`),
    ),
    ...(typeof section.additionalProperties === 'object'
      ? leaves(section.additionalProperties, `${prefix}.NAME`)
      : []),
  ]);
}

const schema = configJsonSchema();
const MINIMAL = 'experiment: {name: e}\ndata: {train_path: /t.csv}\n';

function valueAt(root: unknown, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], root);
}

describe('the JSON Schema', () => {
  test('has an id and a dialect, and requires only a name and training data', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'lockstep-config',
      required: ['experiment', 'data'],
      additionalProperties: false,
    });
    expect(schema.properties!.experiment!.required).toEqual(['name']);
    expect(schema.properties!.data!.required).toEqual(['train_path']);
  });

  test('describes every key and section', () => {
    const undescribed: string[] = [];
    const walk = (at: JsonSchema, path: string) => {
      for (const inner of [...(at.anyOf ?? []), ...(at.oneOf ?? [])]) walk(inner, path);
      for (const [key, inner] of Object.entries(at.properties ?? {})) {
        if (!inner.description) undescribed.push(`${path}.${key}`);
        walk(inner, `${path}.${key}`);
      }
      if (typeof at.additionalProperties === 'object') walk(at.additionalProperties, `${path}.NAME`);
    };
    walk(schema, '');
    expect(undescribed).toEqual([]);
  });

  test('shows the defaults that loading applies', () => {
    const { config } = parseConfig(MINIMAL, 'e.yaml');
    const withDefault = leaves(schema).filter(
      ({ key, schema }) => 'default' in schema && !key.includes('NAME'),
    );
    expect(withDefault.length).toBeGreaterThan(40);
    for (const leaf of withDefault) {
      expect(valueAt(config, leaf.key), leaf.key).toEqual(leaf.schema.default);
    }
  });

  test('knows the aliases and unquoted versions that loading accepts', () => {
    const { hyperparameters, environment } = schema.properties!;
    const keys = Object.keys(hyperparameters!.properties!);
    const expected = [...Object.keys(hyperparametersSchema.shape), ...Object.keys(HYPERPARAMETER_ALIASES)];
    expect(keys).toEqual(expected);
    expect(environment!.properties!.python_version!.type).toEqual(['string', 'number']);
  });
});

describe('docs/config.md', () => {
  const page = readFile(new URL('../../docs/config.md', import.meta.url), 'utf8');

  test('shows the search space that is used when none is given', async () => {
    for (const [name, dimension] of Object.entries(XGBOOST_SEARCH_SPACE)) {
      if (dimension.type === 'categorical') throw new Error(`${name} needs a row of another form`);
      const kind = dimension.log ? `${dimension.type}, log` : dimension.type;
      expect(await page).toContain(`| ${name} | ${kind} | ${dimension.low} | ${dimension.high} |`);
    }
  });

  test('shows YAML that loads', async () => {
    const [whole = '', constraints = '', search = ''] = [
      ...(await page).matchAll(/```yaml\n([\s\S]*?)```/g),
    ].map((m) => m[1]);
    expect(parseConfig(whole, 'docs').config.data.target).toBe('income');
    const { hyperparameters } = parseConfig(MINIMAL + constraints, 'docs').config;
    expect(hyperparameters.monotone_constraints).toEqual({ age: 1, distance: -1 });
    const { optimization } = parseConfig(MINIMAL + search, 'docs').config;
    expect(Object.keys(optimization.search_space)).toEqual(['max_depth', 'learning_rate', 'max_bin']);
  });

  test('lists the metrics of every kind of model', async () => {
    const titles = {
      binary: 'two classes',
      multiclass: 'several classes',
      regression: 'regression',
    } as const;
    for (const [kind, metrics] of Object.entries(METRICS_BY_KIND)) {
      const names = metrics.map((name) => `\`${name}\``).join(', ');
      expect(await page).toContain(`| ${titles[kind as keyof typeof titles]} | ${names} |`);
    }
  });

  test('has a row with the right default for every key, and no other rows', async () => {
    const text = await page;
    const rows = new Map(
      [...text.matchAll(/^\| `([^`]+)` \| (.*?) \| (.*?) \| (.*) \|$/gm)].map((m) => [m[1]!, m[3]!]),
    );
    const documented = new Map<string, string | undefined>();
    for (const { key, schema: leaf } of leaves(schema)) {
      const alias = key.replace('hyperparameters.', '');
      if (key.startsWith('hyperparameters.') && alias in HYPERPARAMETER_ALIASES) continue;
      documented.set(key, 'default' in leaf ? `\`${JSON.stringify(leaf.default)}\`` : undefined);
    }
    expect([...rows.keys()].sort()).toEqual([...documented.keys()].sort());
    for (const [key, value] of documented) if (value !== undefined) expect(rows.get(key), key).toBe(value);
    for (const [alias, name] of Object.entries(HYPERPARAMETER_ALIASES)) {
      expect(text).toContain(`\`${alias}\` is \`${name}\``);
    }
  });
});
