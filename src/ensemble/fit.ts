import { plainMean } from '../stats/sum.ts';
import { type Combiner, combine } from './combine.ts';
import { type EnsembleMethod, fitCombiner, type MethodOptions } from './methods.ts';
import { takeRows } from './outputs.ts';
import { benefitOf, type JudgedOutputs, scorerOf, truthOf } from './truth.ts';

export interface FitOptions extends MethodOptions {
  /** One fold or more: the rows of `outOfFold` that each holds, distinct. */
  readonly folds: readonly Uint32Array[];
  /** Outputs of members trained on all training rows, for other rows; without them, blending holds out the first fold. */
  readonly holdOut?: JudgedOutputs | undefined;
}

/** What a method made of its members. */
export interface FittedEnsemble {
  readonly method: EnsembleMethod;
  readonly combiner: Combiner;
  /** The metric on each fold, of a combiner that was fitted without it. */
  readonly foldScores: readonly number[];
  /** Mean of the fold scores. */
  readonly score: number;
}

/** The metric of a combiner on each fold. */
export function foldScoresOf(
  combiner: Combiner,
  { outputs, truth }: JudgedOutputs,
  folds: readonly Uint32Array[],
): number[] {
  return folds.map((rows) => {
    const margins = combine(combiner, takeRows(outputs, rows), truth.scale);
    return scorerOf(truthOf(truth, rows))(margins);
  });
}

/** Fits a method to all rows, and once without each fold in order to score it there. */
export async function fitEnsemble(
  method: EnsembleMethod,
  outOfFold: JudgedOutputs,
  options: FitOptions,
): Promise<FittedEnsemble> {
  const { folds } = options;
  const take = (rows: Uint32Array): JudgedOutputs => ({
    outputs: takeRows(outOfFold.outputs, rows),
    truth: truthOf(outOfFold.truth, rows),
  });
  const without = (fold: number) => {
    const rows = folds.filter((_, other) => other !== fold).flatMap((of) => [...of]);
    return Uint32Array.from(rows).sort();
  };
  const all = Uint32Array.from(folds.flatMap((of) => [...of])).sort();
  const holdOutFor = (fold: number) => options.holdOut ?? take(folds[fold === 0 ? 1 : 0]!);
  const foldScores: number[] = [];
  for (const [fold, rows] of folds.entries()) {
    const fitted = await fitCombiner(method, take(without(fold)), holdOutFor(fold), options);
    foldScores.push(...foldScoresOf(fitted, outOfFold, [rows]));
  }
  return {
    method,
    combiner: await fitCombiner(method, take(all), holdOutFor(-1), options),
    foldScores,
    score: plainMean(foldScores),
  };
}

/** The ensemble with the best score, the first of equals. */
export function bestEnsemble<Fitted extends FittedEnsemble>(
  fitted: readonly Fitted[],
  { metric }: JudgedOutputs['truth'],
): Fitted {
  const values = fitted.map(({ score }) => benefitOf(metric, score));
  return fitted[values.indexOf(Math.max(...values))]!;
}
