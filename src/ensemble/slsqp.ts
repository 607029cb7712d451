/** A function at a point, with its slopes where they are asked for. */
export interface Evaluated {
  readonly value: number;
  /** One a coordinate. */
  readonly gradient: () => readonly number[];
}

const PROCESS_EVENTS = ['uncaughtException', 'unhandledRejection'] as const;
let loading: ReturnType<typeof loadNlopt> | undefined;

/** Loads NLopt without the handlers by which Emscripten's code would decide how the whole process fails. */
async function loadNlopt() {
  const before = PROCESS_EVENTS.map((event) => process.rawListeners(event));
  const { default: nlopt } = await import('nlopt-js');
  await nlopt.ready;
  PROCESS_EVENTS.forEach((event, i) => {
    for (const added of process.rawListeners(event)) {
      if (!before[i]!.includes(added)) process.off(event, added as () => void);
    }
  });
  return nlopt;
}

/**
 * Maximises a function over coordinates of 0 … 1 with the sum 1, by SLSQP (Kraft, "A software package for sequential quadratic
 * programming", 1988) as NLopt has it, in WebAssembly: the same on every machine.
 * @param start a point with those properties
 * @param evaluations of the function, at most
 * @returns the best point that was evaluated, the start at worst
 */
export async function maximizeOnSimplex(
  evaluate: (point: readonly number[]) => Evaluated,
  start: readonly number[],
  evaluations: number,
): Promise<number[]> {
  loading ??= loadNlopt();
  const nlopt = await loading;
  let best = { point: [...start], value: Number.NEGATIVE_INFINITY };
  const optimizer = new nlopt.Optimize(nlopt.Algorithm.LD_SLSQP, start.length);
  try {
    optimizer.setMinObjective((point, gradient) => {
      const { value, gradient: slopes } = evaluate(point);
      if (value > best.value) best = { point: [...point], value };
      if (gradient)
        slopes().forEach((slope, k) => {
          gradient[k] = -slope;
        });
      return -value;
    }, 1e-9);
    optimizer.addEqualityConstraint((point, gradient) => {
      if (gradient) gradient.fill(1);
      return point.reduce((sum, x) => sum + x, 0) - 1;
    }, 1e-9);
    optimizer.setLowerBounds(start.map(() => 0));
    optimizer.setUpperBounds(start.map(() => 1));
    optimizer.setMaxeval(evaluations);
    optimizer.optimize([...start]);
  } finally {
    nlopt.GC.flush();
  }
  return best.point;
}
