import { InputError } from '../../errors.ts';
import { FLT_MAX } from '../forest.ts';
import { decodeText, JsonReader, parseJson } from '../json-reader.ts';

/** A feature as an XGBoost model file describes it. */
export interface XgboostFeature {
  readonly name: string;
  readonly categorical: boolean;
  /** Category names by code, where the file has them. */
  readonly categories?: readonly string[] | undefined;
  /** The file has category names that cannot be trusted: see `readCategories`. */
  readonly damagedNames?: boolean | undefined;
}

/** A tree with the root 0; arrays have one element a node. Nodes that the root does not reach look like leaves. */
export interface XgboostTree {
  /** Class whose margin the tree adds to; 0 unless there are several. */
  readonly output: number;
  /** −1 for a leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly feature: Int32Array;
  /** Numeric split: x < condition goes left; may be infinite, or NaN, which no x is below. Leaf: the value it adds. */
  readonly condition: Float32Array;
  readonly missingLeft: Uint8Array;
  /** The categories that go right, ascending, for each categorical split by node; all others go left. */
  readonly sets: ReadonlyMap<number, Int32Array>;
  /** Not negative, finite; 0 for a leaf. */
  readonly gain: Float64Array;
  /** Not negative, finite. */
  readonly cover: Float64Array;
}

/** What an XGBoost model file says of boosted trees. */
export interface XgboostModel {
  /** As the objective is called in the file. */
  readonly objective: string;
  /** Margins a row: 1, or the number of classes where there are more than two. */
  readonly outputs: number;
  /** One for each output: a probability for logistic objectives, else a margin; float32. */
  readonly baseScores: readonly number[];
  readonly features: readonly XgboostFeature[];
  /** Round by round. */
  readonly trees: readonly XgboostTree[];
  /** Number of trees up to the end of each round. */
  readonly roundEnds: readonly number[];
  /** Round of the best validation score, from 0. */
  readonly bestIteration: number | null;
}

/** The version whose form is written; XGBoost reads the files of older versions. */
const XGBOOST_VERSION = [3, 2, 0];
const NO_PARENT = 2 ** 31 - 1;
/** Beyond these a file is taken for damaged rather than memory for its features and classes. */
const MAX_FEATURES = 2 ** 20;
const MAX_OUTPUTS = 2 ** 16;

/** Characters that XGBoost's Python package refuses in the name of a feature. */
const REFUSED_IN_NAMES = /[[\]<]/;

type Json =
  | string
  | number
  | boolean
  | Int32Array
  | Float32Array
  | readonly Json[]
  | { readonly [key: string]: Json };

/** The text of an XGBoost model file, one tree a line. Equal models give equal text. */
export function formatXgboost(model: XgboostModel): string {
  const { objective, outputs, baseScores, features, trees, roundEnds, bestIteration } = model;
  const names = features.map(({ name }) => name);
  const outputParam = outputs > 1 ? String(outputs) : '0';
  const bases = baseScores.map(formatFloat).join(',');
  return `${toJson({
    learner: {
      attributes: bestIteration === null ? {} : { best_iteration: String(bestIteration) },
      feature_names: names.some((name) => REFUSED_IN_NAMES.test(name)) ? [] : names,
      feature_types: features.map(({ categorical }) => (categorical ? 'c' : 'float')),
      gradient_booster: {
        model: {
          cats: categoryEntry(features),
          gbtree_model_param: { num_parallel_tree: '1', num_trees: String(trees.length) },
          iteration_indptr: [0, ...roundEnds],
          tree_info: trees.map(({ output }) => output),
          trees: trees.map((tree, id) => treeEntry(tree, id, features.length)),
        },
        name: 'gbtree',
      },
      learner_model_param: {
        base_score: outputs > 1 ? `[${bases}]` : bases,
        boost_from_average: '1',
        num_class: outputParam,
        num_feature: String(features.length),
        num_target: '1',
      },
      objective: {
        name: objective,
        ...(outputs > 1
          ? { softmax_multiclass_param: { num_class: outputParam } }
          : { reg_loss_param: { scale_pos_weight: '1' } }),
      },
    },
    version: XGBOOST_VERSION,
  })}\n`;
}

