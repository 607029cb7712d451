import { LOG_SQRT_2PI } from '../../numerics/normal.ts';
import type { CategoricalDistribution, Distribution } from '../space.ts';
import { argsort } from './argsort.ts';
import { type NumericDistribution, roundHalfEven, topOf } from './distributions.ts';
import { pairwiseSum } from './pairwise-sum.ts';
import type { RandomState } from './random-state.ts';
import { logGaussMass, ppf } from './truncated-normal.ts';

/** Observations below this number weigh the same; of more, the last so many do. */
const FLAT = 25;

/**
 * Weights of n observations in the order of their trials, before normalisation: a ramp from 1/n to 1, then 25 ones
 * (Optuna's `default_weights`).
 * @param weights // OUT (n)
 */
export function rampWeights(n: number, weights: Float64Array): void {
  const ramp = Math.max(0, n - FLAT);
  const step = ramp > 1 ? (1 - 1 / n) / (ramp - 1) : 0;
  for (let i = 0; i < ramp; i++) weights[i] = i * step + 1 / n;
  if (ramp > 1) weights[ramp - 1] = 1;
  weights.fill(1, ramp, n);
}

/** Where the kernels of a distribution live: widened by half a step, in logarithms where it has them. */
export function kernelBounds(distribution: NumericDistribution): { low: number; high: number } {
  const half = (distribution.step ?? 0) / 2;
  const low = distribution.low - half;
  const high = topOf(distribution) + half;
  return distribution.log ? { low: Math.log(low), high: Math.log(high) } : { low, high };
}

/** The narrowest kernel beside n observations ("magic clip"). */
export function narrowestSigma(low: number, high: number, n: number): number {
  return (high - low) / Math.min(100, 2 + n);
}

/**
 * Width before clipping of the kernel at the i-th place of sorted means: the wider gap to its neighbours. The outermost look at their
 * inner neighbour only, unless they are alone.
 */
export function gapAt(previous: number, mean: number, next: number, i: number, n: number): number {
  if (n >= 2) {
    if (i === 0) return next - mean;
    if (i === n - 1) return mean - previous;
  }
  return Math.max(mean - previous, next - mean);
}

/** Gaussian kernels of a number, the prior last. Means and deviations are in logarithms where the distribution has them. */
export interface NumericKernels {
  readonly distribution: NumericDistribution;
  readonly low: number;
  readonly high: number;
  readonly mu: Float64Array;
  readonly sigma: Float64Array;
}

/** Kernels of a category, the prior last. */
export interface CategoricalKernels {
  readonly distribution: CategoricalDistribution;
  /** (kernels, choices), each row sums to 1 */
  readonly weights: Float64Array;
}

export type Kernels = NumericKernels | CategoricalKernels;

function isNumeric(kernels: Kernels): kernels is NumericKernels {
  return kernels.distribution.type !== 'categorical';
}

function numericKernels(distribution: NumericDistribution, observed: Float64Array): NumericKernels {
  const { low, high } = kernelBounds(distribution);
  const n = observed.length;
  const mu = new Float64Array(n + 1);
  const sigma = new Float64Array(n + 1);
  for (let k = 0; k < n; k++) mu[k] = distribution.log ? Math.log(observed[k]!) : observed[k]!;
  mu[n] = 0.5 * (low + high);
  sigma[n] = high - low;
  const order = new Int32Array(n);
  argsort(mu, n, order);
  const narrowest = narrowestSigma(low, high, n);
  for (let i = 0; i < n; i++) {
    const mean = mu[order[i]!]!;
    const gap = gapAt(
      i === 0 ? low : mu[order[i - 1]!]!,
      mean,
      i === n - 1 ? high : mu[order[i + 1]!]!,
      i,
      n,
    );
    sigma[order[i]!] = Math.min(Math.max(gap, narrowest), high - low);
  }
  return { distribution, low, high, mu, sigma };
}

