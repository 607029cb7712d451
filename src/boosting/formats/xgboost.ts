import { kindOf, type ModelKind, type Objective } from '../../config/objectives.ts';
import { InputError } from '../../errors.ts';
import { scaledProbability } from '../../numerics/link.ts';
import { powerOfTwo, rint } from '../../numerics/power.ts';
import { FLT_MAX, type Forest, MARGIN_LIMIT } from '../forest.ts';
import { Model, type ModelFeature } from '../model.ts';
import { LEAF_LIMIT, MAX_CLASSIFICATION_BITS } from '../model-file.ts';
import { formatXgboost, parseXgboost, type XgboostModel, type XgboostTree } from './xgboost-file.ts';

/**
 * The largest logistic base margin that goes into `base_score`. XGBoost takes the logarithm of 1/p − 1 in float32, which
 * loses digits as p nears 1, and limits p to 10^−6 … 1 − 10^−6.
 */
const MAX_BASE_MARGIN = 2;

/** Most categories, over all features, that get their number for a name: a damaged file could ask for any number. */
const MAX_UNNAMED = 2 ** 22;

/**
 * The text of an XGBoost model file (JSON) that predicts what `model` predicts: docs/formats.md says exactly what agrees.
 * Equal models give equal text.
 * @throws InputError where a leaf or the base is beyond float32, in which XGBoost computes.
 */
export function exportXgboost(model: Model): string {
  const { forest, features } = model;
  const { baseMargins } = model;
  const outputs = baseMargins.length;
  const unit = powerOfTwo(-model.marginBits);
  const logistic = model.objective === 'binary:logistic';
  const trees = Array.from({ length: model.trees }, (_, t) =>
    exportTree(forest, features, t, { output: t % outputs, unit }),
  );
  // XGBoost 3.2 gives a model without trees a base score that it did not transform.
  while (trees.length < outputs) trees.push(constantTree(trees.length));
  const baseScores = baseMargins.map((margin, output) => {
    const base = model.baseValue + margin * unit;
    if (!logistic) return Math.fround(base);
    if (Math.abs(base) <= MAX_BASE_MARGIN) return Math.fround(scaledProbability(margin, unit));
    trees[output] = raiseLeaves(trees[output]!, base);
    return 0.5;
  });
  const addsNumbers = ({ left, condition }: XgboostTree) =>
    condition.every((value, n) => left[n]! >= 0 || Number.isFinite(value));
  if (!trees.every(addsNumbers) || !baseScores.every(Number.isFinite)) {
    throw new InputError(
      'The model cannot be exported to XGBoost, which computes in float32: a leaf is beyond its range; rescale the target and train again.',
    );
  }
  const rounds = trees.length / outputs;
  const { best_iteration } = model.training;
  return formatXgboost({
    objective: model.objective,
    outputs,
    baseScores,
    features: features.map(({ name, type, categories, unlisted_right }) => ({
      name,
      categorical: type === 'categorical',
      ...(!unlisted_right && { categories }),
    })),
    trees,
    roundEnds: Array.from({ length: rounds }, (_, round) => (round + 1) * outputs),
    bestIteration: best_iteration === rounds - 1 ? best_iteration : null,
  });
}

/** A tree of a single leaf that adds nothing. */
function constantTree(output: number): XgboostTree {
  return {
    output,
    left: Int32Array.of(-1),
    right: Int32Array.of(-1),
    feature: new Int32Array(1),
    condition: new Float32Array(1),
    missingLeft: new Uint8Array(1),
    sets: new Map(),
    gain: new Float64Array(1),
    cover: new Float64Array(1),
  };
}

/** The tree with `amount` added to every leaf. */
function raiseLeaves(tree: XgboostTree, amount: number): XgboostTree {
  const condition = tree.condition.map((value, n) => (tree.left[n]! < 0 ? value + amount : value));
  return { ...tree, condition };
}