/**
 * The names of the categories, by which XGBoost 3.1 and later recodes the columns of data frames; empty unless every
 * categorical feature has some. Names with other than ASCII characters are left out, all of them: XGBoost's Python package
 * (3.2) takes their lengths in characters for lengths in bytes, and would match the columns of a data frame to wrong names.
 */
function categoryEntry(features: readonly XgboostFeature[]): Json {
  const lists = features.map(({ categorical, categories = [] }) => (categorical ? categories : undefined));
  const usable = lists.every(
    (names) => !names || (names.length > 0 && names.every((name) => /^[ -~]*$/.test(name))),
  );
  if (!usable || lists.every((names) => !names)) return { enc: [], feature_segments: [], sorted_idx: [] };
  const segments = [0];
  for (const names of lists) segments.push(segments.at(-1)! + (names?.length ?? 0));
  return {
    enc: lists.map((names = []) => {
      const offsets = names.length > 0 ? [0] : [];
      for (const name of names) offsets.push(offsets.at(-1)! + name.length);
      return { offsets, values: Array.from(names.join(''), (character) => character.charCodeAt(0)) };
    }),
    feature_segments: segments,
    sorted_idx: lists.flatMap((names = []) =>
      Array.from(names.keys()).sort((a, b) => (names[a]! < names[b]! ? -1 : 1)),
    ),
  };
}

function treeEntry(tree: XgboostTree, id: number, featureCount: number): Json {
  const { left, right, feature, condition, sets } = tree;
  const nodes = left.length;
  const parents = new Int32Array(nodes).fill(NO_PARENT);
  for (let n = 0; n < nodes; n++) {
    if (left[n]! < 0) continue;
    parents[left[n]!] = n;
    parents[right[n]!] = n;
  }
  const lists = [...sets.values()];
  const starts = [0];
  for (const list of lists) starts.push(starts.at(-1)! + list.length);
  return {
    base_weights: meanLeaves(tree),
    categories: lists.flatMap((list) => Array.from(list)),
    categories_nodes: [...sets.keys()],
    categories_segments: starts.slice(0, -1),
    categories_sizes: lists.map(({ length }) => length),
    default_left: Array.from(tree.missingLeft),
    id,
    left_children: left,
    loss_changes: Float32Array.from(tree.gain, limitToFloat32),
    parents,
    right_children: right,
    split_conditions: condition,
    split_indices: feature,
    split_type: Array.from(left, (_, n) => (sets.has(n) ? 1 : 0)),
    sum_hessian: Float32Array.from(tree.cover, limitToFloat32),
    tree_param: {
      num_deleted: '0',
      num_feature: String(featureCount),
      num_nodes: String(nodes),
      size_leaf_vector: '1',
    },
  };
}

function limitToFloat32(value: number): number {
  return Math.min(value, FLT_MAX);
}

/** For each node the mean of the leaves below it, weighted by their cover; children must come after their parent. */
function meanLeaves({ left, right, condition, cover }: XgboostTree): Float32Array {
  const mean = Float64Array.from(condition);
  const weight = Float64Array.from(cover);
  for (let n = left.length - 1; n >= 0; n--) {
    const [l, r] = [left[n]!, right[n]!];
    if (l < 0) continue;
    weight[n] = weight[l]! + weight[r]!;
    const share = weight[n]! > 0 ? weight[l]! / weight[n]! : 0.5;
    mean[n] = share * mean[l]! + (1 - share) * mean[r]!;
  }
  return Float32Array.from(mean);
}

