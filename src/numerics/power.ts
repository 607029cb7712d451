const word = new DataView(new ArrayBuffer(8));

/** 2^exponent exactly, for a whole exponent of −1022…1023; `**` is not specified to be exact. */
export function powerOfTwo(exponent: number): number {
  word.setBigUint64(0, BigInt(exponent + 1023) << 52n);
  return word.getFloat64(0);
}

/** The nearest whole number, ties to even; |x| < 2^52. */
export function rint(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
