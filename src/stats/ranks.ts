/** Ranks of values, least first, and what ties among them do. */
export interface DoubledRanks {
  /** Twice the rank of each value, from 2; values that are equal share the mean of their ranks, so that these are whole numbers. */
  readonly doubled: Int32Array;
  /** Σ(t³ − t) over the groups of t equal values; 0 where none are. */
  readonly ties: number;
}

/** @param values no NaN */
export function doubledRanks(values: ArrayLike<number>): DoubledRanks {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b);
  const doubled = new Int32Array(values.length);
  let ties = 0;
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let place = start; place < end; place++) doubled[order[place]!] = start + end + 1;
    ties += (end - start) ** 3 - (end - start);
    start = end;
  }
  return { doubled, ties };
}
