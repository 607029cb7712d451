/** The first of `count` places where `isBefore` does not hold, `count` if it always does; it must not hold at any place after that one. */
export function partitionPoint(count: number, isBefore: (place: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
