import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { createSampler, type SamplerConfig } from '../../src/tuning/samplers/create.ts';
import { contains } from '../../src/tuning/samplers/distributions.ts';
import { GridSampler } from '../../src/tuning/samplers/grid.ts';
import { RandomSampler } from '../../src/tuning/samplers/random.ts';
import type { Sampler } from '../../src/tuning/samplers/sampler.ts';
import { SobolSampler } from '../../src/tuning/samplers/sobol.ts';
import { TpeSampler } from '../../src/tuning/samplers/tpe.ts';
import { type Distribution, isActive, type SearchSpace } from '../../src/tuning/space.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import {
  categories,
  difference,
  fixture,
  float,
  int,
  logInt,
  objective,
  type Row,
  rowOf,
  stepped,
  trialOf,
  valuesOf,
} from './support.ts';

interface Trials {
  readonly seed: number;
  readonly space: SearchSpace;
  readonly trials: readonly Row[];
}

const spaceOf = (distributions: readonly Distribution[]): SearchSpace =>
  distributions.map((distribution, d) => ({ name: `p${d}`, distribution }));

/** Suggestions of a sampler that is told each of them. */
function suggestions(sampler: Sampler, space: SearchSpace, from: number, to: number): Row[] {
  const rows: Row[] = [];
  for (let number = from; number < to; number++) {
    const values = sampler.suggest({ number, running: [] });
    sampler.tell(trialOf(number, space, values, { value: objective(space, values) }));
    rows.push(rowOf(space, values));
  }
  return rows;
}

const CONDITIONAL: SearchSpace = [
  { name: 'booster', distribution: categories('tree', 'linear', 'dart') },
  { name: 'depth', distribution: int(2, 4), when: { booster: ['tree', 'dart'] } },
  { name: 'drop', distribution: stepped(0, 0.5, 0.25), when: { booster: ['dart'], depth: [2, 3] } },
  { name: 'level', distribution: int(1, 2) },
];

const CONFIGS: readonly SamplerConfig[] = [
  { name: 'tpe', seed: 42 },
  { name: 'tpe', seed: 42, multivariate: false },
  { name: 'random', seed: 42 },
  { name: 'grid', seed: 42 },
  { name: 'sobol', seed: 42 },
];

describe('the random sampler', () => {
  it.each(fixture<{ random: Trials[] }>('random-grid.json').random)(
    'suggests what Optuna suggests for seed $seed',
    ({ seed, space, trials }) => {
      const actual = suggestions(new RandomSampler(seed, space), space, 0, trials.length);
      for (const [i, row] of actual.entries()) expect(difference(row, trials[i]!)).toBeLessThan(1e-12);
    },
  );
});

describe('the grid sampler', () => {
  const { grid } = fixture<{ grid: Trials }>('random-grid.json');

  it('suggests what Optuna suggests, and is then exhausted', () => {
    const sampler = new GridSampler(grid.seed, grid.space);
    for (const [number, row] of grid.trials.entries()) {
      expect(sampler.isExhausted).toBe(false);
      expect(difference(rowOf(grid.space, sampler.suggest({ number, running: [] })), row)).toBeLessThan(
        1e-12,
      );
    }
    expect(sampler.isExhausted).toBe(true);
  });

  it('suggests each combination of a conditional space once', () => {
    const sampler = new GridSampler(1, CONDITIONAL);
    // linear 1; tree 3; dart 2 × 3 with drop and 1 without; each at 2 levels
    expect(sampler.size).toBe((1 + 3 + 7) * 2);
    const rows = suggestions(sampler, CONDITIONAL, 0, sampler.size);
    expect(new Set(rows.map(String)).size).toBe(sampler.size);
  });

  it('leaves a point to be suggested where a trial has set values', () => {
    const sampler = new GridSampler(5, grid.space);
    const fixed = new Map([['kind', 1]]);
    expect(sampler.suggest({ number: 0, running: [], fixed }).get('kind')).toBe(1);
    expect(sampler.position).toEqual([0]);
  });

  it('names a float without a step', () => {
    const space = [{ name: 'rate', distribution: float(0, 1) }];
    expect(() => new GridSampler(0, space)).toThrow(InputError);
    expect(() => new GridSampler(0, space)).toThrow(/^rate is a float without a step.*; give it a step/);
  });

  it('refuses more points than fit in memory', () => {
    expect(() => new GridSampler(0, spaceOf([int(1, 5000), int(1, 5000)]))).toThrow(
      /25000000.*greater steps/,
    );
    expect(() => new GridSampler(0, spaceOf([int(1, 2 ** 40)]))).toThrow(/p0 alone has 1099511627776 values/);
  });
});