function exportTree(
  forest: Forest,
  features: readonly ModelFeature[],
  t: number,
  { output, unit }: { output: number; unit: number },
): XgboostTree {
  const start = forest.treeStart[t]!;
  const size = forest.treeStart[t + 1]! - start;
  const left = new Int32Array(size).fill(-1);
  const condition = new Float32Array(size);
  const missingLeft = new Uint8Array(size);
  const sets = new Map<number, Int32Array>();
  const nodes = [start];
  // `nodes` grows while it is walked. XGBoost takes the node after the left child for the right one.
  for (const [n, i] of nodes.entries()) {
    const child = forest.left[i]!;
    if (child === 0) {
      condition[n] = forest.leaf[i]! * unit;
      continue;
    }
    // Only missing values go left there: not even −∞, which XGBoost does not clamp, may be below the condition.
    const threshold = forest.threshold[i]!;
    condition[n] = threshold === -FLT_MAX ? -Infinity : threshold;
    const listed = listedCategories(forest, features, i);
    if (listed) sets.set(n, listed.categories);
    // XGBoost sends the listed categories right: where those that go left are listed, the children change places.
    const mirrored = listed?.goLeft === true;
    missingLeft[n] = mirrored ? 1 - forest.missingLeft[i]! : forest.missingLeft[i]!;
    left[n] = nodes.length;
    nodes.push(start + child + (mirrored ? 1 : 0), start + child + (mirrored ? 0 : 1));
  }
  return {
    output,
    left,
    right: left.map((child) => (child < 0 ? -1 : child + 1)),
    feature: Int32Array.from(nodes, (i) => Math.max(forest.feature[i]!, 0)),
    condition,
    missingLeft,
    sets,
    gain: Float64Array.from(nodes, (i) => forest.gain[i]!),
    cover: Float64Array.from(nodes, (i) => forest.cover[i]!),
  };
}

/**
 * The categories of one side of a categorical split: of the smaller side, but XGBoost allows no empty list. Categories that
 * are not listed at all are on the other side in XGBoost, so with `unlisted_right` the left side has to be listed.
 */
function listedCategories(
  forest: Forest,
  features: readonly ModelFeature[],
  node: number,
): { categories: Int32Array; goLeft: boolean } | undefined {
  const set = forest.catIndex[node]!;
  if (set < 0) return undefined;
  const { categories = [], pooled, unlisted_right } = features[forest.feature[node]!]!;
  if (categories.length === 0) return { categories: Int32Array.of(0), goLeft: false };
  const leftOnes = new Set(forest.catList.subarray(forest.catStart[set], forest.catStart[set + 1]));
  if (pooled && leftOnes.has(pooled[0]!)) for (const category of pooled) leftOnes.add(category);
  const left = Int32Array.from(leftOnes).sort();
  const isSmaller = left.length > 0 && 2 * left.length <= categories.length;
  if (isSmaller || unlisted_right || left.length === categories.length)
    return { categories: left, goLeft: true };
  return { categories: Int32Array.from(categories.keys()).filter((c) => !leftOnes.has(c)), goLeft: false };
}

/** What an XGBoost file does not say of a model, and how to read it. */
export interface XgboostImportOptions {
  /** What to call the file in errors; default "The file". */
  readonly name?: string;
  /** Name of the target; default "target". */
  readonly target?: string;
  /** Classification: the class labels in the order of XGBoost's class numbers; default 0, 1, …. */
  readonly classes?: readonly (string | number | boolean)[];
  /** Category names by feature, in the order of the codes that XGBoost was given; default the names in the file. */
  readonly categories?: Readonly<Record<string, readonly string[]>>;
  /** Keep the first so many rounds, as XGBoost's `iteration_range`; default all. */
  readonly rounds?: number;
}

