import { InputError } from '../../errors.ts';
import { partitionPoint } from '../partition-point.ts';

const N = 624;
const M = 397;
const TWO_32 = 2 ** 32;

/**
 * NumPy's legacy `RandomState`: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), with the draws that samplers use, bit for
 * bit. It knows how many 32-bit words were drawn and can go to any such position.
 */
export class RandomState {
  readonly #seed: number;
  readonly #state = new Uint32Array(N);
  /** Blocks of N words made so far, and the next word in the last one. */
  #blocks = 0;
  #next = N;

  /**
   * @param seed an integer from 0 to 2^53 − 1. Up to 2^32 − 1 the stream is that of `numpy.random.RandomState(seed)`, above that the
   * one of `RandomState([low, high])` with the seed's lower and upper words, since NumPy takes no greater integers.
   * @throws InputError where the seed is none of these.
   */
  constructor(seed: number) {
    if (!(Number.isSafeInteger(seed) && seed >= 0))
      throw new InputError(`seed must be an integer from 0 to 2^53 − 1, not ${seed}; choose another.`);
    this.#seed = seed;
    this.#start();
  }

  /** Words drawn so far. */
  get position(): number {
    return Math.max(0, this.#blocks - 1) * N + (this.#blocks === 0 ? 0 : this.#next);
  }

  /**
   * Goes to where `position` words were drawn. Takes about 2 ms a million words.
   * @throws InputError where the position is not a whole number of at least 0.
   */
  seek(position: number): void {
    if (!(Number.isSafeInteger(position) && position >= 0))
      throw new InputError(
        `A position in a random stream is a whole number, not ${position}; pass one of a sampler.`,
      );
    if (position < this.position) this.#start();
    if (position === 0) return;
    const blocks = Math.floor((position - 1) / N) + 1;
    while (this.#blocks < blocks) this.#twist();
    this.#next = position - (blocks - 1) * N;
  }

  /** The next 32 bits. */
  nextWord(): number {
    if (this.#next === N) this.#twist();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** Uniform in [0, 1) with 53 bits; two words. */
  random(): number {
    const high = this.nextWord() >>> 5;
    const low = this.nextWord() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** `random_sample(size)`. */
  randomSample(size: number): Float64Array {
    return Float64Array.from({ length: size }, () => this.random());
  }

  /** Uniform from low (included) to high; like NumPy's, rounding may reach high. */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  /**
   * Indices with replacement, index i with probability p[i], as `choice(len(p), size, p=p)`.
   * @param p at least one number of at least 0; sums to about 1.
   */
  choice(p: ArrayLike<number>, size: number): Int32Array {
    const cumulated = new Float64Array(p.length);
    let sum = 0;
    for (let i = 0; i < p.length; i++) cumulated[i] = sum += p[i]!;
    for (let i = 0; i < p.length; i++) cumulated[i] = cumulated[i]! / sum;
    return Int32Array.from({ length: size }, () => firstGreater(cumulated, this.random()));
  }

  /** Shuffles in place as `shuffle` does with a list. */
  shuffle(items: { length: number; [index: number]: number }): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.#below(i);
      const item = items[i]!;
      items[i] = items[j]!;
      items[j] = item;
    }
  }

  /** An integer from 0 to max: masked words until one is not above it. */
  #below(max: number): number {
    const mask = 2 ** (32 - Math.clz32(max)) - 1;
    for (;;) {
      const value = (this.nextWord() & mask) >>> 0;
      if (value <= max) return value;
    }
  }

  #start(): void {
    this.#blocks = 0;
    this.#next = N;
    if (this.#seed < TWO_32) this.#seedWithWord(this.#seed);
    else this.#seedWithWords([this.#seed % TWO_32, Math.floor(this.#seed / TWO_32)]);
  }

  #seedWithWord(seed: number): void {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  /** `init_by_array` of the reference implementation. */
  #seedWithWords(key: readonly number[]): void {
    const state = this.#state;
    this.#seedWithWord(19650218);
    let i = 1;
    const carry = () => {
      if (++i >= N) {
        state[0] = state[N - 1]!;
        i = 1;
      }
    };
    for (let k = 0; k < Math.max(N, key.length); k++) {
      const j = k % key.length;
      state[i] = (state[i]! ^ Math.imul(state[i - 1]! ^ (state[i - 1]! >>> 30), 1664525)) + key[j]! + j;
      carry();
    }
    for (let k = 0; k < N - 1; k++) {
      state[i] = (state[i]! ^ Math.imul(state[i - 1]! ^ (state[i - 1]! >>> 30), 1566083941)) - i;
      carry();
    }
    state[0] = 0x80000000;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const y = (state[i]! & 0x80000000) | (state[i + 1 < N ? i + 1 : 0]! & 0x7fffffff);
      state[i] = state[i + M < N ? i + M : i + M - N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#blocks++;
    this.#next = 0;
  }
}

/** Index of the first item above a value in ascending ones; their number where there is none. */
function firstGreater(sorted: Float64Array, value: number): number {
  return partitionPoint(sorted.length, (i) => !(sorted[i]! > value));
}
