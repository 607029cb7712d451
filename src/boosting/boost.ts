import type { MetricName, ResidentDataset, RowSet, TreeEnsemble } from '../engine/engine.ts';
import { BudgetError, InterruptedError } from '../errors.ts';
import { type BoosterParams, treeParams } from './params.ts';

/** Rows that are scored after every round, by name. */
export interface NamedRows {
  readonly name: string;
  readonly rows: RowSet;
}

/** Stop when a metric has not improved on a row set for so many rounds. */
export interface EarlyStopping {
  /** 0 is off. */
  readonly rounds: number;
  readonly metric: MetricName;
  readonly direction: 'maximize' | 'minimize';
  /** Name of the row set in `evals`. */
  readonly on: string;
}

/**
 * The best round so far, and when to stop looking for a better one. Each round is looked at on its own: it is the best if its
 * value is strictly better. As long as the value is undefined (NaN) nothing is better than anything, and the latest round counts as
 * the best; so it does without patience.
 */
export class BestRound {
  /** Rounds seen. */
  rounds = 0;
  /** The best of them, from 1, and its value. */
  round = 0;
  value = Number.NaN;
  readonly #direction: EarlyStopping['direction'];
  readonly #patience: number;

  /** @param patience Rounds without improvement that end the training; 0 is off. */
  constructor(direction: EarlyStopping['direction'], patience: number) {
    this.#direction = direction;
    this.#patience = patience;
  }

  /** Takes in the value of the next round; returns whether patience has run out. */
  take(value: number): boolean {
    this.rounds++;
    const better = this.#direction === 'maximize' ? value > this.value : value < this.value;
    if (better || Number.isNaN(this.value) || this.#patience === 0) {
      this.round = this.rounds;
      this.value = value;
    }
    return this.#patience > 0 && this.rounds - this.round >= this.#patience;
  }
}

/** What `onRound` is told, once a round, in order. */
export interface RoundEvent {
  /** Rounds finished, from 1. */
  readonly round: number;
  /** The most rounds there will be. */
  readonly rounds: number;
  /** metrics[set][metric]. */
  readonly metrics: Readonly<Record<string, Readonly<Partial<Record<MetricName, number>>>>>;
  /** Seconds since boosting began. */
  readonly elapsed: number;
}

/** What one boosting run did. */
export interface BoostResult {
  /** The trees up to the best round. */
  readonly trees: TreeEnsemble;
  /** Rounds trained, of which the first bestRound were kept. */
  readonly rounds: number;
  readonly bestRound: number;
  readonly stoppedEarly: boolean;
  /** history[set][metric]: one value a round, over all rounds trained. */
  readonly history: Readonly<Record<string, Readonly<Partial<Record<MetricName, readonly number[]>>>>>;
}

export interface BoostOptions {
  readonly params: BoosterParams;
  readonly seed: number;
  readonly rows: RowSet;
  readonly evals?: readonly NamedRows[];
  readonly metrics?: readonly MetricName[];
  readonly earlyStopping?: EarlyStopping;
  readonly onRound?: (event: RoundEvent) => void;
  readonly signal?: AbortSignal;
  /** `performance.now()` time at which boosting must end. */
  readonly deadline?: number;
}

/** Boosting ended before its last round; what was trained is here. */
export interface PartialBoost {
  readonly partial: BoostResult;
}

/** Wall time that one call of the engine should take: long enough to hide its cost, short enough for live progress. */
const CALL_MS = 100;

/**
 * Trains one model on a resident data set.
 *
 * Early stopping is by `BestRound`. Rounds the engine ran beyond the end are dropped, so the result does not depend on how
 * rounds are grouped into calls.
 *
 * @throws InterruptedError on abort, BudgetError past the deadline; both carry a `partial` BoostResult.
 */
export async function boost(resident: ResidentDataset, options: BoostOptions): Promise<BoostResult> {
  const { params, evals = [], metrics = [], earlyStopping } = options;
  const started = performance.now();
  const history: Record<string, Partial<Record<MetricName, number[]>>> = {};
  for (const { name } of evals) history[name] = Object.fromEntries(metrics.map((metric) => [metric, []]));
  const watched = earlyStopping && earlyStopping.rounds > 0 ? earlyStopping : undefined;
  const watchedSet = evals.findIndex(({ name }) => name === watched?.on);
  const batch = await resident.start([
    {
      params: treeParams(params),
      seed: options.seed,
      rows: options.rows,
      evals: evals.map((set) => set.rows),
      metrics,
      ...(watched && {
        patience: {
          rounds: watched.rounds,
          direction: watched.direction,
          value: watchedSet * metrics.length + metrics.indexOf(watched.metric),
        },
      }),
    },
  ]);
  try {
    const best = new BestRound(watched?.direction ?? 'minimize', watched?.rounds ?? 0);
    let stoppedEarly = false;
    let perCall = 1;

    /** Takes one round's scores; returns whether training should end. */
    const record = (values: Float64Array): boolean => {
      const scores: Record<string, Partial<Record<MetricName, number>>> = {};
      evals.forEach(({ name }, e) => {
        const ofSet: Partial<Record<MetricName, number>> = {};
        metrics.forEach((metric, m) => {
          const value = values[e * metrics.length + m]!;
          history[name]![metric]!.push(value);
          ofSet[metric] = value;
        });
        scores[name] = ofSet;
      });
      stoppedEarly = best.take(watched ? scores[watched.on]![watched.metric]! : Number.NaN);
      options.onRound?.({
        round: best.rounds,
        rounds: params.n_estimators,
        metrics: scores,
        elapsed: (performance.now() - started) / 1000,
      });
      return stoppedEarly;
    };
    const result = async (): Promise<BoostResult> => ({
      trees: await batch.finish(0, best.round),
      rounds: best.rounds,
      bestRound: best.round,
      stoppedEarly,
      history,
    });

    let ended = false;
    while (!ended && best.rounds < params.n_estimators) {
      const wanted = Math.min(perCall, params.n_estimators - best.rounds);
      const before = performance.now();
      const results = await batch.advance(wanted, options.signal && { signal: options.signal });
      const spent = performance.now() - before;
      for (const { values } of results) {
        ended = record(values);
        if (ended) break;
      }
      if (options.signal?.aborted && !ended && best.rounds < params.n_estimators) {
        throw Object.assign(
          new InterruptedError(
            `Interrupted after ${best.rounds} of ${params.n_estimators} rounds; those are kept.`,
          ),
          { partial: await result() },
        );
      }
      if (
        options.deadline !== undefined &&
        performance.now() > options.deadline &&
        !ended &&
        best.rounds < params.n_estimators
      ) {
        throw Object.assign(
          new BudgetError(
            `The time budget ended after ${best.rounds} of ${params.n_estimators} rounds; raise resources.max_time_hours or lower n_estimators.`,
          ),
          { partial: await result() },
        );
      }
      perCall = Math.max(1, Math.min(1000, Math.floor((CALL_MS / Math.max(spent, 0.01)) * wanted)));
    }
    return await result();
  } finally {
    batch.dispose();
  }
}
