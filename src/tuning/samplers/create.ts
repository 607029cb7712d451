import type { SearchSpace } from '../space.ts';
import type { Direction } from '../trial.ts';
import { GridSampler } from './grid.ts';
import { RandomSampler } from './random.ts';
import type { Sampler } from './sampler.ts';
import { SobolSampler } from './sobol.ts';
import { TpeSampler } from './tpe.ts';

/** A sampler by name, as experiments configure it. */
export interface SamplerConfig {
  readonly name: 'tpe' | 'random' | 'grid' | 'sobol';
  /** From 0 to 2^53 − 1. */
  readonly seed: number;
  /** The rest is for tpe; see `TpeOptions`. */
  readonly multivariate?: boolean | undefined;
  readonly constant_liar?: boolean | undefined;
  readonly n_startup_trials?: number | undefined;
  readonly n_ei_candidates?: number | undefined;
}

/** @throws InputError where the sampler cannot have such options or such a space. */
export function createSampler(config: SamplerConfig, space: SearchSpace, direction: Direction): Sampler {
  const { name, seed } = config;
  switch (name) {
    case 'tpe': {
      const { multivariate, constant_liar, n_startup_trials, n_ei_candidates } = config;
      const options = {
        seed,
        multivariate,
        constantLiar: constant_liar,
        nStartupTrials: n_startup_trials,
        nEiCandidates: n_ei_candidates,
      };
      return new TpeSampler(options, space, direction);
    }
    case 'random':
      return new RandomSampler(seed, space);
    case 'grid':
      return new GridSampler(seed, space);
    case 'sobol':
      return new SobolSampler(seed, space);
    default:
      name satisfies never;
      throw new Error(`No sampler is called ${name}.`);
  }
}
