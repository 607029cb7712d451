// The numeric contract (docs/numerics.md) as plainly as it can be written: the judge of every engine. Nothing here is
// fast, shared with an engine, or clever; sums are BigInt, binary64 operations are JavaScript's own, in the order the
// contract gives.
import type { BinnedDataset } from '../../src/data/types.ts';
import type {
  Engine,
  ResidentDataset,
  RoundResult,
  RowSet,
  TrainingBatch,
  TrainingJob,
  TreeEnsemble,
  TreeParams,
} from '../../src/engine/engine.ts';
import { logisticGradient, logitMargin } from '../../src/numerics/link.ts';
import { priorDistance, softmaxGradient } from '../../src/numerics/softmax.ts';
import { naiveMetric } from '../metrics/naive.ts';
import { referencePhilox } from './philox.ts';

const DITHER = 1;
const SUBSAMPLE = 2;
const COLSAMPLE_BYTREE = 3;
const COLSAMPLE_BYLEVEL = 4;
const NODE = 5;
const COLSAMPLE_BYNODE = 6;

interface Sums {
  g: bigint;
  h: bigint;
}

interface Node {
  feature: number;
  bin: number;
  missingLeft: boolean;
  categories: Set<number> | null;
  left: number;
  leaf: number;
  gain: number;
  cover: number;
}

interface Candidate {
  feature: number;
  bin: number;
  missingLeft: boolean;
  categories: Set<number> | null;
  left: Sums;
}

interface TreeConstants {
  lambda: number;
  alpha: number;
  minGain: number;
  minChildHessian: bigint;
  leafScale: number;
  gradientUnit: number;
  hessianUnit: number;
  /** Whether scores are those of bounded weights. */
  bounded: boolean;
  maxDelta: number;
}

/** Bounds of the weights in a node. */
interface Bounds {
  low: number;
  high: number;
}

export function listRows(rows: RowSet): number[] {
  if (rows instanceof Uint32Array) return [...rows];
  if ('folds' in rows) {
    const { folds, fold, except = false } = rows;
    return [...folds.keys()].filter((row) =>
      except ? folds[row] !== fold && folds[row] !== 255 : folds[row] === fold,
    );
  }
  return Array.from({ length: rows.end - rows.start }, (_, i) => rows.start + i);
}

