/** Up to so many keys NumPy sorts by a network. */
export const NETWORK_SIZE = 256;

/**
 * Indices that sort keys, equal ones in the order in which NumPy leaves them on processors with AVX2 or AVX-512: Optuna's kernels
 * depend on it, because of equal observations only the first and the last get a width of their own.
 *
 * Up to 256 keys that is a bitonic network over the next power of two, which changes nothing where the keys are already ascending
 * (x86-simd-sort, `xss-network-keyvaluesort.hpp`). Beyond, equal keys stay in their order, which is not NumPy's, whose order then
 * differs between processors.
 * @param keys finite // IN (n); the first n count
 * @param order // OUT (n)
 */
export function argsort(keys: Float64Array, n: number, order: Int32Array): void {
  for (let i = 0; i < n; i++) order[i] = i;
  let ascending = true;
  for (let i = 1; i < n && ascending; i++) ascending = keys[i - 1]! <= keys[i]!;
  if (ascending) return;
  if (n > NETWORK_SIZE) {
    order.subarray(0, n).sort((a, b) => keys[a]! - keys[b]! || a - b);
    return;
  }
  const compare = (i: number, j: number) => {
    const a = order[i]!;
    const b = order[j]!;
    if (keys[a]! > keys[b]!) {
      order[i] = b;
      order[j] = a;
    }
  };
  // Places from n on hold infinity in NumPy's network and never move.
  for (let size = 2; size < 2 * n; size *= 2) {
    for (let block = 0; block < n; block += size)
      for (let i = block, j = block + size - 1; i < j; i++, j--) if (j < n) compare(i, j);
    for (let distance = size >> 2; distance >= 1; distance >>= 1)
      for (let block = 0; block < n; block += 2 * distance)
        for (let i = block, j = block + distance; j < n && i < block + distance; i++, j++) compare(i, j);
  }
}
