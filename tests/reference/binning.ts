// Section 1 of docs/numerics.md, plainly: the judge of native/cpu/binning.cpp.

const FLT_MAX = 3.4028234663852886e38;

export function canonicalValue(x: number): number {
  return Math.min(Math.max(Math.fround(x), -FLT_MAX), FLT_MAX) + 0;
}

/** Cuts of a column of training values with integer weights. */
export function referenceCuts(
  values: readonly number[],
  weights: readonly bigint[],
  maxBin: number,
): number[] {
  const weightOf = new Map<number, bigint>();
  values.forEach((x, i) => {
    if (!Number.isNaN(x))
      weightOf.set(canonicalValue(x), (weightOf.get(canonicalValue(x)) ?? 0n) + weights[i]!);
  });
  const distinct = [...weightOf.keys()].sort((a, b) => a - b);
  const limit = Math.min(maxBin, 255);
  const firstOfBin: number[] = [];
  if (distinct.length <= limit) {
    firstOfBin.push(...distinct.slice(1).map((_, j) => j + 1));
  } else {
    let rest = [...weightOf.values()].reduce((a, b) => a + b, 0n);
    let current = 0n;
    let open = BigInt(limit);
    distinct.forEach((value, j) => {
      const weight = weightOf.get(value)!;
      if (current > 0n && open > 1n && (2n * current + weight) * open > 2n * rest) {
        firstOfBin.push(j);
        rest -= current;
        current = 0n;
        open -= 1n;
      }
      current += weight;
    });
  }
  return firstOfBin.map((j) => {
    const lower = distinct[j - 1]!;
    const upper = distinct[j]!;
    const middle = Math.fround(lower / 2 + upper / 2);
    return middle <= lower ? upper : middle;
  });
}

export function referenceCode(x: number, cuts: readonly number[]): number {
  return Number.isNaN(x) ? 0 : 1 + cuts.filter((cut) => cut <= canonicalValue(x)).length;
}

/** The code of each category, by its number of training rows. */
export function referenceCategoryCodes(rowsOf: readonly number[]): number[] {
  if (rowsOf.length <= 255) return rowsOf.map((_, category) => category + 1);
  const kept = rowsOf
    .map((_, category) => category)
    .sort((a, b) => rowsOf[b]! - rowsOf[a]! || a - b)
    .slice(0, 254)
    .sort((a, b) => a - b);
  return rowsOf.map((_, category) => (kept.includes(category) ? kept.indexOf(category) + 1 : 255));
}
