import type { Measurement, Repeat } from '../../src/bench/measure.ts';

/** A timing with the given seconds of CPU time; wall time is twice as long. */
export function repeat(
  number: number,
  boost: number,
  given: { bin?: number | null; busy?: number | null } = {},
): Repeat {
  const { bin = 0.5, busy = 0 } = given;
  const section = (cpu_s: number) => ({ cpu_s, wall_s: 2 * cpu_s, busy_cores: busy });
  return {
    repeat: number,
    version: '1.2.3',
    load: { cpu_s: 0.1, wall_s: 0.2 },
    bin: bin === null ? null : section(bin),
    boost: section(boost),
    rounds: 10,
    scores: { train: 0.9, val: 0.8 },
    peak_memory_mb: 100,
    notes: [],
  };
}

/** The measurement of a subject. */
export function measurement(
  library: Measurement['library'],
  repeats: Repeat[],
  given: Partial<Measurement> = {},
): Measurement {
  const { threads = 1 } = given;
  return {
    data: 'set',
    library,
    ...(library === 'lockstep' && { engine: 'cpu' }),
    threads,
    clock: threads === 1 ? 'cpu' : 'wall',
    repeats,
    failure: null,
    ...given,
  };
}
