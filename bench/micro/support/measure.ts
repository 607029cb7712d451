import Benchmark from 'benchmark';

/** Seconds of measuring for each case. */
const SECONDS = 1;

/** What to repeat; a promise is waited for. */
export type Body = () => unknown;

function deferred(body: Body): (deferred: { resolve(): void }) => void {
  return (one) => {
    Promise.resolve(body()).then(
      () => one.resolve(),
      (error: unknown) => {
        process.stderr.write(`${(error as Error).stack}\n`);
        process.exit(1);
      },
    );
  };
}

function duration(seconds: number): string {
  if (seconds >= 1e-3) return `${(seconds * 1e3).toPrecision(4)} ms`;
  return seconds >= 1e-6 ? `${(seconds * 1e6).toPrecision(4)} µs` : `${(seconds * 1e9).toPrecision(4)} ns`;
}

/**
 * Prints the time of each case: mean, relative margin of error (95 %), samples.
 * @param cases by name; the inputs are made beforehand
 */
export async function measure(cases: Readonly<Record<string, Body>>): Promise<void> {
  const width = Math.max(...Object.keys(cases).map((name) => name.length));
  for (const [name, body] of Object.entries(cases)) {
    const isAsync = body() instanceof Promise;
    await new Promise<void>((resolve) => {
      const bench: Benchmark = new Benchmark(name, {
        defer: isAsync,
        fn: isAsync ? deferred(body) : body,
        maxTime: SECONDS,
        onComplete: () => {
          const { mean, rme, sample } = bench.stats;
          process.stdout.write(
            `  ${name.padEnd(width)}  ${duration(mean).padStart(9)} ±${rme.toFixed(1)} %, ${sample.length} samples\n`,
          );
          resolve();
        },
        onError: () => {
          throw bench.error;
        },
      });
      bench.run({ async: true });
    });
  }
}