/** What predicts in the same way, by XGBoost's names. */
const OBJECTIVE_OF: Readonly<Record<string, Objective>> = {
  'binary:logistic': 'binary:logistic',
  'reg:logistic': 'binary:logistic',
  'multi:softprob': 'multi:softprob',
  'multi:softmax': 'multi:softmax',
  'reg:squarederror': 'reg:squarederror',
  'reg:linear': 'reg:squarederror',
};

/**
 * A model that predicts what an XGBoost model predicts: docs/formats.md says exactly what agrees. Boosters `gbtree` and
 * `dart`; objectives `binary:logistic`, `multi:softprob`, `multi:softmax`, `reg:squarederror` and those that predict alike
 * (`reg:logistic`, `reg:linear`).
 * @param source Text or bytes of a JSON file that XGBoost's `save_model` wrote.
 * @throws InputError where it is something else, is damaged, or is a model of another kind, and for options that do not fit it.
 */
export function importXgboost(source: string | Uint8Array, options: XgboostImportOptions = {}): Model {
  const { name = 'The file' } = options;
  return modelOf(keepRounds(parseXgboost(source, name), options.rounds, name), options, name);
}

function keepRounds(file: XgboostModel, rounds: number | undefined, name: string): XgboostModel {
  if (rounds === undefined) return file;
  const { trees, roundEnds } = file;
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > roundEnds.length) {
    throw new InputError(
      `${name} has ${roundEnds.length} ${roundEnds.length === 1 ? 'round' : 'rounds'}, of which ${rounds} cannot be kept: give a whole number from 1 to ${roundEnds.length}.`,
    );
  }
  return { ...file, trees: trees.slice(0, roundEnds[rounds - 1]), roundEnds: roundEnds.slice(0, rounds) };
}

function modelOf(file: XgboostModel, options: XgboostImportOptions, name: string): Model {
  const error = (problem: string) => new InputError(`${name} cannot be imported: ${problem}.`);
  const objective = Object.hasOwn(OBJECTIVE_OF, file.objective) ? OBJECTIVE_OF[file.objective] : undefined;
  if (!objective) {
    throw error(
      `its objective is ${file.objective}, and only ${Object.keys(OBJECTIVE_OF).join(', ')} are read`,
    );
  }
  const kind = kindOf(objective);
  if (file.outputs !== 1 && kind !== 'multiclass') {
    throw error(`its objective is ${file.objective} but it has ${file.outputs} classes`);
  }
  const features = importFeatures(file, options.categories ?? {}, error);
  const marginBits = marginBitsOf(file, kind, error);
  const unit = powerOfTwo(-marginBits);
  const numbers = Array.from({ length: Math.max(2, file.outputs) }, (_, c) => c);
  const classes = options.classes ?? (kind === 'regression' ? undefined : numbers);
  const rounds = file.roundEnds.length;
  const { bestIteration } = file;
  return Model.fromParts(
    {
      objective,
      schema: {
        features,
        target: {
          name: options.target ?? 'target',
          ...(classes && { classes }),
        },
      },
      marginBits,
      baseMargins: file.baseScores.map((score) => {
        if (kind === 'binary') return logisticBase(score, unit);
        return kind === 'multiclass' ? rint(score / unit) + 0 : 0;
      }),
      baseValue: kind === 'regression' ? file.baseScores[0]! + 0 : 0,
      params: { objective: file.objective },
      seed: 0,
      training: {
        rows: 0,
        rounds,
        best_iteration: bestIteration !== null && bestIteration < rounds ? bestIteration : null,
        early_stopped: false,
        imported_from: 'xgboost',
      },
      forest: importForest(inTurn(file, error), powerOfTwo(marginBits)),
    },
    error,
  );
}

/**
 * The trees with the classes in turn. With `num_parallel_tree`, XGBoost has all trees of a round for one class, then those
 * for the next; their order does not matter, since no sum comes near the limits (`marginBitsOf`).
 */