/** Nearest integer, ties to even. */
function rint(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** Least e with x ≤ 2^e, for finite x > 0. */
function ceilLog2(x: number): number {
  let e = -1100;
  while (2 ** e < x) e++;
  return e;
}

function bitLength(x: bigint): number {
  return x === 0n ? 0 : x.toString(2).length;
}

function clamp(x: number, limit: number): number {
  return Math.min(Math.max(x, -limit), limit);
}

function rowWord(seed: number, row: number, round: number, purpose: number, ofClass: number): number {
  const block = referencePhilox([Math.floor(row / 64) * 16 + (row % 16), round, purpose, ofClass], seed);
  return block[Math.floor(row / 16) % 4]!;
}

/** For any number of rows, which the arguments of a call are not. */
const greatest = (rows: readonly number[], of: (row: number) => number): number =>
  rows.reduce((most, row) => Math.max(most, of(row)), Number.NEGATIVE_INFINITY);

/** Section 2: E and the integer weights of `rows`. */
function scaleWeights(
  data: BinnedDataset,
  rows: number[],
  positiveFactor = 1,
): { exponent: number; weights: Map<number, bigint> } {
  const weightOf = (row: number) => (data.weight?.[row] ?? 1) * (data.label[row] === 1 ? positiveFactor : 1);
  const exponent = ceilLog2(greatest(rows, weightOf));
  const weights = new Map<number, bigint>();
  for (const row of rows) weights.set(row, BigInt(rint(weightOf(row) * 2 ** (24 - exponent))));
  return { exponent, weights };
}

function applyWeight(v: number, weight: bigint): bigint {
  return (BigInt(v) * weight + (1n << 23n)) >> 24n;
}

/** The quantised pairs of the training rows for one tree, and log2 of their units. */
interface Gradients {
  pairs: Map<number, Sums>;
  gradientUnit: number;
  hessianUnit: number;
}

class ReferenceJob {
  readonly data: BinnedDataset;
  readonly job: TrainingJob;
  readonly rows: number[];
  readonly weights: Map<number, bigint>;
  readonly exponent: number;
  readonly trees: Node[][] = [];
  /** Trees of a round, and margins of a row. */
  readonly classes: number;
  marginBits = 20;
  baseMargins: number[] = [0];
  baseValue = 0;
  targets: number[] = [];
  /** By row, then class. */
  margins: number[][] = [];
  stopped = false;

  constructor(data: BinnedDataset, job: TrainingJob) {
    this.data = data;
    this.job = job;
    this.rows = listRows(job.rows);
    const { exponent, weights } = scaleWeights(data, this.rows, job.params.scale_pos_weight);
    this.exponent = exponent;
    this.weights = weights;
    this.classes = isMulticlass(job) ? job.params.num_class : 1;
    if (job.params.objective === 'binary:logistic') this.#initLogistic();
    else if (isMulticlass(job)) this.#initSoftmax();
    else this.#initRegression();
    if (job.resume !== undefined) this.trees.push(...nodesOf(job.resume));
    this.margins = Array.from({ length: data.rows }, (_, row) => {
      const margins = [...this.baseMargins];
      this.trees.forEach((nodes, t) => {
        const c = t % this.classes;
        margins[c] = clamp(margins[c]! + route(nodes, data, row).leaf, 2 ** 30);
      });
      return margins;
    });
  }

  /** Section 3. */
  #initLogistic(): void {
    let positive = 0n;
    let total = 0n;
    for (const row of this.rows) {
      if (this.data.label[row] === 1) positive += this.weights.get(row)!;
      total += this.weights.get(row)!;
    }
    this.baseMargins = [logitMargin(this.job.params.base_score ?? Number(positive) / Number(total))];
  }

  #initSoftmax(): void {
    const ofClass = Array.from({ length: this.classes }, () => 0n);
    let total = 0n;
    for (const row of this.rows) {
      ofClass[this.data.label[row]!]! += this.weights.get(row)!;
      total += this.weights.get(row)!;
    }
    const distances = ofClass.map((weight) => priorDistance(Number(weight) / Number(total)));
    const centre = Math.floor(distances.reduce((a, b) => a + b) / this.classes);
    this.baseMargins = distances.map((distance) => centre - distance);
  }

  #initRegression(): void {
    const { label } = this.data;
    if (this.job.params.base_score !== null) {
      this.baseValue = Math.fround(this.job.params.base_score);
    } else {
      const largest = greatest(this.rows, (row) => Math.abs(label[row]!));
      if (largest > 0) {
        const scale = ceilLog2(largest);
        let sum = 0n;
        let total = 0n;
        for (const row of this.rows) {
          sum += BigInt(rint(label[row]! * 2 ** (40 - scale))) * this.weights.get(row)!;
          total += this.weights.get(row)!;
        }
        this.baseValue = Math.fround((Number(sum) / Number(total)) * 2 ** (scale - 40));
      }
    }
    const deviation = greatest(this.rows, (row) => Math.abs(label[row]! - this.baseValue));
    this.marginBits = deviation === 0 ? 20 : Math.min(Math.max(23 - ceilLog2(deviation), -104), 100);
    this.targets = Array.from(label, (y) =>
      clamp(rint((y - this.baseValue) * 2 ** this.marginBits), 2 ** 30),
    );
  }

  /** Section 5: for each class. */
  #gradients(round: number): Gradients[] {
    switch (this.job.params.objective) {
      case 'binary:logistic':
        return [
          this.#quantise(round, 0, (row) => {
            const { p, h } = logisticGradient(this.margins[row]![0]!);
            return { g: p - (this.data.label[row] === 1 ? 2 ** 30 : 0), h };
          }),
        ];
      case 'multi:softprob':
      case 'multi:softmax': {
        const shares = new Map(
          this.rows.map((row) => [row, softmaxGradient(Int32Array.from(this.margins[row]!))]),
        );
        return Array.from({ length: this.classes }, (_, c) =>
          this.#quantise(round, c, (row) => {
            const { p, h } = shares.get(row)![c]!;
            return { g: p - (this.data.label[row] === c ? 2 ** 30 : 0), h };
          }),
        );
      }
      case 'reg:squarederror':
        return [this.#squaredErrorGradients(round)];
    }
  }

  /** Logistic and softmax pairs from gradient and Hessian in units of 2^−30. */
  #quantise(round: number, ofClass: number, pairOf: (row: number) => { g: number; h: number }): Gradients {
    const pairs = new Map<number, Sums>();
    for (const row of this.rows) {
      const { g, h } = pairOf(row);
      const weight = this.weights.get(row)!;
      const dither = rowWord(this.job.seed, row, round, DITHER, ofClass);
      pairs.set(row, {
        g: (applyWeight(g, weight) + BigInt(dither % 2 ** 15)) >> 15n,
        h: (applyWeight(h, weight) + BigInt(Math.floor(dither / 2 ** 18))) >> 14n,
      });
    }
    return { pairs, gradientUnit: this.exponent - 15, hessianUnit: this.exponent - 16 };
  }

  #squaredErrorGradients(round: number): Gradients {
    const pairs = new Map<number, Sums>();
    const weighted = new Map(
      this.rows.map((row) => [
        row,
        applyWeight(this.margins[row]![0]! - this.targets[row]!, this.weights.get(row)!),
      ]),
    );
    let largest = 0n;
    for (const g of weighted.values()) {
      const magnitude = g < 0n ? -g : g;
      if (magnitude > largest) largest = magnitude;
    }
    const shift = Math.max(0, bitLength(largest) - 23);
    for (const row of this.rows) {
      const dither = BigInt(rowWord(this.job.seed, row, round, DITHER, 0) % 2 ** shift);
      pairs.set(row, { g: (weighted.get(row)! + dither) >> BigInt(shift), h: this.weights.get(row)! });
    }
    return {
      pairs,
      gradientUnit: this.exponent + shift - this.marginBits,
      hessianUnit: this.exponent - 24,
    };
  }

  /** Section 6. */
  #sampledRows(round: number, ofClass: number): number[] {
    const { subsample } = this.job.params;
    if (subsample === 1) return this.rows;
    return this.rows.filter(
      (row) => rowWord(this.job.seed, row, round, SUBSAMPLE, ofClass) < rint(subsample * 2 ** 32),
    );
  }

  /** One step of the feature sampling. */
  #drawFeatures(from: number[], fraction: number, keyOf: (feature: number) => number): number[] {
    if (fraction === 1) return from;
    const wanted = Math.max(1, Math.floor(fraction * from.length + 2 ** -30));
    const key = new Map(from.map((f) => [f, keyOf(f)]));
    return [...from]
      .sort((a, b) => key.get(a)! - key.get(b)! || a - b)
      .slice(0, wanted)
      .sort((a, b) => a - b);
  }

  #featuresOfNode(round: number, ofClass: number, depth: number, heap: number): number[] {
    const { params, seed } = this.job;
    const word = (index: number, counter: number, purpose: number) =>
      referencePhilox([index, counter, purpose, ofClass], seed)[0]!;
    const all = this.data.features.map((_, f) => f);
    const ofTree = this.#drawFeatures(all, params.colsample_bytree, (f) => word(f, round, COLSAMPLE_BYTREE));
    const ofLevel = this.#drawFeatures(ofTree, params.colsample_bylevel, (f) =>
      word(f, round, COLSAMPLE_BYLEVEL + 256 * depth),
    );
    return this.#drawFeatures(ofLevel, params.colsample_bynode, (f) =>
      word(f, word(heap, round, NODE), COLSAMPLE_BYNODE),
    );
  }

  advance(index: number): RoundResult {
    const round = this.trees.length / this.classes;
    const trees = this.#gradients(round).map((gradients, c) => this.#grow(round, c, gradients));
    trees.forEach((nodes, c) => {
      for (let row = 0; row < this.data.rows; row++) {
        const margins = this.margins[row]!;
        margins[c] = clamp(margins[c]! + route(nodes, this.data, row).leaf, 2 ** 30);
      }
    });
    this.trees.push(...trees);
    return { job: index, round: round + 1, values: this.#scores() };
  }

  /** One tree. */
  #grow(round: number, ofClass: number, { pairs, gradientUnit, hessianUnit }: Gradients): Node[] {
    const { params } = this.job;
    const minChild = Math.ceil(params.min_child_weight * 2 ** -hessianUnit);
    const constants: TreeConstants = {
      lambda: params.reg_lambda * 2 ** -hessianUnit,
      alpha: params.reg_alpha * 2 ** -gradientUnit,
      minGain: Math.max(
        params.gamma * 2 ** (hessianUnit - 2 * gradientUnit),
        params.objective === 'reg:squarederror' ? 0 : 2 ** -6,
      ),
      minChildHessian: minChild >= 2 ** 62 ? 2n ** 62n : BigInt(Math.max(1, minChild)),
      leafScale: params.learning_rate * 2 ** (this.marginBits + gradientUnit - hessianUnit),
      gradientUnit,
      hessianUnit,
      bounded: params.max_delta_step > 0 || params.monotone_constraints.some((c) => c !== 0),
      maxDelta:
        params.max_delta_step > 0 ? params.max_delta_step * 2 ** (hessianUnit - gradientUnit) : Infinity,
    };
    const nodes: Node[] = [];
    let level = [
      { rows: this.#sampledRows(round, ofClass), id: 0, heap: 1, bounds: { low: -Infinity, high: Infinity } },
    ];
    nodes.push(newLeaf());
    for (let depth = 0; level.length > 0; depth++) {
      const next: typeof level = [];
      for (const { rows, id, heap, bounds } of level) {
        const sums = total(rows, pairs);
        const node = nodes[id]!;
        node.cover = Number(sums.h) * 2 ** hessianUnit;
        const features = this.#featuresOfNode(round, ofClass, depth, heap);
        const split =
          depth < params.max_depth
            ? findSplit(this.data, features, rows, pairs, sums, bounds, params, constants)
            : null;
        if (split === null) {
          node.leaf = leafValue(sums, bounds, constants);
          continue;
        }
        node.feature = split.feature;
        node.bin = split.bin;
        node.missingLeft = split.missingLeft;
        node.categories = split.categories;
        node.gain = split.gain * 2 ** (2 * gradientUnit - hessianUnit);
        node.left = nodes.length;
        nodes.push(newLeaf(), newLeaf());
        const left = rows.filter((row) => goesLeft(node, this.data, row));
        const right = rows.filter((row) => !goesLeft(node, this.data, row));
        const [leftBounds, rightBounds] = childBounds(
          bounds,
          params.monotone_constraints[split.feature] ?? 0,
          weightOf(total(left, pairs), bounds, constants),
          weightOf(total(right, pairs), bounds, constants),
        );
        next.push({ rows: left, id: node.left, heap: 2 * heap, bounds: leftBounds });
        next.push({ rows: right, id: node.left + 1, heap: 2 * heap + 1, bounds: rightBounds });
      }
      level = next;
    }
    return nodes;
  }

  #scores(): Float64Array {
    const values: number[] = [];
    for (const evalRows of this.job.evals) {
      const rows = listRows(evalRows);
      const { weights } = scaleWeights(this.data, rows);
      const shared = {
        margins: Int32Array.from(rows.flatMap((row) => this.margins[row]!)),
        ...(this.data.weight && { weights: Uint32Array.from(rows, (row) => Number(weights.get(row)!)) }),
      };
      const view =
        this.job.params.objective === 'reg:squarederror'
          ? {
              ...shared,
              targets: Int32Array.from(rows, (row) => this.targets[row]!),
              raw: Float32Array.from(rows, (row) => this.data.label[row]!),
              marginBits: this.marginBits,
            }
          : {
              ...shared,
              labels: Uint8Array.from(rows, (row) => this.data.label[row]!),
              ...(isMulticlass(this.job) && { classes: this.classes }),
            };
      for (const metric of this.job.metrics) values.push(naiveMetric(metric, view));
    }
    return Float64Array.from(values);
  }

  finish(rounds = this.trees.length): TreeEnsemble {
    const trees = this.trees.slice(0, rounds * this.classes);
    const nodes = trees.flat();
    const sets = nodes.filter((node) => node.categories !== null);
    const treeStart = [0];
    for (const tree of trees) treeStart.push(treeStart.at(-1)! + tree.length);
    const catSets = new Uint32Array(sets.length * 8);
    sets.forEach((node, s) => {
      for (const code of node.categories!) catSets[s * 8 + Math.floor(code / 32)]! |= 1 << (code % 32);
    });
    return {
      classes: this.classes,
      marginBits: this.marginBits,
      baseMargins: Int32Array.from(this.baseMargins),
      baseValue: this.baseValue,
      treeStart: Int32Array.from(treeStart),
      feature: Int32Array.from(nodes, (node) => node.feature),
      splitBin: Uint8Array.from(nodes, (node) => (node.categories === null ? node.bin : 0)),
      missingLeft: Uint8Array.from(nodes, (node) => (node.missingLeft ? 1 : 0)),
      left: Int32Array.from(nodes, (node) => node.left),
      leaf: Int32Array.from(nodes, (node) => node.leaf),
      gain: Float64Array.from(nodes, (node) => node.gain),
      cover: Float64Array.from(nodes, (node) => node.cover),
      catIndex: Int32Array.from(nodes, (node) => (node.categories === null ? -1 : sets.indexOf(node))),
      catSets,
    };
  }
}

