import { kindOf, MAX_CLASSES, OBJECTIVES } from '../config/objectives.ts';
import type { FeatureType, TargetSpec } from '../data/types.ts';
import { InputError } from '../errors.ts';
import { type FingerprintedModel, fingerprint, NUMERICS_VERSION } from './fingerprint.ts';
import { FLT_MAX, type Forest, MARGIN_LIMIT, type ModelFeature } from './forest.ts';
import { JsonReader, parseJson, type ScalarRecord } from './json-reader.ts';
import { linkOf } from './output.ts';

export const MODEL_FORMAT = 'lockstep-model';
export const MODEL_VERSION = 1;
export const FEATURE_TYPES: readonly FeatureType[] = ['numeric', 'categorical', 'ordinal'];
export const LEAF_LIMIT = MARGIN_LIMIT - 64;
/** Finer margins of classes would differ by less than the rounding errors of their probabilities. */
export const MAX_CLASSIFICATION_BITS = 40;
const MAX_INT32 = 2 ** 31 - 1;

/** How a model came about, for the record; keys of one's own may be added. */
export interface TrainingRecord extends ScalarRecord {
  /** Rows trained on. */
  readonly rows: number;
  /** Rounds that were trained; the model may keep fewer. */
  readonly rounds: number;
  /** Round of the best validation score, counting from 0 as XGBoost does; null without a validation set. */
  readonly best_iteration: number | null;
  readonly early_stopped: boolean;
}

/** All that a model consists of. */
export interface ModelParts extends FingerprintedModel {
  /** Parameters under XGBoost's names. */
  readonly params: ScalarRecord;
  /** 0 … 2^53 − 1. */
  readonly seed: number;
  readonly training: TrainingRecord;
}

