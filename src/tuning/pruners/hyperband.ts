import { crc32 } from 'node:zlib';
import type { Pruner } from '../pruner.ts';
import type { Direction, Trial } from '../trial.ts';
import { SuccessiveHalvingPruner } from './successive-halving.ts';
import { lastReport } from './values.ts';

export interface HyperbandOptions {
  readonly min_resource?: number | undefined;
  /** `auto` is one more than the steps of the first complete trial. */
  readonly max_resource?: number | 'auto' | undefined;
  readonly reduction_factor?: number | undefined;
  readonly bootstrap_count?: number | undefined;
}

/**
 * Hyperband: trials are shared out among brackets, by their numbers, each of which halves from another step on; Optuna's
 * HyperbandPruner.
 * Source of the rules: optuna 5.0.0, pruners/_hyperband.py; Li et al., "Hyperband: a novel bandit-based approach to hyperparameter
 * optimization", JMLR 18, 2018.
 */
export class HyperbandPruner implements Pruner {
  readonly #min: number;
  readonly #factor: number;
  readonly #bootstrap: number;
  readonly #direction: Direction;
  readonly #studyName: string;
  readonly #brackets: { readonly budget: number; readonly pruner: SuccessiveHalvingPruner }[] = [];
  /** Told before the brackets were known. */
  readonly #early: Trial[] = [];

  constructor(options: HyperbandOptions, direction: Direction, studyName: string) {
    this.#min = options.min_resource ?? 1;
    this.#factor = options.reduction_factor ?? 3;
    this.#bootstrap = options.bootstrap_count ?? 0;
    this.#direction = direction;
    this.#studyName = studyName;
    const { max_resource = 'auto' } = options;
    if (max_resource !== 'auto') this.#makeBrackets(max_resource);
  }

  tell(trial: Trial): void {
    const last = lastReport(trial);
    if (this.#brackets.length === 0 && trial.state === 'complete' && last !== undefined) {
      this.#makeBrackets(last.step + 1);
      for (const earlier of this.#early.splice(0)) this.#prunerOf(earlier).tell(earlier);
    }
    if (this.#brackets.length === 0) this.#early.push(trial);
    else this.#prunerOf(trial).tell(trial);
  }

  shouldPrune(trial: Trial): boolean {
    return this.#brackets.length > 0 && this.#prunerOf(trial).shouldPrune(trial);
  }

  notes(number: number): Record<string, number> {
    return this.#brackets.length > 0 ? this.#prunerOf({ number }).notes(number) : {};
  }

  #makeBrackets(maxResource: number): void {
    const count = Math.floor(Math.log(maxResource / this.#min) / Math.log(this.#factor)) + 1;
    for (let bracket = 0; bracket < count; bracket++) {
      const s = count - 1 - bracket;
      const options = {
        min_resource: this.#min,
        reduction_factor: this.#factor,
        min_early_stopping_rate: bracket,
        bootstrap_count: this.#bootstrap,
      };
      this.#brackets.push({
        budget: Math.ceil((count * this.#factor ** s) / (s + 1)),
        pruner: new SuccessiveHalvingPruner(options, this.#direction),
      });
    }
  }

  #prunerOf({ number }: Pick<Trial, 'number'>): SuccessiveHalvingPruner {
    const total = this.#brackets.reduce((sum, { budget }) => sum + budget, 0);
    let left = crc32(`${this.#studyName}_${number}`) % total;
    for (const { budget, pruner } of this.#brackets) {
      left -= budget;
      if (left < 0) return pruner;
    }
    return this.#brackets.at(-1)!.pruner;
  }
}