function isMulticlass({ params }: TrainingJob): boolean {
  return params.objective === 'multi:softprob' || params.objective === 'multi:softmax';
}

function newLeaf(): Node {
  return { feature: -1, bin: 0, missingLeft: false, categories: null, left: 0, leaf: 0, gain: 0, cover: 0 };
}

function nodesOf(trees: TreeEnsemble): Node[][] {
  return Array.from({ length: trees.treeStart.length - 1 }, (_, t) =>
    Array.from({ length: trees.treeStart[t + 1]! - trees.treeStart[t]! }, (_, n) => {
      const at = trees.treeStart[t]! + n;
      const set = trees.catIndex[at]!;
      const codes = Array.from({ length: 256 }, (_, code) => code);
      return {
        feature: trees.feature[at]!,
        bin: trees.splitBin[at]!,
        missingLeft: trees.missingLeft[at] === 1,
        categories:
          set < 0
            ? null
            : new Set(codes.filter((code) => (trees.catSets[8 * set + (code >> 5)]! >>> (code & 31)) & 1)),
        left: trees.left[at]!,
        leaf: trees.leaf[at]!,
        gain: trees.gain[at]!,
        cover: trees.cover[at]!,
      };
    }),
  );
}

function codeOf(data: BinnedDataset, row: number, feature: number): number {
  return data.bins[row * data.stride + feature]!;
}

