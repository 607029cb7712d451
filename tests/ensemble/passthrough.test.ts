import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CategoricalColumn, Column } from '../../src/data/types.ts';
import type { Objective } from '../../src/engine/engine.ts';
import { combine } from '../../src/ensemble/combine.ts';
import { fitEnsemble, foldScoresOf } from '../../src/ensemble/fit.ts';
import { fitCombiner } from '../../src/ensemble/methods.ts';
import { takeRows } from '../../src/ensemble/outputs.ts';
import { truthOf } from '../../src/ensemble/truth.ts';
import {
  type BoosterParams,
  type Combiner,
  EnsembleModel,
  InputError,
  loadModel,
  type Member,
  train,
} from '../../src/index.ts';
import { Draws } from '../engine/generate.ts';
import { judged, numericColumns } from './support.ts';

const OBJECTIVES = ['binary:logistic', 'multi:softprob', 'reg:squarederror'] as const;
const ROWS = 200;
const TOWNS = ['Aa', 'Bb', 'Cc'];

/** Rows whose labels hang on a member, on two numbers and on a category; some values are missing. */
function problem(objective: Objective) {
  const draws = new Draws(5);
  const normal = () => Array.from({ length: ROWS }, () => draws.normal());
  const [a, b, noise] = [normal(), normal(), normal()];
  const town = Int32Array.from({ length: ROWS }, () => draws.below(4) - 1);
  const score = a.map((value, i) => value + b[i]! / 2 + (town[i] === 1 ? 1 : 0) + noise[i]!);
  const classes = objective === 'multi:softprob' ? 3 : 2;
  const label =
    objective === 'reg:squarederror'
      ? score
      : score.map((s) => Math.min(classes - 1, Math.max(0, Math.floor(s + 1))));
  const chance = score.map((s) => 1 / (1 + Math.exp(-s / 2 + draws.normal())));
  const members =
    objective === 'multi:softprob'
      ? [chance.flatMap((p) => [(1 - p) ** 2, 2 * p * (1 - p), p ** 2])]
      : [objective === 'reg:squarederror' ? score.map((s) => s + draws.normal()) : chance];
  const categorical: CategoricalColumn = {
    kind: 'categorical',
    name: 'town',
    categories: TOWNS,
    codes: town,
  };
  const of = (columns: readonly Column[]) =>
    judged({
      objective,
      label,
      members,
      metric: objective === 'reg:squarederror' ? 'rmse' : 'logloss',
      columns,
    });
  return { a, b, categorical, of };
}

type Given = ReturnType<typeof judged>;

async function stacked(given: Given, to: Given = given) {
  const combiner = await fitCombiner('stacking', given, given, { voting: 'soft' });
  if (combiner.type !== 'linear') throw new Error(`stacking is ${combiner.type}`);
  return { combiner, margins: combine(combiner, to.outputs, to.truth.scale) };
}

/** Margins, in units of 2^−20 or less, are alike but for the rounding of coefficients to float32. */
function expectAlike(actual: Int32Array, expected: Int32Array, units = 8): void {
  expect(actual.length).toBe(expected.length);
  const apart = actual.reduce((most, margin, i) => Math.max(most, Math.abs(margin - expected[i]!)), 0);
  expect(apart).toBeLessThanOrEqual(units);
}

