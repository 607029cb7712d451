import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logNdtr } from '../../src/numerics/normal.ts';
import { argsort } from '../../src/tuning/samplers/argsort.ts';
import { KernelTable } from '../../src/tuning/samplers/kernel-table.ts';
import { type Kernels, ParzenEstimator } from '../../src/tuning/samplers/parzen.ts';
import { RandomState } from '../../src/tuning/samplers/random-state.ts';
import { logGaussMass, logPdf, ppf } from '../../src/tuning/samplers/truncated-normal.ts';
import type { SearchSpace } from '../../src/tuning/space.ts';
import { categories, difference, fixture, float, int, logInt, stepped, trialOf } from './support.ts';

interface NumpyFixture {
  readonly random_state: readonly {
    readonly seed: number;
    readonly uniform: readonly number[];
    readonly choice: readonly number[];
    readonly shuffled: readonly number[];
    readonly after: number;
  }[];
  readonly argsort: readonly { readonly keys: readonly number[]; readonly order: readonly number[] }[];
}

const numpy = fixture<NumpyFixture>('numpy.json');

describe('RandomState', () => {
  it.each(numpy.random_state)('draws the stream of NumPy for seed $seed', (expected) => {
    const random = new RandomState(expected.seed);
    const draws = random.randomSample(700);
    expect([0, 1, 311, 312, 699].map((i) => draws[i])).toEqual(expected.uniform);
    expect([...random.choice([0.1, 0.4, 0.2, 0.05, 0.25], 12)]).toEqual(expected.choice);
    const items = Array.from({ length: 20 }, (_, i) => i);
    random.shuffle(items);
    expect(items).toEqual(expected.shuffled);
    expect(random.random()).toBe(expected.after);
  });

  it('goes on from any position, forwards and backwards', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.nat(5000), (from, to) => {
        const reference = new RandomState(9);
        for (let i = 0; i < to; i++) reference.nextWord();
        const random = new RandomState(9);
        random.seek(from);
        random.nextWord();
        random.seek(to);
        expect(random.position).toBe(to);
        expect(reference.position).toBe(to);
        expect(random.nextWord()).toBe(reference.nextWord());
      }),
    );
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('refuses the seed %s', (seed) => {
    expect(() => new RandomState(seed)).toThrow(/^seed must be an integer from 0 to 2\^53 − 1, not/);
  });
});

describe('argsort', () => {
  it.each(numpy.argsort)('orders equal keys as NumPy does', ({ keys, order }) => {
    const result = new Int32Array(keys.length);
    argsort(Float64Array.from(keys), keys.length, result);
    expect([...result]).toEqual(order);
  });

  it('sorts, and keeps equal keys in order beyond 256', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { minLength: 257, maxLength: 400 }), (keys) => {
        const result = new Int32Array(keys.length);
        argsort(Float64Array.from(keys), keys.length, result);
        const stable = keys.map((_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b);
        expect([...result]).toEqual(stable);
      }),
      { numRuns: 20 },
    );
  });
});

interface NormalFixture {
  readonly log_ndtr: readonly (readonly [number, number])[];
  readonly cases: readonly {
    readonly a: number;
    readonly b: number;
    readonly mass: number;
    readonly q: readonly number[];
    readonly x: readonly number[];
    readonly logpdf: readonly number[];
  }[];
}

describe('the truncated normal distribution', () => {
  const { log_ndtr, cases } = fixture<NormalFixture>('truncated-normal.json');

  it.each(log_ndtr)('has the log-probability of Optuna below %s', (x, expected) => {
    expect(difference([logNdtr(x)], [expected])).toBeLessThan(1e-12);
  });

  it.each(cases)('has the mass, quantiles and densities of Optuna between $a and $b', (expected) => {
    const { a, b, mass, q } = expected;
    expect(difference([logGaussMass(a, b)], [mass])).toBeLessThan(1e-12);
    expect(
      difference(
        q.map((p) => ppf(p, a, b)),
        expected.x,
      ),
    ).toBeLessThan(1e-12);
    expect(
      difference(
        q.map((p) => logPdf(a + (b - a) * p, a, b)),
        expected.logpdf,
      ),
    ).toBeLessThan(1e-12);
  });

  it('ends at its bounds', () => {
    expect([ppf(0, -1, 2), ppf(1, -1, 2), ppf(0.5, 1, 1)]).toEqual([-1, 2, Number.NaN]);
    expect([logPdf(-1.1, -1, 2), logPdf(2.1, -1, 2)]).toEqual([-Infinity, -Infinity]);
  });
});

interface ParzenFixture {
  readonly space: SearchSpace;
  readonly cases: readonly {
    readonly observations: readonly (readonly number[])[];
    readonly samples: readonly (readonly number[])[];
    readonly logpdf: readonly number[];
  }[];
  readonly vectors: readonly {
    readonly name: string;
    readonly observed: readonly number[];
    readonly weights: readonly number[];
    /** Means and deviations, or the weights of categories. */
    readonly kernels: readonly (readonly number[])[];
  }[];
}