/** JSON whose lists of objects have one element a line, and whose float32 numbers are written as such. */
function toJson(value: Json): string {
  if (value instanceof Float32Array) return `[${Array.from(value, formatFloat).join(',')}]`;
  if (value instanceof Int32Array) return `[${value.join(',')}]`;
  if (Array.isArray(value)) {
    const separator = typeof value[0] === 'object' ? ',\n' : ',';
    return `[${value.map(toJson).join(separator)}]`;
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`);
    return `{${entries.join(',')}}`;
  }
  return JSON.stringify(value);
}

/**
 * A float32 with an exponent and no more than the nine digits that tell float32 numbers apart: XGBoost takes a number
 * without point and exponent for an integer, and refuses it. JSON has no infinity; XGBoost reads 1e39 as one.
 */
function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? '-1e39' : '1e39';
  for (let digits = 7; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded.toExponential();
  }
  return Number(value.toPrecision(9)).toExponential();
}

/**
 * What an XGBoost model file says, every field that matters checked; others do not matter.
 * @param source Text or bytes of the file.
 * @param name What to call the file in errors.
 * @throws InputError where it is no intact XGBoost model, or one of a kind that is not read: linear, with vectors as
 *   leaves, with several targets, or in XGBoost's binary form (UBJSON).
 */
export function parseXgboost(source: string | Uint8Array, name: string): XgboostModel {
  const start =
    typeof source === 'string' ? source.slice(0, 2) : String.fromCharCode(...source.subarray(0, 2));
  // UBJSON has the type of a length where JSON has a quote.
  if (/^\{[LlIiU]/.test(start)) {
    throw new InputError(
      `${name} is an XGBoost model in UBJSON: save it as JSON, with save_model and a name that ends in .json.`,
    );
  }
  const text = typeof source === 'string' ? source : decodeText(source, name, 'an XGBoost model');
  const reader = new JsonReader(name, 'XGBoost model');
  const file = reader.object(parseJson(withoutBareNumbers(text), name), 'the file');
  if (file.learner === undefined) {
    throw new InputError(`${name} is not an XGBoost model: it has no "learner".`);
  }
  const learner = reader.object(file.learner, 'learner');
  const booster = readBooster(reader, learner.gradient_booster);
  const param = reader.object(learner.learner_model_param, 'learner.learner_model_param');
  const at = (key: string) => `learner.learner_model_param.${key}`;
  if (parameter(reader, param.num_target ?? '1', at('num_target'), 0, NO_PARENT) > 1) {
    throw new InputError(`${name} has several targets: only models of one target can be imported.`);
  }
  const outputs = Math.max(1, parameter(reader, param.num_class, at('num_class'), 0, MAX_OUTPUTS));
  const featureCount = parameter(reader, param.num_feature, at('num_feature'), 1, MAX_FEATURES);
  const objective = reader.object(learner.objective, 'learner.objective');
  const trees = readTrees(reader, booster, featureCount, outputs);
  const attributes = reader.object(learner.attributes ?? {}, 'learner.attributes');
  return {
    objective: reader.string(objective.name, 'learner.objective.name'),
    outputs,
    baseScores: readBaseScores(reader, param.base_score, at('base_score'), outputs),
    features: readFeatures(reader, learner, booster.model, trees, featureCount),
    trees,
    roundEnds: readRounds(reader, booster.model, trees.length, outputs),
    bestIteration:
      attributes.best_iteration === undefined
        ? null
        : parameter(reader, attributes.best_iteration, 'learner.attributes.best_iteration', 0, NO_PARENT),
  };
}

/** XGBoost writes NaN and infinities as such, which JSON lacks: as null and numbers beyond its range. */
function withoutBareNumbers(text: string): string {
  const token = /"|NaN|Infinity/g;
  let written = '';
  let from = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] === '"') {
      token.lastIndex = endOfString(text, match.index);
      continue;
    }
    written += text.slice(from, match.index) + (match[0] === 'NaN' ? 'null' : '1e999');
    from = token.lastIndex;
  }
  return written + text.slice(from);
}

/** Where the JSON string that starts at `start` has ended. */
function endOfString(text: string, start: number): number {
  const special = /["\\]/g;
  special.lastIndex = start + 1;
  for (let match = special.exec(text); match !== null; match = special.exec(text)) {
    if (match[0] === '"') return special.lastIndex;
    special.lastIndex += 1;
  }
  return text.length;
}

/** XGBoost keeps the parameters of a model as texts. */
function parameter(reader: JsonReader, value: unknown, path: string, low: number, high: number): number {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return reader.integer(number, path, low, high);
}

interface Booster {
  readonly path: string;
  readonly model: Readonly<Record<string, unknown>>;
  /** DART: the factor of each tree. */
  readonly weights?: readonly number[];
}

function readBooster(reader: JsonReader, value: unknown): Booster {
  const path = 'learner.gradient_booster';
  const booster = reader.object(value, path);
  const kind = reader.string(booster.name, `${path}.name`);
  if (kind === 'gbtree')
    return { path: `${path}.model`, model: reader.object(booster.model, `${path}.model`) };
  if (kind !== 'dart') {
    throw new InputError(
      `${reader.name} has the booster ${kind}: only trees, gbtree and dart, can be imported.`,
    );
  }
  const inner = reader.object(booster.gbtree, `${path}.gbtree`);
  const weights = reader
    .array(booster.weight_drop, `${path}.weight_drop`)
    .map((weight, t) => Math.fround(reader.number(weight, `${path}.weight_drop[${t}]`)));
  const at = `${path}.gbtree.model`;
  return { path: at, model: reader.object(inner.model, at), weights };
}

function readBaseScores(reader: JsonReader, value: unknown, path: string, outputs: number): number[] {
  const text = reader.string(value, path);
  const inner = /^\s*\[(.*)\]\s*$/s.exec(text)?.[1] ?? text;
  const scores = inner.split(',').map((item) => Math.fround(item.trim() === '' ? Number.NaN : Number(item)));
  if (!scores.every(Number.isFinite) || (scores.length !== 1 && scores.length !== outputs)) {
    throw reader.error(`${path} does not have one number, or one for each of ${outputs} outputs`);
  }
  return scores.length === outputs ? scores : new Array<number>(outputs).fill(scores[0]!);
}

function readTrees(
  reader: JsonReader,
  { path, model, weights }: Booster,
  featureCount: number,
  outputs: number,
): XgboostTree[] {
  const param = reader.object(model.gbtree_model_param, `${path}.gbtree_model_param`);
  const entries = reader.array(model.trees, `${path}.trees`);
  const count = parameter(reader, param.num_trees, `${path}.gbtree_model_param.num_trees`, 0, NO_PARENT);
  if (entries.length !== count)
    throw reader.error(`${path}.trees has ${entries.length} trees and not ${count}`);
  const info = reader.array(model.tree_info, `${path}.tree_info`);
  if (info.length !== count)
    throw reader.error(`${path}.tree_info has ${info.length} numbers and not ${count}`);
  if (weights && weights.length !== count)
    throw reader.error(`weight_drop has ${weights.length} numbers and not ${count}`);
  const trees = new Array<XgboostTree | undefined>(count).fill(undefined);
  entries.forEach((entry, i) => {
    const at = `${path}.trees[${i}]`;
    const tree = reader.object(entry, at);
    // The id, not the place in the list, is what tree_info and weight_drop go by.
    const id = reader.integer(tree.id, `${at}.id`, 0, count - 1);
    if (trees[id]) throw reader.error(`${at}.id is ${id}, like that of another tree`);
    const output = reader.integer(info[id], `${path}.tree_info[${id}]`, 0, outputs - 1);
    trees[id] = readTree(reader, tree, at, { featureCount, output, weight: weights?.[id] ?? 1 });
  });
  return trees as XgboostTree[];
}

function readTree(
  reader: JsonReader,
  tree: Readonly<Record<string, unknown>>,
  path: string,
  { featureCount, output, weight }: { featureCount: number; output: number; weight: number },
): XgboostTree {
  const param = reader.object(tree.tree_param, `${path}.tree_param`);
  const leafSize = parameter(
    reader,
    param.size_leaf_vector ?? '1',
    `${path}.tree_param.size_leaf_vector`,
    0,
    NO_PARENT,
  );
  if (leafSize > 1) {
    throw new InputError(
      `${reader.name} has vectors as leaves: only models without multi_output_tree can be imported.`,
    );
  }
  const nodes = reader.array(tree.left_children, `${path}.left_children`).length;
  const numbers = (key: string, read: (value: unknown, at: string) => number): Float64Array => {
    const values = reader.array(tree[key], `${path}.${key}`);
    if (values.length !== nodes) {
      throw reader.error(`${path}.${key} has ${values.length} elements where left_children has ${nodes}`);
    }
    return Float64Array.from(values, (value, n) => read(value, `${path}.${key}[${n}]`));
  };
  const child = (value: unknown, at: string) => reader.integer(value, at, -1, NO_PARENT);
  const flag = (value: unknown, at: string) =>
    typeof value === 'boolean' ? Number(value) : reader.integer(value, at, 0, 1);
  const float = (value: unknown, at: string) => {
    if (value === null) return Number.NaN;
    return typeof value === 'number' ? Math.fround(value) + 0 : reader.number(value, at);
  };
  // XGBoost's own statistics can overflow, and gains be below 0 where gamma or constraints led to a split.
  const statistic = (value: unknown, at: string) => Math.min(Math.max(float(value, at), 0) || 0, FLT_MAX);
  const left = Int32Array.from(numbers('left_children', child));
  const right = Int32Array.from(numbers('right_children', child));
  const index = numbers('split_indices', (value, at) => reader.integer(value, at, 0, 2 ** 32 - 1));
  const categorical = tree.split_type === undefined ? new Float64Array(nodes) : numbers('split_type', flag);
  const condition = Float32Array.from(numbers('split_conditions', float));
  const missingLeft = Uint8Array.from(numbers('default_left', flag));
  const gain = numbers('loss_changes', statistic);
  const cover = numbers('sum_hessian', statistic);
  const lists = readSets(reader, tree, path, nodes);
  const sets = new Map<number, Int32Array>();
  const feature = new Int32Array(nodes);

  if (nodes === 0) throw reader.error(`${path} has no nodes`);
  const seen = new Uint8Array(nodes);
  const open = [0];
  for (let n = open.pop(); n !== undefined; n = open.pop()) {
    const problem = (clause: string) => reader.error(`node ${n} of ${path} ${clause}`);
    const [l, r] = [left[n]!, right[n]!];
    seen[n] = 1;
    if (l < 0 && r < 0) {
      condition[n] = Math.fround(condition[n]! * weight);
      if (!Number.isFinite(condition[n])) throw problem('has a leaf value that is not finite');
      gain[n] = 0;
      missingLeft[n] = 0;
      continue;
    }
    // XGBoost goes to the node after the left child, whatever right_children says.
    if (r !== l + 1) throw problem(`has the children ${l} and ${r}, which are not neighbours`);
    for (const c of [l, r]) {
      if (c < 0 || c >= nodes) throw problem(`has the child ${c} though there are ${nodes} nodes`);
      if (seen[c]) throw problem(`has the child ${c}, which another node has or which is above it`);
      seen[c] = 1;
      open.push(c);
    }
    if (index[n]! >= featureCount)
      throw problem(`splits on feature ${index[n]} though there are ${featureCount}`);
    feature[n] = index[n]!;
    if (!categorical[n]) continue;
    const list = lists.get(n);
    if (!list) throw problem('has no categories though its split is categorical');
    sets.set(n, list);
  }
  // Nodes that pruning left behind must not count as splits.
  for (let n = 0; n < nodes; n++) if (seen[n] === 0) left[n] = -1;
  return { output, left, right, feature, condition, missingLeft, sets, gain, cover };
}

/** The lists of categories of a tree, by node, ascending and without repetition. */
function readSets(
  reader: JsonReader,
  tree: Readonly<Record<string, unknown>>,
  path: string,
  nodes: number,
): Map<number, Int32Array> {
  const integers = (key: string, high: number) =>
    reader
      .array(tree[key] ?? [], `${path}.${key}`)
      .map((item, i) => reader.integer(item, `${path}.${key}[${i}]`, 0, high));
  const categories = integers('categories', 2 ** 24 - 1);
  const owners = integers('categories_nodes', nodes - 1);
  const starts = integers('categories_segments', categories.length);
  const sizes = integers('categories_sizes', categories.length);
  const sets = new Map<number, Int32Array>();
  if (starts.length !== owners.length || sizes.length !== owners.length)
    throw reader.error(`${path} has lists of categories that do not fit its categories_nodes`);
  let end = 0;
  owners.forEach((node, i) => {
    if (starts[i] !== end || sizes[i] === 0 || end + sizes[i]! > categories.length || sets.has(node))
      throw reader.error(`${path} has lists of categories that do not follow one another`);
    end += sizes[i]!;
    sets.set(node, Int32Array.from(new Set(categories.slice(starts[i]!, end))).sort());
  });
  return sets;
}

function readRounds(
  reader: JsonReader,
  model: Readonly<Record<string, unknown>>,
  trees: number,
  outputs: number,
): number[] {
  const path = 'iteration_indptr';
  if (model.iteration_indptr === undefined) {
    const param = reader.object(model.gbtree_model_param, 'gbtree_model_param');
    const parallel = parameter(reader, param.num_parallel_tree ?? '1', 'num_parallel_tree', 1, NO_PARENT);
    const perRound = parallel * outputs;
    if (trees % perRound !== 0) throw reader.error(`${trees} trees are not whole rounds of ${perRound}`);
    return Array.from({ length: trees / perRound }, (_, round) => (round + 1) * perRound);
  }
  const [start, ...ends] = reader
    .array(model.iteration_indptr, path)
    .map((item, i) => reader.integer(item, `${path}[${i}]`, 0, trees));
  if (start !== 0 || (ends.at(-1) ?? 0) !== trees || ends.some((end, i) => end < (ends[i - 1] ?? 0)))
    throw reader.error(`${path} does not divide the ${trees} trees into rounds`);
  return ends;
}

function readFeatures(
  reader: JsonReader,
  learner: Readonly<Record<string, unknown>>,
  model: Readonly<Record<string, unknown>>,
  trees: readonly XgboostTree[],
  count: number,
): XgboostFeature[] {
  const texts = (key: string): string[] | undefined => {
    const list = reader.array(learner[key] ?? [], `learner.${key}`);
    if (list.length === 0) return undefined;
    if (list.length !== count)
      throw reader.error(`learner.${key} has ${list.length} elements and not ${count}`);
    return list.map((item, f) => reader.string(item, `learner.${key}[${f}]`));
  };
  const names = texts('feature_names');
  const types = texts('feature_types');
  const split = [new Uint8Array(count), new Uint8Array(count)] as const;
  for (const { left, feature, sets } of trees) {
    for (let n = 0; n < left.length; n++) if (left[n]! >= 0) split[sets.has(n) ? 1 : 0][feature[n]!] = 1;
  }
  const categories = readCategories(reader, model.cats, count);
  return Array.from({ length: count }, (_, f): XgboostFeature => {
    const categorical = types?.[f] === 'c' || split[1][f] === 1;
    const name = names?.[f] ?? `f${f}`;
    if (categorical && split[0][f] === 1)
      throw reader.error(`the feature ${name} is categorical but a node compares it with a number`);
    return { name, categorical, ...(categorical && categories[f]) };
  });
}

/**
 * Category names by feature. Texts with other than ASCII characters count as damaged: XGBoost's Python package (3.2) measures
 * names in characters but cuts bytes by these measures, and nothing in the file tells whether it was the one that wrote it.
 */
function readCategories(
  reader: JsonReader,
  value: unknown,
  count: number,
): { categories?: string[]; damagedNames?: boolean }[] {
  const path = 'cats';
  const entries = value === undefined ? [] : reader.array(reader.object(value, path).enc, `${path}.enc`);
  if (entries.length === 0) return [];
  if (entries.length !== count)
    throw reader.error(`${path}.enc has ${entries.length} elements and not ${count}`);
  return entries.map((item, f) => {
    const at = `${path}.enc[${f}]`;
    const entry = reader.object(item, at);
    const integers = (key: string, low: number, high: number) =>
      reader
        .array(entry[key], `${at}.${key}`)
        .map((v, i) => reader.integer(v, `${at}.${key}[${i}]`, low, high));
    if (entry.offsets === undefined) {
      const numbers = integers('values', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      return { categories: numbers.map(String) };
    }
    const values = integers('values', -128, 255);
    const offsets = integers('offsets', 0, values.length);
    if (offsets.length === 0) return {};
    if (offsets.some((end, i) => i > 0 && end < offsets[i - 1]!))
      throw reader.error(`${at}.offsets is not ascending`);
    if (values.some((byte) => byte < 0 || byte > 127)) return { damagedNames: true };
    const all = values.map((byte) => String.fromCharCode(byte)).join('');
    return { categories: offsets.slice(1).map((end, i) => all.slice(offsets[i], end)) };
  });
}
