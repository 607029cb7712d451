import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Model, type TrainingResult } from '../../src/boosting/model.ts';
import type { TreeEnsemble } from '../../src/engine/engine.ts';
import { InputError } from '../../src/errors.ts';
import { denseTraining, modelArbitrary } from './generate.ts';

const training = denseTraining(1, 2, 3);

describe('a model from training', () => {
  it('keeps nothing of the arrays that it was made from', () => {
    const result = structuredClone(training);
    const model = Model.fromTraining(result);
    const before = model.toText();
    result.trees.leaf.fill(1);
    result.trees.feature.fill(-1);
    result.features[0]!.cuts.fill(9);
    expect(model.toText()).toBe(before);
  });

  it('cannot be assigned to', () => {
    const model = Model.fromTraining(training);
    expect(() => Object.assign(model, { baseMargin: 5 })).toThrow(TypeError);
    expect(() => Object.assign(model.features[0]!, { name: 'g' })).toThrow(TypeError);
  });

  it('lists the categories that share a bin once, and has sets name the first of them', () => {
    const model = Model.fromTraining({
      ...training,
      features: [
        {
          name: 'c',
          type: 'categorical',
          bins: 2,
          cuts: new Float32Array(0),
          binOfCategory: Uint8Array.of(2, 1, 2, 0, 2),
        },
      ],
      schema: {
        features: [{ name: 'c', type: 'categorical', categories: ['p', 'q', 'r', 's', 't'] }],
        target: training.schema.target,
      },
      trees: {
        ...denseTraining(1, 1, 1).trees,
        splitBin: new Uint8Array(3),
        missingLeft: Uint8Array.of(1, 0, 0),
        catIndex: Int32Array.of(0, -1, -1),
        catSets: Uint32Array.of(0b100, 0, 0, 0, 0, 0, 0, 0),
      },
    });
    expect(model.features[0]!.pooled).toEqual([0, 2, 4]);
    expect(Array.from(model.forest.catList)).toEqual([0, 3]);
  });

  it.each<[string, Partial<TreeEnsemble>, string]>([
    ['a feature that the schema lacks', { feature: Int32Array.of(3, 0, 0, -1, -1, -1, -1) }, 'feature 3'],
    ['a bin beyond the cuts', { splitBin: Uint8Array.of(255, 1, 1, 0, 0, 0, 0) }, 'bin 255 of 255'],
    [
      'a split that sends nothing left',
      { splitBin: new Uint8Array(7), missingLeft: new Uint8Array(7) },
      'no value is below',
    ],
    [
      'a node that no split leads to',
      {
        feature: Int32Array.of(-1, 0, 0, -1, -1, -1, -1),
        splitBin: Uint8Array.of(0, 1, 1, 0, 0, 0, 0),
        missingLeft: new Uint8Array(7),
        left: Int32Array.of(0, 1, 3, 0, 0, 0, 0),
        gain: new Float64Array(7),
      },
      'node 1 of trees[0] has no parent before it',
    ],
    ['a child out of order', { left: Int32Array.of(3, 1, 5, 0, 0, 0, 0) }, 'left child 3 where 1'],
    ['a leaf beyond the limit', { leaf: Int32Array.of(0, 0, 0, 2 ** 30, 0, 0, 0) }, 'leaf out of range'],
    ['a cover that is not a number', { cover: new Float64Array(7).fill(Number.NaN) }, 'cover'],
    ['margins that are not in units of 2^-20', { marginBits: 19 }, 'margin_bits is not 20'],
  ])('with %s is refused', (_, change, message) => {
    const result: TrainingResult = { ...training, trees: { ...training.trees, ...change } };
    expect(() => Model.fromTraining(result)).toThrow(InputError);
    expect(() => Model.fromTraining(result)).toThrow(message);
  });

  it('with classes that do not fit the objective is refused', () => {
    const target = (result: Partial<TrainingResult>, classes?: number[]) => () =>
      Model.fromTraining({
        ...training,
        ...result,
        schema: { ...training.schema, target: { name: 'y', ...(classes && { classes }) } },
      });
    expect(target({})).toThrow('two classes');
    expect(target({}, [1, 1])).toThrow('same class twice');
    expect(target({ objective: 'reg:squarederror' }, [0, 1])).toThrow('regression');
  });
});

describe('importances', () => {
  it('are the counts, sums and means over the splits of each feature that has any', () => {
    const { trees } = training;
    const model = Model.fromTraining({
      ...training,
      trees: {
        ...trees,
        feature: Int32Array.of(2, 0, 2, -1, -1, -1, -1),
        gain: Float64Array.of(8, 3, 1, 0, 0, 0, 0),
        cover: Float64Array.of(10, 6, 4, 3, 3, 2, 2),
      },
    });
    expect(model.importances()).toEqual([
      { feature: 'f0', weight: 1, gain: 3, total_gain: 3, cover: 6, total_cover: 6 },
      { feature: 'f2', weight: 2, gain: 4.5, total_gain: 9, cover: 7, total_cover: 14 },
    ]);
  });

  it('count every split once', () => {
    fc.assert(
      fc.property(modelArbitrary, (model) => {
        const splits = model.forest.feature.filter((f) => f >= 0).length;
        expect(model.importances().reduce((sum, { weight }) => sum + weight, 0)).toBe(splits);
      }),
    );
  });
});
