import { InputError } from '../errors.ts';
import { type Distribution, type SearchSpace, sameChoices } from './space.ts';
import type { Trial } from './trial.ts';

/** Whether values of both can be in one study, by Optuna's rules: bounds may change, kind, scale and choices may not. */
export function compatible(a: Distribution, b: Distribution): boolean {
  if (a.type === 'categorical' || b.type === 'categorical') {
    return a.type === 'categorical' && b.type === 'categorical' && sameChoices(a, b);
  }
  return a.type === b.type && a.log === b.log;
}

/**
 * Checks that a study can go on with a search space.
 * @throws InputError naming the hyperparameter that was searched otherwise.
 */
export function checkSpace(trials: readonly Trial[], space: SearchSpace): void {
  const seen = new Map<string, Distribution>();
  for (const { params } of trials) {
    for (const [name, { distribution }] of params) if (!seen.has(name)) seen.set(name, distribution);
  }
  for (const { name, distribution } of space) {
    const before = seen.get(name);
    if (before === undefined || compatible(before, distribution)) continue;
    throw new InputError(
      `optimization.search_space.${name} does not go with the study's earlier trials, where it had ${describe(before)}; restore it, or begin a new study in another folder.`,
    );
  }
}

function describe(distribution: Distribution): string {
  if (distribution.type === 'categorical') {
    return `the choices ${distribution.choices.map((choice) => JSON.stringify(choice)).join(', ')}`;
  }
  return `the type ${distribution.type}${distribution.log ? ' with log' : ' without log'}`;
}