describe('the Sobol sampler', () => {
  const { points, far, qmc } = fixture<{
    points: Record<string, number[][]>;
    far: number[];
    qmc: Omit<Trials, 'seed'>;
  }>('sobol.json');
  const plain = (dimensions: number) =>
    new SobolSampler(0, spaceOf(Array.from({ length: dimensions }, () => float(0, 1))), { scramble: false });

  it.each(Object.keys(points).map(Number))('has the points of SciPy in %s dimensions', (dimensions) => {
    const sampler = plain(dimensions);
    for (const [i, point] of points[dimensions]!.entries()) expect(sampler.pointAt(i + 1)).toEqual(point);
  });

  it('goes to a far point at once', () => {
    expect(plain(5).pointAt(1_000_003)).toEqual(far);
  });

  it('makes values of coordinates as Optuna does', () => {
    const sampler = new SobolSampler(0, qmc.space, { scramble: false });
    // Optuna leaves out dimensions with one value.
    const several = qmc.space.filter(({ name }) => name !== 'only' && name !== 'same');
    const same = new SobolSampler(0, several, { scramble: false });
    for (const [number, row] of qmc.trials.entries()) {
      const values = valuesOf(qmc.space, row);
      expect(
        difference(rowOf(several, same.suggest({ number, running: [] })), rowOf(several, values)),
        `${number}`,
      ).toBeLessThan(1e-12);
    }
    expect(sampler.suggest({ number: 0, running: [] }).size).toBe(qmc.space.length);
  });

  it('keeps one point in each of 2^k intervals when it is scrambled', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 8 }), (seed, k) => {
        const sampler = new SobolSampler(seed, spaceOf(Array.from({ length: 10 }, () => float(0, 1))));
        const count = 2 ** k;
        const all = Array.from({ length: count }, (_, i) => sampler.pointAt(i));
        for (let d = 0; d < 10; d++)
          expect(new Set(all.map((point) => Math.floor(point[d]! * count))).size).toBe(count);
      }),
      { numRuns: 30 },
    );
  });

  it('differs between seeds', () => {
    const space = spaceOf([float(0, 1), float(0, 1)]);
    expect(new SobolSampler(1, space).pointAt(5)).not.toEqual(new SobolSampler(2, space).pointAt(5));
  });

  it('refuses more than 128 dimensions', () => {
    expect(() => plain(129)).toThrow(/128 dimensions, not 129; take the random sampler/);
  });
});

const finite = { noNaN: true, noDefaultInfinity: true } as const;
const distributions: fc.Arbitrary<Distribution> = fc.oneof(
  fc
    .tuple(fc.double({ min: -1e6, max: 1e6, ...finite }), fc.double({ min: 0, max: 1e6, ...finite }))
    .map(([low, width]) => float(low, low + width)),
  fc
    .tuple(fc.integer({ min: -8, max: 3 }), fc.integer({ min: 0, max: 12 }))
    .map(([exponent, decades]) => float(10 ** exponent, 10 ** (exponent + decades), true)),
  fc
    .tuple(fc.integer({ min: -20, max: 20 }), fc.constantFrom(0.1, 0.25, 0.05, 3), fc.nat(30))
    .map(([low, step, steps]) => stepped(low, low + step * steps, step)),
  fc
    .tuple(fc.integer({ min: -100, max: 100 }), fc.integer({ min: 1, max: 9 }), fc.nat(500))
    .map(([low, step, width]) => int(low, low + width, step)),
  fc
    .tuple(fc.integer({ min: 1, max: 100 }), fc.nat(12))
    .map(([low, decades]) => logInt(low, low * 10 ** decades)),
  fc.integer({ min: 1, max: 9 }).map((n) => categories(...Array.from({ length: n }, (_, i) => `c${i}`))),
);

