import { type Choice, type Distribution, externalValue } from './space.ts';

/** Optuna's states. */
export type TrialState = 'running' | 'complete' | 'pruned' | 'fail' | 'waiting';

/** One suggested value with what it was drawn from. */
export interface TrialParam {
  /** In internal form (space.ts). */
  readonly value: number;
  readonly distribution: Distribution;
}

/** One evaluation of the objective. */
export interface Trial {
  /** Counts from 0 within the study. */
  readonly number: number;
  readonly state: TrialState;
  /** In the order in which they were suggested. */
  readonly params: ReadonlyMap<string, TrialParam>;
  /** Of a complete trial, or the last reported one of a pruned trial. May be infinite. */
  readonly value?: number | undefined;
  /** What was reported, by step; ascending. */
  readonly intermediate: ReadonlyMap<number, number>;
  readonly userAttrs: Readonly<Record<string, unknown>>;
  readonly systemAttrs: Readonly<Record<string, unknown>>;
  readonly started?: Date | undefined;
  readonly ended?: Date | undefined;
}

/** A trial's values by name, as a person sees them. */
export function trialValues({ params }: Pick<Trial, 'params'>): Record<string, Choice> {
  return Object.fromEntries(
    [...params].map(([name, { value, distribution }]) => [name, externalValue(distribution, value)]),
  );
}

export type { Direction } from '../config/metric-names.ts';

/** Whether a trial will not change any more. */
export function isFinished({ state }: Pick<Trial, 'state'>): boolean {
  return state === 'complete' || state === 'pruned' || state === 'fail';
}