function goesLeft(node: Node, data: BinnedDataset, row: number): boolean {
  const code = codeOf(data, row, node.feature);
  if (code === 0) return node.missingLeft;
  return node.categories === null ? code <= node.bin : node.categories.has(code);
}

function route(nodes: Node[], data: BinnedDataset, row: number): Node {
  let node = nodes[0]!;
  while (node.feature >= 0) node = nodes[goesLeft(node, data, row) ? node.left : node.left + 1]!;
  return node;
}

function add(a: Sums, b: Sums): Sums {
  return { g: a.g + b.g, h: a.h + b.h };
}

function total(rows: number[], pairs: Map<number, Sums>): Sums {
  const sums = { g: 0n, h: 0n };
  for (const row of rows) {
    const pair = pairs.get(row)!;
    sums.g += pair.g;
    sums.h += pair.h;
  }
  return sums;
}

/** Section 7. */
function softThreshold(g: bigint, alpha: number): number {
  const x = Number(g);
  if (alpha === 0) return x;
  if (x > alpha) return x - alpha;
  if (x < -alpha) return x + alpha;
  return 0;
}

/** Bounded weights: w(G, H); without bounds, the quotient alone. */
function weightOf(sums: Sums, bounds: Bounds, constants: TreeConstants): number {
  const x = Number(sums.h) + constants.lambda;
  const quotient = x === 0 ? 0 : -softThreshold(sums.g, constants.alpha) / x;
  return Math.min(Math.max(clamp(quotient, constants.maxDelta), bounds.low), bounds.high);
}

