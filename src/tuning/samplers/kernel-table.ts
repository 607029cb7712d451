import type { Dimension } from '../space.ts';
import type { Trial } from '../trial.ts';
import { argsort, NETWORK_SIZE } from './argsort.ts';
import { valueWithin } from './distributions.ts';
import { pairwiseSum } from './pairwise-sum.ts';
import {
  categoryRows,
  cellOf,
  gapAt,
  kernelBounds,
  logSumExp,
  narrowestSigma,
  ParzenEstimator,
  rampWeights,
} from './parzen.ts';
import { LOG_SQRT_2PI, logGaussMass } from './truncated-normal.ts';

/**
 * Up to so many trials, as there may be good ones, the plain estimator is asked: where good and other trials have seen the same, the
 * ratio of their densities must be exactly 1 everywhere.
 */
const FEW = 25;
/** exp(−50) of the greatest term, times as many kernels as fit in memory, is below 1e-12 of the sum. */
const NEGLIGIBLE = -50;
const EXP_STEPS = 32;
const EXP_TABLE = Float64Array.from({ length: EXP_STEPS * 73 }, (_, i) => 2 ** (-i / EXP_STEPS));
const STEPS_PER_NAT = EXP_STEPS / Math.LN2;

/** exp(x) for x from −50 to 0: a power of 2 from a table times a polynomial; relative error below 1e-14. */
function expNegative(x: number): number {
  const steps = x * STEPS_PER_NAT;
  const i = (steps - 0.5) | 0;
  const r = (steps - i) / STEPS_PER_NAT;
  return EXP_TABLE[-i]! * (1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120))))));
}

/** logGaussMass of a cell on a grid; of a narrow one by the series around its middle, which needs no error function. */
function logCellMass(a: number, b: number): number {
  const width = b - a;
  const middle = 0.5 * (a + b);
  if (width < 0.25 && Math.abs(middle) * width < 0.4) {
    const m = middle * middle;
    const w = width * width;
    const series =
      1 +
      (w / 24) * (m - 1) +
      ((w * w) / 1920) * (m * (m - 6) + 3) +
      ((w * w * w) / 322560) * (m * (m * (m - 15) + 45) - 15);
    return Math.log(width * series) - 0.5 * m - LOG_SQRT_2PI;
  }
  return logGaussMass(a, b);
}

function grown<A extends Float64Array | Int32Array | Uint8Array>(array: A, capacity: number): A {
  const larger = new (array.constructor as new (length: number) => A)(capacity);
  larger.set(array as never);
  return larger;
}

/** Makes place at a row of a column of rows, or takes it away. */
function shift(array: Float64Array | Int32Array | Uint8Array, rows: number, row: number, by: 1 | -1): void {
  if (by === 1) array.copyWithin(row + 1, row, rows);
  else array.copyWithin(row, row + 1, rows);
}

/** What each trial observed in one dimension, by row, and the kernels of those in the mixture. */
class Column {
  readonly dimension: Dimension;
  readonly low: number;
  readonly high: number;
  /** Internal values; NaN where a trial has none. */
  values: Float64Array;
  /** Means; the values where they are not logarithms. */
  mu: Float64Array;
  sigma: Float64Array;
  inverse: Float64Array;
  /** What is added to −z²/2, or to the logarithm of a cell's mass. */
  norm: Float64Array;
  /** On a grid: which of the pairs below. */
  pair: Int32Array;
  /** Rows in the mixture by ascending mean. */
  order: Int32Array;
  /** The different kernels of a grid. */
  pairs = 0;
  pairMu = new Float64Array(16);
  pairSigma = new Float64Array(16);
  pairWeight = new Float64Array(16);

  constructor(dimension: Dimension, capacity: number) {
    this.dimension = dimension;
    const { distribution } = dimension;
    const { low, high } =
      distribution.type === 'categorical' ? { low: 0, high: 0 } : kernelBounds(distribution);
    this.low = low;
    this.high = high;
    this.values = new Float64Array(capacity);
    this.mu = new Float64Array(capacity);
    this.sigma = new Float64Array(capacity);
    this.inverse = new Float64Array(capacity);
    this.norm = new Float64Array(capacity);
    this.pair = new Int32Array(capacity);
    this.order = new Int32Array(capacity);
  }

