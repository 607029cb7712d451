/** The integer form of a job's labels and weights (docs/numerics.md sections 2, 3 and 9): the twin of native/cpu/scale.cpp. */
import { kindOf } from '../../config/objectives.ts';
import type { BinnedDataset } from '../../data/types.ts';
import { InputError } from '../../errors.ts';
import { logitMargin } from '../../numerics/link.ts';
import { powerOfTwo, rint } from '../../numerics/power.ts';
import { priorDistance } from '../../numerics/softmax.ts';
import type { TreeParams } from '../engine.ts';

const MARGIN_LIMIT = 2 ** 30;
/** The weight of every row where there are no weights. */
export const UNIT_WEIGHT = 2 ** 24;

const bits = new DataView(new ArrayBuffer(8));

/** x · 2^exponent for any exponent. */
export function scaleBy(x: number, exponent: number): number {
  let result = x;
  let rest = exponent;
  for (; rest > 1000; rest -= 1000) result *= powerOfTwo(1000);
  for (; rest < -1000; rest += 1000) result *= powerOfTwo(-1000);
  return result * powerOfTwo(rest);
}

/** Least e with x ≤ 2^e, for finite x > 0. */
function ceilLog2(x: number): number {
  if (x < 2 ** -1000) return ceilLog2(x * 2 ** 200) - 200;
  bits.setFloat64(0, x);
  const exponent = ((bits.getUint32(0) >>> 20) & 0x7ff) - 1023;
  return powerOfTwo(exponent) === x ? exponent : exponent + 1;
}

/** An exact sum of products of integers below 2^41 and 2^25 in magnitude. */
export class ExactSum {
  #high = 0;
  #low = 0;
  #terms = 0;
  #total = 0n;

  add(value: number, weight: number): void {
    const high = Math.floor(value / 2 ** 20);
    this.#high += high * weight;
    this.#low += (value - high * 2 ** 20) * weight;
    if (++this.#terms === 256) this.#settle();
  }

  get total(): bigint {
    this.#settle();
    return this.#total;
  }

  #settle(): void {
    this.#total += BigInt(this.#high) * 2n ** 20n + BigInt(this.#low);
    this.#high = this.#low = this.#terms = 0;
  }
}

export interface ScaledWeights {
  /** E */
  readonly exponent: number;
  /** In the order of the rows; absent where all weigh 2^24. */
  readonly values?: Uint32Array;
}

export function scaleWeights(data: BinnedDataset, rows: Uint32Array, positiveFactor = 1): ScaledWeights {
  const { weight, label } = data;
  if (weight === undefined && positiveFactor === 1) return { exponent: 0 };
  const weightOf = (row: number) =>
    (weight?.[row] ?? 1) * (positiveFactor !== 1 && label[row] === 1 ? positiveFactor : 1);
  let largest = 0;
  for (const row of rows) {
    const w = weightOf(row);
    if (!(w >= 0 && w < Number.POSITIVE_INFINITY)) {
      throw new InputError(`Weights must be finite and not negative, but row ${row} has another one.`);
    }
    largest = Math.max(largest, w);
  }
  if (largest === 0) throw new InputError('All weights are zero.');
  const exponent = ceilLog2(largest);
  return { exponent, values: Uint32Array.from(rows, (row) => rint(scaleBy(weightOf(row), 24 - exponent))) };
}

/** Everything about a job's rows that is fixed before its first tree. */
export interface JobScale {
  readonly weights: ScaledWeights;
  readonly marginBits: number;
  readonly baseMargins: Int32Array;
  readonly baseValue: number;
  /** By position: 0 and 1, classes, or targets in margin units. */
  readonly labels: Int32Array;
}

/**
 * @param positions Rows with a margin; the first `trained` of them are trained on.
 * @throws InputError where the rows cannot be trained on.
 */
export function scaleJob(
  data: BinnedDataset,
  params: TreeParams,
  positions: Uint32Array,
  trained: number,
): JobScale {
  if (trained === 0) throw new InputError('A job needs at least one training row.');
  const rows = positions.subarray(0, trained);
  const weights = scaleWeights(data, rows, params.scale_pos_weight);
  const weightAt = (i: number) => weights.values?.[i] ?? UNIT_WEIGHT;
  const { label } = data;
  switch (kindOf(params.objective)) {
    case 'binary': {
      const positive = new ExactSum();
      const total = new ExactSum();
      rows.forEach((row, i) => {
        const y = label[row]!;
        if (y !== 0 && y !== 1) {
          throw new InputError(`binary:logistic needs labels 0 and 1, but row ${row} has another one.`);
        }
        positive.add(y, weightAt(i));
        total.add(1, weightAt(i));
      });
      const base = params.base_score ?? Number(positive.total) / Number(total.total);
      return {
        weights,
        marginBits: 20,
        baseMargins: Int32Array.of(logitMargin(base)),
        baseValue: 0,
        labels: Int32Array.from(positions, (row) => (label[row] === 1 ? 1 : 0)),
      };
    }
    case 'multiclass': {
      const classes = params.num_class;
      for (const row of positions) {
        const y = label[row]!;
        if (!(y >= 0 && y < classes && Number.isInteger(y))) {
          throw new InputError(
            `With num_class ${classes} labels must be 0 to ${classes - 1}, but row ${row} has another one.`,
          );
        }
      }
      const ofClass = Array.from({ length: classes }, () => new ExactSum());
      const total = new ExactSum();
      rows.forEach((row, i) => {
        ofClass[label[row]!]!.add(1, weightAt(i));
        total.add(1, weightAt(i));
      });
      const distances = ofClass.map((sum) => priorDistance(Number(sum.total) / Number(total.total)));
      const centre = Math.floor(distances.reduce((a, b) => a + b, 0) / classes);
      return {
        weights,
        marginBits: 20,
        baseMargins: Int32Array.from(distances, (distance) => centre - distance),
        baseValue: 0,
        labels: Int32Array.from(positions, (row) => label[row]!),
      };
    }
    case 'regression': {
      for (const row of rows) {
        if (!Number.isFinite(label[row]!)) {
          throw new InputError(`reg:squarederror needs finite labels, but row ${row} has none.`);
        }
      }
      const baseValue =
        params.base_score === null ? weightedMean(label, rows, weightAt) : Math.fround(params.base_score);
      let deviation = 0;
      for (const row of rows) deviation = Math.max(deviation, Math.abs(label[row]! - baseValue));
      const marginBits = deviation === 0 ? 20 : Math.min(Math.max(23 - ceilLog2(deviation), -104), 100);
      const labels = Int32Array.from(positions, (row) => {
        const t = rint(scaleBy(label[row]! - baseValue, marginBits));
        return Number.isNaN(t) ? 0 : Math.min(Math.max(t, -MARGIN_LIMIT), MARGIN_LIMIT);
      });
      return { weights, marginBits, baseMargins: Int32Array.of(0), baseValue, labels };
    }
  }
}

function weightedMean(label: Float32Array, rows: Uint32Array, weightAt: (i: number) => number): number {
  let largest = 0;
  for (const row of rows) largest = Math.max(largest, Math.abs(label[row]!));
  if (largest === 0) return 0;
  const exponent = ceilLog2(largest);
  const sum = new ExactSum();
  const total = new ExactSum();
  rows.forEach((row, i) => {
    sum.add(rint(scaleBy(label[row]!, 40 - exponent)), weightAt(i));
    total.add(1, weightAt(i));
  });
  return Math.fround(scaleBy(Number(sum.total) / Number(total.total), exponent - 40));
}
