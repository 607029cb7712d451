import type { TreeEnsemble } from '../engine.ts';
import { NODE, NONE } from './layout.ts';
import { type JobScale, scaleBy } from './scale.ts';

/** One tree as flat arrays, nodes breadth-first. */
export interface GrownTree {
  readonly feature: Int32Array;
  readonly splitBin: Uint8Array;
  readonly missingLeft: Uint8Array;
  readonly left: Int32Array;
  readonly leaf: Int32Array;
  readonly gain: Float64Array;
  readonly cover: Float64Array;
  readonly categorical: Uint8Array;
  /** Eight words a categorical split, in the order of the nodes. */
  readonly codes: Uint32Array;
}

const f64 = new DataView(new ArrayBuffer(8));

/** From the words of its nodes; units are log2 of those of gradients and Hessians. */
export function readTree(words: Uint32Array, gradientUnit: number, hessianUnit: number): GrownTree {
  let count = 1;
  for (let n = 0; n < count; n++) if (words[n * NODE.size + NODE.feature] !== NONE) count += 2;
  const field = (place: number) => (_: unknown, n: number) => words[n * NODE.size + place]!;
  const size = { length: count };
  const split = Uint32Array.from(size, (_, n) =>
    words[n * NODE.size + NODE.feature] === NONE ? 0 : words[n * NODE.size + NODE.split]!,
  );
  const categorical = Uint8Array.from(split, (word) => (word >> 9) & 1);
  const codes: number[] = [];
  categorical.forEach((is, n) => {
    if (is === 1) codes.push(...words.subarray(n * NODE.size + NODE.codes, n * NODE.size + NODE.codes + 8));
  });
  return {
    feature: Int32Array.from(size, field(NODE.feature)),
    splitBin: Uint8Array.from(split, (word, n) => (categorical[n] === 1 ? 0 : word & 0xff)),
    missingLeft: Uint8Array.from(split, (word) => (word >> 8) & 1),
    left: Int32Array.from(size, field(NODE.left)),
    leaf: Int32Array.from(size, field(NODE.leaf)),
    gain: Float64Array.from(size, (_, n) => {
      if (words[n * NODE.size + NODE.feature] === NONE) return 0;
      f64.setUint32(0, words[n * NODE.size + NODE.gain]!, true);
      f64.setUint32(4, words[n * NODE.size + NODE.gain + 1]!, true);
      return scaleBy(f64.getFloat64(0, true), 2 * gradientUnit - hessianUnit);
    }),
    cover: Float64Array.from(size, (_, n) => {
      const at = n * NODE.size + NODE.sums;
      return scaleBy(Number((BigInt(words[at + 3]!) << 32n) | BigInt(words[at + 2]!)), hessianUnit);
    }),
    categorical,
    codes: Uint32Array.from(codes),
  };
}

/** The trees of an ensemble, one by one. */
export function splitTrees(trees: TreeEnsemble): GrownTree[] {
  return Array.from({ length: trees.treeStart.length - 1 }, (_, t) => {
    const [start, end] = [trees.treeStart[t]!, trees.treeStart[t + 1]!];
    const catIndex = trees.catIndex.subarray(start, end);
    return {
      feature: trees.feature.slice(start, end),
      splitBin: trees.splitBin.slice(start, end),
      missingLeft: trees.missingLeft.slice(start, end),
      left: trees.left.slice(start, end),
      leaf: trees.leaf.slice(start, end),
      gain: trees.gain.slice(start, end),
      cover: trees.cover.slice(start, end),
      categorical: Uint8Array.from(catIndex, (set) => (set < 0 ? 0 : 1)),
      codes: Uint32Array.from(
        [...catIndex].flatMap((set) => (set < 0 ? [] : [...trees.catSets.subarray(8 * set, 8 * set + 8)])),
      ),
    };
  });
}

/** Trees one after the other, as the contract has them. */
export function flattenTrees(scale: JobScale, classes: number, trees: readonly GrownTree[]): TreeEnsemble {
  const treeStart = new Int32Array(trees.length + 1);
  trees.forEach(({ feature }, t) => {
    treeStart[t + 1] = treeStart[t]! + feature.length;
  });
  const nodes = treeStart.at(-1)!;
  const sets = trees.reduce((sum, { codes }) => sum + codes.length, 0);
  const all = {
    feature: new Int32Array(nodes),
    splitBin: new Uint8Array(nodes),
    missingLeft: new Uint8Array(nodes),
    left: new Int32Array(nodes),
    leaf: new Int32Array(nodes),
    gain: new Float64Array(nodes),
    cover: new Float64Array(nodes),
  };
  const catIndex = new Int32Array(nodes).fill(-1);
  const catSets = new Uint32Array(sets);
  let set = 0;
  trees.forEach((tree, t) => {
    const start = treeStart[t]!;
    for (const name of Object.keys(all) as (keyof typeof all)[]) all[name].set(tree[name], start);
    catSets.set(tree.codes, set * 8);
    tree.categorical.forEach((is, n) => {
      if (is === 1) catIndex[start + n] = set++;
    });
  });
  const { marginBits, baseMargins, baseValue } = scale;
  return { classes, marginBits, baseMargins, baseValue, treeStart, ...all, catIndex, catSets };
}
