import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { TreeEnsemble } from '../../src/engine/engine.ts';
import { firstDifference } from '../../src/protocol/verify.ts';

/** Two trees: a categorical split with two leaves, and a numeric split with two leaves. */
function ensemble(): TreeEnsemble {
  return {
    marginBits: 20,
    classes: 1,
    baseMargins: Int32Array.of(7),
    baseValue: 0,
    treeStart: Int32Array.of(0, 3, 6),
    feature: Int32Array.of(1, -1, -1, 0, -1, -1),
    splitBin: Uint8Array.of(0, 0, 0, 4, 0, 0),
    missingLeft: Uint8Array.of(1, 0, 0, 0, 0, 0),
    left: Int32Array.of(1, 0, 0, 1, 0, 0),
    leaf: Int32Array.of(0, 5, -5, 0, 9, -9),
    gain: Float64Array.of(2.5, 0, 0, 1.5, 0, 0),
    cover: Float64Array.of(10, 4, 6, 10, 5, 5),
    catIndex: Int32Array.of(0, -1, -1, -1, -1, -1),
    catSets: Uint32Array.of(6, 0, 0, 0, 0, 0, 0, 0),
  };
}

const NODE_FIELDS = ['feature', 'splitBin', 'missingLeft', 'left', 'leaf', 'gain', 'cover'] as const;

it('equal ensembles have no difference', () => {
  expect(firstDifference(ensemble(), ensemble())).toBeUndefined();
});

it('a change of one node is named by its round, node and field, with both values', () => {
  fc.assert(
    fc.property(fc.constantFrom(...NODE_FIELDS), fc.nat(5), (field, node) => {
      const changed = ensemble();
      changed[field][node]! += 1;
      const { feature, ...rest } = {
        feature: ensemble()[field][node]!,
        round: node < 3 ? 1 : 2,
        node: node % 3,
      };
      expect(firstDifference(ensemble(), changed)).toEqual({
        ...rest,
        field,
        first: String(feature),
        other: String(feature + 1),
      });
    }),
  );
});

it('of two changes the one in the earlier round is named', () => {
  const changed = ensemble();
  changed.feature[3] = 2;
  changed.cover[2] = 7;
  expect(firstDifference(ensemble(), changed)).toMatchObject({ round: 1, node: 2, field: 'cover' });
});

it('another set of categories, base margin, size of a tree, or number of trees is named', () => {
  const otherSet = ensemble();
  otherSet.catSets[0] = 4;
  expect(firstDifference(ensemble(), otherSet)).toMatchObject({ round: 1, node: 0, field: 'catSet' });
  expect(firstDifference(ensemble(), { ...ensemble(), baseMargins: Int32Array.of(8) })).toEqual({
    field: 'baseMargins',
    first: '7',
    other: '8',
  });
  const shorter = { ...ensemble(), treeStart: Int32Array.of(0, 3, 5) };
  expect(firstDifference(ensemble(), shorter)).toEqual({ round: 2, field: 'nodes', first: '3', other: '2' });
  const inClasses = { ...ensemble(), classes: 2, baseMargins: Int32Array.of(1, 2) };
  const otherLeaf = { ...inClasses, leaf: Int32Array.of(0, 5, -5, 0, 9, -8) };
  expect(firstDifference(inClasses, otherLeaf)).toMatchObject({ round: 1, class: 1, node: 2, field: 'leaf' });
  const fewer = { ...ensemble(), treeStart: Int32Array.of(0, 3) };
  expect(firstDifference(ensemble(), fewer)).toEqual({ field: 'trees', first: '2', other: '1' });
});
