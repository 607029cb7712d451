import { rint } from '../numerics/power.ts';
import { average, combine } from './combine.ts';
import { benefitOf, type JudgedOutputs, scorerOf } from './truth.ts';

/**
 * Scores weighted means of members' outputs, as often as a search for weights asks. Scores are better the greater they are.
 */
export class AverageScore {
  readonly #judged: JudgedOutputs;
  readonly #score: (margins: Int32Array) => number;
  /** Scratch for a metric that depends on the order of probabilities and their side of ½ only; absent for others. */
  readonly #ordinal: Int32Array | undefined;

  constructor(judged: JudgedOutputs) {
    this.#judged = judged;
    this.#score = scorerOf(judged.truth);
    const { kind, rows } = judged.outputs;
    if (kind === 'binary' && judged.truth.metric !== 'logloss') this.#ordinal = new Int32Array(rows);
  }

  get members(): readonly Float64Array[] {
    return this.#judged.outputs.members;
  }

  /** The score that an ensemble with these weights has. */
  of(weights: readonly number[]): number {
    const { outputs, truth } = this.#judged;
    return this.#benefit(combine({ type: 'average', weights }, outputs, truth.scale));
  }

  /** The mean of the outputs by weights. */
  mean(weights: readonly number[]): Float64Array {
    return average(weights, this.#judged.outputs);
  }

  /**
   * The score of a mean, (rows, width). Metrics of order alone are those of the probabilities in units of 2^−30, which is faster and may
   * tell apart what margins do not.
   */
  ofMean(mean: Float64Array): number {
    const ordinal = this.#ordinal;
    if (ordinal !== undefined) {
      for (let row = 0; row < ordinal.length; row++) ordinal[row] = rint((mean[row]! - 0.5) * 2 ** 30);
      return this.#benefit(ordinal);
    }
    const { outputs, truth } = this.#judged;
    return this.#benefit(
      combine({ type: 'average', weights: [1] }, { ...outputs, members: [mean] }, truth.scale),
    );
  }

  #benefit(margins: Int32Array): number {
    return benefitOf(this.#judged.truth.metric, this.#score(margins));
  }
}
