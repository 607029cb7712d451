import { crc32 } from 'node:zlib';
import { InputError } from '../../errors.ts';
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
  #maxResource: number | undefined;
  readonly #brackets: { readonly budget: number; readonly pruner: SuccessiveHalvingPruner }[] = [];
  /** Told before the brackets were known. */
  readonly #early: Trial[] = [];

  /** @throws InputError where max_resource is below min_resource. */
  constructor(options: HyperbandOptions, direction: Direction, studyName: string) {
    this.#min = options.min_resource ?? 1;
    this.#factor = options.reduction_factor ?? 3;
    this.#bootstrap = options.bootstrap_count ?? 0;
    this.#direction = direction;
    this.#studyName = studyName;
    const { max_resource = 'auto' } = options;
    if (max_resource === 'auto') return;
    if (max_resource < this.#min) {
      throw new InputError(
        `optimization.pruner.max_resource is ${max_resource}, below min_resource, which is ${this.#min}; set max_resource to ${this.#min} or more.`,
      );
    }
    this.#makeBrackets(max_resource);
  }

  tell(trial: Trial): void {
    const last = lastReport(trial);
    if (this.#maxResource === undefined && trial.state === 'complete' && last !== undefined) {
      this.#makeBrackets(last.step + 1);
      if (this.#brackets.length > 0) {
        for (const earlier of this.#early.splice(0)) this.#prunerOf(earlier).tell(earlier);
      }
    }
    if (this.#brackets.length === 0) this.#early.push(trial);
    else this.#prunerOf(trial).tell(trial);
  }

  /** How many of all trials each bracket gets; empty as long as that is not known, or where the trials are too short for one. */
  get budgets(): readonly number[] {
    return this.#brackets.map(({ budget }) => budget);
  }

  shouldPrune(trial: Trial): boolean {
    return this.#brackets.length > 0 && this.#prunerOf(trial).shouldPrune(trial);
  }

  notes(number: number): Record<string, number> {
    return this.#brackets.length > 0 ? this.#prunerOf({ number }).notes(number) : {};
  }

  #makeBrackets(maxResource: number): void {
    this.#maxResource = maxResource;
    const count = Math.floor(ln(maxResource / this.#min) / ln(this.#factor)) + 1;
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

const BITS = 120n;

/** 2 atanh(numerator / denominator) in units of 2^−120. */
function twiceArtanh(numerator: bigint, denominator: bigint): bigint {
  let power = (numerator << BITS) / denominator;
  let sum = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power = (power * numerator * numerator) / (denominator * denominator);
  }
  return 2n * sum;
}

/**
 * The natural logarithm, correctly rounded, for 2^−40 < x < 2^53. The number of brackets hangs on its last bit where
 * max_resource is a power of reduction_factor, and Math.log differs from the C library of Python there: of 3, for one.
 */
function ln(x: number): number {
  if (!(x > 0 && x < Number.POSITIVE_INFINITY)) return Math.log(x);
  let exponent = 0;
  let mantissa = x;
  for (; mantissa >= 1.5; exponent++) mantissa /= 2;
  for (; mantissa < 0.75; exponent--) mantissa *= 2;
  const scaled = BigInt(mantissa * 2 ** 60);
  const one = 1n << 60n;
  const sum = twiceArtanh(scaled - one, scaled + one) + BigInt(exponent) * twiceArtanh(1n, 3n);
  return Number(sum) / 2 ** 120;
}
