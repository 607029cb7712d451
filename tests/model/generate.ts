import fc from 'fast-check';
import { Model, type TrainingResult } from '../../src/boosting/model.ts';
import { kindOf, OBJECTIVES } from '../../src/config/objectives.ts';
import type { BinnedFeature, Column, FeatureSpec } from '../../src/data/types.ts';
import type { Objective, TreeEnsemble } from '../../src/engine/engine.ts';

const FLT_MAX = 3.4028234663852886e38;

/** A feature as binning leaves it; ordinal ones may have levels. */
const featureArbitrary: fc.Arbitrary<{
  spec: Omit<FeatureSpec, 'name'>;
  cuts: Float32Array;
  codes: number[];
}> = fc
  .oneof(
    fc.record({
      spec: fc.constantFrom({ type: 'numeric' as const }, { type: 'numeric' as const, timestamp: true }),
    }),
    fc.record({ spec: fc.constant({ type: 'ordinal' as const }) }),
    fc.record({ spec: fc.constant({ type: 'ordinal' as const, categories: ['low', 'mid', 'high', '10'] }) }),
  )
  .chain(({ spec }) =>
    fc
      .uniqueArray(fc.float({ noNaN: true, noDefaultInfinity: true }), {
        maxLength: 8,
        selector: (x) => x + 0,
      })
      .map((cuts) => ({
        spec,
        cuts: Float32Array.from(cuts)
          .sort()
          .filter((x) => x !== -FLT_MAX),
        codes: [],
      })),
  );

const categoricalArbitrary = fc
  .uniqueArray(fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('1', '2.0', 'true', 'NaN', '')), {
    minLength: 1,
    maxLength: 40,
  })
  .chain((categories) =>
    fc.integer({ min: 1, max: categories.length }).chain((bins) =>
      // As binning does it: bins − 1 categories keep a code each and the rest share the last; code 0 is missing.
      fc
        .tuple(
          fc.shuffledSubarray(
            categories.map((_, c) => c),
            { minLength: bins - 1, maxLength: bins - 1 },
          ),
          fc.array(fc.boolean(), { minLength: categories.length, maxLength: categories.length }),
        )
        .map(([own, known]) => {
          const codes = categories.map((_, c) => (known[c] ? bins : 0));
          [...own]
            .sort((a, b) => a - b)
            .forEach((c, i) => {
              codes[c] = i + 1;
            });
          return { spec: { type: 'categorical' as const, categories }, cuts: new Float32Array(0), codes };
        }),
    ),
  );

/** Features as the data side hands them over: specifications and bins. */
export const featuresArbitrary = fc
  .array(fc.tuple(fc.string({ maxLength: 6 }), fc.oneof(featureArbitrary, categoricalArbitrary)), {
    minLength: 1,
    maxLength: 6,
  })
  .map((features) =>
    features.map(([name, { spec, cuts, codes }], f): { spec: FeatureSpec; binned: BinnedFeature } => ({
      spec: { name: `${name}${f}`, ...spec },
      binned: {
        name: `${name}${f}`,
        type: spec.type,
        bins: spec.type === 'categorical' ? Math.max(1, ...codes) : cuts.length + 1,
        cuts,
        binOfCategory: Uint8Array.from(codes),
      },
    })),
  );

/** What one node of a random tree is made from; `feature` and `bin` are reduced to what exists. */
interface NodeSeed {
  readonly split: boolean;
  readonly feature: number;
  readonly bin: number;
  readonly missingLeft: boolean;
  readonly set: number;
  readonly leaf: number;
  readonly gain: number;
  readonly cover: number;
}

const LEAF_LIMIT = 2 ** 30 - 64;
const nonNegative = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
const nodeArbitrary: fc.Arbitrary<NodeSeed> = fc.record({
  split: fc.boolean(),
  feature: fc.nat(1000),
  bin: fc.nat(1000),
  missingLeft: fc.boolean(),
  set: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  leaf: fc.oneof(
    fc.integer({ min: -LEAF_LIMIT, max: LEAF_LIMIT }),
    fc.integer({ min: -1000, max: 1000 }),
    fc.constantFrom(LEAF_LIMIT, -LEAF_LIMIT),
  ),
  gain: nonNegative,
  cover: nonNegative,
});

interface Split {
  readonly feature: number;
  readonly left: number;
  readonly bin: number;
  readonly missingLeft: boolean;
  readonly catIndex: number;
}

