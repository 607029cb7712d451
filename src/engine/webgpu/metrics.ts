/** From a round's integer sums to the values of metrics: the divisions of docs/metrics.md, the twin of native/cpu/metrics.cpp. */
import type { MetricName } from '../../config/metric-names.ts';
import { kindOf, type ModelKind } from '../../config/objectives.ts';
import type { TrainingJob } from '../engine.ts';
import { SUM_WORDS, WANT } from './layout.ts';
import { ExactSum, type JobScale, scaleBy, UNIT_WEIGHT } from './scale.ts';

/** Exponents of the denominators of mape, −52 … 128; the last is that of labels that are not finite. */
const LOWEST_EXPONENT = -52;

/** What mape multiplies an error by: R of docs/metrics.md, and which sum the product belongs to. */
export interface Reciprocals {
  /** Binary exponents that occur, the largest first. */
  readonly exponents: readonly number[];
  /** Two words a label: the low one of R; the high one, with the place of the exponent above 16 bits. */
  readonly words: Uint32Array;
}

/** R and the exponent of every label. */
export function reciprocalsOf(label: Float32Array): Reciprocals {
  const bits = new Uint32Array(label.buffer, label.byteOffset, label.length);
  const exponentOf = (word: number) => Math.max(LOWEST_EXPONENT, ((word >>> 23) & 0xff) - 127);
  const places = new Map<number, number>();
  for (const word of bits) places.set(exponentOf(word), 0);
  const exponents = [...places.keys()].sort((a, b) => b - a);
  exponents.forEach((exponent, place) => {
    places.set(exponent, place);
  });
  const words = new Uint32Array(2 * label.length);
  bits.forEach((word, row) => {
    const small = ((word >>> 23) & 0xff) - 127 < LOWEST_EXPONENT;
    const mantissa = small ? 2 ** 23 : 2 ** 23 + (word & 0x7fffff);
    // ⌊(2^63 + ⌊M/2⌋) / M⌋ in two steps of 43 and 20 bits, each below 2^53.
    const high = Math.floor(2 ** 43 / mantissa);
    const rest = 2 ** 43 - high * mantissa;
    const reciprocal = high * 2 ** 20 + Math.floor((rest * 2 ** 20 + Math.floor(mantissa / 2)) / mantissa);
    words[2 * row] = reciprocal % 2 ** 32;
    words[2 * row + 1] = Math.floor(reciprocal / 2 ** 32) + places.get(exponentOf(word))! * 2 ** 16;
  });
  return { exponents, words };
}

/** What is known of a scored row set before the first round. */
export interface EvalConstants {
  readonly kind: ModelKind;
  readonly rows: number;
  /** Of all rows. */
  readonly weight: bigint;
  /** Negative and positive rows, or the rows of each class; empty for a regression. */
  readonly weightOfClass: readonly bigint[];
  readonly marginBits: number;
  /** V of r2. */
  readonly variation: number;
  /** The exponents that mape has a sum for, the largest first. */
  readonly exponents: readonly number[];
}

/**
 * @param labels In the order of the rows: 0 and 1, classes, or targets in margin units.
 * @param weights In the same order; absent where all weigh 2^24.
 */
export function evalConstants(
  { params, metrics }: TrainingJob,
  { marginBits, baseMargins }: JobScale,
  labels: Int32Array,
  weights: Uint32Array | undefined,
  exponents: readonly number[],
): EvalConstants {
  const kind = kindOf(params.objective);
  const weightAt = (i: number) => weights?.[i] ?? UNIT_WEIGHT;
  const total = new ExactSum();
  const ofClass = Array.from({ length: kind === 'regression' ? 0 : Math.max(2, baseMargins.length) }, () => {
    return new ExactSum();
  });
  labels.forEach((label, i) => {
    total.add(1, weightAt(i));
    ofClass[label]?.add(1, weightAt(i));
  });
  return {
    kind,
    rows: labels.length,
    weight: total.total,
    weightOfClass: ofClass.map((sum) => sum.total),
    marginBits,
    variation: metrics.includes('r2') ? variationOf(labels, weightAt, total.total) : 0,
    exponents,
  };
}

