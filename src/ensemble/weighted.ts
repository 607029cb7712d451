import { AverageScore } from './average-score.ts';
import { blend } from './blend.ts';
import { maximizeOnSimplex } from './slsqp.ts';
import type { JudgedOutputs } from './truth.ts';

/** Weights are multiples of 2^−20, so that their sum is 1 exactly. */
const UNITS = 2 ** 20;
/** Steps of the refinement, as parts of the whole weight. */
const STEPS = [0.25, 0.1, 0.04, 0.015, 0.005];
/** Means that the refinement scores at most. */
const MAX_REFINEMENTS = 400;
/** How far a weight is moved to see the slope of a metric: AUC is constant over much smaller steps. */
const SLOPE_STEP = 0.02;
const SLSQP_EVALUATIONS = 12;

/**
 * Weights ≥ 0 with the sum 1 that make the metric of the weighted mean as good as can be found: SLSQP (Kraft 1988) from equal weights, as
 * the protocol has it, then a pattern search from the best of equal weights, single members and what SLSQP found, since a metric such as
 * AUC is constant nearly everywhere. The result is never worse on these rows than any of those.
 * @returns one a member
 */
export async function fitWeights(judged: JudgedOutputs): Promise<number[]> {
  const score = new AverageScore(judged);
  const count = score.members.length;
  const equal = new Array<number>(count).fill(1 / count);
  if (count === 1) return equal;
  const single = equal.map((_, k) => equal.map((_, j) => (j === k ? 1 : 0)));
  const found = wholeUnits(await fitBySlsqp(score, equal));
  const starts = [equal, ...single, found];
  const best = bestOf(starts, score);
  return bestOf([best, wholeUnits(refine(score, best))], score);
}

/** The first of the best. */
function bestOf(candidates: readonly number[][], score: AverageScore): number[] {
  const values = candidates.map((weights) => score.of(weights));
  return candidates[values.indexOf(Math.max(...values))]!;
}

/** SLSQP alone. */
export function fitBySlsqp(score: AverageScore, start: readonly number[]): Promise<number[]> {
  const moved = new Float64Array(score.members[0]!.length);
  const slopes = (weights: readonly number[], value: number) => {
    const mean = score.mean(weights);
    const scale = 1 / (weights.reduce((sum, w) => sum + w, 0) + SLOPE_STEP);
    return score.members.map((values) => {
      blend(scale, mean, SLOPE_STEP * scale, values, moved);
      return (score.ofMean(moved) - value) / SLOPE_STEP;
    });
  };
  return maximizeOnSimplex(
    (weights) => {
      const total = weights.reduce((sum, w) => sum + w, 0);
      const value = score.ofMean(score.mean(weights.map((w) => w / total)));
      return { value, gradient: () => slopes(weights, value) };
    },
    start,
    SLSQP_EVALUATIONS,
  );
}

/**
 * Moves weight to one member, or from one to all others in proportion, as long as that gains anything, in ever smaller steps. One of the
 * generating set searches of Kolda, Lewis and Torczon, SIAM Review 2003.
 */
function refine(score: AverageScore, start: readonly number[]): number[] {
  let weights = [...start];
  let mean = score.mean(weights);
  let moved: Float64Array = new Float64Array(mean.length);
  let value = score.ofMean(mean);
  let scored = 0;
  for (const step of STEPS) {
    for (let gained = true; gained && scored < MAX_REFINEMENTS; ) {
      gained = false;
      for (let k = 0; k < weights.length && scored < MAX_REFINEMENTS; k++) {
        const own = score.members[k]!;
        for (const part of [step, -Math.min(step, weights[k]!)]) {
          // weights + part · (member − weights), scaled where weight is taken away.
          const scale = part > 0 ? 1 - part : 1 / (1 + part);
          if (part === 0 || !Number.isFinite(scale)) continue;
          const added = part > 0 ? part : part * scale;
          blend(scale, mean, added, own, moved);
          const reached = score.ofMean(moved);
          scored++;
          if (!(reached > value)) continue;
          value = reached;
          [mean, moved] = [moved, mean];
          weights = weights.map((w, j) => Math.max(0, scale * w + (j === k ? added : 0)));
          gained = true;
        }
      }
    }
  }
  return weights;
}

/** The nearest multiples of 2^−20 with the sum 1: units left over go to the greatest remainders. */
export function wholeUnits(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, w) => sum + Math.max(0, w), 0);
  const exact = weights.map((w) => (Math.max(0, w) / total) * UNITS);
  const units = exact.map(Math.floor);
  let left = UNITS - units.reduce((sum, u) => sum + u, 0);
  const byRemainder = exact
    .map((_, k) => k)
    .sort((a, b) => exact[b]! - units[b]! - (exact[a]! - units[a]!) || a - b);
  for (const k of byRemainder) if (left-- > 0) units[k]!++;
  return units.map((u) => u / UNITS);
}