function nodeScore(sums: Sums, bounds: Bounds, constants: TreeConstants): number {
  const x = Number(sums.h) + constants.lambda;
  if (!constants.bounded) {
    const t = softThreshold(sums.g, constants.alpha);
    return (t * t) / x;
  }
  const w = weightOf(sums, bounds, constants);
  const towards = (w < 0 ? -1 : 1) * Number(sums.g) + constants.alpha;
  return -(Math.abs(w) * (2 * towards + x * Math.abs(w)));
}

function childBounds(node: Bounds, constraint: number, left: number, right: number): [Bounds, Bounds] {
  const middle = (left + right) / 2;
  if (constraint > 0)
    return [
      { ...node, high: middle },
      { ...node, low: middle },
    ];
  if (constraint < 0)
    return [
      { ...node, low: middle },
      { ...node, high: middle },
    ];
  return [node, node];
}

function isEmpty(sums: Sums): boolean {
  return sums.g === 0n && sums.h === 0n;
}

/** Every candidate of a feature, in the order that breaks ties. */
function* candidates(
  feature: number,
  cells: Sums[],
  categorical: boolean,
  node: Sums,
  params: TreeParams,
  constants: TreeConstants,
): Generator<Candidate> {
  const missing = cells[0]!;
  const codes = Array.from({ length: cells.length - 1 }, (_, i) => i + 1);
  const present = codes.filter((code) => !isEmpty(cells[code]!));
  const absent = codes.filter((code) => isEmpty(cells[code]!));
  const oneHot = categorical && codes.length < params.max_cat_to_onehot;

  // [b, the codes that go left] without the choice for missing values
  const partitions: [number, number[]][] = [];
  if (!isEmpty(missing)) partitions.push([0, []]);
  if (!categorical) {
    for (let b = 1; b < codes.length; b++) partitions.push([b, codes.slice(0, b)]);
  } else if (oneHot) {
    for (const code of present) partitions.push([code, [code]]);
  } else {
    const ratio = (code: number) => {
      const { g, h } = cells[code]!;
      return h < constants.minChildHessian ? 0 : Number(g) / (Number(h) + constants.lambda);
    };
    const order = [...present].sort((a, b) => (ratio(a) === ratio(b) ? a - b : ratio(a) < ratio(b) ? -1 : 1));
    for (let b = 1; b < order.length; b++) {
      if (b <= params.max_cat_threshold || order.length - b <= params.max_cat_threshold) {
        partitions.push([b, order.slice(0, b)]);
      }
    }
  }
  // Prefixes grow by one code; adding to the previous sum keeps this linear in the codes.
  let previous: number[] = [];
  let sum: Sums = { g: 0n, h: 0n };
  for (const [bin, codesLeft] of partitions) {
    const extends_ = codesLeft.length === previous.length + 1 && !oneHot;
    sum = extends_
      ? add(sum, cells[codesLeft.at(-1)!]!)
      : codesLeft.reduce((acc, code) => add(acc, cells[code]!), { g: 0n, h: 0n });
    previous = codesLeft;
    const directions = isEmpty(missing) ? [sum.h >= node.h - sum.h] : bin === 0 ? [true] : [true, false];
    for (const missingLeft of directions) {
      const set = new Set(categorical ? codesLeft : []);
      if (categorical && !oneHot && missingLeft) for (const code of absent) set.add(code);
      yield {
        feature,
        bin,
        missingLeft,
        categories: categorical ? set : null,
        left: missingLeft ? add(sum, missing) : sum,
      };
    }
  }
}

