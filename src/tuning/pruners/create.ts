import { InputError } from '../../errors.ts';
import type { Pruner } from '../pruner.ts';
import type { Direction } from '../trial.ts';
import { HyperbandPruner } from './hyperband.ts';
import { PatiencePruner } from './patience.ts';
import { PercentilePruner } from './percentile.ts';
import { SuccessiveHalvingPruner } from './successive-halving.ts';

/** A pruner by name with its options, those of Optuna's pruners; each has the defaults of Optuna 5.0.0. */
export interface PrunerConfig {
  readonly name: 'median' | 'percentile' | 'successive_halving' | 'hyperband' | 'patience' | 'none';
  readonly percentile?: number | undefined;
  readonly n_startup_trials?: number | undefined;
  readonly n_warmup_steps?: number | undefined;
  readonly interval_steps?: number | undefined;
  readonly n_min_trials?: number | undefined;
  readonly min_resource?: number | 'auto' | undefined;
  readonly max_resource?: number | 'auto' | undefined;
  readonly reduction_factor?: number | undefined;
  readonly min_early_stopping_rate?: number | undefined;
  readonly bootstrap_count?: number | undefined;
  readonly patience?: number | undefined;
  readonly min_delta?: number | undefined;
  /** Decides where patience has run out; by default the trial ends then. */
  readonly wrapped_pruner?: PrunerConfig | undefined;
}

/**
 * A pruner for a new study, or one whose finished trials it is going to be told.
 * @returns undefined for `none`
 * @throws InputError for options that do not go together.
 */
export function createPruner(
  config: PrunerConfig,
  direction: Direction,
  studyName: string,
): Pruner | undefined {
  const { name, bootstrap_count = 0, min_resource } = config;
  const first = { hyperband: 'max_resource', successive_halving: 'min_resource' } as const;
  const key = name === 'hyperband' || name === 'successive_halving' ? first[name] : undefined;
  if (key !== undefined && bootstrap_count > 0 && (config[key] ?? 'auto') === 'auto') {
    throw new InputError(
      `optimization.pruner.bootstrap_count needs a number for ${key}, not auto; set ${key}.`,
    );
  }
  switch (name) {
    case 'median':
      return new PercentilePruner({ ...config, percentile: 50 }, direction);
    case 'percentile':
      return new PercentilePruner({ ...config, percentile: config.percentile ?? 25 }, direction);
    case 'successive_halving':
      return new SuccessiveHalvingPruner(config, direction);
    case 'hyperband': {
      if (min_resource === 'auto') {
        throw new InputError(
          'optimization.pruner.min_resource of hyperband is a number, not auto; leave it out for 1.',
        );
      }
      return new HyperbandPruner({ ...config, min_resource }, direction, studyName);
    }
    case 'patience': {
      if (config.patience === undefined) {
        throw new InputError('optimization.pruner.patience is missing; give the number of steps.');
      }
      const wrapped = config.wrapped_pruner && createPruner(config.wrapped_pruner, direction, studyName);
      return new PatiencePruner({ ...config, patience: config.patience }, direction, wrapped);
    }
    case 'none':
      return undefined;
  }
}