describe.each(OBJECTIVES)('passthrough to a meta-learner of %s', (objective) => {
  const { a, b, categorical, of } = problem(objective);

  it('sees a category as a column of its own, and a missing one as none', async () => {
    const hot = TOWNS.map((_, c) => Array.from(categorical.codes, (code) => Number(code === c)));
    const { margins } = await stacked(of([...numericColumns([a]), categorical]));
    const { margins: expected } = await stacked(of(numericColumns([a, ...hot])));
    expectAlike(margins, expected);
  });

  it('sees a missing or infinite number as the mean of the others', async () => {
    const holes = a.map((value, i) =>
      i % 7 === 0 ? Number.NaN : i % 11 === 0 ? Number.NEGATIVE_INFINITY : value,
    );
    const finite = holes.map(Math.fround).filter(Number.isFinite);
    const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
    const { margins, combiner } = await stacked(of(numericColumns([holes, b])));
    expect(combiner.features![0]).toMatchObject({ name: 'f0', mean: expect.closeTo(mean, 10) });
    const filled = holes.map((value) => (Number.isFinite(value) ? value : mean));
    expectAlike(margins, (await stacked(of(numericColumns([filled, b])))).margins);
  });

  it('takes columns without any information for what they are', async () => {
    const useless = [
      a.map(() => 0.1),
      a.map(() => 3e38),
      a.map(() => Number.NaN),
      a.map(() => Number.POSITIVE_INFINITY),
    ];
    const { margins, combiner } = await stacked(of(numericColumns([a, ...useless])));
    for (const row of combiner.coefficients) expect(row.slice(-4)).toEqual([0, 0, 0, 0]);
    expectAlike(margins, (await stacked(of(numericColumns([a])))).margins);
  });

  it('fits numbers of any size, on which the penalty weighs less and less', async () => {
    const times = async (factor: number) =>
      (await stacked(of(numericColumns([a.map((value) => value * factor), b])))).margins;
    const large = await times(2 ** 30);
    expectAlike(await times(2 ** 70), large);
    expectAlike(await times(2 ** 125), large);
    expectAlike(await times(2 ** -140), (await stacked(of(numericColumns([b])))).margins);
  });

  it('fits copies and sums of large columns as it does without them', async () => {
    // Whole numbers, so that sums are exact: with the penalty next to nothing, rounding would be a column of its own.
    const large = a.map((value) => Math.round(value * 256) * 2 ** 40);
    const other = b.map((value) => Math.round(value * 256) * 2 ** 40);
    const sums = large.map((value, i) => 2 * value - other[i]!);
    const { margins } = await stacked(of(numericColumns([large, other, large, sums])));
    expectAlike(margins, (await stacked(of(numericColumns([large, other])))).margins, 64);
  });

  it('survives a value far beyond all others', async () => {
    const outlier = a.map((value, i) => (i === 3 ? 3e38 : value));
    const { combiner } = await stacked(of(numericColumns([outlier, b])));
    for (const row of combiner.coefficients) expect(row.every(Number.isFinite)).toBe(true);
  });

  it('scores each fold by means and coefficients that are fitted without it', async () => {
    const given = of([...numericColumns([a, b]), categorical]);
    const folds = [0, 1, 2].map((fold) =>
      Uint32Array.from({ length: ROWS }, (_, row) => row).filter((row) => row % 3 === fold),
    );
    const { foldScores } = await fitEnsemble('stacking', given, { folds, voting: 'soft' });
    const rest = Uint32Array.from([...folds[1]!, ...folds[2]!]).sort();
    const without = {
      outputs: takeRows(given.outputs, rest),
      truth: truthOf(given.truth, rest),
    };
    const { combiner } = await stacked(without);
    expect(foldScoresOf(combiner, given, [folds[0]!])).toEqual(foldScores.slice(0, 1));
    expect(combiner.features).not.toEqual((await stacked(given)).combiner.features);
  });
});

it('a class that is ahead stays so for values that no training row came near', async () => {
  const { a, of } = problem('multi:softprob');
  const { combiner } = await stacked(of(numericColumns([a])));
  const far = of(numericColumns([a.map(() => 1e30)]));
  const margins = combine(combiner, far.outputs, far.truth.scale);
  const steepest = combiner.coefficients.map((row) => row.at(-1)!);
  const ahead = steepest.indexOf(Math.max(...steepest));
  expect([...margins.subarray(0, 3)].map((margin, c) => c === ahead || margin < margins[ahead]!)).toEqual([
    true,
    true,
    true,
  ]);
});