/** Trees in the engine's form. Each list of seeds becomes one tree, breadth-first, split while seeds last. */
export function ensembleOf(
  treeSeeds: readonly (readonly NodeSeed[])[],
  features: readonly BinnedFeature[],
  scale: Pick<TreeEnsemble, 'classes' | 'marginBits' | 'baseMargins' | 'baseValue'>,
): TreeEnsemble {
  const treeStart = [0];
  const nodes: { seed: NodeSeed; split: Split | undefined }[] = [];
  const catSets: number[] = [];
  for (const seeds of treeSeeds) {
    let size = 1;
    for (let n = 0; n < size; n++) {
      const seed = seeds[n]!;
      const f = seed.feature % features.length;
      const { type, cuts } = features[f]!;
      const bin = type === 'categorical' ? 0 : seed.bin % (cuts.length + 1);
      if (!seed.split || size + 2 > seeds.length) {
        nodes.push({ seed, split: undefined });
        continue;
      }
      const catIndex = type === 'categorical' ? catSets.length / 8 : -1;
      if (type === 'categorical')
        for (let w = 0; w < 8; w++) catSets.push(Math.imul(seed.set, 2 * w + 1) >>> 0);
      const missingLeft = seed.missingLeft || (type !== 'categorical' && bin === 0);
      nodes.push({ seed, split: { feature: f, left: size, bin, missingLeft, catIndex } });
      size += 2;
    }
    treeStart.push(treeStart.at(-1)! + size);
  }
  return {
    ...scale,
    treeStart: Int32Array.from(treeStart),
    feature: Int32Array.from(nodes, ({ split }) => split?.feature ?? -1),
    splitBin: Uint8Array.from(nodes, ({ split }) => split?.bin ?? 0),
    missingLeft: Uint8Array.from(nodes, ({ split }) => (split?.missingLeft ? 1 : 0)),
    left: Int32Array.from(nodes, ({ split }) => split?.left ?? 0),
    leaf: Int32Array.from(nodes, ({ seed, split }) => (split ? 0 : seed.leaf)),
    gain: Float64Array.from(nodes, ({ seed, split }) => (split ? seed.gain : 0)),
    cover: Float64Array.from(nodes, ({ seed }) => seed.cover),
    catIndex: Int32Array.from(nodes, ({ split }) => split?.catIndex ?? -1),
    catSets: Uint32Array.from(catSets),
  };
}

interface ModelScale extends Pick<TreeEnsemble, 'classes' | 'marginBits' | 'baseMargins' | 'baseValue'> {
  readonly objective: Objective;
  /** Undefined for a regression. */
  readonly labels: (string | number | boolean)[] | undefined;
}

const classesArbitrary = fc.constantFrom<(string | number | boolean)[]>(
  ['<=50K', '>50K'],
  [0, 1],
  [-1.5, 2],
  [false, true],
);
const manyClassesArbitrary = fc.oneof(
  classesArbitrary,
  fc.uniqueArray(fc.string({ maxLength: 3 }), { minLength: 3, maxLength: 5 }),
  fc.uniqueArray(fc.integer(), { minLength: 3, maxLength: 5 }),
);

const scaleArbitrary = fc.constantFrom(...OBJECTIVES).chain((objective): fc.Arbitrary<ModelScale> => {
  const kind = kindOf(objective);
  if (kind === 'regression') {
    return fc.record({
      objective: fc.constant(objective),
      labels: fc.constant(undefined),
      classes: fc.constant(1),
      marginBits: fc.integer({ min: -104, max: 100 }),
      baseMargins: fc.constant(Int32Array.of(0)),
      baseValue: fc.float({ noNaN: true, noDefaultInfinity: true }),
    });
  }
  return (kind === 'binary' ? classesArbitrary : manyClassesArbitrary).chain((labels) => {
    const classes = kind === 'binary' ? 1 : labels.length;
    const margin = fc.integer({ min: -(2 ** 24), max: 2 ** 24 });
    return fc.record({
      objective: fc.constant(objective),
      labels: fc.constant(labels),
      classes: fc.constant(classes),
      marginBits: fc.constant(20),
      baseMargins: fc
        .array(margin, { minLength: classes, maxLength: classes })
        .map((margins) => Int32Array.from(margins)),
      baseValue: fc.constant(0),
    });
  });
});