function findSplit(
  data: BinnedDataset,
  features: number[],
  rows: number[],
  pairs: Map<number, Sums>,
  node: Sums,
  bounds: Bounds,
  params: TreeParams,
  constants: TreeConstants,
): (Candidate & { gain: number }) | null {
  if (node.h < 2n * constants.minChildHessian) return null;
  let best: Candidate | null = null;
  let bestScore = 0;
  for (const feature of features) {
    const cells = Array.from({ length: data.features[feature]!.bins + 1 }, () => ({ g: 0n, h: 0n }));
    for (const row of rows) {
      const cell = cells[codeOf(data, row, feature)]!;
      const pair = pairs.get(row)!;
      cell.g += pair.g;
      cell.h += pair.h;
    }
    const categorical = data.features[feature]!.type === 'categorical';
    for (const candidate of candidates(feature, cells, categorical, node, params, constants)) {
      const right = { g: node.g - candidate.left.g, h: node.h - candidate.left.h };
      if (candidate.left.h < constants.minChildHessian || right.h < constants.minChildHessian) continue;
      const constraint = params.monotone_constraints[feature] ?? 0;
      const rise = weightOf(right, bounds, constants) - weightOf(candidate.left, bounds, constants);
      if (constraint !== 0 && rise * constraint < 0) continue;
      const score = nodeScore(candidate.left, bounds, constants) + nodeScore(right, bounds, constants);
      if (best === null || score > bestScore) {
        best = candidate;
        bestScore = score;
      }
    }
  }
  if (best === null) return null;
  const parent = nodeScore(node, bounds, constants);
  const gain = bestScore - parent;
  return gain > Math.max(constants.minGain, Math.abs(parent) * 2 ** -40) ? { ...best, gain } : null;
}

