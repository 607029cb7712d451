/** The part of nlopt-js, which has no types, that is used here. */
declare module 'nlopt-js' {
  interface Optimize {
    setMinObjective(objective: (point: number[], gradient?: number[]) => number, tolerance: number): void;
    addEqualityConstraint(
      constraint: (point: number[], gradient?: number[]) => number,
      tolerance: number,
    ): void;
    setLowerBounds(bounds: number[]): void;
    setUpperBounds(bounds: number[]): void;
    setMaxeval(evaluations: number): void;
    optimize(start: number[]): { success: boolean; x: number[]; value: number };
  }
  const nlopt: {
    readonly ready: Promise<void>;
    readonly Algorithm: { readonly LD_SLSQP: unknown };
    readonly Optimize: new (algorithm: unknown, coordinates: number) => Optimize;
    /** Frees all that was made since the last time. */
    readonly GC: { flush(): void };
  };
  export default nlopt;
}