function categoricalKernels(
  distribution: CategoricalDistribution,
  observed: Float64Array,
): CategoricalKernels {
  const n = observed.length;
  const choices = distribution.choices.length;
  const rows = categoryRows(n, choices);
  const weights = new Float64Array((n + 1) * choices);
  for (let k = 0; k <= n; k++) weights.set(rows[k === n ? choices : observed[k]!]!, k * choices);
  return { distribution, weights };
}

/**
 * What a kernel of each category, and the prior as the last, gives to each category beside n observations: an (n + 1)-th of the prior's
 * weight to all and 1 to its own. Rounded as Optuna's, by which row sums depend on the category.
 */
export function categoryRows(n: number, choices: number): Float64Array[] {
  return Array.from({ length: choices + 1 }, (_, own) => {
    const row = new Float64Array(choices).fill(1 / (n + 1));
    if (own < choices) row[own]! += 1;
    const sum = pairwiseSum(row);
    return row.map((weight) => weight / sum);
  });
}

/**
 * Parzen estimator of Optuna 5.0.0: a mixture of one product of kernels for each trial and of a prior that covers the space.
 * (`samplers/_tpe/parzen_estimator.py` and `probability_distributions.py` there; Bergstra et al. 2011, Watanabe 2023.)
 *
 * Costs O(n) memory and O(n · samples) time; of many observations `KernelTable` does the same with less.
 */
export class ParzenEstimator {
  /** Of the kernels; sum to 1. */
  readonly weights: Float64Array;
  /** By dimension. */
  readonly kernels: readonly Kernels[];

  /**
   * @param distributions one or more, in the order in which they are drawn
   * @param observations internal values by dimension, (n) each, in the order of their trials; finite and, where a distribution has
   * logarithms, positive
   */
  constructor(distributions: readonly Distribution[], observations: readonly Float64Array[]) {
    const n = observations[0]!.length;
    const weights = new Float64Array(n + 1);
    rampWeights(n, weights);
    weights[n] = 1;
    const sum = pairwiseSum(weights);
    this.weights = weights.map((weight) => weight / sum);
    this.kernels = distributions.map((distribution, d) =>
      distribution.type === 'categorical'
        ? categoricalKernels(distribution, observations[d]!)
        : numericKernels(distribution, observations[d]!),
    );
  }

  /** Internal values by dimension, (size) each, drawn as Optuna draws them: kernels, then categories, then numbers. */
  sample(random: RandomState, size: number): Float64Array[] {
    const active = random.choice(this.weights, size);
    const samples = this.kernels.map(() => new Float64Array(size));
    for (const [d, kernels] of this.kernels.entries())
      if (!isNumeric(kernels)) sampleCategories(kernels, active, random, samples[d]!);
    for (const [d, kernels] of this.kernels.entries())
      if (isNumeric(kernels)) sampleNumbers(kernels, active, random, samples[d]!);
    return samples;
  }

  /** Logarithms of the density at samples given by dimension. */
  logPdf(samples: readonly Float64Array[]): Float64Array {
    const count = this.weights.length;
    const size = samples[0]!.length;
    const terms = new Float64Array(size * count);
    for (const [d, kernels] of this.kernels.entries())
      if (isNumeric(kernels)) addNumberTerms(kernels, samples[d]!, terms);
      else addCategoryTerms(kernels, samples[d]!, terms);
    const logWeights = this.weights.map(Math.log);
    for (let s = 0; s < size; s++) for (let k = 0; k < count; k++) terms[s * count + k]! += logWeights[k]!;
    const result = new Float64Array(size);
    for (let s = 0; s < size; s++) result[s] = logSumExp(terms.subarray(s * count, (s + 1) * count));
    return result;
  }
}