/** Section 8. */
function leafValue(sums: Sums, bounds: Bounds, constants: TreeConstants): number {
  const value = weightOf(sums, bounds, constants) * constants.leafScale;
  const units = rint(clamp(value, 2 ** 30 - 64));
  const excess = Math.max(0, bitLength(BigInt(Math.abs(units))) - 24);
  return Math.trunc(units / 2 ** excess) * 2 ** excess + 0;
}

class ReferenceBatch implements TrainingBatch {
  readonly #jobs: ReferenceJob[];

  constructor(data: BinnedDataset, jobs: readonly TrainingJob[]) {
    this.#jobs = jobs.map((job) => new ReferenceJob(data, job));
  }

  get jobs(): number {
    return this.#jobs.length;
  }

  async advance(rounds: number): Promise<RoundResult[]> {
    const results: RoundResult[] = [];
    for (let r = 0; r < rounds; r++) {
      this.#jobs.forEach((job, index) => {
        if (!job.stopped) results.push(job.advance(index));
      });
    }
    return results;
  }

  stop(job: number): void {
    this.#jobs[job]!.stopped = true;
  }

  async finish(job: number, rounds?: number): Promise<TreeEnsemble> {
    return this.#jobs[job]!.finish(rounds);
  }

  dispose(): void {}
}

class ReferenceDataset implements ResidentDataset {
  readonly #data: BinnedDataset;

  constructor(data: BinnedDataset) {
    this.#data = data;
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    return new ReferenceBatch(this.#data, jobs);
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    return Int32Array.from(
      listRows(rows).flatMap((row) => {
        const margins = [...trees.baseMargins];
        for (let t = 0; t + 1 < trees.treeStart.length; t++) {
          const c = t % trees.classes;
          margins[c] = clamp(margins[c]! + this.#leafOf(trees, t, row), 2 ** 30);
        }
        return margins;
      }),
    );
  }

  #leafOf(trees: TreeEnsemble, t: number, row: number): number {
    const start = trees.treeStart[t]!;
    let node = start;
    while (trees.feature[node]! >= 0) {
      const code = codeOf(this.#data, row, trees.feature[node]!);
      const set = trees.catIndex[node]!;
      let left: boolean;
      if (code === 0) left = trees.missingLeft[node] === 1;
      else if (set < 0) left = code <= trees.splitBin[node]!;
      else left = (trees.catSets[set * 8 + Math.floor(code / 32)]! & (1 << (code % 32))) !== 0;
      node = start + trees.left[node]! + (left ? 0 : 1);
    }
    return trees.leaf[node]!;
  }

  dispose(): void {}
}

/** The reference as an engine, so that one conformance suite drives it and the others. */
export function createReferenceEngine(): Engine {
  return { kind: 'cpu', description: 'reference', load: async (data) => new ReferenceDataset(data) };
}
