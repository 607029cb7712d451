import type { Objective } from '../engine/engine.ts';
import { scaledProbability } from '../numerics/link.ts';
import { powerOfTwo } from '../numerics/power.ts';
import { predictedClass, softmaxInto, softmaxProbabilities } from '../numerics/softmax.ts';

/** What turns the integer margins of a model into predictions. */
export interface OutputScale {
  readonly objective: Objective;
  /** Margins are integers in units of 2^−marginBits; −104 … 100, for classification at most 40 and 20 after training. */
  readonly marginBits: number;
  /** Margins before the first tree, in those units: one for each class of the multi: objectives, else one. */
  readonly baseMargins: readonly number[];
  /** Added to margin · 2^−marginBits; a float32, 0 for classification. */
  readonly baseValue: number;
}

/** What a model says of one row: a probability, the index of a class, or a value; or the probability of every class. */
export type Prediction = number | number[];

/** From the margins of a row to its prediction. */
export function linkOf(scale: OutputScale): (margins: ArrayLike<number>) => Prediction {
  switch (scale.objective) {
    case 'multi:softprob': {
      const unit = powerOfTwo(-scale.marginBits);
      return (margins) => softmaxProbabilities(margins, unit);
    }
    case 'multi:softmax':
      return (margins) => predictedClass(margins);
    case 'binary:logistic':
    case 'reg:squarederror': {
      const link = scalarLink(scale);
      return (margins) => link(margins[0]!);
    }
    default:
      throw scale.objective satisfies never;
  }
}

/** Predictions of many rows from their margins, one row after the other. */
export function predictionsOf(scale: OutputScale, margins: Int32Array): Float64Array {
  const outputs = scale.baseMargins.length;
  switch (scale.objective) {
    case 'multi:softprob': {
      const unit = powerOfTwo(-scale.marginBits);
      const predictions = new Float64Array(margins.length);
      for (let i = 0; i < margins.length; i += outputs) {
        softmaxInto(predictions, i, margins, i, outputs, unit);
      }
      return predictions;
    }
    case 'multi:softmax': {
      const predictions = new Float64Array(margins.length / outputs);
      for (let row = 0; row < predictions.length; row++) {
        predictions[row] = predictedClass(margins, row * outputs, outputs);
      }
      return predictions;
    }
    case 'binary:logistic':
    case 'reg:squarederror': {
      const link = scalarLink(scale);
      const predictions = new Float64Array(margins.length);
      for (let i = 0; i < margins.length; i++) predictions[i] = link(margins[i]!);
      return predictions;
    }
    default:
      throw scale.objective satisfies never;
  }
}

/** The probability of the positive class, or the value (one binary64 rounding). */
function scalarLink(scale: OutputScale): (margin: number) => number {
  const unit = powerOfTwo(-scale.marginBits);
  if (scale.objective === 'binary:logistic') return (margin) => scaledProbability(margin, unit);
  return (margin) => scale.baseValue + margin * unit;
}