describe.each(OBJECTIVES)('an ensemble of %s models that sees features', (objective) => {
  let folder: string;
  let ensemble: EnsembleModel;
  let members: Member[];
  const { a, b, categorical, of } = problem(objective);
  const holes = Float32Array.from(a, (value, i) => (i % 9 === 0 ? Number.NaN : value));
  const towns = Array.from(categorical.codes, (code) => TOWNS[code] ?? null);
  const columns: Column[] = [
    { kind: 'numeric', name: 'a', values: holes },
    { kind: 'numeric', name: 'b', values: Float32Array.from(b) },
    categorical,
  ];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lockstep-passthrough-'));
    const { label } = of([]).truth;
    members = [];
    for (const depth of [1, 3]) {
      const params: Partial<BoosterParams> = { objective, n_estimators: 6, max_depth: depth };
      const features = { a: holes, b: Float32Array.from(b), town: towns };
      members.push({ name: `m${depth}`, model: (await train({ features, label, params })).model });
    }
    const { outputs, truth } = of(columns);
    const values = members.map(({ model }) => model.predict(columns, ROWS));
    const given = { truth, outputs: { ...outputs, members: values } };
    ensemble = new EnsembleModel('stacking', (await stacked(given)).combiner, members);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('predicts the same for a row alone, for many, asynchronously and from its file', async () => {
    const predictions = ensemble.predict(columns, ROWS);
    expect(await ensemble.predictAsync(columns, ROWS)).toEqual(predictions);
    const width = predictions.length / ROWS;
    for (let row = 0; row < ROWS; row++) {
      const one = ensemble.predictRow({ a: holes[row]!, b: b[row]!, town: towns[row]! });
      expect([one].flat()).toEqual([...predictions.subarray(row * width, (row + 1) * width)]);
    }
    const path = join(folder, 'ensemble.json');
    await ensemble.save(path);
    const loaded = await loadModel(path);
    expect(loaded.fingerprint).toBe(ensemble.fingerprint);
    expect(loaded.predict(columns, ROWS)).toEqual(predictions);
  });

  it('is refused where what it takes of features was altered in its file, naming the place', async () => {
    const path = join(folder, 'altered.json');
    const refused = async (from: RegExp, to: string) => {
      await writeFile(path, ensemble.toText().replace(from, to));
      return loadModel(path).catch(({ message }: Error) => message);
    };
    expect(await refused(/"scale":\d+/, '"scale":0')).toContain('combiner.features[0].scale is 0, below 1');
    expect(await refused(/"mean":[^,]+/, '"mean":0.5')).toContain('was altered');
    expect(await refused(/"mean":[^,]+,/, '')).toContain('combiner.features[0].mean is absent');
    expect(await refused(/"Bb"/, '7')).toContain('combiner.features[2].categories[1] is 7, not a text');
    expect(await refused(/"features":\[.*?\]\}\]/, '"features":[]')).toContain('does not fit its 2 members');
  });

  it('matches categories by name, and takes an unknown one for a missing one', () => {
    const renamed: Column[] = [
      ...columns.slice(0, 2),
      {
        ...categorical,
        categories: ['Zz', 'Cc', 'Bb', 'Aa'],
        codes: categorical.codes.map((code) => (code < 0 ? 0 : 3 - code)),
      },
    ];
    expect(ensemble.predict(renamed, ROWS)).toEqual(ensemble.predict(columns, ROWS));
    expect(ensemble.predictRow({ a: 1, b: 2, town: 'Zz' })).toEqual(
      ensemble.predictRow({ a: 1, b: 2, town: null }),
    );
  });

  it('has all that it takes of features in its fingerprint', () => {
    const combiner = ensemble.combiner as Extract<Combiner, { type: 'linear' }>;
    const [first, second, third] = combiner.features! as [
      { name: string; mean: number; scale: number },
      { name: string; mean: number; scale: number },
      { name: string; categories: string[] },
    ];
    const others = [
      [{ ...first, mean: first.mean + 1e-9 }, second, third],
      [{ ...first, scale: 2 * first.scale }, second, third],
      [first, second, { ...third, categories: ['Aa', 'Bb', 'Dd'] }],
    ];
    const prints = others.map(
      (features) => new EnsembleModel('stacking', { ...combiner, features }, members).fingerprint,
    );
    expect(new Set([...prints, ensemble.fingerprint]).size).toBe(4);
  });

  it('is refused with features that are not those of its members, and needs the columns of the rows', async () => {
    const combiner = ensemble.combiner as Extract<Combiner, { type: 'linear' }>;
    const [first, second, third] = combiner.features!;
    const made = (features: typeof combiner.features) => () =>
      new EnsembleModel('stacking', { ...combiner, features: features! }, members);
    expect(made([second!, first!, third!])).toThrow('which differ at a; fit it again');
    expect(made([first!, second!])).toThrow('does not fit its 2 members');
    const margins = members.map(({ model }) => model.predictMargins(columns, ROWS));
    expect(() => ensemble.combineMargins(margins, ROWS)).toThrow(InputError);
    expect(ensemble.takesFeatures).toBe(true);
    const wrong = [...columns.slice(0, 2), { ...categorical, codes: categorical.codes.map(() => 7) }];
    expect(() => ensemble.combineMargins(margins, ROWS, wrong)).toThrow(
      'Row 0 of the column town has the code 7 but there are 3 categories.',
    );
  });
});

it('features of too many categories are refused, naming the one with the most', async () => {
  const { categorical, a, of } = problem('binary:logistic');
  const categories = Array.from({ length: 5000 }, (_, c) => String(c));
  await expect(stacked(of([...numericColumns([a]), { ...categorical, categories }]))).rejects.toThrow(
    'ensemble.passthrough makes 5001 columns of the features, more than 4096, 5000 of them of town',
  );
});
