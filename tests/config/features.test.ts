import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FeatureEntry, loadFeatureList } from '../../src/config/features.ts';
import { type JsonNode, JsonSyntaxError, parseJson } from '../../src/config/json.ts';
import { InputError } from '../../src/errors.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-features-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(content: string | Uint8Array): Promise<FeatureEntry[]> {
  const path = join(folder, 'features.json');
  await writeFile(path, content);
  return loadFeatureList(path);
}

describe('a feature list', () => {
  test('may hold names and objects, by itself or as the member "features"', async () => {
    const entries = [
      { name: 'age' },
      { name: 'city', type: 'categorical' },
      { name: 'size', type: 'ordinal', categories: ['S', 'M', 'L'] },
      { name: 'grade', type: 'ordinal' },
    ];
    const list = ['age', { name: 'city', type: 'categorical', description: 'home' }, ...entries.slice(2)];
    expect(await load(JSON.stringify(list))).toEqual(entries);
    expect(await load(JSON.stringify({ version: 1, features: list }, null, 2))).toEqual(entries);
  });

  test('keeps any distinct names in their order', async () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, unit: 'binary' }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(names, async (list) => {
        expect(await load(JSON.stringify(list))).toEqual(list.map((name) => ({ name })));
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ['[]', '1:1 lists no feature'],
    ['{}', '1:1 is not a feature list'],
    ['3', '1:1 is not a feature list'],
    ['["a",\n "a"]', '2:2 lists the feature "a" twice'],
    ['["a", ""]', '1:7 is not a feature; write a name'],
    ['["a", 3]', '1:7 is not a feature; write a name'],
    ['[{"type": "numeric"}]', '1:2 is not a feature; write a name'],
    [
      '[{"name": "a", "type": "numerical"}]',
      '1:24 is not a feature type; use one of numeric, categorical, ordinal; did you mean numeric?',
    ],
    ['[{"name": "a", "typ": "numeric"}]', '1:23 belongs to the unknown key "typ"; did you mean type?'],
    ['[{"name": "a", "type": "numeric", "categories": ["x"]}]', '1:49 gives categories, which only'],
    ['[{"name": "a", "type": "ordinal", "categories": []}]', '1:49 must be a list of the levels'],
    ['[{"name": "a", "type": "ordinal", "categories": [1]}]', '1:50 is not a level'],
    ['[{"name": "a", "type": "ordinal", "categories": ["x", "x"]}]', '1:55 lists the level "x" twice'],
    ['["a",\n "b",\n]', '3:1 has ] where a value is expected'],
    ['["a"\n "b"]', '2:2 lacks a "," or "]"'],
    ['["a', '1:2 begins a string that is not closed'],
    ['["a",', '1:6 ends too early: a value is expected here'],
    ['', '1:1 ends too early: a value is expected here'],
    ["['a']", '1:2 is not JSON: a value is expected here'],
    ['["a"] x', '1:7 follows the end of the JSON value'],
    ['[{"name" "a"}]', '1:10 lacks a ":" after "name"'],
    ['[{name: "a"}]', '1:3 is not JSON: a member name is expected here'],
    ['[{"name": "a", "name": "b"}]', '1:16 repeats the member "name"'],
    ['['.repeat(100_000), '1:102 is nested too deeply'],
  ])('%s is refused with its place', async (text, message) => {
    const error = await load(text).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(/^[^\n]*features\.json:[^\n]*[.?]$/);
    expect((error as InputError).message).toContain(`features.json:${message}`);
  });

  test('an absent file, a folder and a file that is not UTF-8 are each refused in one sentence', async () => {
    await expect(loadFeatureList(join(folder, 'absent.json'))).rejects.toThrow(
      /does not exist; correct data\.features\.$/,
    );
    await expect(loadFeatureList(folder)).rejects.toThrow(/is not a file; name the JSON feature list\.$/);
    await expect(load(Uint8Array.of(0x5b, 0xff, 0x5d))).rejects.toThrow(
      /is not UTF-8 text; save it in that encoding\.$/,
    );
  });
});

describe('the JSON reader with places', () => {
  function plain(node: JsonNode): unknown {
    if (node.kind === 'array') return node.items.map(plain);
    if (node.kind === 'object') return Object.fromEntries([...node.members].map(([k, v]) => [k, plain(v)]));
    return node.value;
  }

  test('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom('', ' ', '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(plain(parseJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('accepts exactly what JSON.parse accepts', () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'{}[]:," \n\\u01ae+-.tfn') }),
      fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([json, at, junk]) => {
        const place = at % (json.length + 1);
        return json.slice(0, place) + junk + json.slice(place + 1);
      }),
    );
    fc.assert(
      fc.property(text, (json) => {
        let expected: unknown;
        try {
          expected = { value: JSON.parse(json) as unknown };
        } catch {
          expected = JsonSyntaxError;
        }
        let found: unknown;
        try {
          found = { value: plain(parseJson(json)) };
        } catch (error) {
          // Repeated members are refused here on purpose, and JSON.parse takes the last.
          fc.pre(!(error as Error).message.startsWith('repeats'));
          found = (error as Error).constructor;
        }
        expect(found).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });
});