describe('ParzenEstimator', () => {
  const { space, cases } = fixture<ParzenFixture>('parzen.json');

  it.each(cases)('draws and weighs products of kernels as Optuna does, case %#', (expected) => {
    const estimator = new ParzenEstimator(
      space.map(({ distribution }) => distribution),
      expected.observations.map((values) => Float64Array.from(values)),
    );
    const samples = estimator.sample(new RandomState(5), 6);
    for (const [d, values] of samples.entries())
      expect(difference([...values], expected.samples[d]!), space[d]!.name).toBeLessThan(1e-9);
    expect(difference([...estimator.logPdf(samples)], expected.logpdf)).toBeLessThan(1e-9);
  });
});

describe('ParzenEstimator of one dimension', () => {
  const { space, vectors } = fixture<ParzenFixture>('parzen.json');

  it.each(vectors)('has the kernels of Optuna for $name, case %#', ({ name, observed, weights, kernels }) => {
    const { distribution } = space.find((dimension) => dimension.name === name)!;
    const estimator = new ParzenEstimator([distribution], [Float64Array.from(observed)]);
    expect(difference([...estimator.weights], weights)).toBeLessThan(1e-9);
    const [actual] = estimator.kernels as [Kernels];
    const parts = 'mu' in actual ? [actual.mu, actual.sigma] : [actual.weights];
    for (const [i, part] of parts.entries()) expect(difference([...part], kernels[i]!)).toBeLessThan(1e-9);
  });
});

describe('KernelTable', () => {
  const dimensions: SearchSpace = [
    { name: 'x', distribution: float(-2, 5) },
    { name: 'rate', distribution: float(1e-6, 10, true) },
    { name: 'depth', distribution: int(2, 12) },
    { name: 'drop', distribution: stepped(0, 1, 0.125) },
    // Of a wider range the plain estimator itself loses digits: cells are differences of probabilities.
    { name: 'units', distribution: logInt(1, 1e4) },
    { name: 'kind', distribution: categories('a', 'b', 'c') },
  ];

  function drawn(random: RandomState): Map<string, number> {
    return new Map([
      ['x', 0.3 + random.random() * (random.random() < 0.5 ? 0.1 : 4)],
      ['rate', 10 ** (random.random() * 6 - 6)],
      ['depth', 2 + Math.floor(random.random() ** 2 * 11)],
      ['drop', Math.floor(random.random() * 9) / 8],
      ['units', Math.round(1 + random.random() ** 3 * 9999)],
      ['kind', Math.floor(random.random() * 3)],
    ]);
  }

  /**
   * Changes a table at random, then compares it with the plain estimator of the same trials. The values of trials with a number that is
   * divisible by 11 are not complete.
   */
  function compare(seed: number, steps: number, space: SearchSpace): void {
    const random = new RandomState(seed);
    const table = new KernelTable(space);
    const rows: { number: number; values: Map<string, number> }[] = [];
    for (let step = 0; step < steps; step++) {
      if (rows.length > 3 && random.random() < 0.1) {
        const row = Math.floor(random.random() * rows.length);
        rows.splice(row, 1);
        table.remove(row);
      } else {
        const row = random.random() < 0.8 ? rows.length : Math.floor(random.random() * rows.length);
        const values = drawn(random);
        if (step % 11 === 0) values.delete(space[0]!.name);
        rows.splice(row, 0, { number: step, values });
        table.insert(row, trialOf(step, space, values));
      }
      if (step % 23 !== 0 && step < steps - 3) continue;
      const left = Uint8Array.from(rows, () => (random.random() < 0.05 ? 1 : 0));
      table.setMixture(left);
      const kept = rows.filter(({ values }, row) => left[row] === 0 && values.has(space[0]!.name));
      const plain = new ParzenEstimator(
        space.map(({ distribution }) => distribution),
        space.map(({ name }) => Float64Array.from(kept, ({ values }) => values.get(name)!)),
      );
      const candidates = Array.from({ length: 5 }, () => drawn(random));
      const samples = space.map(({ name }) => Float64Array.from(candidates, (values) => values.get(name)!));
      const expected = [...plain.logPdf(samples)];
      // Both are logarithms, so that their difference is relative to the density.
      for (const [s, value] of table.logPdf(samples).entries())
        expect(Math.abs(value - expected[s]!), `step ${step}, ${kept.length} kernels`).toBeLessThan(1e-9);
    }
  }

  it.each([
    [60, 1],
    [250, 2],
    [330, 3],
  ])('has the density of ParzenEstimator whatever happened in %s steps before', (steps, seed) => {
    compare(seed, steps, dimensions);
  });

  it.each(dimensions)('has the density of ParzenEstimator for $name alone', (dimension) => {
    compare(4, 330, [dimension]);
  });
});