function inTurn({ trees, outputs }: XgboostModel, error: (problem: string) => Error): XgboostTree[] {
  const ofOutput = Array.from({ length: outputs }, (_, output) =>
    trees.filter((tree) => tree.output === output),
  );
  if (ofOutput.some((own) => own.length * outputs !== trees.length)) {
    throw error('its classes do not have equally many trees');
  }
  return ofOutput[0]!.flatMap((_, t) => ofOutput.map((own) => own[t]!));
}

/**
 * The base margin in units of `unit` for a probability: XGBoost limits it, takes 1/p − 1 in float32 and of that the
 * logarithm. Here it is the least margin whose probability reaches that of XGBoost's, found by bisection without a logarithm.
 */
function logisticBase(baseScore: number, unit: number): number {
  const least = Math.fround(1e-6);
  const p = Math.min(Math.max(baseScore, least), Math.fround(1 - least));
  const wanted = 1 / (1 + Math.fround(Math.fround(1 / p) - 1));
  let below = -MARGIN_LIMIT;
  let reached = MARGIN_LIMIT;
  while (reached - below > 1) {
    const middle = Math.floor((below + reached) / 2);
    if (scaledProbability(middle, unit) >= wanted) reached = middle;
    else below = middle;
  }
  return reached;
}

/**
 * The most bits after the point that the margins of the file leave room for: no sum of leaves, tree by tree, comes near
 * the limits of margins, rounding of the leaves included.
 */
function marginBitsOf(file: XgboostModel, kind: ModelKind, error: (problem: string) => Error): number {
  const coarse = powerOfTwo(-20);
  const base = file.baseScores.map((score) => {
    if (kind === 'binary') return logisticBase(score, coarse) * coarse;
    return kind === 'multiclass' ? score : 0;
  });
  const low = Float64Array.from(base);
  const high = Float64Array.from(base);
  let largest = Math.max(...base.map(Math.abs));
  for (const { output, left, condition } of file.trees) {
    let least = Infinity;
    let most = -Infinity;
    left.forEach((child, n) => {
      if (child >= 0) return;
      least = Math.min(least, condition[n]!);
      most = Math.max(most, condition[n]!);
    });
    low[output]! += least;
    high[output]! += most;
    for (const sum of [least, most, low[output]!, high[output]!]) largest = Math.max(largest, Math.abs(sum));
  }
  if (largest === 0) return 20;
  const room = LEAF_LIMIT - 2 - file.trees.length;
  for (let bits = kind === 'regression' ? 100 : MAX_CLASSIFICATION_BITS; bits >= -104; bits--) {
    if (largest * powerOfTwo(bits) <= room) return bits;
  }
  throw error(`its leaves add up to as much as ${largest}`);
}

function importFeatures(
  file: XgboostModel,
  given: Readonly<Record<string, readonly string[]>>,
  error: (problem: string) => Error,
): ModelFeature[] {
  const codes = new Int32Array(file.features.length);
  for (const { feature, sets } of file.trees) {
    for (const [n, list] of sets) codes[feature[n]!] = Math.max(codes[feature[n]!]!, list.at(-1)! + 1);
  }
  let unnamed = 0;
  for (const name of Object.keys(given)) {
    const feature = file.features.find((candidate) => candidate.name === name);
    if (!feature) throw error(`categories are given for ${name}, which is none of its features`);
    if (!feature.categorical) throw error(`categories are given for ${name}, which is numeric there`);
  }
  return file.features.map(({ name, categorical, categories, damagedNames }, f): ModelFeature => {
    if (!categorical) return { name, type: 'numeric' };
    const names = Object.hasOwn(given, name) ? given[name]! : categories;
    if (names && names.length < codes[f]!) {
      throw error(`${name} has ${names.length} category names but a node names category ${codes[f]! - 1}`);
    }
    if (names) return { name, type: 'categorical', categories: [...names] };
    if (damagedNames) {
      throw error(
        `category names of ${name} are not ASCII, and XGBoost's Python package saves such names damaged, so give the names with the option categories`,
      );
    }
    unnamed += codes[f]!;
    if (unnamed > MAX_UNNAMED) throw error(`it has categories up to ${codes[f]! - 1} without names`);
    const numbers = Array.from({ length: codes[f]! }, (_, c) => String(c));
    return { name, type: 'categorical', categories: numbers, unlisted_right: true };
  });
}