function floorDivide(a: bigint, b: bigint): bigint {
  return a / b - (a % b < 0n ? 1n : 0n);
}

/** V of r2: with c the mean rounded, the sums of W·(t − c) and W·(t − c)² follow from those of W·t and W·t². */
function variationOf(targets: Int32Array, weightAt: (i: number) => number, weight: bigint): number {
  if (weight === 0n) return 0;
  const sum = new ExactSum();
  const squares = [new ExactSum(), new ExactSum(), new ExactSum()] as const;
  targets.forEach((t, i) => {
    const w = weightAt(i);
    const high = t >> 16;
    const low = t & 0xffff;
    sum.add(t, w);
    squares[0].add(low * low, w);
    squares[1].add(2 * high * low, w);
    squares[2].add(high * high, w);
  });
  const square = squares[0].total + (squares[1].total << 16n) + (squares[2].total << 32n);
  const centre = floorDivide(2n * sum.total + weight, 2n * weight);
  const spread = square - 2n * centre * sum.total + centre * centre * weight;
  const offset = sum.total - centre * weight;
  return Number(spread) - Number(offset * offset) / Number(weight);
}

/** Where the sums of a scored row set lie. */
export interface SumPlaces {
  readonly sums: number;
  /** Of WANT. */
  readonly wanted: number;
  /** Of the first ranking: pairs, and with two classes precisions after them. */
  readonly pairs: number;
  /** One with two classes, one for each of several, none where no metric ranks. */
  readonly rankings: number;
}

/** What the metrics of a job need to know. */
export function sumPlaces(
  kind: ModelKind,
  classes: number,
  metrics: readonly MetricName[],
  exponents: number,
): SumPlaces {
  const wants = (...names: readonly MetricName[]) => names.some((name) => metrics.includes(name));
  const ranked = wants('auc_roc', 'auc_roc_weighted', 'auc_pr');
  const wanted =
    (wants('logloss') ? WANT.loss : 0) |
    (wants('auc_pr') ? WANT.precision : 0) |
    (wants('mape') ? WANT.relative : 0);
  switch (kind) {
    case 'binary':
      return { sums: 5, wanted, pairs: 3, rankings: ranked ? 1 : 0 };
    case 'multiclass':
      return { sums: 3 * classes + 1, wanted, pairs: 2 * classes + 1, rankings: ranked ? classes : 0 };
    case 'regression':
      return { sums: 2 + exponents, wanted, pairs: 0, rankings: 0 };
  }
}

type Sum = (place: number) => bigint;

function ratio(numerator: bigint, denominator: bigint, undefinedValue: number): number {
  return denominator === 0n ? undefinedValue : Number(numerator) / Number(denominator);
}

function area(pairs: bigint, positives: bigint, negatives: bigint): number {
  return ratio(pairs, 2n * positives * negatives, Number.NaN);
}

function binaryValue(name: MetricName, { weight, weightOfClass }: EvalConstants, sum: Sum): number {
  const [negatives, positives] = weightOfClass as [bigint, bigint];
  const truePositive = sum(0);
  const falsePositive = sum(1);
  switch (name) {
    case 'accuracy':
      return ratio(truePositive + negatives - falsePositive, weight, Number.NaN);
    case 'precision':
      return ratio(truePositive, truePositive + falsePositive, 0);
    case 'recall':
      return ratio(truePositive, positives, 0);
    case 'f1':
      return ratio(2n * truePositive, truePositive + falsePositive + positives, 0);
    case 'auc_roc':
      return area(sum(3), positives, negatives);
    case 'auc_pr':
      return scaleBy(ratio(sum(4), positives, 0), -32);
    case 'logloss':
      return scaleBy(ratio(sum(2), weight, Number.NaN), -30);
    default:
      throw new RangeError(`${name} is not a metric of two classes.`);
  }
}