function sampleCategories(
  { distribution, weights }: CategoricalKernels,
  active: Int32Array,
  random: RandomState,
  samples: Float64Array, // OUT
): void {
  const choices = distribution.choices.length;
  for (let s = 0; s < samples.length; s++) {
    const quantile = random.random();
    const row = active[s]! * choices;
    let category = 0;
    // The last sum counts as 1, whatever rounding made of it.
    for (let sum = 0; category < choices - 1; category++) {
      sum += weights[row + category]!;
      if (!(sum < quantile)) break;
    }
    samples[s] = category;
  }
}

function sampleNumbers(
  { distribution, low, high, mu, sigma }: NumericKernels,
  active: Int32Array,
  random: RandomState,
  samples: Float64Array, // OUT
): void {
  const top = topOf(distribution);
  for (let s = 0; s < samples.length; s++) {
    const k = active[s]!;
    const mean = mu[k]!;
    const deviation = sigma[k]!;
    let x = ppf(random.random(), (low - mean) / deviation, (high - mean) / deviation) * deviation + mean;
    if (distribution.log) x = Math.exp(x);
    const { step } = distribution;
    if (step !== undefined) x = distribution.low + roundHalfEven((x - distribution.low) / step) * step;
    // Optuna leaves a continuous value that rounding carried over a bound where it is, by a unit in the last place.
    samples[s] = Math.min(Math.max(x, distribution.low), top);
  }
}

function addCategoryTerms(
  { distribution, weights }: CategoricalKernels,
  samples: Float64Array,
  terms: Float64Array, // IN and OUT (samples, kernels)
): void {
  const choices = distribution.choices.length;
  const count = terms.length / samples.length;
  const logs = weights.map(Math.log);
  for (let s = 0; s < samples.length; s++)
    for (let k = 0; k < count; k++) terms[s * count + k]! += logs[k * choices + samples[s]!]!;
}

function addNumberTerms(
  { distribution, low, high, mu, sigma }: NumericKernels,
  samples: Float64Array,
  terms: Float64Array, // IN and OUT (samples, kernels)
): void {
  const count = mu.length;
  const norm = new Float64Array(count);
  for (let k = 0; k < count; k++)
    norm[k] = logGaussMass((low - mu[k]!) / sigma[k]!, (high - mu[k]!) / sigma[k]!);
  const { step, log } = distribution;
  if (step === undefined) {
    for (let k = 0; k < count; k++) norm[k]! += Math.log(sigma[k]!) + LOG_SQRT_2PI;
    for (let s = 0; s < samples.length; s++) {
      const x = log ? Math.log(samples[s]!) : samples[s]!;
      for (let k = 0; k < count; k++) {
        const z = (x - mu[k]!) / sigma[k]!;
        terms[s * count + k]! -= 0.5 * z * z + norm[k]!;
      }
    }
    return;
  }
  /** By value, since samples on a grid meet. */
  const rows = new Map<number, Float64Array>();
  for (let s = 0; s < samples.length; s++) {
    const x = samples[s]!;
    let row = rows.get(x);
    if (row === undefined) {
      const { left, right } = cellOf(distribution, x);
      row = new Float64Array(count);
      for (let k = 0; k < count; k++)
        row[k] = logGaussMass((left - mu[k]!) / sigma[k]!, (right - mu[k]!) / sigma[k]!) - norm[k]!;
      rows.set(x, row);
    }
    for (let k = 0; k < count; k++) terms[s * count + k]! += row[k]!;
  }
}

/** The interval that is rounded to a value on a grid, in logarithms where the distribution has them. */
export function cellOf({ step, log }: NumericDistribution, value: number): { left: number; right: number } {
  const half = (step ?? 0) / 2;
  return log
    ? { left: Math.log(value - half), right: Math.log(value + half) }
    : { left: value - half, right: value + half };
}

/** Changes the terms. */
export function logSumExp(terms: Float64Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const term of terms) max = Math.max(max, term);
  if (max === Number.NEGATIVE_INFINITY) return max;
  for (let i = 0; i < terms.length; i++) terms[i] = Math.exp(terms[i]! - max);
  return Math.log(pairwiseSum(terms)) + max;
}