  get isCategorical(): boolean {
    return this.dimension.distribution.type === 'categorical';
  }

  /** Whether values lie on a grid, so that a value has a probability. */
  get isGrid(): boolean {
    const { distribution } = this.dimension;
    return distribution.type !== 'categorical' && distribution.step !== undefined;
  }

  grow(capacity: number): void {
    this.values = grown(this.values, capacity);
    this.mu = grown(this.mu, capacity);
    this.sigma = grown(this.sigma, capacity);
    this.inverse = grown(this.inverse, capacity);
    this.norm = grown(this.norm, capacity);
    this.pair = grown(this.pair, capacity);
    this.order = grown(this.order, capacity);
  }

  shift(rows: number, row: number, by: 1 | -1): void {
    for (const array of [this.values, this.mu, this.sigma, this.inverse, this.norm, this.pair])
      shift(array, rows, row, by);
  }

  set(row: number, value: number): void {
    const { distribution } = this.dimension;
    this.values[row] = value;
    this.mu[row] = distribution.type !== 'categorical' && distribution.log ? Math.log(value) : value;
    // No kernel has this width, so it will be set.
    this.sigma[row] = 0;
    this.pair[row] = 0;
  }

  /** Place of a row among those in order, or where it would be; equal means by row. */
  placeOf(row: number, count: number): number {
    const { mu, order } = this;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = order[middle]!;
      if (mu[other]! < mu[row]! || (mu[other] === mu[row] && other < row)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Widths, norms and pairs of the n rows in order. */
  setKernels(n: number): void {
    const { mu, sigma, order, pair, low, high } = this;
    const grid = this.isGrid;
    const narrowest = narrowestSigma(low, high, n);
    const widest = high - low;
    this.pairs = 0;
    let firstOfMean = 0;
    let previous = low;
    for (let i = 0; i < n; i++) {
      const row = order[i]!;
      const mean = mu[row]!;
      const gap = gapAt(previous, mean, i === n - 1 ? high : mu[order[i + 1]!]!, i, n);
      const width = Math.min(Math.max(gap, narrowest), widest);
      if (width !== sigma[row]) {
        sigma[row] = width;
        this.inverse[row] = 1 / width;
        const mass = logGaussMass((low - mean) / width, (high - mean) / width);
        this.norm[row] = grid ? -mass : -mass - Math.log(width) - LOG_SQRT_2PI;
      }
      if (grid) {
        if (mean !== previous || i === 0) firstOfMean = this.pairs;
        let p = firstOfMean;
        while (p < this.pairs && this.pairSigma[p] !== width) p++;
        if (p === this.pairs) this.#addPair(mean, width);
        pair[row] = p;
      }
      previous = mean;
    }
  }

  #addPair(mean: number, width: number): void {
    if (this.pairs === this.pairMu.length) {
      this.pairMu = grown(this.pairMu, 2 * this.pairs);
      this.pairSigma = grown(this.pairSigma, 2 * this.pairs);
      this.pairWeight = grown(this.pairWeight, 2 * this.pairs);
    }
    this.pairMu[this.pairs] = mean;
    this.pairSigma[this.pairs] = width;
    this.pairs++;
  }

  /** Log-mass of a value's cell under each pair's kernel, not yet divided by that of the bounds. */
  cellMasses(value: number, masses: Float64Array): void {
    const { distribution } = this.dimension;
    if (distribution.type === 'categorical') return;
    const { left, right } = cellOf(distribution, value);
    for (let p = 0; p < this.pairs; p++)
      masses[p] = logCellMass(
        (left - this.pairMu[p]!) / this.pairSigma[p]!,
        (right - this.pairMu[p]!) / this.pairSigma[p]!,
      );
  }

  /** Log-density or log-probability of a value under the prior. */
  priorTerm(value: number): number {
    const { distribution } = this.dimension;
    if (distribution.type === 'categorical') return -Math.log(distribution.choices.length);
    const width = this.high - this.low;
    const mean = 0.5 * (this.low + this.high);
    const mass = logGaussMass((this.low - mean) / width, (this.high - mean) / width);
    if (distribution.step !== undefined) {
      const { left, right } = cellOf(distribution, value);
      return logCellMass((left - mean) / width, (right - mean) / width) - mass;
    }
    const z = ((distribution.log ? Math.log(value) : value) - mean) / width;
    return -0.5 * z * z - mass - Math.log(width) - LOG_SQRT_2PI;
  }
}

/**
 * The Parzen estimator of many trials, kept up from one suggestion to the next. It gives the densities of `ParzenEstimator`, up to
 * 1e-12, at a fraction of the cost:
 *
 * - Trials are rows by ascending number; a new one is the last, so that little moves. A trial that joins the good ones stays where it is
 *   and weighs nothing.
 * - Each dimension keeps its order. A kernel's norm, two error functions, is computed again only where its width has changed, and most
 *   widths are the narrowest.
 * - Exponents of a product of kernels are summed first; one exp a kernel remains, and none where the sum is negligible.
 * - On a grid, equal kernels and equal samples are evaluated once.
 */
export class KernelTable {
  readonly #columns: readonly Column[];
  #rows = 0;
  #capacity = 64;
  /** Whether a row's trial has all dimensions. */
  #member = new Uint8Array(this.#capacity);
  /** Whether a row is in the columns' orders. */
  #ordered = new Uint8Array(this.#capacity);
  #orderedCount = 0;
  /** 0 of a row that is not in the mixture. */
  #weight = new Float64Array(this.#capacity);
  /** Sums of norms; −Infinity of a row that is not in the mixture. */
  #norm = new Float64Array(this.#capacity);
  #exponent = new Float64Array(this.#capacity);
  #keys = new Float64Array(NETWORK_SIZE);
  #places = new Int32Array(NETWORK_SIZE);
  #masses = new Float64Array(64);
  #ramp = new Float64Array(this.#capacity);
  /** Rows in the mixture. */
  #count = 0;