function classValue(name: MetricName, { weight, weightOfClass }: EvalConstants, sum: Sum): number {
  const classes = weightOfClass.length;
  const correct = (c: number) => sum(c);
  const predicted = (c: number) => sum(classes + c);
  const ofClass = {
    precision: (_: bigint, c: number) => ratio(correct(c), predicted(c), 0),
    recall: (actual: bigint, c: number) => ratio(correct(c), actual, 0),
    f1: (actual: bigint, c: number) => ratio(2n * correct(c), predicted(c) + actual, 0),
    auc_roc: (actual: bigint, c: number) => area(sum(2 * classes + 1 + c), actual, weight - actual),
  };
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / classes;
  const weighted = (value: (actual: bigint, c: number) => number) => {
    let total = 0;
    weightOfClass.forEach((actual, c) => {
      if (actual !== 0n) total += Number(actual) * value(actual, c);
    });
    return weight === 0n ? Number.NaN : total / Number(weight);
  };
  const allCorrect = () => weightOfClass.reduce((total, _, c) => total + correct(c), 0n);
  switch (name) {
    case 'accuracy':
      return ratio(allCorrect(), weight, Number.NaN);
    case 'merror':
      return ratio(weight - allCorrect(), weight, Number.NaN);
    case 'precision':
    case 'recall':
    case 'f1':
    case 'auc_roc':
      return mean(weightOfClass.map(ofClass[name]));
    case 'precision_weighted':
      return weighted(ofClass.precision);
    case 'recall_weighted':
      return weighted(ofClass.recall);
    case 'f1_weighted':
      return weighted(ofClass.f1);
    case 'auc_roc_weighted':
      return weighted(ofClass.auc_roc);
    case 'logloss':
      return scaleBy(ratio(sum(2 * classes), weight, Number.NaN), -30);
    default:
      throw new RangeError(`${name} is not a metric of several classes.`);
  }
}

function regressionValue(name: MetricName, constants: EvalConstants, sum: Sum): number {
  const { rows, weight, marginBits, variation, exponents } = constants;
  const squares = sum(0);
  const mean = (of: bigint, bits: number) => scaleBy(ratio(of, weight, Number.NaN), -bits);
  switch (name) {
    case 'mse':
      return mean(squares, 2 * marginBits);
    case 'rmse':
      return Math.sqrt(mean(squares, 2 * marginBits));
    case 'mae':
      return mean(sum(1), marginBits);
    case 'r2':
      if (rows < 2 || weight === 0n) return Number.NaN;
      if (variation === 0) return squares === 0n ? 1 : 0;
      return 1 - Number(squares) / variation;
    case 'mape': {
      if (weight === 0n) return Number.NaN;
      let total = 0;
      exponents.forEach((exponent, place) => {
        total += scaleBy(Number(sum(2 + place)), -exponent);
      });
      return scaleBy(total / Number(weight), -40 - marginBits);
    }
    default:
      throw new RangeError(`${name} is not a metric of a regression.`);
  }
}

/**
 * The value of a metric from the sums of a scored row set.
 * @param words Those of the row set, SUM_WORDS a sum.
 */
export function metricValue(name: MetricName, constants: EvalConstants, words: Uint32Array): number {
  const sum = (place: number) => {
    let value = 0n;
    for (let k = SUM_WORDS - 1; k >= 0; k--) value = (value << 32n) | BigInt(words[place * SUM_WORDS + k]!);
    return value;
  };
  switch (constants.kind) {
    case 'binary':
      return binaryValue(name, constants, sum);
    case 'multiclass':
      return classValue(name, constants, sum);
    case 'regression':
      return regressionValue(name, constants, sum);
  }
}
