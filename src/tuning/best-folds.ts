import type { Direction } from './trial.ts';

interface Kept {
  readonly value: number;
  readonly outputs: readonly Float64Array[];
}

/** What the fold models of the best trials predict, so that an ensemble need not train them again. */
export class BestFolds {
  readonly #capacity: number;
  readonly #sign: number;
  readonly #kept = new Map<number, Kept>();

  /** @param capacity how many trials are kept */
  constructor(capacity: number, direction: Direction) {
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
   * @param outputs for each fold those of its validation rows, ascending; see outputsOfMargins
   */
  put(number: number, value: number, outputs: readonly Float64Array[]): void {
    this.#kept.set(number, { value, outputs });
    if (this.#kept.size > this.#capacity) this.#kept.delete(this.#worst()[0]);
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