describe.each(CONFIGS)('every sampler: $name, multivariate $multivariate', (config) => {
  const needsSteps = config.name === 'grid';
  const create = (space: SearchSpace) => createSampler(config, space, 'minimize');

  it('suggests values within their distributions and on their grids', () => {
    const usable = distributions.filter(
      (distribution) =>
        !needsSteps ||
        distribution.type === 'categorical' ||
        (distribution.step !== undefined && distribution.high - distribution.low < 60),
    );
    fc.assert(
      fc.property(fc.array(usable, { minLength: 1, maxLength: 4 }), (drawn) => {
        const space = spaceOf(drawn);
        for (const row of suggestions(create(space), space, 0, 25))
          for (const [d, { distribution }] of space.entries())
            expect(contains(distribution, row[d]!), `${row[d]} in ${JSON.stringify(distribution)}`).toBe(
              true,
            );
      }),
      { numRuns: 60, ...(!needsSteps && { examples: [[[float(0, 5e-324)]], [[float(1, 1 + 2 ** -52)]]] }) },
    );
  });

  it('suggests the active dimensions of a conditional space, no others', () => {
    const sampler = create(CONDITIONAL);
    for (const row of suggestions(sampler, CONDITIONAL, 0, 40)) {
      const values = valuesOf(CONDITIONAL, row);
      for (const dimension of CONDITIONAL)
        expect(values.has(dimension.name)).toBe(isActive(dimension, CONDITIONAL, values));
    }
  });

  it('takes set values as they are', () => {
    const sampler = create(CONDITIONAL);
    suggestions(sampler, CONDITIONAL, 0, 15);
    const fixed = new Map([
      ['booster', 2],
      ['depth', 3],
      ['level', 2],
    ]);
    const values = sampler.suggest({ number: 15, running: [], fixed });
    for (const [name, value] of fixed) expect(values.get(name)).toBe(value);
    expect(values.has('drop')).toBe(true);
  });

  it('goes on from a position when it is told the same trials', () => {
    const first = create(CONDITIONAL);
    const told: Trial[] = [];
    const positions: (readonly number[])[] = [];
    const rows: Row[] = [];
    for (let number = 0; number < 30; number++) {
      positions.push(first.position);
      const values = first.suggest({ number, running: [] });
      rows.push(rowOf(CONDITIONAL, values));
      told.push(trialOf(number, CONDITIONAL, values, { value: objective(CONDITIONAL, values) }));
      first.tell(told.at(-1)!);
    }
    for (const stop of [0, 7, 13, 21]) {
      const second = create(CONDITIONAL);
      for (const trial of told.slice(0, stop)) second.tell(trial);
      second.seek(positions[stop]!);
      expect(suggestions(second, CONDITIONAL, stop, 30)).toEqual(rows.slice(stop));
    }
  });

  it('refuses the position of another sampler', () => {
    expect(() => create(CONDITIONAL).seek([1, 2, 3])).toThrow(InputError);
    expect(() => create(CONDITIONAL).seek([-1])).toThrow(InputError);
  });
});

