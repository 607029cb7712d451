import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { exportXgboost, importXgboost } from '../../src/boosting/formats/xgboost.ts';
import { formatXgboost, parseXgboost, type XgboostModel } from '../../src/boosting/formats/xgboost-file.ts';
import { Model } from '../../src/boosting/model.ts';
import { modelJsonSchema } from '../../src/boosting/model-schema.ts';
import { InputError } from '../../src/errors.ts';
import { denseTraining, mildTrainingAndColumns } from '../model/generate.ts';
import { marginsOf, readColumns, valuesOf } from './margins.ts';

/** What xgboost_format.py keeps of the real xgboost. */
interface FixtureCase {
  readonly name: string;
  readonly model: string;
  readonly columns: (number | null)[][];
  /** As xgboost computes them, in float32; of several classes, a margin each. */
  readonly margins: number[];
  readonly sha256: string;
}

function fixture(name: string): FixtureCase[] {
  const text = readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { cases: FixtureCase[] }).cases;
}

const listsOf = ({ columns }: FixtureCase) =>
  columns.map((column) => column.map((value) => value ?? Number.NaN));

/** The rows in which margins differ by more than 1e-5 · max(scale, |margin|). */
function differing(ours: Float64Array, theirs: ArrayLike<number>, scale = 1): string[] {
  expect(ours.length).toBe(theirs.length);
  return Array.from(ours, (margin, row) => ({ row, margin, expected: theirs[row]! }))
    .filter(
      ({ margin, expected }) => !(Math.abs(margin - expected) <= 1e-5 * Math.max(scale, Math.abs(expected))),
    )
    .map(({ row, margin, expected }) => `row ${row}: ${margin} where xgboost has ${expected}`);
}

/** The largest number that goes into the float32 sums of a model. */
function scaleOf(model: Model): number {
  const leaves = model.forest.leaf.reduce((most, leaf) => Math.max(most, Math.abs(leaf)), 0);
  return Math.max(1, Math.abs(model.baseValue), leaves * 2 ** -model.marginBits);
}

const native = fixture('xgboost-models');
const nativeText = (name: string) => native.find((one) => one.name === name)!.model;

