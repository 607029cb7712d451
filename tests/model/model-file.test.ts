import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Model } from '../../src/boosting/model.ts';
import { modelJsonSchema } from '../../src/boosting/model-schema.ts';
import { InputError } from '../../src/errors.ts';
import { columnsArbitrary, denseTraining, modelArbitrary, trainingArbitrary } from './generate.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface ModelJson {
  [key: string]: Json;
  features: { [key: string]: Json }[];
  trees: { [key: string]: Json[] }[];
}

const example = Model.fromTraining({
  ...denseTraining(3, 3, 4),
  params: { max_depth: 3, learning_rate: 0.1, objective: 'binary:logistic', note: Number.NaN },
  training: { rows: 100, rounds: 5, best_iteration: 2, early_stopped: true, primary: 'auc_roc' },
});
const text = example.toText();
const edited = (edit: (file: ModelJson) => void): string => {
  const file = JSON.parse(text) as ModelJson;
  edit(file);
  return JSON.stringify(file);
};

const several = Model.fromTraining({
  ...denseTraining(6, 2, 2),
  objective: 'multi:softprob',
  trees: { ...denseTraining(6, 2, 2).trees, classes: 3, baseMargins: Int32Array.of(5, -3, 0) },
  schema: { ...denseTraining(6, 2, 2).schema, target: { name: 'y', classes: ['a', 'b', 'c'] } },
});
const editedSeveral = (edit: (file: ModelJson) => void): string => {
  const file = JSON.parse(several.toText()) as ModelJson;
  edit(file);
  return JSON.stringify(file);
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-model-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('a saved model', () => {
  it('loads with the same fingerprint, text and predictions', () => {
    const models = trainingArbitrary.chain((training) =>
      columnsArbitrary(training, 8).map((data) => ({ model: Model.fromTraining(training), ...data })),
    );
    fc.assert(
      fc.property(models, ({ model, columns, rows }) => {
        const again = Model.parse(model.toText());
        expect(again.fingerprint).toBe(model.fingerprint);
        expect(again.toText()).toBe(model.toText());
        expect(again.forest).toEqual(model.forest);
        expect(again.predict(columns, rows)).toEqual(model.predict(columns, rows));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps parameters, seed and training record, with null for numbers that JSON lacks', () => {
    const again = Model.parse(text);
    expect(again.params).toEqual({
      max_depth: 3,
      learning_rate: 0.1,
      objective: 'binary:logistic',
      note: null,
    });
    expect(again.seed).toBe(example.seed);
    expect(again.training).toEqual(example.training);
    expect(again.baseScore).toBe(0.5);
  });

  it('of several classes has a base margin and a base score for each', () => {
    const file = JSON.parse(several.toText());
    expect(file.base_margin).toEqual([5, -3, 0]);
    expect(file.base_score).toEqual(several.baseScore);
    expect(file.base_score.reduce((a: number, b: number) => a + b)).toBeCloseTo(1, 14);
    expect([several.outputs, several.trees]).toEqual([3, 6]);
    const softmax = Model.fromTraining({
      ...denseTraining(0, 0, 1),
      objective: 'multi:softmax',
      trees: { ...denseTraining(0, 0, 1).trees, classes: 3, baseMargins: Int32Array.of(5, 7, 7) },
      schema: { ...denseTraining(0, 0, 1).schema, target: { name: 'y', classes: ['a', 'b', 'c'] } },
    });
    expect(JSON.parse(softmax.toText()).base_score).toBe(1);
  });

  it('satisfies the published schema', () => {
    const schema = z.fromJSONSchema(modelJsonSchema());
    fc.assert(
      fc.property(modelArbitrary, (model) => {
        expect(schema.safeParse(JSON.parse(model.toText())).error).toBeUndefined();
      }),
    );
  });

  it('that is altered in type, range or key does not satisfy the published schema', () => {
    const schema = z.fromJSONSchema(modelJsonSchema());
    const edits: ((file: ModelJson) => void)[] = [
      (file) => delete file.seed,
      (file) => (file.extra = 1),
      (file) => (file.version = 2),
      (file) => (file.features[0]!.type = 'text'),
      (file) => (file.trees[0]!.leaf![0] = 0.5),
      (file) => (file.trees[0]!.gain![0] = null),
      (file) => (file.fingerprint = 'none'),
    ];
    for (const edit of edits) expect(schema.safeParse(JSON.parse(edited(edit))).success).toBe(false);
  });

  it('has one feature and one tree a line', () => {
    const lines = text.split('\n');
    expect(lines.filter((line) => line.startsWith('    {"name":'))).toHaveLength(4);
    expect(lines.filter((line) => line.startsWith('    {"feature":'))).toHaveLength(3);
  });

  it('is written and read as a file, leaving nothing else in the folder', async () => {
    const path = join(folder, 'kept.json');
    await example.save(path);
    await example.save(path);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect((await Model.load(path)).fingerprint).toBe(example.fingerprint);
    expect(await readdir(folder)).toEqual(['kept.json']);
  });
});

describe('saving', () => {
  it('to a folder that does not exist is an input error naming the path', async () => {
    const path = join(folder, 'absent', 'model.json');
    await expect(example.save(path)).rejects.toThrow(InputError);
    await expect(example.save(path)).rejects.toThrow(path);
  });

  it('over a folder is an input error and leaves no temporary file', async () => {
    const before = await readdir(folder);
    await expect(example.save(folder)).rejects.toThrow(InputError);
    expect(await readdir(folder)).toEqual(before);
    expect(
      (await readdir(join(folder, '..'))).filter((name) => name.startsWith(`${folder.split('/').at(-1)}.`)),
    ).toEqual([]);
  });
});

describe('loading', () => {
  it.each<[string, () => Promise<string>, string]>([
    ['an absent file', async () => join(folder, 'absent.json'), 'no such file'],
    ['a folder', async () => folder, 'it is a folder'],
    [
      'bytes that are not UTF-8',
      async () => {
        const path = join(folder, 'bytes.json');
        await writeFile(path, Uint8Array.of(0x7b, 0xff, 0xfe));
        return path;
      },
      'not UTF-8',
    ],
  ])('%s is an input error that says so', async (_, make, message) => {
    const path = await make();
    await expect(Model.load(path)).rejects.toThrow(InputError);
    await expect(Model.load(path)).rejects.toThrow(path);
    await expect(Model.load(path)).rejects.toThrow(message);
  });

  it.each<[string, string, string]>([
    ['nothing', '', 'line 1, column 1'],
    ['other text', 'hello\n', 'not a whole JSON file'],
    ['another JSON file', '{"learner": {}}', 'not a Lockstep model'],
    ['a JSON list', '[]', 'is a list, not an object'],
    ['a newer format', edited((f) => (f.version = 2)), 'version 2, newer than 1'],
    ['newer numerics', edited((f) => (f.numerics_version = 7)), 'numerics_version 7, newer than 1'],
    ['a lost key', edited((f) => delete f.seed), 'has no seed'],
    ['an unknown key', edited((f) => (f.sede = 1)), 'unknown key "sede"'],
    [
      'an unknown objective',
      edited((f) => (f.objective = 'rank:ndcg')),
      '"rank:ndcg", not "binary:logistic" or',
    ],
    ['a changed leaf', edited((f) => (f.trees[0]!.leaf![14] = 12345)), 'the fingerprint of its contents'],
    ['a changed gain', edited((f) => (f.trees[0]!.gain![0] = 2)), 'the fingerprint of its contents'],
    [
      'a changed class',
      edited((f) => (f.target = { name: 'y', classes: [0, 2] })),
      'the fingerprint of its contents',
    ],
    ['a changed base score', edited((f) => (f.base_score = 0.25)), 'base_score does not follow'],
    ['a loop', edited((f) => (f.trees[1]!.left![2] = 1)), 'node 2 of trees[1] has the left child 1 where 5'],
    ['a child past the end', edited((f) => (f.trees[1]!.left![6] = 99)), 'left child 99'],
    [
      'a threshold beyond float32',
      edited((f) => (f.trees[0]!.threshold![0] = 0.1)),
      'trees[0].threshold[0] is 0.1',
    ],
    ['arrays of unequal length', edited((f) => f.trees[0]!.gain!.pop()), 'trees[0].gain has 14 elements'],
    ['a feature out of range', edited((f) => (f.trees[0]!.feature![0] = 4)), 'splits on feature 4'],
    [
      'a set for a numeric split',
      edited((f) => (f.trees[0]!.categories = { 0: [1] } as never)),
      'not categorical',
    ],
    ['a set for no node', edited((f) => (f.trees[0]!.categories = { x: [1] } as never)), 'is not a node'],
    [
      'margins of classes finer than their probabilities',
      edited((f) => (f.margin_bits = 41)),
      'margin_bits is above 40',
    ],
    [
      'unlisted_right for numbers',
      edited((f) => (f.features[0]!.unlisted_right = true)),
      'has unlisted_right though it is not categorical',
    ],
    [
      'a base margin too few',
      editedSeveral((f) => (f.base_margin = [1, 2])),
      'base_margin does not have one number for each class',
    ],
    [
      'one base margin for all classes',
      editedSeveral((f) => (f.base_margin = 5)),
      'base_margin is 5, not a list',
    ],
    [
      'a tree too few',
      editedSeveral((f) => f.trees.pop()),
      'trees do not come in rounds of one for each class',
    ],
    [
      'a class twice',
      editedSeveral((f) => (f.target = { name: 'y', classes: ['a', 'b', 'a'] })),
      'target.classes has the same class twice',
    ],
    [
      'a third class of a binary model',
      edited((f) => (f.target = { name: 'y', classes: [0, 1, 2] })),
      'target.classes does not have two classes',
    ],
    [
      'base scores that are not those of the margins',
      editedSeveral((f) => (f.base_score = [0.5, 0.25, 0.25])),
      'base_score does not follow',
    ],
    ['two features of one name', edited((f) => (f.features[1]!.name = 'f0')), 'has the name of another'],
    ['deep nesting', '['.repeat(200_000), 'not a whole JSON file'],
  ])('%s is an input error that names the file and the problem', (_, content, message) => {
    expect(() => Model.parse(content, 'm.json')).toThrow(InputError);
    expect(() => Model.parse(content, 'm.json')).toThrow('m.json');
    expect(() => Model.parse(content, 'm.json')).toThrow(message);
  });

  it('a file cut anywhere is an input error', () => {
    const end = text.trimEnd().length;
    fc.assert(
      fc.property(fc.nat(end - 1), (length) => {
        expect(() => Model.parse(text.slice(0, length))).toThrow(InputError);
      }),
    );
  });

  it('a file with some characters changed keeps the fingerprint or is an input error', () => {
    const change = fc.tuple(
      fc.nat(),
      fc.nat(3),
      fc.oneof(fc.constantFrom('', '0', '1', '-', '9e9', '"', ',', '['), fc.string()),
    );
    fc.assert(
      fc.property(modelArbitrary, fc.array(change, { minLength: 1, maxLength: 3 }), (model, changes) => {
        let content = model.toText();
        for (const [at, removed, added] of changes) {
          const i = at % content.length;
          content = content.slice(0, i) + added + content.slice(i + removed);
        }
        expectSameOrInputError(content, model.fingerprint);
      }),
      { numRuns: 1000 },
    );
  });

  it('a file with any value replaced by another keeps the fingerprint or is an input error', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
      fc.integer({ min: -5, max: 40 }),
      fc.constantFrom<Json>(-0, 1e308, 2 ** 31, 2 ** 53, [], {}, '', null),
    );
    fc.assert(
      fc.property(
        modelArbitrary,
        fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
        value,
        (model, steps, other) => {
          const file = JSON.parse(model.toText()) as Json;
          let parent = file;
          let key: string | undefined;
          for (const step of steps) {
            const at: Json = key === undefined ? parent : (parent as { [key: string]: Json })[key]!;
            if (typeof at !== 'object' || at === null || Object.keys(at).length === 0) break;
            parent = at;
            key = Object.keys(at)[step % Object.keys(at).length]!;
          }
          (parent as { [key: string]: Json })[key!] = other;
          expectSameOrInputError(JSON.stringify(file), model.fingerprint);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function expectSameOrInputError(content: string, fingerprint: string): void {
  let model: Model;
  try {
    model = Model.parse(content);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return;
  }
  expect(model.fingerprint).toBe(fingerprint);
}
