import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { predictionsOf } from '../../src/boosting/output.ts';
import type { Objective } from '../../src/engine/engine.ts';
import { type Combiner, combine } from '../../src/ensemble/combine.ts';
import { type EnsembleMethod, fitCombiner } from '../../src/ensemble/methods.ts';
import { predictedClass } from '../../src/numerics/softmax.ts';
import { judged, numericColumns } from './support.ts';

/** What make_fixtures.py wrote. */
const { classification, regression, passthrough } = JSON.parse(
  readFileSync(new URL('fixtures/sklearn.json', import.meta.url), 'utf8'),
) as {
  classification: {
    classes: number;
    label: number[];
    weight: number[] | null;
    members: (number | number[])[][];
    soft: number[][];
    hard: number[];
    stacking: number[][];
    coefficients: number[][];
  }[];
  regression: {
    label: number[];
    members: number[][];
    mean: number[];
    stacking: number[];
    coefficients: number[];
  };
  passthrough: {
    classification: {
      classes: number;
      label: number[];
      weight: number[] | null;
      members: (number | number[])[][];
      features: number[][];
      stacking: number[][];
      coefficients: number[][];
    }[];
    regression: {
      label: number[];
      members: number[][];
      features: number[][];
      stacking: number[];
      coefficients: number[];
    };
  };
};

type Given = ReturnType<typeof judged>;

/** Margins and predictions of a method, fitted to the rows that it predicts. */
async function made(given: Given, method: EnsembleMethod, voting: 'soft' | 'hard' = 'soft') {
  const combiner = await fitCombiner(method, given, given, { voting });
  const { outputs, truth } = given;
  const margins = combine(combiner, outputs, truth.scale);
  const scale = { ...truth.scale, baseMargins: new Array<number>(outputs.width).fill(0) };
  return { combiner, margins, predictions: predictionsOf(scale, margins) };
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[], most: number): void {
  expect(actual.length).toBe(expected.length);
  const apart = expected.map((value, i) => Math.abs(value - actual[i]!));
  expect(Math.max(...apart)).toBeLessThan(most);
}

/** Coefficients of the members' outputs and of the features as they are. */
function coefficientsOf(combiner: Combiner): number[] {
  if (combiner.type !== 'linear') return [];
  const scales = (combiner.features ?? []).flatMap((feature) => ('scale' in feature ? feature.scale : []));
  return combiner.coefficients.flatMap((row) =>
    row.map((c, j) => c / (scales[j - row.length + scales.length] ?? 1)),
  );
}

describe.each(classification)('ensembles of $classes classes', (fixture) => {
  const { classes, label, weight, members } = fixture;
  const objective: Objective = classes === 2 ? 'binary:logistic' : 'multi:softprob';
  const metric = classes === 2 ? 'auc_roc' : 'logloss';
  const given = judged({
    objective,
    label,
    weight: weight ?? undefined,
    members: members.map((of) => of.flat()),
    metric,
  });
  const shown = (rows: readonly number[][]) => rows.flatMap((p) => (classes === 2 ? p[1]! : p));

  it("have VotingClassifier's mean probabilities", async () => {
    expectClose((await made(given, 'voting')).predictions, shown(fixture.soft), 1e-6);
  });

  it("have VotingClassifier's majorities, ties included", async () => {
    const { margins } = await made(given, 'voting', 'hard');
    const chosen = label.map((_, row) =>
      classes === 2 ? Number(margins[row]! > 0) : predictedClass(margins, row * classes, classes),
    );
    expect(chosen).toEqual(fixture.hard);
  });

  it("have StackingClassifier's probabilities and coefficients", async () => {
    const { predictions, combiner } = await made(given, 'stacking');
    expectClose(predictions, shown(fixture.stacking), 1e-6);
    expectClose(coefficientsOf(combiner), fixture.coefficients.flat(), 2e-6);
  });
});

describe('ensembles of values', () => {
  const given = judged({ objective: 'reg:squarederror', ...regression, metric: 'rmse' });

  it("have VotingRegressor's mean", async () => {
    expectClose((await made(given, 'voting')).predictions, regression.mean, 1e-6);
  });

  it("have StackingRegressor's values and coefficients with a ridge regression", async () => {
    const { predictions, combiner } = await made(given, 'stacking');
    expectClose(predictions, regression.stacking, 2e-6);
    expectClose(coefficientsOf(combiner), regression.coefficients, 1e-6);
  });
});

describe.each(passthrough.classification)('stacking of $classes classes with passthrough', (fixture) => {
  const { classes, label, weight, members, features } = fixture;

  it("has StackingClassifier's probabilities and coefficients", async () => {
    const given = judged({
      objective: classes === 2 ? 'binary:logistic' : 'multi:softprob',
      label,
      weight: weight ?? undefined,
      members: members.map((of) => of.flat()),
      metric: 'logloss',
      columns: numericColumns(features),
    });
    const { predictions, combiner } = await made(given, 'stacking');
    const shown = fixture.stacking.flatMap((p) => (classes === 2 ? p[1]! : p));
    expectClose(predictions, shown, 1e-6);
    expectClose(coefficientsOf(combiner), fixture.coefficients.flat(), 2e-6);
  });
});

describe('stacking of values with passthrough', () => {
  it("has StackingRegressor's values and coefficients", async () => {
    const { features, ...rest } = passthrough.regression;
    const columns = numericColumns(features);
    const given = judged({ objective: 'reg:squarederror', ...rest, metric: 'rmse', columns });
    const { predictions, combiner } = await made(given, 'stacking');
    expectClose(predictions, rest.stacking, 1e-6);
    expectClose(coefficientsOf(combiner), rest.coefficients, 1e-6);
  });
});
