import { AverageScore } from './average-score.ts';
import { blend } from './blend.ts';
import type { JudgedOutputs } from './truth.ts';

/** Members that are drawn at most, repetitions included. */
const MAX_DRAWS = 50;

/**
 * Greedy selection with replacement: starting from nothing, adds the member that makes the mean best, again and again, and keeps the best
 * of all these means, the shortest of equals. Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models",
 * ICML 2004.
 * @returns weights: how often each member was drawn, as parts of the draws
 */
export function selectGreedily(judged: JudgedOutputs): number[] {
  const score = new AverageScore(judged);
  const draws = score.members.map(() => 0);
  const length = score.members[0]!.length;
  const sum = new Float64Array(length);
  const mean = new Float64Array(length);
  let best = { value: Number.NEGATIVE_INFINITY, weights: draws };
  for (let count = 1; count <= MAX_DRAWS; count++) {
    const values = score.members.map((member) => {
      blend(1 / count, sum, 1 / count, member, mean);
      return score.ofMean(mean);
    });
    const value = Math.max(...values);
    const chosen = values.indexOf(value);
    blend(1, sum, 1, score.members[chosen]!, sum);
    draws[chosen]!++;
    if (value > best.value) best = { value, weights: draws.map((n) => n / count) };
  }
  return best.weights;
}