/** The text of a model file: JSON with one feature and one tree a line. Equal models give equal text. */
export function formatModel(parts: ModelParts): string {
  const { schema, forest } = parts;
  const { best_iteration, ...training } = parts.training;
  const entries = {
    format: MODEL_FORMAT,
    version: MODEL_VERSION,
    numerics_version: NUMERICS_VERSION,
    objective: parts.objective,
    fingerprint: fingerprint(parts),
    target: { name: schema.target.name, ...(schema.target.classes && { classes: schema.target.classes }) },
    features: schema.features.map(({ name, type, categories, timestamp, pooled, unlisted_right }) => ({
      name,
      type,
      ...(timestamp && { timestamp }),
      ...(categories && { categories }),
      ...(pooled && { pooled }),
      ...(unlisted_right && { unlisted_right }),
    })),
    margin_bits: parts.marginBits,
    base_margin: isMulticlass(parts) ? parts.baseMargins : parts.baseMargins[0],
    base_value: parts.baseValue,
    base_score: linkOf(parts)(parts.baseMargins),
    best_iteration,
    params: parts.params,
    seed: parts.seed,
    training,
    trees: Array.from({ length: forest.treeStart.length - 1 }, (_, t) => treeEntry(forest, t)),
  };
  const lines = Object.entries(entries).map(([key, value]) => {
    const text =
      (key === 'features' || key === 'trees') && Array.isArray(value)
        ? `[\n${value.map((item) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`
        : JSON.stringify(value, null, 2).replaceAll('\n', '\n  ');
    return `  ${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

const isMulticlass = ({ objective }: FingerprintedModel) => kindOf(objective) === 'multiclass';

function treeEntry(forest: Forest, t: number): object {
  const start = forest.treeStart[t]!;
  const end = forest.treeStart[t + 1]!;
  const categories: Record<string, number[]> = {};
  for (let n = start; n < end; n++) {
    const set = forest.catIndex[n]!;
    if (set < 0) continue;
    categories[n - start] = Array.from(
      forest.catList.subarray(forest.catStart[set], forest.catStart[set + 1]),
    );
  }
  const cut = (values: Int32Array | Uint8Array | Float32Array | Float64Array) =>
    Array.from(values.subarray(start, end));
  return {
    feature: cut(forest.feature),
    threshold: cut(forest.threshold),
    missing_left: cut(forest.missingLeft),
    left: cut(forest.left),
    leaf: cut(forest.leaf),
    gain: cut(forest.gain),
    cover: cut(forest.cover),
    ...(Object.keys(categories).length > 0 && { categories }),
  };
}

/**
 * The parts of a model from the text of its file, every field checked.
 * @param name What to call the text in errors, as a rule its path.
 * @throws InputError where the text is not a whole and unaltered model of a version that this program reads.
 */
export function parseModel(text: string, name: string): ModelParts {
  const reader = new JsonReader(name, 'model');
  const file = reader.object(parseJson(text, name), 'the file');
  if (file.format !== MODEL_FORMAT) {
    throw new InputError(`${name} is not a Lockstep model: its "format" is not "${MODEL_FORMAT}".`);
  }
  reader.version(file, 'version', MODEL_VERSION);
  reader.version(file, 'numerics_version', NUMERICS_VERSION);
  reader.keys(file, 'the file', [
    'format',
    'version',
    'numerics_version',
    'objective',
    'fingerprint',
    'target',
    'features',
    'margin_bits',
    'base_margin',
    'base_value',
    'base_score',
    'best_iteration',
    'params',
    'seed',
    'training',
    'trees',
  ]);
  const objective = reader.oneOf(file.objective, 'objective', OBJECTIVES);
  const features = reader
    .array(file.features, 'features')
    .map((item, f) => readFeature(reader, item, `features[${f}]`));
  const parts: ModelParts = {
    objective,
    schema: { features, target: readTarget(reader, file.target) },
    marginBits: reader.integer(file.margin_bits, 'margin_bits', -104, 100),
    baseMargins: readBaseMargins(reader, file.base_margin, kindOf(objective) === 'multiclass'),
    baseValue: reader.float32(file.base_value, 'base_value'),
    params: reader.scalars(file.params, 'params'),
    seed: reader.integer(file.seed, 'seed', 0, Number.MAX_SAFE_INTEGER),
    training: readTraining(reader, file.training, file.best_iteration),
    forest: readForest(reader, reader.array(file.trees, 'trees')),
  };
  checkModel(parts, (problem) => reader.error(problem));
  if (JSON.stringify(file.base_score) !== JSON.stringify(linkOf(parts)(parts.baseMargins))) {
    throw reader.error('base_score does not follow from base_margin and base_value');
  }
  const actual = fingerprint(parts);
  if (file.fingerprint !== actual) {
    throw reader.error(`the fingerprint of its contents is ${actual}, not the one that it states`);
  }
  return parts;
}

function readBaseMargins(reader: JsonReader, value: unknown, several: boolean): number[] {
  const read = (item: unknown, path: string) => reader.integer(item, path, -MARGIN_LIMIT, MARGIN_LIMIT);
  if (!several) return [read(value, 'base_margin')];
  return reader.array(value, 'base_margin').map((item, c) => read(item, `base_margin[${c}]`));
}

function readTarget(reader: JsonReader, value: unknown): TargetSpec {
  const target = reader.object(value, 'target');
  reader.keys(target, 'target', ['name'], ['classes']);
  const name = reader.string(target.name, 'target.name');
  if (target.classes === undefined) return { name };
  const classes = reader.array(target.classes, 'target.classes').map((label, k) => {
    const path = `target.classes[${k}]`;
    if (typeof label === 'string' || typeof label === 'boolean') return label;
    return reader.number(label, path);
  });
  return { name, classes };
}

function readFeature(reader: JsonReader, value: unknown, path: string): ModelFeature {
  const feature = reader.object(value, path);
  reader.keys(feature, path, ['name', 'type'], ['categories', 'timestamp', 'pooled', 'unlisted_right']);
  const strings = (list: unknown, at: string) =>
    reader.array(list, at).map((item, i) => reader.string(item, `${at}[${i}]`));
  const indices = (list: unknown, at: string) =>
    reader.array(list, at).map((item, i) => reader.integer(item, `${at}[${i}]`, 0, MAX_INT32));
  return {
    name: reader.string(feature.name, `${path}.name`),
    type: reader.oneOf(feature.type, `${path}.type`, FEATURE_TYPES),
    ...(feature.timestamp !== undefined && {
      timestamp: reader.oneOf(feature.timestamp, `${path}.timestamp`, [true] as const),
    }),
    ...(feature.categories !== undefined && {
      categories: strings(feature.categories, `${path}.categories`),
    }),
    ...(feature.pooled !== undefined && { pooled: indices(feature.pooled, `${path}.pooled`) }),
    ...(feature.unlisted_right !== undefined && {
      unlisted_right: reader.oneOf(feature.unlisted_right, `${path}.unlisted_right`, [true] as const),
    }),
  };
}

function readTraining(reader: JsonReader, value: unknown, bestIteration: unknown): TrainingRecord {
  const training = reader.scalars(value, 'training');
  if (Object.hasOwn(training, 'best_iteration')) throw reader.error('best_iteration is stated twice');
  return {
    ...training,
    rows: reader.integer(training.rows, 'training.rows', 0, Number.MAX_SAFE_INTEGER),
    rounds: reader.integer(training.rounds, 'training.rounds', 0, MAX_INT32),
    best_iteration:
      bestIteration === null ? null : reader.integer(bestIteration, 'best_iteration', 0, MAX_INT32),
    early_stopped: reader.boolean(training.early_stopped, 'training.early_stopped'),
  };
}

const TREE_ARRAYS = ['feature', 'threshold', 'missing_left', 'left', 'leaf', 'gain', 'cover'] as const;

function readForest(reader: JsonReader, trees: readonly unknown[]): Forest {
  const entries = trees.map((tree, t) => {
    const entry = reader.object(tree, `trees[${t}]`);
    reader.keys(entry, `trees[${t}]`, TREE_ARRAYS, ['categories']);
    return entry;
  });
  const treeStart = new Int32Array(trees.length + 1);
  entries.forEach((entry, t) => {
    treeStart[t + 1] = treeStart[t]! + reader.array(entry.feature, `trees[${t}].feature`).length;
  });
  const nodes = treeStart[trees.length]!;
  const forest = {
    treeStart,
    feature: new Int32Array(nodes),
    threshold: new Float32Array(nodes),
    missingLeft: new Uint8Array(nodes),
    left: new Int32Array(nodes),
    leaf: new Int32Array(nodes),
    gain: new Float64Array(nodes),
    cover: new Float64Array(nodes),
    catIndex: new Int32Array(nodes).fill(-1),
  };
  const catStart = [0];
  const catList: number[] = [];
  entries.forEach((entry, t) => {
    const start = treeStart[t]!;
    const size = treeStart[t + 1]! - start;
    const fill = (
      target: Int32Array | Uint8Array | Float32Array | Float64Array,
      key: (typeof TREE_ARRAYS)[number],
      read: (value: unknown, path: string) => number,
    ) => {
      const path = `trees[${t}].${key}`;
      const values = reader.array(entry[key], path);
      if (values.length !== size) {
        throw reader.error(`${path} has ${values.length} elements where feature has ${size}`);
      }
      for (let n = 0; n < size; n++) target[start + n] = read(values[n], `${path}[${n}]`);
    };
    const int32 = (value: unknown, path: string) => reader.integer(value, path, -MAX_INT32, MAX_INT32);
    fill(forest.feature, 'feature', int32);
    fill(forest.threshold, 'threshold', (value, path) => reader.float32(value, path));
    fill(forest.missingLeft, 'missing_left', (value, path) => reader.integer(value, path, 0, 1));
    fill(forest.left, 'left', int32);
    fill(forest.leaf, 'leaf', int32);
    fill(forest.gain, 'gain', (value, path) => reader.number(value, path));
    fill(forest.cover, 'cover', (value, path) => reader.number(value, path));
    if (entry.categories === undefined) return;
    // Keys that are whole numbers come in ascending order, so sets are numbered by node.
    const sets = reader.object(entry.categories, `trees[${t}].categories`);
    for (const [key, list] of Object.entries(sets)) {
      const path = `trees[${t}].categories[${JSON.stringify(key.slice(0, 40))}]`;
      if (!/^(0|[1-9]\d{0,9})$/.test(key) || Number(key) >= size) throw reader.error(`${path} is not a node`);
      for (const item of reader.array(list, path)) catList.push(reader.integer(item, path, 0, MAX_INT32));
      forest.catIndex[start + Number(key)] = catStart.length - 1;
      catStart.push(catList.length);
    }
  });
  return { ...forest, catStart: Int32Array.from(catStart), catList: Int32Array.from(catList) };
}

/**
 * Checks what types and ranges alone do not say: that the parts fit together, that traversal ends, and that equal
 * models have equal bytes.
 * @param error Makes the error for a problem, which is a clause such as "trees[3]: node 5 …".
 */
export function checkModel(parts: ModelParts, error: (problem: string) => Error): void {
  const { target, features } = parts.schema;
  const kind = kindOf(parts.objective);
  const outputs = parts.baseMargins.length;
  if (kind === 'regression') {
    if (target.classes) throw error('target.classes is present though the objective is a regression');
  } else {
    const classes = target.classes ?? [];
    if (parts.marginBits > MAX_CLASSIFICATION_BITS) {
      throw error(
        `margin_bits is above ${MAX_CLASSIFICATION_BITS} though the objective is ${parts.objective}`,
      );
    }
    if (parts.baseValue !== 0) throw error(`base_value is not 0 though the objective is ${parts.objective}`);
    if (classes.length < 2 || classes.length > (kind === 'binary' ? 2 : MAX_CLASSES)) {
      throw error(
        `target.classes does not have ${kind === 'binary' ? 'two' : `2 to ${MAX_CLASSES}`} classes`,
      );
    }
    if (new Set(classes).size !== classes.length) throw error('target.classes has the same class twice');
  }
  if (outputs !== (kind === 'multiclass' ? target.classes!.length : 1)) {
    throw error('base_margin does not have one number for each class');
  }
  if ((parts.forest.treeStart.length - 1) % outputs !== 0) {
    throw error('trees do not come in rounds of one for each class');
  }
  if (features.length === 0) throw error('there are no features');
  const names = new Set<string>();
  features.forEach((feature, f) => {
    const problem =
      featureProblem(feature) ?? (names.has(feature.name) ? 'has the name of another' : undefined);
    if (problem) throw error(`features[${f}] (${feature.name}) ${problem}`);
    names.add(feature.name);
  });
  checkForest(parts.forest, features, error);
}

function featureProblem(feature: ModelFeature): string | undefined {
  const { type, categories, timestamp, pooled } = feature;
  if (type === 'categorical' && !categories) return 'has no categories though it is categorical';
  if (type === 'numeric' && categories) return 'has categories though it is numeric';
  if (categories && timestamp) return 'has categories though it is a timestamp';
  if (categories && new Set(categories).size !== categories.length) return 'has the same category twice';
  if (feature.unlisted_right && type !== 'categorical')
    return 'has unlisted_right though it is not categorical';
  if (!pooled) return undefined;
  const known = type === 'categorical' ? categories!.length : 0;
  if (pooled.length < 2 || !isAscending(pooled) || pooled.at(-1)! >= known) {
    return 'has pooled categories that are not at least two of its categories in ascending order';
  }
  return undefined;
}

function isAscending(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i]! <= values[i - 1]!) return false;
  return true;
}

function checkForest(
  forest: Forest,
  features: readonly ModelFeature[],
  error: (problem: string) => Error,
): void {
  const pooledRest = features.map((feature) => new Set(feature.pooled?.slice(1)));
  let sets = 0;
  for (let t = 0; t + 1 < forest.treeStart.length; t++) {
    const start = forest.treeStart[t]!;
    const size = forest.treeStart[t + 1]! - start;
    let nextChild = 1;
    const nodeProblem = (n: number): string | undefined => {
      const i = start + n;
      const f = forest.feature[i]!;
      const cover = forest.cover[i]!;
      const gain = forest.gain[i]!;
      const threshold = forest.threshold[i]!;
      if (n >= nextChild) return 'has no parent before it';
      if (!(cover >= 0 && cover < Infinity)) return 'has a cover that is not a non-negative number';
      if (!(gain >= 0 && gain < Infinity)) return 'has a gain that is not a non-negative number';
      if (f < 0) {
        if (f !== -1) return 'has a feature below -1';
        if (Math.abs(forest.leaf[i]!) > LEAF_LIMIT) return 'has a leaf out of range';
        const idle = threshold === 0 && forest.missingLeft[i] === 0 && forest.left[i] === 0 && gain === 0;
        return idle && forest.catIndex[i] === -1 ? undefined : 'is a leaf but has fields of a split';
      }
      const feature = features[f];
      if (!feature) return `splits on feature ${f} though there are ${features.length}`;
      if (forest.left[i] !== nextChild)
        return `has the left child ${forest.left[i]} where ${nextChild} comes next`;
      nextChild += 2;
      if (forest.leaf[i] !== 0) return 'is a split but has a leaf value';
      if (feature.type !== 'categorical') {
        if (forest.catIndex[i] !== -1) return 'has a set of categories though its feature is not categorical';
        const nothingLeft = threshold === -FLT_MAX && forest.missingLeft[i] === 0;
        return Number.isFinite(threshold) && !nothingLeft
          ? undefined
          : 'has a threshold that no value is below';
      }
      if (threshold !== 0) return 'has a threshold though its feature is categorical';
      if (forest.catIndex[i] !== sets) return 'has no set of categories though its feature is categorical';
      const left = forest.catList.subarray(forest.catStart[sets], forest.catStart[sets + 1]);
      sets += 1;
      if (!isAscending(left)) return 'has categories that are not in ascending order';
      if (left.length > 0 && left.at(-1)! >= feature.categories!.length)
        return 'has a category that is not known';
      if (left.length === 0 && feature.unlisted_right) return 'sends no category left';
      if (left.some((category) => pooledRest[f]!.has(category)))
        return 'names a pooled category after the first';
      return undefined;
    };
    for (let n = 0; n < size; n++) {
      const problem = nodeProblem(n);
      if (problem) throw error(`node ${n} of trees[${t}] ${problem}`);
    }
    if (size !== nextChild) throw error(`trees[${t}] has ${size} nodes where its splits need ${nextChild}`);
  }
}
