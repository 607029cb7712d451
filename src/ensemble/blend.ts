/** a · x + b · y, into an array of their length. */
export function blend(a: number, x: Float64Array, b: number, y: Float64Array, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = a * x[i]! + b * y[i]!;
}
