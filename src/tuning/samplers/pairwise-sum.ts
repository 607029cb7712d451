/** Up to so many items NumPy sums in eight lanes; more are halved first. */
const BLOCK = 128;

/**
 * Sum of items[start .. start + n) in the order in which NumPy adds contiguous numbers. Two categories that were observed equally often
 * have the same density but for the rounding of this sum, which then decides between them in Optuna.
 */
export function pairwiseSum(items: Float64Array, start = 0, n = items.length - start): number {
  if (n < 8) {
    let sum = 0;
    for (let i = start; i < start + n; i++) sum += items[i]!;
    return sum;
  }
  if (n > BLOCK) {
    const half = (n >>> 1) - ((n >>> 1) % 8);
    return pairwiseSum(items, start, half) + pairwiseSum(items, start + half, n - half);
  }
  const lanes = items.slice(start, start + 8);
  let i = 8;
  for (; i < n - (n % 8); i += 8)
    for (let lane = 0; lane < 8; lane++) lanes[lane]! += items[start + i + lane]!;
  let sum =
    lanes[0]! + lanes[1]! + (lanes[2]! + lanes[3]!) + (lanes[4]! + lanes[5]! + (lanes[6]! + lanes[7]!));
  for (; i < n; i++) sum += items[start + i]!;
  return sum;
}