/** Trees over raw values with leaves in units of 1/scale; every categorical split lists what goes left. */
function importForest(trees: readonly XgboostTree[], scale: number): Forest {
  const treeStart = [0];
  const nodes: ImportedNode[] = [];
  const catStart = [0];
  const catList: number[] = [];
  for (const tree of trees) {
    const start = nodes.length;
    const open = [settled(tree, 0)];
    // `open` grows while it is walked: nodes come breadth-first, siblings adjacent.
    for (const n of open) {
      const node = importNode(tree, n, scale);
      if (node.children) {
        node.left = open.length;
        open.push(...node.children.map((child) => settled(tree, child)));
      }
      const set = tree.sets.get(n);
      if (node.children && set) {
        node.catIndex = catStart.length - 1;
        for (const category of set) catList.push(category);
        catStart.push(catList.length);
      }
      nodes.push(node);
    }
    treeStart.push(start + open.length);
  }
  return {
    treeStart: Int32Array.from(treeStart),
    feature: Int32Array.from(nodes, ({ feature }) => feature),
    threshold: Float32Array.from(nodes, ({ threshold }) => threshold),
    missingLeft: Uint8Array.from(nodes, ({ missingLeft }) => missingLeft),
    left: Int32Array.from(nodes, ({ left }) => left),
    leaf: Int32Array.from(nodes, ({ leaf }) => leaf),
    gain: Float64Array.from(nodes, ({ gain }) => gain),
    cover: Float64Array.from(nodes, ({ cover }) => cover),
    catIndex: Int32Array.from(nodes, ({ catIndex }) => catIndex),
    catStart: Int32Array.from(catStart),
    catList: Int32Array.from(catList),
  };
}

interface ImportedNode {
  readonly feature: number;
  readonly threshold: number;
  readonly missingLeft: number;
  readonly leaf: number;
  readonly gain: number;
  readonly cover: number;
  /** Left, right, as the tree numbers them. */
  readonly children?: readonly [number, number];
  left: number;
  catIndex: number;
}

/** The first node from `n` down that is a leaf or does not send every row the same way. */
function settled({ left, right, condition, missingLeft, sets }: XgboostTree, n: number): number {
  let node = n;
  while (left[node]! >= 0 && !sets.has(node)) {
    const c = condition[node]!;
    if (c === Infinity && missingLeft[node] === 1) node = left[node]!;
    else if (!(c > -FLT_MAX) && missingLeft[node] === 0) node = right[node]!;
    else break;
  }
  return node;
}

function importNode(tree: XgboostTree, n: number, scale: number): ImportedNode {
  const [l, r] = [tree.left[n]!, tree.right[n]!];
  const condition = tree.condition[n]!;
  const common = { gain: tree.gain[n]!, cover: tree.cover[n]!, left: 0, catIndex: -1 };
  if (l < 0) {
    return { ...common, feature: -1, threshold: 0, missingLeft: 0, leaf: rint(condition * scale) + 0 };
  }
  const missingLeft = tree.missingLeft[n]!;
  const split = { ...common, feature: tree.feature[n]!, leaf: 0 };
  // XGBoost lists the categories that go right, and here sets have those that go left: the children change places.
  if (tree.sets.has(n)) return { ...split, threshold: 0, missingLeft: 1 - missingLeft, children: [r, l] };
  if (condition === Infinity) return { ...split, threshold: -FLT_MAX, missingLeft: 1, children: [r, l] };
  return {
    ...split,
    threshold: condition > -FLT_MAX ? condition + 0 : -FLT_MAX,
    missingLeft,
    children: [l, r],
  };
}
