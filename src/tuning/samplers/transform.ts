import type { Distribution } from '../space.ts';
import { isSingle, type NumericDistribution, roundHalfEven, singleValue, topOf } from './distributions.ts';
import { kernelBounds } from './parzen.ts';
import type { RandomState } from './random-state.ts';

const bits = new BigInt64Array(1);
const float = new Float64Array(bits.buffer);

/** The greatest double below x. */
function previousDouble(x: number): number {
  if (x === 0) return -Number.MIN_VALUE;
  float[0] = x;
  bits[0] = bits[0]! + (x > 0 ? -1n : 1n);
  return float[0];
}

/** A value from a point between the widened bounds, rounded and clipped as Optuna's `_transform.py` does. */
function untransform(distribution: NumericDistribution, point: number): number {
  const { low, log, step } = distribution;
  const top = topOf(distribution);
  const clip = (value: number) => Math.min(Math.max(value, low), top);
  if (distribution.type === 'int') {
    if (log) return clip(roundHalfEven(Math.exp(point)));
    return clip(Math.floor((point - low) / distribution.step + 0.5) * distribution.step + low);
  }
  if (step !== undefined) return clip(roundHalfEven((point - low) / step) * step + low);
  // The upper bound of a float is open here.
  const end = low === top ? top : previousDouble(top);
  return Math.min(log ? Math.max(Math.exp(point), low) : point, end);
}

/** A value drawn evenly, as Optuna's `RandomSampler` does: one draw for a number, one a choice for a category. */
export function drawEvenly(distribution: Distribution, random: RandomState): number {
  if (distribution.type === 'categorical') {
    let best = 0;
    let greatest = -1;
    for (let i = 0; i < distribution.choices.length; i++) {
      const value = random.random();
      if (value > greatest) {
        greatest = value;
        best = i;
      }
    }
    return best;
  }
  const { low, high } = kernelBounds(distribution);
  return untransform(distribution, random.uniform(low, high));
}

/** The value at a coordinate in [0, 1), as Optuna's `QMCSampler` has it. */
export function valueAt(distribution: Distribution, coordinate: number): number {
  if (isSingle(distribution)) return singleValue(distribution);
  if (distribution.type === 'categorical') return Math.floor(coordinate * distribution.choices.length);
  const { low, high } = kernelBounds(distribution);
  return untransform(distribution, low + coordinate * (high - low));
}
