/**
 * The sum of finite numbers, rounded once: it does not depend on their order, and negating them negates it. Keeps partial sums that do not
 * overlap (Shewchuk, "Adaptive precision floating-point arithmetic", 1997), as Python's `math.fsum` does.
 */
export function exactSum(values: Iterable<number>): number {
  const partials: number[] = [];
  for (const value of values) {
    let x = value;
    let kept = 0;
    for (let i = 0; i < partials.length; i++) {
      // Knuth's sum of two with its error: which of them is greater cannot be predicted.
      const partial = partials[i]!;
      const high = x + partial;
      const other = high - x;
      const low = x - (high - other) + (partial - other);
      if (low !== 0) partials[kept++] = low;
      x = high;
    }
    partials[kept++] = x;
    if (partials.length > kept) partials.length = kept;
  }
  return roundPartials(partials);
}

/** From the greatest partial down until one is lost; the one below decides where that one was half a unit. */
function roundPartials(partials: readonly number[]): number {
  let i = partials.length - 1;
  if (i < 0) return 0;
  let high = partials[i]!;
  let low = 0;
  while (i > 0 && low === 0) {
    const x = high;
    const y = partials[--i]!;
    high = x + y;
    low = y - (high - x);
  }
  if (i > 0 && Math.sign(low) === Math.sign(partials[i - 1]!)) {
    const doubled = 2 * low;
    const next = high + doubled;
    if (next - high === doubled) return next;
  }
  return high;
}

/** The mean by adding in the given order, as each addition rounds; NaN of nothing. Scores of folds have it from the search on. */
export function plainMean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Mean and sum of squares about it, by exactSum. */
export function meanAndSquares(values: ArrayLike<number> & Iterable<number>): {
  readonly mean: number;
  readonly squares: number;
} {
  const mean = exactSum(values) / values.length;
  return { mean, squares: exactSum(Array.from(values, (x) => (x - mean) ** 2)) };
}