describe('the TPE sampler', () => {
  const SPACE = spaceOf([float(-3, 4), int(1, 9), categories('a', 'b', 'c')]);

  it.each([true, false])(
    'has the same suggestions whatever failed or is NaN, multivariate %s',
    (multivariate) => {
      const options = { seed: 3, multivariate };
      const clean = new TpeSampler(options, SPACE, 'minimize');
      const rows = suggestions(clean, SPACE, 0, 40);
      const dirty = new TpeSampler(options, SPACE, 'minimize');
      for (const [i, row] of rows.entries()) {
        const number = 2 * i;
        const values = dirty.suggest({ number, running: [] });
        expect(rowOf(SPACE, values)).toEqual(row);
        dirty.tell(trialOf(number, SPACE, values, { value: objective(SPACE, values) }));
        const bad = i % 2 === 0 ? { value: Number.NaN } : { state: 'fail' as const };
        dirty.tell(trialOf(number + 1, SPACE, new Map([['p0', i / 20]]), bad));
      }
    },
  );

  it('suggests the same when trials are told in another order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(24).keys()], { minLength: 24 }), (order) => {
        const source = new RandomSampler(1, SPACE);
        const trials = Array.from({ length: 24 }, (_, number) => {
          const values = source.suggest({ number, running: [] });
          return trialOf(number, SPACE, values, { value: objective(SPACE, values) });
        });
        const results = [order, [...trials.keys()]].map((numbers) => {
          const sampler = new TpeSampler({ seed: 5 }, SPACE, 'minimize');
          for (const number of numbers) {
            // Tables exist from the tenth trial on, so that some of them are changed in the middle.
            if (number % 5 === 0) sampler.suggest({ number: 99, running: trials.slice(20) });
            sampler.tell(trials[number]!);
          }
          sampler.seek([0, 0]);
          return rowOf(SPACE, sampler.suggest({ number: 24, running: [] }));
        });
        expect(results[0]).toEqual(results[1]);
      }),
      { numRuns: 30 },
    );
  });

  it.each([true, false])(
    'goes on bit for bit after hundreds of trials in parallel, multivariate %s',
    (multivariate) => {
      const space = spaceOf([float(-3, 4), float(1e-5, 1, true), int(1, 9), categories('a', 'b', 'c')]);
      const create = () => new TpeSampler({ seed: 6, multivariate }, space, 'maximize');
      const first = create();
      const told: Trial[] = [];
      let running: Trial[] = [];
      const ask = (sampler: Sampler, number: number) =>
        trialOf(number, space, sampler.suggest({ number, running }), { state: 'running' });
      for (let number = 0; number < 420; number++) {
        running.push(ask(first, number));
        if (running.length < 5) continue;
        // The second oldest ends, so that trials are told out of order.
        const [ended] = running.splice(1, 1) as [Trial];
        const values = new Map([...ended.params].map(([name, { value }]) => [name, value]));
        const fields = number % 7 === 0 ? { state: 'fail' as const } : { value: objective(space, values) };
        told.push(trialOf(ended.number, space, values, fields));
        first.tell(told.at(-1)!);
      }
      const second = create();
      second.seek(first.position);
      for (const trial of told.toSorted((a, b) => a.number - b.number)) second.tell(trial);
      for (let number = 420; number < 430; number++) {
        const trial = ask(first, number);
        expect(rowOf(space, second.suggest({ number, running }))).toEqual(
          space.map(({ name }) => trial.params.get(name)!.value),
        );
        running = [...running.slice(1), trial];
      }
    },
  );

  it('avoids running trials only as a liar', () => {
    const running = Array.from({ length: 20 }, (_, i) =>
      trialOf(
        30 + i,
        SPACE,
        new Map([
          ['p0', 0.1 * i],
          ['p1', 4],
          ['p2', 0],
        ]),
        { state: 'running' },
      ),
    );
    const suggest = (constantLiar: boolean, others: readonly Trial[]) => {
      const sampler = new TpeSampler({ seed: 8, constantLiar }, SPACE, 'minimize');
      suggestions(sampler, SPACE, 0, 30);
      return rowOf(SPACE, sampler.suggest({ number: 60, running: others }));
    };
    expect(suggest(false, running)).toEqual(suggest(false, []));
    expect(suggest(true, running)).not.toEqual(suggest(true, []));
  });

  it('names an option out of its range', () => {
    expect(() => new TpeSampler({ seed: 0, nEiCandidates: 0 }, SPACE, 'minimize')).toThrow(
      /^n_ei_candidates must/,
    );
    expect(() => new TpeSampler({ seed: 0, nStartupTrials: -1 }, SPACE, 'minimize')).toThrow(
      /^n_startup_trials must/,
    );
  });
});
