import type { EnsembleMethod } from '../config/ensemble-methods.ts';
import { InputError } from '../errors.ts';
import type { Combiner } from './combine.ts';
import { selectGreedily } from './greedy.ts';
import { linearRowsOf } from './linear-rows.ts';
import { fitLogisticRegression, type LinearModel } from './logistic-regression.ts';
import type { MemberOutputs } from './outputs.ts';
import { fitRidge } from './ridge.ts';
import type { JudgedOutputs, Truth } from './truth.ts';
import { fitWeights } from './weighted.ts';

export { ENSEMBLE_METHODS, type EnsembleMethod } from '../config/ensemble-methods.ts';

/** Whether a method makes use of the features of the rows where it has them. */
export const seesFeatures = (method: EnsembleMethod): boolean =>
  method === 'stacking' || method === 'blending';

export interface MethodOptions {
  /** Whether voting takes the mean of outputs or counts predicted classes; values have a mean in any case. */
  readonly voting: 'soft' | 'hard';
}

/**
 * Fits what a method makes of its members. Where outputs have the features of their rows, stacking and blending see those too, as
 * scikit-learn's `passthrough` has it: docs/ensembles.md.
 * @param outOfFold members' outputs for rows that they were not trained on
 * @param holdOut what blending is fitted to instead
 * @throws InputError where stacking or blending is given rows of a single class, or features of too many categories.
 */
export async function fitCombiner(
  method: EnsembleMethod,
  outOfFold: JudgedOutputs,
  holdOut: JudgedOutputs,
  { voting }: MethodOptions,
): Promise<Combiner> {
  const { outputs } = outOfFold;
  const count = outputs.members.length;
  switch (method) {
    case 'voting':
      if (voting === 'hard' && outputs.kind !== 'regression') return { type: 'vote' };
      return { type: 'average', weights: outputs.members.map(() => 1 / count) };
    case 'weighted':
      return { type: 'average', weights: await fitWeights(outOfFold) };
    case 'greedy':
      return { type: 'average', weights: selectGreedily(outOfFold) };
    case 'stacking':
      return fitMetaModel(outOfFold);
    case 'blending':
      return fitMetaModel(holdOut);
  }
}

/** @throws InputError naming the member whose output is not finite. */
export function checkOutputs({ members, rows }: MemberOutputs, names: readonly string[]): void {
  if (members.length === 0 || rows === 0) {
    throw new InputError('An ensemble needs a member and rows that its members were not trained on.');
  }
  members.forEach((values, k) => {
    const place = values.findIndex((value) => !Number.isFinite(value));
    if (place >= 0) {
      throw new InputError(
        `The member ${names[k]} predicts ${values[place]} for a row; leave it out of the ensemble.`,
      );
    }
  });
}

/** A logistic regression (C = 1) of the members' probabilities, or a ridge regression (alpha = 1) of their values, and of features. */
function fitMetaModel({ outputs, truth }: JudgedOutputs): Combiner {
  const { label, weight } = truth;
  const { passed, ...rows } = linearRowsOf(outputs);
  const fitted =
    outputs.kind === 'regression'
      ? fitRidge({ ...rows, value: label, weight })
      : fitLogisticRegression({ ...rows, label, weight, classes: classesOf(outputs, truth) });
  return { type: 'linear', ...rounded(fitted), ...(passed && { features: passed }) };
}

function classesOf({ kind, width }: MemberOutputs, { label }: Truth): number {
  const classes = kind === 'binary' ? 2 : width;
  const first = label[0];
  if (label.every((y) => y === first)) {
    throw new InputError(
      'A stacking or blending ensemble needs rows of two classes or more; use other folds, or leave these methods out.',
    );
  }
  return classes;
}

/** To float32: last digits that hang on the platform's exponential do not reach the model. */
function rounded({ coefficients, intercept }: LinearModel): LinearModel {
  return {
    coefficients: coefficients.map((row) => row.map(Math.fround)),
    intercept: intercept.map(Math.fround),
  };
}
