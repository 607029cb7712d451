import type { BoosterParams } from '../boosting/params.ts';
import type { Direction } from './trial.ts';

/** Where what is kept lies as well, so that it outlives the process. */
export interface FoldStore {
  put(number: number, params: BoosterParams, outputs: readonly Float64Array[]): Promise<void>;
  drop(number: number, params: BoosterParams): Promise<void>;
}

interface Kept {
  readonly value: number;
  readonly params: BoosterParams;
  readonly outputs: readonly Float64Array[];
}

/** What the fold models of the best trials predict, so that an ensemble need not train them again. */
export class BestFolds {
  readonly #capacity: number;
  readonly #sign: number;
  readonly #store: FoldStore | undefined;
  readonly #kept = new Map<number, Kept>();

  /**
   * @param capacity how many trials are kept
   * @param store has them too, but for those that were let go
   */
  constructor(capacity: number, direction: Direction, store?: FoldStore) {
    this.#store = store;
    this.#capacity = capacity;
    this.#sign = direction === 'maximize' ? 1 : -1;
  }

  /** Whether a trial with this value would be among the best so far. */
  wants(value: number): boolean {
    if (this.#kept.size < this.#capacity) return true;
    return this.#capacity > 0 && this.#sign * value > this.#sign * this.#worst()[1].value;
  }

  /**
   * Keeps a trial, and lets go of the worst where there is no room for both.
   * @param params those of the trial's models
   * @param outputs for each fold those of its validation rows, ascending; see outputsOfMargins
   */
  async put(
    number: number,
    value: number,
    params: BoosterParams,
    outputs: readonly Float64Array[],
  ): Promise<void> {
    this.#kept.set(number, { value, params, outputs });
    await this.#store?.put(number, params, outputs);
    if (this.#kept.size <= this.#capacity) return;
    const [last, worst] = this.#worst();
    this.#kept.delete(last);
    await this.#store?.drop(last, worst.params);
  }

  /** The outputs of a trial's folds; undefined where they were not kept. */
  get(number: number): readonly Float64Array[] | undefined {
    return this.#kept.get(number)?.outputs;
  }

  /** Of equals the one that came last. */
  #worst(): [number, Kept] {
    return [...this.#kept].reduce((worst, other) =>
      this.#sign * other[1].value <= this.#sign * worst[1].value ? other : worst,
    );
  }
}