/** Everything that `Model.fromTraining` takes, valid. */
export const trainingArbitrary: fc.Arbitrary<TrainingResult> = fc
  .record({
    features: featuresArbitrary,
    scale: scaleArbitrary,
    trees: fc.array(fc.array(nodeArbitrary, { minLength: 1, maxLength: 31 }), { maxLength: 6 }),
    target: fc.string(),
    seed: fc.maxSafeNat(),
    params: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))),
    bestIteration: fc.option(fc.nat(1000)),
  })
  .map(({ features, scale, trees: drawn, target, seed, params, bestIteration }) => {
    const { objective, labels, ...units } = scale;
    const trees = drawn.slice(0, drawn.length - (drawn.length % units.classes));
    const binned = features.map((feature) => feature.binned);
    return {
      trees: ensembleOf(trees, binned, units),
      features: binned,
      schema: {
        features: features.map((feature) => feature.spec),
        target: { name: target, ...(labels && { classes: labels }) },
      },
      objective,
      params,
      seed,
      training: {
        rows: 100,
        rounds: trees.length / units.classes,
        best_iteration: bestIteration,
        early_stopped: false,
      },
    };
  });

export const modelArbitrary = trainingArbitrary.map((training) => Model.fromTraining(training));

/** Columns for a model's features, with values on, beside and far from the cuts. */
export function columnsArbitrary(
  result: TrainingResult,
  maxRows: number,
): fc.Arbitrary<{ columns: Column[]; rows: number }> {
  return fc.nat(maxRows).chain((rows) => {
    const fill = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: rows, maxLength: rows });
    const columns = result.schema.features.map((spec, f): fc.Arbitrary<Column> => {
      const { cuts } = result.features[f]!;
      if (spec.type === 'categorical') {
        const categories = spec.categories!;
        return fill(fc.integer({ min: -1, max: categories.length - 1 })).map((codes) => ({
          kind: 'categorical',
          name: spec.name,
          codes: Int32Array.from(codes),
          categories,
        }));
      }
      const value = spec.categories
        ? fc.constantFrom(Number.NaN, ...spec.categories.keys())
        : fc.oneof(
            fc.float(),
            fc.constantFrom(Number.NaN, 0, -0, FLT_MAX, -FLT_MAX, Infinity, -Infinity, ...cuts),
          );
      return fill(value).map((values) => ({
        kind: 'numeric',
        name: spec.name,
        values: Float32Array.from(values),
      }));
    });
    return fc.tuple(...columns).map((drawn) => ({ columns: drawn, rows }));
  });
}

/** Training results with matching columns. */
export const trainingAndColumns = trainingArbitrary.chain((training) =>
  columnsArbitrary(training, 40).map((data) => ({ training, ...data })),
);

/** The same with leaves so small that their float32 sums are exact. */
export const mildTrainingAndColumns = trainingAndColumns.map(({ training, ...data }) => {
  const leaf = training.trees.leaf.map((value) => value % 2 ** 20);
  return { training: { ...training, trees: { ...training.trees, leaf } }, ...data };
});

/** A logistic model of full trees over dense numeric features, to time. */
export function denseTraining(trees: number, depth: number, featureCount: number): TrainingResult {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const features = Array.from(
    { length: featureCount },
    (_, f): BinnedFeature => ({
      name: `f${f}`,
      type: 'numeric',
      bins: 255,
      cuts: Float32Array.from({ length: 254 }, (_, i) => (i + 1) / 255),
      binOfCategory: new Uint8Array(0),
    }),
  );
  const seeds = Array.from({ length: trees }, () =>
    Array.from(
      { length: 2 ** (depth + 1) - 1 },
      (): NodeSeed => ({
        split: true,
        feature: Math.floor(next() * featureCount),
        bin: 1 + Math.floor(next() * 253),
        missingLeft: next() < 0.5,
        set: 0,
        leaf: Math.floor((next() - 0.5) * 2 ** 16),
        gain: 1,
        cover: 1,
      }),
    ),
  );
  return {
    trees: ensembleOf(seeds, features, {
      classes: 1,
      marginBits: 20,
      baseMargins: Int32Array.of(0),
      baseValue: 0,
    }),
    features,
    schema: {
      features: features.map(({ name, type }) => ({ name, type })),
      target: { name: 'y', classes: [0, 1] },
    },
    objective: 'binary:logistic',
    params: {},
    seed: 0,
    training: { rows: 1, rounds: trees, best_iteration: null, early_stopped: false },
  };
}
