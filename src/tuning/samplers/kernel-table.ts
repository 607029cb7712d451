import { LOG_SQRT_2PI } from '../../numerics/normal.ts';
import { partitionPoint } from '../partition-point.ts';
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
import { logGaussMass } from './truncated-normal.ts';

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

let survivorRows = new Int32Array(0);

function scratch(rows: number): Int32Array {
  if (survivorRows.length < rows) survivorRows = new Int32Array(2 * rows);
  return survivorRows;
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
  /** Density at the mean, or the reciprocal of the mass within the bounds: exp(norm) of a number off and on a grid. */
  height: Float64Array;
  /** Rows in the mixture by ascending mean. */
  order: Int32Array;
  /** Rows whose neighbours have changed since the kernels were set. */
  readonly stale: number[] = [];
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
    this.height = new Float64Array(capacity);
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
    this.height = grown(this.height, capacity);
    this.pair = grown(this.pair, capacity);
    this.order = grown(this.order, capacity);
  }

  shift(rows: number, row: number, by: 1 | -1): void {
    for (const array of [this.values, this.mu, this.sigma, this.inverse, this.norm, this.height, this.pair])
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
    return partitionPoint(count, (place) => {
      const other = order[place]!;
      return mu[other]! < mu[row]! || (mu[other] === mu[row] && other < row);
    });
  }

  /** Puts a row that is not among the count ones in order there. */
  enter(row: number, count: number): void {
    const { order } = this;
    const place = this.placeOf(row, count);
    order.copyWithin(place + 1, place, count);
    order[place] = row;
    this.stale.push(row);
    if (place > 0) this.stale.push(order[place - 1]!);
    if (place < count) this.stale.push(order[place + 1]!);
  }

  /** Takes a row out of the count ones in order. */
  leave(row: number, count: number): void {
    const { order } = this;
    const place = this.placeOf(row, count);
    order.copyWithin(place, place + 1, count);
    if (place > 0) this.stale.push(order[place - 1]!);
    if (place < count - 1) this.stale.push(order[place]!);
  }

  /** Widths, norms and pairs of the n rows in order. */
  setKernels(n: number): void {
    const { mu, sigma, order, pair } = this;
    const grid = this.isGrid;
    this.stale.length = 0;
    this.pairs = 0;
    let firstOfMean = 0;
    for (let i = 0; i < n; i++) {
      const row = order[i]!;
      this.#setKernel(i, n);
      if (!grid) continue;
      if (i === 0 || mu[row] !== mu[order[i - 1]!]) firstOfMean = this.pairs;
      let p = firstOfMean;
      while (p < this.pairs && this.pairSigma[p] !== sigma[row]) p++;
      if (p === this.pairs) this.#addPair(mu[row]!, sigma[row]!);
      pair[row] = p;
    }
  }

  /** Does the same off a grid where only stale rows have new neighbours and the narrowest width is what it was. */
  updateKernels(n: number): void {
    const { order } = this;
    // The outermost have a rule of their own.
    for (const row of [...this.stale, order[0]!, order[1]!, order[n - 2]!, order[n - 1]!]) {
      const place = this.placeOf(row, n);
      if (order[place] === row) this.#setKernel(place, n);
    }
    this.stale.length = 0;
  }

  #setKernel(i: number, n: number): void {
    const { mu, sigma, order, low, high } = this;
    const row = order[i]!;
    const mean = mu[row]!;
    const gap = gapAt(
      i === 0 ? low : mu[order[i - 1]!]!,
      mean,
      i === n - 1 ? high : mu[order[i + 1]!]!,
      i,
      n,
    );
    const width = Math.min(Math.max(gap, narrowestSigma(low, high, n)), high - low);
    if (width === sigma[row]) return;
    sigma[row] = width;
    this.inverse[row] = 1 / width;
    const mass = logGaussMass((low - mean) / width, (high - mean) / width);
    this.norm[row] = this.isGrid ? -mass : -mass - Math.log(width) - LOG_SQRT_2PI;
    this.height[row] = Math.exp(this.norm[row]!);
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
  /** Whether more than the columns' stale rows need new kernels. */
  #allStale = true;
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
    for (const column of numeric)
      if (this.#allStale || column.isGrid) column.setKernels(this.#count);
      else column.updateKernels(this.#count);
    this.#allStale = false;
    if (this.#columns.length > 1) this.#sumNorms(numeric);
  }

  /** Logarithms of the mixture's density at samples given by dimension; `setMixture` comes first. */
  logPdf(samples: readonly Float64Array[]): Float64Array {
    if (this.#count <= FEW) return this.#few().logPdf(samples);
    if (this.#count <= NETWORK_SIZE && this.#columns.every((column) => column.isCategorical))
      return this.#logPdfOfCategories(samples);
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
    this.#allStale = true;
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
    this.#allStale = true;
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
      this.#allStale = true;
      const rows = Int32Array.from({ length: this.#rows }, (_, row) => row).filter(
        (row) => this.#weight[row]! > 0,
      );
      for (const { mu, order } of columns) order.set(rows.toSorted((a, b) => mu[a]! - mu[b]! || a - b));
    } else {
      for (const row of joining) {
        for (const column of columns) column.enter(row, this.#orderedCount);
        this.#orderedCount++;
      }
    }
    for (const row of joining) this.#ordered[row] = 1;
    this.#orderedCount = this.#count;
  }

  #leaveOrders(row: number): void {
    for (const column of this.#columns) if (!column.isCategorical) column.leave(row, this.#orderedCount);
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
    const gaussian = this.#columns.filter((column) => !column.isCategorical && !column.isGrid);
    const others = this.#columns.filter((column) => column.isCategorical || column.isGrid);
    const kinds = others.map(({ pair, values, isGrid }) => (isGrid ? pair : values));
    for (let s = 0; s < size; s++) {
      const points: number[] = [];
      const tables: ArrayLike<number>[] = [];
      let prior = 0;
      for (const [d, column] of this.#columns.entries()) {
        const { distribution } = column.dimension;
        const x = samples[d]![s]!;
        prior += column.priorTerm(x);
        if (distribution.type === 'categorical') tables.push(logs[d]!.map((row) => row[x]!));
        else if (column.isGrid) tables.push(masses[d]!.get(x)!);
        else points.push(distribution.log ? Math.log(x) : x);
      }
      gaussTerms(exponent, this.#norm, gaussian, points, rows);
      const max = addTableTerms(exponent, rows, kinds, tables, prior);
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
    if (distribution.type === 'categorical') {
      const weights = new Float64Array(distribution.choices.length);
      for (let row = 0; row < this.#rows; row++)
        if (this.#weight[row]! > 0) weights[column.values[row]!]! += this.#weight[row]!;
      const rows = categoryRows(this.#count, weights.length);
      densityAt = (x) => weights.reduce((sum, weight, category) => sum + weight * rows[category]![x]!, 0);
    } else if (column.isGrid) {
      column.pairWeight.fill(0, 0, column.pairs);
      for (let row = 0; row < this.#rows; row++)
        if (this.#weight[row]! > 0)
          column.pairWeight[column.pair[row]!]! += this.#weight[row]! * column.height[row]!;
      if (this.#masses.length < column.pairs) this.#masses = new Float64Array(column.pairMu.length);
      densityAt = (x) => {
        column.cellMasses(x, this.#masses);
        let sum = 0;
        for (let p = 0; p < column.pairs; p++) sum += column.pairWeight[p]! * Math.exp(this.#masses[p]!);
        return sum;
      };
    } else {
      const sums = new GaussSums(
        column,
        this.#weight,
        this.#rows,
        narrowestSigma(column.low, column.high, this.#count),
      );
      densityAt = (x) => sums.at(distribution.log ? Math.log(x) : x);
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

/**
 * Adds what tables have of each row's kind, which is never positive. Rows that are negligible before are left as they are, since they
 * will not be less so after.
 * @param exponent // IN and OUT (rows)
 * @param kinds by table, of each row
 * @param prior exponent of the prior
 * @returns the greatest exponent.
 */
function addTableTerms(
  exponent: Float64Array,
  rows: number,
  kinds: readonly (Int32Array | Float64Array)[],
  tables: readonly ArrayLike<number>[],
  prior: number,
): number {
  let first = -1;
  for (let row = 0; row < rows; row++)
    if (exponent[row]! > (first < 0 ? Number.NEGATIVE_INFINITY : exponent[first]!)) first = row;
  if (first < 0) return prior;
  let max = exponent[first]!;
  for (const [t, table] of tables.entries()) max += table[kinds[t]![first]!]!;
  max = Math.max(max, prior);
  const bound = max + NEGLIGIBLE;
  let count = 0;
  const survivors = scratch(rows);
  for (let row = 0; row < rows; row++) {
    survivors[count] = row;
    if (exponent[row]! > bound) count++;
  }
  for (const [t, table] of tables.entries()) {
    const kind = kinds[t]!;
    for (let i = 0; i < count; i++) exponent[survivors[i]!]! += table[kind[survivors[i]!]!]!;
  }
  for (let i = 0; i < count; i++) max = Math.max(max, exponent[survivors[i]!]!);
  return max;
}

/** sums = start − Σ z²/2 over the columns, which are taken two at a time. */
function gaussTerms(
  sums: Float64Array, // OUT
  start: Float64Array,
  columns: readonly Column[],
  points: readonly number[],
  rows: number,
): void {
  if (columns.length === 0) sums.set(start.subarray(0, rows));
  for (let d = 0; d < columns.length; d += 2) {
    const { mu, inverse } = columns[d]!;
    const x = points[d]!;
    const source = d === 0 ? start : sums;
    if (d + 1 === columns.length) {
      for (let row = 0; row < rows; row++) {
        const z = (x - mu[row]!) * inverse[row]!;
        sums[row] = source[row]! - 0.5 * z * z;
      }
      return;
    }
    const { mu: otherMu, inverse: otherInverse } = columns[d + 1]!;
    const y = points[d + 1]!;
    for (let row = 0; row < rows; row++) {
      const z = (x - mu[row]!) * inverse[row]!;
      const w = (y - otherMu[row]!) * otherInverse[row]!;
      sums[row] = source[row]! - 0.5 * (z * z + w * w);
    }
  }
}

function weightedExpSum(exponent: Float64Array, weight: Float64Array, rows: number, max: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const difference = exponent[row]! - max;
    if (difference > NEGLIGIBLE) sum += weight[row]! * expNegative(difference);
  }
  return sum;
}

/** Moments of a box; the error at 3 deviations is 1e-14 of a kernel, and less beyond in relation to the prior. */
const MOMENTS = 12;
/** Boxes in the width of a kernel. */
const BOXES = 4;
/** Deviations at which a kernel no longer counts: exp(−9²/2) is 3e-18. */
const REACH = 9;
/** 1/j! */
const RECIPROCALS = new Float64Array(MOMENTS).fill(1);
for (let j = 2; j < MOMENTS; j++) RECIPROCALS[j] = RECIPROCALS[j - 1]! / j;

/**
 * Sums of weighted Gaussian kernels at points: a fast Gauss transform (Greengard and Strain 1991). Of many kernels almost all have the
 * narrowest width, so they are expanded around the middles of boxes of a quarter of it, once for all points:
 * exp(−(v − δ)²/2) = exp(−v²/2) · Σ v^j/j! · δ^j exp(−δ²/2). The few wider ones are summed one at a time.
 */
class GaussSums {
  readonly #column: Column;
  readonly #weight: Float64Array;
  readonly #narrowest: number;
  readonly #boxes: number;
  /** (boxes, MOMENTS), divided by j! */
  readonly #moments: Float64Array;
  readonly #wide: number[] = [];

  constructor(column: Column, weight: Float64Array, rows: number, narrowest: number) {
    this.#column = column;
    this.#weight = weight;
    this.#narrowest = narrowest;
    this.#boxes = Math.ceil((BOXES * (column.high - column.low)) / narrowest) + 1;
    const moments = new Float64Array(this.#boxes * MOMENTS);
    const { mu, sigma, height, low } = column;
    for (let row = 0; row < rows; row++) {
      if (!(weight[row]! > 0)) continue;
      if (sigma[row] !== narrowest) {
        this.#wide.push(row);
        continue;
      }
      const place = (mu[row]! - low) / narrowest;
      // An observation of before the bounds were changed may lie outside.
      const box = Math.floor(place * BOXES);
      if (!(box >= 0 && box < this.#boxes)) {
        this.#wide.push(row);
        continue;
      }
      const offset = place - (box + 0.5) / BOXES;
      const half = -0.5 * offset * offset;
      let moment =
        weight[row]! *
        height[row]! *
        (1 + half * (1 + half * (1 / 2 + half * (1 / 6 + half * (1 / 24 + half / 120)))));
      for (let j = box * MOMENTS; j < (box + 1) * MOMENTS; j++) {
        moments[j]! += moment;
        moment *= offset;
      }
    }
    for (let i = 0; i < moments.length; i += MOMENTS)
      for (let j = 2; j < MOMENTS; j++) moments[i + j]! *= RECIPROCALS[j]!;
    this.#moments = moments;
  }

  at(x: number): number {
    const { mu, inverse, height, low } = this.#column;
    const moments = this.#moments;
    const place = (x - low) / this.#narrowest;
    const first = Math.max(0, Math.floor((place - REACH) * BOXES));
    const last = Math.min(this.#boxes - 1, Math.ceil((place + REACH) * BOXES));
    let sum = 0;
    for (let box = first; box <= last; box++) {
      const start = box * MOMENTS;
      if (moments[start] === 0) continue;
      const v = place - (box + 0.5) / BOXES;
      // Even and odd powers, since two short chains of operations take less time than a long one.
      const square = v * v;
      let even = moments[start + MOMENTS - 2]!;
      let odd = moments[start + MOMENTS - 1]!;
      for (let j = MOMENTS - 4; j >= 0; j -= 2) {
        even = even * square + moments[start + j]!;
        odd = odd * square + moments[start + j + 1]!;
      }
      sum += expNegative(-0.5 * square) * (even + v * odd);
    }
    for (const row of this.#wide) {
      const z = (x - mu[row]!) * inverse[row]!;
      sum += this.#weight[row]! * height[row]! * Math.exp(-0.5 * z * z);
    }
    return sum;
  }
}