describe('an exported model', () => {
  it.each(fixture('xgboost-exports'))('has the margins that the real xgboost gave it: $name', (one) => {
    const model = Model.parse(one.model);
    expect(createHash('sha256').update(exportXgboost(model)).digest('hex')).toBe(one.sha256);
    const ours = marginsOf(model, readColumns(model, listsOf(one)), one.columns[0]!.length);
    expect(differing(ours, one.margins, scaleOf(model))).toEqual([]);
  });

  it('that is imported again predicts the same, a regression to the last bit', () => {
    fc.assert(
      fc.property(mildTrainingAndColumns, ({ training, columns, rows }) => {
        const model = Model.fromTraining(training);
        const again = importXgboost(exportXgboost(model));
        const lists = columns.map((column) => valuesOf(column, rows));
        const before = marginsOf(model, columns, rows);
        const after = marginsOf(again, readColumns(again, lists), rows);
        if (model.objective === 'reg:squarederror') expect(after).toEqual(before);
        else expect(differing(after, before, 0.2)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('that is imported and exported again has the same text', () => {
    fc.assert(
      fc.property(mildTrainingAndColumns, ({ training }) => {
        const named = { ...training, training: { ...training.training, best_iteration: null } };
        const once = exportXgboost(importXgboost(exportXgboost(Model.fromTraining(named))));
        expect(exportXgboost(importXgboost(once))).toBe(once);
      }),
    );
  });

  const training = denseTraining(2, 1, 2);
  const fileOf = (change: Partial<typeof training>) =>
    JSON.parse(exportXgboost(Model.fromTraining({ ...training, ...change })));

  it.each([2 ** 21 + 1, -(2 ** 24)])(
    'with the base margin %i carries it in the leaves of the first tree, where float32 keeps it',
    (baseMargin) => {
      const { learner } = fileOf({ trees: { ...training.trees, baseMargins: Int32Array.of(baseMargin) } });
      expect(learner.learner_model_param.base_score).toBe('5e-1');
      const [first, second] = learner.gradient_booster.model.trees;
      const leaves = Array.from(training.trees.leaf, (leaf) => leaf * 2 ** -20);
      expect(first.split_conditions.slice(1)).toEqual(
        leaves.slice(1, 3).map((leaf) => expect.closeTo(leaf + baseMargin * 2 ** -20, 5)),
      );
      expect(second.split_conditions.slice(1)).toEqual(
        leaves.slice(4).map((leaf) => expect.closeTo(leaf, 7)),
      );
    },
  );

  it('without trees gets one that adds nothing', () => {
    const { learner } = fileOf(denseTraining(0, 0, 2));
    expect(learner.gradient_booster.model.gbtree_model_param.num_trees).toBe('1');
    expect(learner.gradient_booster.model.trees[0].split_conditions).toEqual([0]);
  });

  it('states the best iteration only where it is the last round', () => {
    const attributes = (best_iteration: number) =>
      fileOf({ training: { ...training.training, best_iteration } }).learner.attributes;
    expect(attributes(1)).toEqual({ best_iteration: '1' });
    expect(attributes(0)).toEqual({});
  });

  it('leaves out names that XGBoost refuses', () => {
    const renamed = {
      ...training.schema,
      features: [
        { name: 'a<b', type: 'numeric' as const },
        { name: 'c', type: 'numeric' as const },
      ],
    };
    expect(fileOf({ schema: renamed }).learner.feature_names).toEqual([]);
    expect(fileOf({}).learner.feature_names).toEqual(['f0', 'f1']);
  });

  it('has category names, sorted by code units, unless one is not ASCII', () => {
    const withCategories = (categories: string[]) => {
      const { features } = training;
      const binned = {
        ...features[0]!,
        type: 'categorical' as const,
        cuts: new Float32Array(0),
        bins: 3,
        binOfCategory: Uint8Array.of(1, 2, 3),
      };
      const { trees } = denseTraining(0, 0, 2);
      const schema = {
        ...training.schema,
        features: [{ name: 'f0', type: 'categorical' as const, categories }, training.schema.features[1]!],
      };
      return fileOf({ trees, features: [binned, features[1]!], schema }).learner.gradient_booster.model.cats;
    };
    expect(withCategories(['b', '', 'ab'])).toEqual({
      enc: [
        { offsets: [0, 1, 1, 3], values: [98, 97, 98] },
        { offsets: [], values: [] },
      ],
      feature_segments: [0, 3, 3],
      sorted_idx: [1, 2, 0],
    });
    expect(withCategories(['b', 'é', 'ab'])).toEqual({ enc: [], feature_segments: [], sorted_idx: [] });
  });

  it('with leaves beyond float32 is an input error', () => {
    const leaf = training.trees.leaf.map((value) => value && 2 ** 29);
    const trees = { ...training.trees, marginBits: -104, leaf };
    const model = Model.fromTraining({
      ...training,
      objective: 'reg:squarederror',
      schema: { ...training.schema, target: { name: 'y' } },
      trees,
    });
    expect(() => exportXgboost(model)).toThrow(InputError);
    expect(() => exportXgboost(model)).toThrow('float32');
  });
});

describe('an imported model', () => {
  it.each(native)('has the margins of the real xgboost: $name', (one) => {
    const model = importXgboost(one.model);
    const columns = readColumns(model, listsOf(one));
    expect(differing(marginsOf(model, columns, one.columns[0]!.length), one.margins)).toEqual([]);
  });

  it.each(native)('is a model like any other: $name', ({ model: text }) => {
    const model = importXgboost(text);
    const again = Model.parse(model.toText());
    expect(again.fingerprint).toBe(model.fingerprint);
    expect(again.toText()).toBe(model.toText());
    expect(z.fromJSONSchema(modelJsonSchema()).safeParse(JSON.parse(model.toText())).error).toBeUndefined();
    expect(model.importances().length).toBeGreaterThanOrEqual(
      model.forest.feature.some((f) => f >= 0) ? 1 : 0,
    );
  });

  it('from bytes is the same as from text', () => {
    const text = nativeText('logistic');
    expect(importXgboost(new TextEncoder().encode(text)).fingerprint).toBe(importXgboost(text).fingerprint);
  });

  it('takes names of target, classes and categories, and the number of rounds', () => {
    const text = nativeText('partitions without names');
    const names = Array.from('abcdefghijklm');
    const model = importXgboost(text, {
      target: 'income',
      classes: ['low', 'high'],
      categories: { f1: names },
      rounds: 1,
    });
    expect(model.target).toEqual({ name: 'income', classes: ['low', 'high'] });
    expect(model.features[1]).toEqual({ name: 'f1', type: 'categorical', categories: names });
    expect(model.features[3]).toMatchObject({ type: 'categorical', unlisted_right: true });
    expect([model.trees, model.training.rounds]).toEqual([1, 1]);
    expect(importXgboost(text).target).toEqual({ name: 'target', classes: [0, 1] });
  });

  it('sends a category without a name where XGBoost sends codes that a node does not list', () => {
    const model = importXgboost(nativeText('one-hot without names'));
    const row = (c: string | null) => [0.5, c, 0.5, null, 0];
    const known = model.features[1]!.categories!;
    expect(known).toEqual(Array.from(known.keys(), String));
    const splits = model.forest.feature.filter((f) => f === 1).length;
    expect(splits).toBeGreaterThan(0);
    const listed = new Set(model.forest.catList);
    const free = known.find((_, c) => !listed.has(c))!;
    expect(model.predictRowArray(row('99'))).toBe(model.predictRowArray(row(free)));
    const columns = (names: (string | null)[]) =>
      readColumns(model, [[0.5], [0], [0.5], [Number.NaN], [0]]).map((column) =>
        column.kind === 'categorical' && column.name === 'f1'
          ? { ...column, codes: Int32Array.of(names[0] === null ? -1 : 0), categories: ['99'] }
          : column,
      );
    expect(model.predict(columns(['99']), 1)[0]).toBe(model.predictRowArray(row('99')));
    expect(model.predict(columns([null]), 1)[0]).toBe(model.predictRowArray(row(null)));
  });

  it('with an empty set of such a feature, which XGBoost has no list for, is not intact', () => {
    const file = JSON.parse(importXgboost(nativeText('one-hot without names')).toText());
    const tree = file.trees.find(({ categories }: { categories?: object }) => categories);
    tree.categories[Object.keys(tree.categories)[0]!] = [];
    expect(() => Model.parse(JSON.stringify(file))).toThrow('sends no category left');
  });

  it('reads the tokens NaN and Infinity where XGBoost writes them, but not in names', () => {
    const text = nativeText('one leaf')
      .replace(/"loss_changes":\[[^\]]*\]/, '"loss_changes":[NaN]')
      .replace(/"sum_hessian":\[[^\]]*\]/, '"sum_hessian":[Infinity]')
      .replace('"feature_names":[]', '"feature_names":["NaN","-Infinity \\" NaN","c","d","e"]');
    const model = importXgboost(text);
    expect(model.features.map(({ name }) => name)).toEqual(['NaN', '-Infinity " NaN', 'c', 'd', 'e']);
    expect(model.forest.cover[0]).toBe(3.4028234663852886e38);
  });

  it('keeps rounding far below the tolerance over thousands of trees, however large their leaves', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.constantFrom(1e-30, 1e-3, 0.1, 1, 1e4, 1e30),
        fc.constantFrom('binary:logistic', 'reg:squarederror'),
        (trees, size, objective) => {
          const leaf = (t: number) => Math.fround(size * Math.sin(t + 1));
          const text = constantTrees(
            Array.from({ length: trees }, (_, t) => leaf(t)),
            objective,
          );
          const model = importXgboost(text);
          let sum = 0;
          let low = 0;
          let high = 0;
          for (let t = 0; t < trees; t++) {
            sum += leaf(t);
            low = Math.min(low, sum);
            high = Math.max(high, sum);
          }
          const columns = readColumns(model, [[0]]);
          const error = Math.abs(marginsOf(model, columns, 1)[0]! - sum);
          expect(error).toBeLessThanOrEqual(2e-7 * Math.max(1, -low, high));
        },
      ),
      { numRuns: 20 },
    );
  });

  it('equals a naive walk of any tree, with thresholds that all or no numbers are below', () => {
    fc.assert(
      fc.property(forestArbitrary, ({ trees, rows }) => {
        const model = importXgboost(forestText(trees));
        const lists = [0, 1, 2].map((f) => rows.map((row) => row[f]!));
        const margins = marginsOf(model, readColumns(model, lists), rows.length);
        const expected = rows.map((row) => trees.reduce((sum, tree) => sum + naiveLeaf(tree, row), 0));
        expect(differing(margins, expected, 0.1)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

/** Text of a model of single leaves on one feature. */
function constantTrees(leaves: readonly number[], objective: string): string {
  return formatXgboost({
    objective,
    outputs: 1,
    baseScores: [objective === 'binary:logistic' ? 0.5 : 0],
    features: [{ name: 'f0', categorical: false }],
    trees: leaves.map((leaf) => ({
      output: 0,
      left: Int32Array.of(-1),
      right: Int32Array.of(-1),
      feature: new Int32Array(1),
      condition: Float32Array.of(leaf),
      missingLeft: new Uint8Array(1),
      sets: new Map(),
      gain: new Float64Array(1),
      cover: new Float64Array(1),
    })),
    roundEnds: leaves.map((_, t) => t + 1),
    bestIteration: null,
  });
}

/** A node of a tree over the numbers 0 and 2 and the category 1 of a row. */
type RawNode =
  | { readonly leaf: number }
  | {
      readonly feature: number;
      readonly condition: number;
      readonly set: readonly number[];
      readonly missingLeft: boolean;
      readonly left: RawNode;
      readonly right: RawNode;
    };

const { node: rawNode } = fc.letrec<{ node: RawNode; leaf: RawNode; split: RawNode }>((tie) => ({
  node: fc.oneof({ maxDepth: 5, withCrossShrink: true }, tie('leaf'), tie('split')),
  leaf: fc.record({ leaf: fc.float({ min: -1, max: 1, noNaN: true }) }),
  split: fc.record({
    feature: fc.nat(2),
    condition: fc.oneof(
      fc.float(),
      fc.constantFrom(
        0,
        -0,
        1,
        Infinity,
        -Infinity,
        Number.NaN,
        3.4028234663852886e38,
        -3.4028234663852886e38,
      ),
    ),
    set: fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 6 }),
    missingLeft: fc.boolean(),
    left: tie('node'),
    right: tie('node'),
  }),
}));
const number = fc.oneof(
  fc.float({ noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, Number.NaN, 3.4028234663852886e38, -3.4028234663852886e38),
);
const forestArbitrary = fc.record({
  trees: fc.array(rawNode, { minLength: 1, maxLength: 5 }),
  rows: fc.array(fc.tuple(number, fc.oneof(fc.nat(12), fc.constant(Number.NaN)), number), { maxLength: 20 }),
});

function naiveLeaf(node: RawNode, row: readonly number[]): number {
  if ('leaf' in node) return node.leaf;
  const x = row[node.feature]!;
  const left = Number.isNaN(x)
    ? node.missingLeft
    : node.feature === 1
      ? !node.set.includes(x)
      : x < node.condition;
  return naiveLeaf(left ? node.left : node.right, row);
}

/** The file of such trees, written without our own writer. */
function forestText(trees: readonly RawNode[]): string {
  const entries = trees.map((tree, id) => {
    const nodes: RawNode[] = [tree];
    const left: number[] = [];
    for (const node of nodes) {
      left.push('leaf' in node ? -1 : nodes.length);
      if (!('leaf' in node)) nodes.push(node.left, node.right);
    }
    const splits = nodes.map((node) => ('leaf' in node ? undefined : node));
    const sets = splits.map((split) => (split?.feature === 1 ? split.set : []));
    const owners = [...sets.keys()].filter((n) => sets[n]!.length > 0);
    const sizes = owners.map((n) => sets[n]!.length);
    const conditions = nodes.map((node) => ('leaf' in node ? node.leaf : node.condition));
    const zeros = nodes.map(() => 0);
    return JSON.stringify({
      id,
      left_children: left,
      right_children: left.map((child) => (child < 0 ? -1 : child + 1)),
      split_indices: splits.map((split) => split?.feature ?? 0),
      split_type: splits.map((split) => (split?.feature === 1 ? 1 : 0)),
      default_left: splits.map((split) => (split?.missingLeft ? 1 : 0)),
      loss_changes: zeros,
      sum_hessian: zeros,
      categories: sets.flat(),
      categories_nodes: owners,
      categories_segments: sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0)),
      categories_sizes: sizes,
      tree_param: { num_nodes: String(nodes.length), size_leaf_vector: '1' },
      split_conditions: 'CONDITIONS',
    }).replace('"CONDITIONS"', `[${conditions.map(String).join(',')}]`);
  });
  return `{"learner":{"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"${trees.length}"},
    "tree_info":[${trees.map(() => 0)}],"trees":[${entries.join(',')}]}},
    "learner_model_param":{"base_score":"0E0","num_class":"0","num_feature":"3"},"objective":{"name":"reg:squarederror"}}}`;
}

describe('the file', () => {
  it('of several classes keeps their trees, base margins and rounds', () => {
    const file = parseXgboost(constantTrees([0.5, 1, 2, 3, 4, 5], 'multi:softprob'), 'm.json');
    const multi: XgboostModel = {
      ...file,
      outputs: 3,
      baseScores: [-1, 0.25, 3],
      trees: file.trees.map((tree, t) => ({ ...tree, output: t % 3 })),
      roundEnds: [3, 6],
      bestIteration: 1,
    };
    const text = formatXgboost(multi);
    expect(parseXgboost(text, 'm.json')).toEqual(multi);
    const { learner } = JSON.parse(text);
    expect(learner.learner_model_param).toMatchObject({ num_class: '3', base_score: '[-1e+0,2.5e-1,3e+0]' });
    expect(learner.objective).toEqual({
      name: 'multi:softprob',
      softmax_multiclass_param: { num_class: '3' },
    });
    expect(learner.gradient_booster.model.tree_info).toEqual([0, 1, 2, 0, 1, 2]);
    expect(learner.gradient_booster.model.iteration_indptr).toEqual([0, 3, 6]);
  });

  it('with one base score for several classes gives it to each', () => {
    const text = constantTrees([0, 0, 0], 'multi:softmax')
      .replace('"num_class":"0"', '"num_class":"3"')
      .replace('"base_score":"0e+0"', '"base_score":"[5E-1]"');
    expect(parseXgboost(text, 'm.json').baseScores).toEqual([0.5, 0.5, 0.5]);
  });

  it('states every float32 with an exponent, so that it is read back exactly', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 20 }), (leaves) => {
        const text = constantTrees(leaves, 'reg:squarederror');
        const numbers = [...text.matchAll(/"split_conditions":\[([^\]]*)\]/g)].map(([, number]) => number!);
        for (const written of numbers) expect(written).toMatch(/^-?\d(\.\d{1,8})?e[+-]\d+$/);
        expect(numbers.map(Number).map(Math.fround)).toEqual(leaves.map((leaf) => leaf + 0));
      }),
    );
  });
});

