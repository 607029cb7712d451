import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalBytes, sha256Hex } from '../../src/boosting/fingerprint.ts';
import { Model } from '../../src/boosting/model.ts';
import { denseTraining, trainingArbitrary } from './generate.ts';

const training = denseTraining(2, 2, 3);
const model = Model.fromTraining(training);

describe('the fingerprint', () => {
  it('hashes any bytes as the SHA-256 of the platform does', () => {
    const lengths = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 100_000];
    for (const length of lengths) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255);
      expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
      }),
    );
  });

  it('is the hash of the bytes laid out in docs/model-format.md', () => {
    const bytes = canonicalBytes({
      objective: 'binary:logistic',
      marginBits: 20,
      baseMargins: [-2],
      baseValue: 0,
      schema: {
        features: [
          { name: 'é', type: 'categorical', categories: ['a', 'b', 'c'], pooled: [1, 2] },
          { name: 't', type: 'numeric', timestamp: true },
        ],
        target: { name: 'y', classes: ['no', 2.5] },
      },
      forest: {
        treeStart: Int32Array.of(0, 3),
        feature: Int32Array.of(0, -1, -1),
        threshold: Float32Array.of(0, 0, 0),
        missingLeft: Uint8Array.of(1, 0, 0),
        left: Int32Array.of(1, 0, 0),
        leaf: Int32Array.of(0, -7, 7),
        gain: Float64Array.of(1.5, 0, 0),
        cover: Float64Array.of(4, 2, 2),
        catIndex: Int32Array.of(0, -1, -1),
        catStart: Int32Array.of(0, 2),
        catList: Int32Array.of(0, 1),
      },
    });
    const node = (
      feature: string,
      missing: string,
      left: string,
      leaf: string,
      gain: string,
      cover: string,
      set: string,
    ) => [feature, '00000000', missing, left, leaf, gain, cover, set];
    const expected = [
      '4c4f434b53544550 01000000 0f000000 62696e6172793a6c6f676973746963',
      '01000000 79 02000000 00 02000000 6e6f 01 0000000000000440',
      '02000000',
      '02000000 c3a9 01 00 01 03000000 01000000 61 01000000 62 01000000 63 02000000 01000000 02000000',
      '01000000 74 00 01 00',
      '14000000 feffffff 0000000000000000',
      '01000000 03000000',
      ...node(
        '00000000',
        '01',
        '01000000',
        '00000000',
        '000000000000f83f',
        '0000000000001040',
        '02000000 00000000 01000000',
      ),
      ...node('ffffffff', '00', '00000000', 'f9ffffff', '0000000000000000', '0000000000000040', '00000000'),
      ...node('ffffffff', '00', '00000000', '07000000', '0000000000000000', '0000000000000040', '00000000'),
    ]
      .join('')
      .replaceAll(' ', '');
    expect(Buffer.from(bytes).toString('hex')).toBe(expected);
  });

  it('has 2 for a feature whose unlisted categories go right', () => {
    const bytes = (unlisted: object) =>
      canonicalBytes({
        objective: 'binary:logistic',
        marginBits: 20,
        baseMargins: [0],
        baseValue: 0,
        schema: {
          features: [{ name: 'c', type: 'categorical', categories: ['0'], ...unlisted }],
          target: { name: 'y', classes: [0, 1] },
        },
        forest: Model.fromTraining(denseTraining(0, 0, 1)).forest,
      });
    const [closed, open] = [bytes({}), bytes({ unlisted_right: true })];
    const different = [...closed.keys()].filter((i) => closed[i] !== open[i]);
    expect(different.map((i) => [closed[i], open[i]])).toEqual([[1, 2]]);
    expect(open.length).toBe(closed.length);
  });

  it('covers the base margin of every class, in the place of the one', () => {
    const { trees, schema } = training;
    const of = (...baseMargins: number[]) =>
      canonicalBytes({
        objective: 'multi:softmax',
        marginBits: 20,
        baseMargins,
        baseValue: 0,
        schema: { ...schema, target: { name: 'y', classes: ['a', 'b', 'c'] } },
        forest: Model.fromTraining({ ...training, trees, schema }).forest,
      });
    const bytes = Buffer.from(of(1, -2, 3)).toString('hex');
    expect(bytes).toContain('14000000 01000000 feffffff 03000000 0000000000000000'.replaceAll(' ', ''));
    expect(Buffer.from(of(1, -2, 4)).toString('hex')).not.toBe(bytes);
  });

  it('does not depend on parameters, seed or training record', () => {
    const other = Model.fromTraining({
      ...training,
      params: { max_depth: 9 },
      seed: 77,
      training: { rows: 5, rounds: 9, best_iteration: 1, early_stopped: true },
    });
    expect(other.fingerprint).toBe(model.fingerprint);
    expect(other.toText()).not.toBe(model.toText());
  });

  it.each<[string, Parameters<typeof Model.fromTraining>[0]]>([
    ['a leaf', { ...training, trees: { ...training.trees, leaf: bumped(training.trees.leaf, 4) } }],
    ['a gain', { ...training, trees: { ...training.trees, gain: bumped(training.trees.gain, 0) } }],
    ['a cover', { ...training, trees: { ...training.trees, cover: bumped(training.trees.cover, 3) } }],
    [
      'a missing direction',
      { ...training, trees: { ...training.trees, missingLeft: flipped(training.trees.missingLeft) } },
    ],
    ['a split', { ...training, trees: { ...training.trees, splitBin: bumped(training.trees.splitBin, 0) } }],
    ['the base margin', { ...training, trees: { ...training.trees, baseMargins: Int32Array.of(1) } }],
    ['the target', { ...training, schema: { ...training.schema, target: { name: 'z', classes: [0, 1] } } }],
    [
      'the type of a class',
      { ...training, schema: { ...training.schema, target: { name: 'y', classes: ['0', '1'] } } },
    ],
    ['a timestamp', withFeature({ timestamp: true })],
    ['a name', withFeature({ name: 'other' })],
  ])('depends on %s', (_, changed) => {
    expect(Model.fromTraining(changed).fingerprint).not.toBe(model.fingerprint);
  });

  it('is the same for the same training result', () => {
    fc.assert(
      fc.property(trainingArbitrary, (result) => {
        expect(Model.fromTraining(structuredClone(result)).fingerprint).toBe(
          Model.fromTraining(result).fingerprint,
        );
      }),
    );
  });
});

function bumped<T extends Int32Array | Uint8Array | Float64Array>(values: T, n: number): T {
  const copy = values.slice() as T;
  copy[n]! += 1;
  return copy;
}

function flipped(values: Uint8Array): Uint8Array {
  const copy = values.slice();
  copy[0] = 1 - copy[0]!;
  return copy;
}

function withFeature(change: object): typeof training {
  const [first, ...rest] = training.schema.features;
  return { ...training, schema: { ...training.schema, features: [{ ...first!, ...change }, ...rest] } };
}