  /** @param dimensions one or more, in the order of samples */
  constructor(dimensions: readonly Dimension[]) {
    this.#columns = dimensions.map((dimension) => new Column(dimension, this.#capacity));
  }

  get dimensions(): readonly Dimension[] {
    return this.#columns.map(({ dimension }) => dimension);
  }

  /** Puts a trial at a row; later rows move up. */
  insert(row: number, trial: Trial): void {
    if (this.#rows === this.#capacity) this.#grow();
    if (row < this.#rows) this.#shift(row, 1);
    let member = 1;
    for (const column of this.#columns) {
      const { name, distribution } = column.dimension;
      const param = trial.params.get(name);
      const value = param && valueWithin(distribution, param.distribution, param.value);
      column.set(row, value ?? Number.NaN);
      if (value === undefined) member = 0;
    }
    this.#member[row] = member;
    this.#ordered[row] = 0;
    this.#rows++;
  }

  /** Takes a row out; later rows move down. */
  remove(row: number): void {
    if (this.#ordered[row] === 1) this.#leaveOrders(row);
    this.#shift(row, -1);
    this.#rows--;
  }

  /** Observations of those of the rows whose trials have all dimensions, by dimension. */
  observations(rows: readonly number[]): Float64Array[] {
    const members = rows.filter((row) => this.#member[row] === 1);
    return this.#columns.map(({ values }) => Float64Array.from(members, (row) => values[row]!));
  }

  /**
   * Makes the mixture one of all rows but some.
   * @param left 1 for each row to leave out // IN (rows)
   */
  setMixture(left: Uint8Array): void {
    this.#setWeights(left);
    if (this.#count <= FEW) return;
    const numeric = this.#columns.filter((column) => !column.isCategorical);
    if (this.#count > NETWORK_SIZE) this.#keepOrders(numeric);
    else this.#makeOrders(numeric);
    for (const column of numeric) column.setKernels(this.#count);
    if (this.#columns.length > 1) this.#sumNorms(numeric);
  }

  /** Logarithms of the mixture's density at samples given by dimension; `setMixture` comes first. */
  logPdf(samples: readonly Float64Array[]): Float64Array {
    if (this.#count <= FEW) return this.#few().logPdf(samples);
    if (this.#columns.every((column) => column.isCategorical)) return this.#logPdfOfCategories(samples);
    return this.#columns.length === 1 ? this.#logPdfOfOne(samples[0]!) : this.#logPdfOfAll(samples);
  }

  #few(): ParzenEstimator {
    const rows = Array.from({ length: this.#rows }, (_, row) => row).filter((row) => this.#weight[row]! > 0);
    return new ParzenEstimator(
      this.dimensions.map(({ distribution }) => distribution),
      this.observations(rows),
    );
  }

  #grow(): void {
    this.#capacity *= 2;
    for (const column of this.#columns) column.grow(this.#capacity);
    this.#member = grown(this.#member, this.#capacity);
    this.#ordered = grown(this.#ordered, this.#capacity);
    this.#weight = grown(this.#weight, this.#capacity);
    this.#norm = grown(this.#norm, this.#capacity);
    this.#exponent = grown(this.#exponent, this.#capacity);
    this.#ramp = grown(this.#ramp, this.#capacity);
  }

  #shift(row: number, by: 1 | -1): void {
    for (const column of this.#columns) {
      column.shift(this.#rows, row, by);
      const { order } = column;
      for (let i = 0; i < this.#orderedCount; i++) if (order[i]! >= row) order[i]! += by;
    }
    shift(this.#member, this.#rows, row, by);
    shift(this.#ordered, this.#rows, row, by);
  }

  #setWeights(left: Uint8Array): void {
    let count = 0;
    for (let row = 0; row < this.#rows; row++) count += this.#member[row]! & (1 - left[row]!);
    this.#count = count;
    rampWeights(count, this.#ramp);
    let rank = 0;
    for (let row = 0; row < this.#rows; row++)
      this.#weight[row] = this.#member[row] === 1 && left[row] === 0 ? this.#ramp[rank++]! : 0;
  }

  /** Orders of few rows, equal ones as NumPy has them. */
  #makeOrders(columns: readonly Column[]): void {
    const rows = new Int32Array(this.#count);
    let n = 0;
    for (let row = 0; row < this.#rows; row++) if (this.#weight[row]! > 0) rows[n++] = row;
    for (const { mu, order } of columns) {
      for (let i = 0; i < n; i++) this.#keys[i] = mu[rows[i]!]!;
      argsort(this.#keys, n, this.#places);
      for (let i = 0; i < n; i++) order[i] = rows[this.#places[i]!]!;
    }
    // By now not by row, so they are made anew when there are more.
    this.#ordered.fill(0);
    this.#orderedCount = 0;
  }

  /** Orders of many rows, from the ones before. */
  #keepOrders(columns: readonly Column[]): void {
    const joining: number[] = [];
    for (let row = 0; row < this.#rows; row++) {
      const wanted = this.#weight[row]! > 0;
      if (wanted && this.#ordered[row] === 0) joining.push(row);
      else if (!wanted && this.#ordered[row] === 1) this.#leaveOrders(row);
    }
    if (joining.length > this.#count / 8) {
      const rows = Int32Array.from({ length: this.#rows }, (_, row) => row).filter(
        (row) => this.#weight[row]! > 0,
      );
      for (const { mu, order } of columns) order.set(rows.toSorted((a, b) => mu[a]! - mu[b]! || a - b));
    } else {
      for (const row of joining) {
        for (const column of columns) {
          const place = column.placeOf(row, this.#orderedCount);
          column.order.copyWithin(place + 1, place, this.#orderedCount);
          column.order[place] = row;
        }
        this.#orderedCount++;
      }
    }
    for (const row of joining) this.#ordered[row] = 1;
    this.#orderedCount = this.#count;
  }

  #leaveOrders(row: number): void {
    for (const column of this.#columns) {
      if (column.isCategorical) continue;
      const place = column.placeOf(row, this.#orderedCount);
      column.order.copyWithin(place, place + 1, this.#orderedCount);
    }
    this.#ordered[row] = 0;
    this.#orderedCount--;
  }

  #sumNorms(numeric: readonly Column[]): void {
    const sums = this.#norm;
    for (let row = 0; row < this.#rows; row++)
      sums[row] = this.#weight[row]! > 0 ? 0 : Number.NEGATIVE_INFINITY;
    for (const { norm } of numeric) for (let row = 0; row < this.#rows; row++) sums[row]! += norm[row]!;
  }

  /** Sum of the weights, the prior's 1 included. */
  #totalWeight(): number {
    let total = 1;
    for (let row = 0; row < this.#rows; row++) total += this.#weight[row]!;
    return total;
  }

  #logPdfOfAll(samples: readonly Float64Array[]): Float64Array {
    const size = samples[0]!.length;
    const rows = this.#rows;
    const exponent = this.#exponent;
    const logTotal = Math.log(this.#totalWeight());
    const masses = this.#columns.map((column, d) => this.#massesOf(column, samples[d]!));
    const logs = this.#columns.map((column) => this.#categoryLogs(column));
    const result = new Float64Array(size);
    for (let s = 0; s < size; s++) {
      exponent.set(this.#norm.subarray(0, rows));
      let prior = 0;
      for (const [d, column] of this.#columns.entries()) {
        const x = samples[d]![s]!;
        prior += column.priorTerm(x);
        const { distribution } = column.dimension;
        if (distribution.type === 'categorical') {
          addCategoryTerms(
            exponent,
            column.values,
            rows,
            logs[d]!.map((row) => row[x]!),
          );
        } else if (column.isGrid) addCellTerms(exponent, column.pair, rows, masses[d]!.get(x)!);
        else addGaussTerms(exponent, column, rows, distribution.log ? Math.log(x) : x);
      }
      const max = maximum(exponent, rows, prior);
      result[s] =
        Math.log(weightedExpSum(exponent, this.#weight, rows, max) + Math.exp(prior - max)) + max - logTotal;
    }
    return result;
  }

  /** Of each different sample on a grid. */
  #massesOf(column: Column, samples: Float64Array): Map<number, Float64Array> {
    const masses = new Map<number, Float64Array>();
    if (!column.isGrid) return masses;
    for (const x of samples) {
      if (masses.has(x)) continue;
      const row = new Float64Array(column.pairs);
      column.cellMasses(x, row);
      masses.set(x, row);
    }
    return masses;
  }

  /** Logarithms of categoryRows; none of numbers. */
  #categoryLogs({ dimension: { distribution } }: Column): Float64Array[] {
    if (distribution.type !== 'categorical') return [];
    return categoryRows(this.#count, distribution.choices.length).map((row) => row.map(Math.log));
  }

  /** Categories alone often tie, so they are summed one kernel at a time in Optuna's order. */
  #logPdfOfCategories(samples: readonly Float64Array[]): Float64Array {
    const rows = Int32Array.from({ length: this.#rows }, (_, row) => row).filter(
      (row) => this.#weight[row]! > 0,
    );
    const weights = Float64Array.from({ length: rows.length + 1 }, (_, k) =>
      k === rows.length ? 1 : this.#weight[rows[k]!]!,
    );
    const total = pairwiseSum(weights);
    const logWeights = weights.map((weight) => Math.log(weight / total));
    const logs = this.#columns.map((column) => this.#categoryLogs(column));
    const terms = new Float64Array(weights.length);
    const seen = new Map<string, number>();
    return samples[0]!.map((_, s) => {
      const key = samples.map((values) => values[s]).join();
      let value = seen.get(key);
      if (value === undefined) {
        terms.fill(0);
        for (const [d, { values }] of this.#columns.entries()) {
          const byCategory = logs[d]!.map((row) => row[samples[d]![s]!]!);
          for (let k = 0; k < rows.length; k++) terms[k]! += byCategory[values[rows[k]!]!]!;
          terms[rows.length]! += byCategory.at(-1)!;
        }
        for (let k = 0; k < terms.length; k++) terms[k]! += logWeights[k]!;
        value = logSumExp(terms);
        seen.set(key, value);
      }
      return value;
    });
  }

  /** Without a product no exponent is far below the prior's, so densities are summed as they are. */
  #logPdfOfOne(samples: Float64Array): Float64Array {
    const [column] = this.#columns as readonly [Column];
    const { distribution } = column.dimension;
    const total = this.#totalWeight();
    let densityAt: (x: number) => number;
    if (column.isGrid) {
      column.pairWeight.fill(0, 0, column.pairs);
      for (let row = 0; row < this.#rows; row++)
        if (this.#weight[row]! > 0)
          column.pairWeight[column.pair[row]!]! += this.#weight[row]! * Math.exp(column.norm[row]!);
      if (this.#masses.length < column.pairs) this.#masses = new Float64Array(column.pairMu.length);
      densityAt = (x) => {
        column.cellMasses(x, this.#masses);
        let sum = 0;
        for (let p = 0; p < column.pairs; p++) sum += column.pairWeight[p]! * Math.exp(this.#masses[p]!);
        return sum;
      };
    } else {
      const heights = this.#exponent;
      for (let row = 0; row < this.#rows; row++)
        heights[row] = this.#weight[row]! > 0 ? this.#weight[row]! * Math.exp(column.norm[row]!) : 0;
      densityAt = (x) =>
        gaussSum(
          column,
          heights,
          this.#rows,
          distribution.type !== 'categorical' && distribution.log ? Math.log(x) : x,
        );
    }
    const seen = new Map<number, number>();
    return samples.map((x) => {
      let value = seen.get(x);
      if (value === undefined) {
        value = Math.log((densityAt(x) + Math.exp(column.priorTerm(x))) / total);
        seen.set(x, value);
      }
      return value;
    });
  }
}

function addCategoryTerms(
  exponent: Float64Array, // IN and OUT
  values: Float64Array,
  rows: number,
  /** Of the sampled category, by that of the kernel. */
  logs: readonly number[],
): void {
  for (let row = 0; row < rows; row++) exponent[row]! += logs[values[row]!]!;
}

function addCellTerms(
  exponent: Float64Array, // IN and OUT
  pair: Int32Array,
  rows: number,
  masses: Float64Array,
): void {
  for (let row = 0; row < rows; row++) exponent[row]! += masses[pair[row]!]!;
}

function addGaussTerms(
  exponent: Float64Array, // IN and OUT
  { mu, inverse }: Column,
  rows: number,
  x: number,
): void {
  for (let row = 0; row < rows; row++) {
    const z = (x - mu[row]!) * inverse[row]!;
    exponent[row]! -= 0.5 * z * z;
  }
}

/** Greatest of some exponents; NaN is none. */
function maximum(exponent: Float64Array, rows: number, start: number): number {
  let max = start;
  for (let row = 0; row < rows; row++) if (exponent[row]! > max) max = exponent[row]!;
  return max;
}

function weightedExpSum(exponent: Float64Array, weight: Float64Array, rows: number, max: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const difference = exponent[row]! - max;
    if (difference > NEGLIGIBLE) sum += weight[row]! * expNegative(difference);
  }
  return sum;
}

function gaussSum({ mu, inverse }: Column, heights: Float64Array, rows: number, x: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const z = (x - mu[row]!) * inverse[row]!;
    const exponent = -0.5 * z * z;
    if (exponent > NEGLIGIBLE) sum += heights[row]! * expNegative(exponent);
  }
  return sum;
}
