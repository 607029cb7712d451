import { AverageScore } from './average-score.ts';
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
  let sum = new Float64Array(score.members[0]!.length);
  let best = { value: Number.NEGATIVE_INFINITY, weights: draws };
  for (let count = 1; count <= MAX_DRAWS; count++) {
    const values = score.members.map((values) => score.ofMean(sum.map((s, i) => (s + values[i]!) / count)));
    const value = Math.max(...values);
    const chosen = values.indexOf(value);
    const added = score.members[chosen]!;
    sum = sum.map((s, i) => s + added[i]!);
    draws[chosen]!++;
    if (value > best.value) best = { value, weights: draws.map((n) => n / count) };
  }
  return best.weights;
}