/** What the tests below change in a file. */
interface FileJson {
  learner: {
    feature_names: string[];
    gradient_booster: {
      name: string;
      model: {
        cats: { enc: { offsets: number[]; values: number[] }[] };
        iteration_indptr: number[];
        trees: TreeJson[];
      };
    };
    learner_model_param: Record<string, string>;
    objective: { name: string };
  };
}

interface TreeJson {
  id: number;
  left_children: number[];
  right_children: number[];
  split_type: number[];
  split_indices: number[];
  split_conditions: number[];
  loss_changes: number[];
  categories_segments: number[];
  tree_param: Record<string, string>;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

describe('importing', () => {
  const text = nativeText('partitions with names');
  const edited = (edit: (file: FileJson) => void): string => {
    const file = JSON.parse(text) as FileJson;
    edit(file);
    return JSON.stringify(file);
  };
  const booster = (file: FileJson) => file.learner.gradient_booster.model;

  it.each<[string, string, string]>([
    ['nothing', '', 'line 1, column 1'],
    ['other text', 'hello', 'not a whole JSON file'],
    ['deep nesting', '['.repeat(200_000), 'not a whole JSON file'],
    ['a list', '[]', 'is a list, not an object'],
    ['another JSON file', '{"format":"lockstep-model"}', 'is not an XGBoost model: it has no "learner"'],
    ['UBJSON', '{L\0\0\0\0\0\0\0\x07learner{', 'in UBJSON: save it as JSON'],
    [
      'a linear model',
      edited((f) => (f.learner.gradient_booster.name = 'gblinear')),
      'has the booster gblinear: only trees',
    ],
    [
      'several targets',
      edited((f) => (f.learner.learner_model_param.num_target = '2')),
      'has several targets',
    ],
    [
      'vectors as leaves',
      edited((f) => (booster(f).trees[1]!.tree_param.size_leaf_vector = '2')),
      'has vectors as leaves',
    ],
    [
      'another objective',
      edited((f) => (f.learner.objective.name = 'rank:ndcg')),
      'its objective is rank:ndcg, and only binary:logistic',
    ],
    [
      'an objective that is a member of every object',
      edited((f) => (f.learner.objective.name = 'toString')),
      'its objective is toString',
    ],
    [
      'classes without a multiclass objective',
      edited((f) => (f.learner.learner_model_param.num_class = '3')),
      'its objective is binary:logistic but it has 3 classes',
    ],
    [
      'a base score that is no number',
      edited((f) => (f.learner.learner_model_param.base_score = '[]')),
      'base_score does not have one number',
    ],
    ['a lost tree', edited((f) => booster(f).trees.pop()), 'has 1 trees and not 2'],
    ['a tree twice', edited((f) => (booster(f).trees[1]!.id = 0)), 'id is 0, like that of another tree'],
    [
      'arrays of unequal length',
      edited((f) => booster(f).trees[0]!.loss_changes.pop()),
      'loss_changes has 6 elements where left_children has 7',
    ],
    [
      'a loop',
      edited((f) =>
        Object.assign(booster(f).trees[0]!, {
          left_children: [1, 1, -1, -1, -1, -1, -1],
          right_children: [2, 2, -1, -1, -1, -1, -1],
        }),
      ),
      'which another node has',
    ],
    [
      'children that are not neighbours',
      edited((f) => (booster(f).trees[0]!.right_children[0] = 3)),
      'which are not neighbours',
    ],
    [
      'a child past the end',
      edited((f) =>
        Object.assign(booster(f).trees[0]!, {
          left_children: [6, -1, -1, -1, -1, -1, -1],
          right_children: [7, -1, -1, -1, -1, -1, -1],
        }),
      ),
      'has the child 7 though there are 7 nodes',
    ],
    ['half a split', edited((f) => (booster(f).trees[0]!.right_children[0] = -1)), 'not neighbours'],
    [
      'a feature that is not there',
      edited((f) => (booster(f).trees[0]!.split_indices[0] = 5)),
      'splits on feature 5 though there are 5',
    ],
    [
      'a leaf that is not finite',
      edited((f) => (booster(f).trees[0]!.split_conditions = [0, 0, 0, 1e40, 0, 0, 0])),
      'has a leaf value that is not finite',
    ],
    [
      'lists of categories that overlap',
      edited((f) => (booster(f).trees[0]!.categories_segments[0] = 1)),
      'do not follow one another',
    ],
    [
      'a categorical split without a list',
      edited((f) =>
        Object.assign(booster(f).trees[0]!, {
          categories: [],
          categories_nodes: [],
          categories_segments: [],
          categories_sizes: [],
        }),
      ),
      'has no categories though its split is categorical',
    ],
    [
      'a feature that is a category and a number',
      edited((f) => {
        const { left_children, split_type, split_indices } = booster(f).trees[0]!;
        const numeric = left_children.findIndex((child, n) => child > 0 && split_type[n] === 0);
        split_indices[numeric] = 1;
      }),
      'is categorical but a node compares it with a number',
    ],
    [
      'a category beyond its names',
      edited((f) => (booster(f).cats.enc[1] = { offsets: [0, 1], values: [97] })),
      'has 1 category names but a node names category',
    ],
    [
      'names of categories that are not ASCII',
      edited((f) => (booster(f).cats.enc[1]!.values[0] = -61)),
      'give the names with the option categories',
    ],
    [
      'too many features without names',
      edited((f) => {
        f.learner.learner_model_param.num_feature = '99999999';
      }),
      'num_feature is 99999999',
    ],
    [
      'a number for the name of a feature',
      edited((f) => (f.learner.feature_names[0] = 1 as never)),
      'learner.feature_names[0] is 1, not a text',
    ],
    [
      'rounds that do not end with the trees',
      edited((f) => (booster(f).iteration_indptr = [0, 1])),
      'does not divide the 2 trees into rounds',
    ],
  ])('%s is an input error that names the file and the problem', (_, content, message) => {
    expect(() => importXgboost(content, { name: 'm.json' })).toThrow(InputError);
    expect(() => importXgboost(content, { name: 'm.json' })).toThrow('m.json');
    expect(() => importXgboost(content, { name: 'm.json' })).toThrow(message);
  });

  it('categories with enormous numbers is an input error and takes no memory for their names', () => {
    const huge = forestText([
      {
        feature: 1,
        condition: 0,
        set: [2 ** 24 - 1],
        missingLeft: true,
        left: { leaf: 0 },
        right: { leaf: 1 },
      },
    ]);
    expect(() => importXgboost(huge)).toThrow('has categories up to 16777215 without names');
  });

  it.each<[string, object, string]>([
    ['rounds that the file does not have', { rounds: 3 }, 'has 2 rounds, of which 3 cannot be kept'],
    ['no rounds', { rounds: 0 }, 'of which 0 cannot be kept'],
    [
      'categories of an unknown feature',
      { categories: { town: ['a'] } },
      'town, which is none of its features',
    ],
    ['categories of numbers', { categories: { 'column 0': ['a'] } }, 'which is numeric there'],
    ['too few names', { categories: { 'column 1': ['a'] } }, 'has 1 category names but'],
    ['a name twice', { categories: { 'column 1': Array(12).fill('a') } }, 'has the same category twice'],
    ['three classes', { classes: [0, 1, 2] }, 'does not have two classes'],
  ])('with %s is an input error that says so', (_, options, message) => {
    expect(() => importXgboost(text, options)).toThrow(InputError);
    expect(() => importXgboost(text, options)).toThrow(message);
  });

  it('a file cut anywhere is an input error', () => {
    fc.assert(
      fc.property(fc.nat(text.trimEnd().length - 1), (length) => {
        expect(() => importXgboost(text.slice(0, length))).toThrow(InputError);
      }),
    );
  });

  it('any bytes are an input error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(() => importXgboost(bytes)).toThrow(InputError);
      }),
    );
  });

  const expectModelOrInputError = (content: string) => {
    let model: Model;
    try {
      model = importXgboost(content);
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      return;
    }
    expect(Model.parse(model.toText()).fingerprint).toBe(model.fingerprint);
    const columns = readColumns(
      model,
      model.features.map(() => [0, 1, Number.NaN]),
    );
    expect(model.predict(columns, 3).every(Number.isFinite)).toBe(true);
  };
  const texts = fc.constantFrom(...native.map(({ model }) => model));

  it('a file with some characters changed gives an intact model or an input error', () => {
    const change = fc.tuple(
      fc.nat(),
      fc.nat(3),
      fc.oneof(fc.constantFrom('', '0', '1', '-', '9e9', '"', ',', '[', 'NaN', 'Infinity'), fc.string()),
    );
    fc.assert(
      fc.property(texts, fc.array(change, { minLength: 1, maxLength: 3 }), (whole, changes) => {
        let content = whole;
        for (const [at, removed, added] of changes) {
          const i = at % content.length;
          content = content.slice(0, i) + added + content.slice(i + removed);
        }
        expectModelOrInputError(content);
      }),
      { numRuns: 1000 },
    );
  });

  it('a file with any value replaced by another gives an intact model or an input error', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
      fc.integer({ min: -5, max: 40 }),
      fc.constantFrom<Json>(-0, 1e308, 2 ** 31, 2 ** 53, [], {}, '', '1', '999999999', null),
    );
    const steps = fc.array(fc.nat(), { minLength: 1, maxLength: 14 });
    fc.assert(
      fc.property(texts, steps, value, (whole, path, other) => {
        const file = JSON.parse(whole) as Json;
        let parent = file;
        let key: string | undefined;
        for (const step of path) {
          const at: Json = key === undefined ? parent : (parent as { [key: string]: Json })[key]!;
          if (typeof at !== 'object' || at === null || Object.keys(at).length === 0) break;
          parent = at;
          key = Object.keys(at)[step % Object.keys(at).length]!;
        }
        (parent as { [key: string]: Json })[key!] = other;
        expectModelOrInputError(JSON.stringify(file));
      }),
      { numRuns: 2000 },
    );
  });
});
