import {
  isSingle,
  type NumericDistribution,
  roundHalfEven,
  sameDistribution,
  topOf,
} from './samplers/distributions.ts';
import { logGaussMass } from './samplers/truncated-normal.ts';
import type { Distribution } from './space.ts';
import type { Direction, Trial } from './trial.ts';

/** The part of the trials, the best ones, that parameters are asked about. */
const TARGET_QUANTILE = 0.1;
/** The most points of the grid that a numeric parameter is rounded to. */
const GRID = 50;
const EPSILON = 1e-12;
/** Least deviation of a kernel, in steps of the grid: 90 % of it lie within one step. */
const MIN_DEVIATION = 0.5 / 1.64;

/** Trials that drew a parameter from one distribution. */
interface Regime {
  readonly distribution: Distribution;
  /** Of all trials, internal. */
  readonly values: number[];
  /** Of the best trials. */
  readonly targets: number[];
}

/**
 * How much each parameter matters for being among the best tenth of the complete trials, as shares that add up to 1, greatest first, equal
 * ones in the order in which trials have them. PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023) with Optuna 5.0.0's defaults
 * and its conditional form: how far the density of a parameter's values among the best trials lies from that among all.
 *
 * 1. Pruned, failed and running trials do not count, nor do values that are infinite or NaN. With fewer than two trials left the result
 *    is empty.
 * 2. A parameter that only some trials have, or that trials drew from different distributions, takes part with the trials of each
 *    distribution by themselves, weighted by how many of the best and of all trials those are; a distribution of a single trial adds nothing.
 *    (Optuna's other evaluators take the intersection of the trials' parameters; its PED-ANOVA does not.)
 * 3. A parameter with one value has importance 0.
 * 4. Where nothing tells the best from the rest, for example because all values are equal, all shares are equal.
 */
export function parameterImportances(trials: readonly Trial[], direction: Direction): Map<string, number> {
  const complete = trials.filter(({ state }) => state === 'complete');
  const region = complete.filter(({ value }) => Number.isFinite(value));
  if (region.length < 2) return new Map();
  const losses = region.map(({ value }) => (direction === 'minimize' ? value! : -value!));
  const cutoff = [...losses].sort((a, b) => a - b)[Math.ceil(TARGET_QUANTILE * losses.length) - 1]!;
  const isTarget = losses.map((loss) => loss <= cutoff);
  const targets = isTarget.filter(Boolean).length;
  const names = new Set(complete.flatMap(({ params }) => [...params.keys()]));
  const raw = [...names].map((name): [string, number] => {
    let importance = 0;
    for (const regime of regimesOf(name, region, isTarget)) {
      if (regime.targets.length === 0 || isSingle(regime.distribution)) continue;
      const targetShare = regime.targets.length / targets;
      const share = regime.values.length / region.length;
      importance += (targetShare ** 2 / share) * divergence(regime);
    }
    return [name, importance];
  });
  const total = raw.reduce((sum, [, importance]) => sum + importance, 0);
  raw.sort(([, a], [, b]) => b - a);
  return new Map(raw.map(([name, importance]) => [name, total === 0 ? 1 / raw.length : importance / total]));
}

function regimesOf(name: string, trials: readonly Trial[], isTarget: readonly boolean[]): readonly Regime[] {
  const regimes: Regime[] = [];
  trials.forEach(({ params }, i) => {
    const param = params.get(name);
    if (param === undefined) return;
    const { distribution, value } = param;
    let regime = regimes.find((known) => sameDistribution(known.distribution, distribution));
    if (regime === undefined) {
      regime = { distribution, values: [], targets: [] };
      regimes.push(regime);
    }
    regime.values.push(value);
    if (isTarget[i]) regime.targets.push(value);
  });
  return regimes;
}

/** Pearson's divergence of the density of the best trials' values from that of all trials' values. */
function divergence({ distribution, values, targets }: Regime): number {
  const top = density(distribution, targets);
  const all = density(distribution, values);
  return all.reduce((sum, p, i) => sum + p * (top[i]! / p - 1) ** 2, 0);
}

function density(distribution: Distribution, values: readonly number[]): Float64Array {
  const probabilities =
    distribution.type === 'categorical'
      ? categoricalDensity(countsOf(values, distribution.choices.length))
      : gridDensity(gridCounts(distribution, values));
  return probabilities.map((p) => p + EPSILON);
}

function countsOf(indices: readonly number[], length: number): Float64Array {
  const counts = new Float64Array(length);
  for (const index of indices) counts[index]!++;
  return counts;
}

function gridCounts(distribution: NumericDistribution, values: readonly number[]): Float64Array {
  const { type, log, low, step } = distribution;
  const high = topOf(distribution);
  let points = GRID;
  if (type === 'int' && log) {
    points = Math.min(points, Math.ceil(Math.log(high - low + 1) / Math.log(2)) + 1);
  } else if (step !== undefined) {
    points = Math.min(points, roundHalfEven((high - low) / step) + 1);
  }
  const scale = log ? Math.log : (x: number) => x;
  const width = (scale(high) - scale(low)) / (points - 1);
  // A value in the middle of two points goes to the lower one, as in Optuna.
  const indices = values.map((value) => Math.ceil((scale(value) - scale(low)) / width - 0.5));
  return countsOf(
    indices.map((index) => Math.min(Math.max(index, 0), points - 1)),
    points,
  );
}

/** A mixture of a kernel for each choice that was observed and a uniform prior with the weight of one observation. */
function categoricalDensity(counts: Float64Array): Float64Array {
  const choices = counts.length;
  const kernels = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0) + 1;
  const total = counts.reduce((sum, count) => sum + count, 0);
  // A kernel is 1 at its choice over a floor of 1 / kernels at each.
  const mass = 1 + choices / kernels;
  const spread = total / kernels / mass + 1 / choices;
  return counts.map((count) => (spread + count / mass) / (total + 1));
}

/**
 * A mixture of discretised normal kernels, cut off at the ends of the grid: one for each point that was observed, as wide as Scott's rule
 * says, and a wide one in the middle, with the weight of one observation, as prior.
 */
function gridDensity(counts: Float64Array): Float64Array {
  const points = counts.length;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const deviation = Math.max(scottDeviation(counts, total), MIN_DEVIATION);
  const density = new Float64Array(points);
  const add = (weight: number, mean: number, sigma: number, masses: (x: number) => number) => {
    const inside = Math.exp(logGaussMass((-0.5 - mean) / sigma, (points - 0.5 - mean) / sigma));
    for (let x = 0; x < points; x++) density[x]! += ((weight / (total + 1)) * masses(x)) / inside;
  };
  const massAt = (distance: number, sigma: number) =>
    Math.exp(logGaussMass((distance - 0.5) / sigma, (distance + 0.5) / sigma));
  // Kernels differ by whole points, so that the masses of one serve for all.
  const masses = Float64Array.from(counts, (_, distance) => massAt(distance, deviation));
  counts.forEach((count, mean) => {
    if (count > 0) add(count, mean, deviation, (x) => masses[Math.abs(x - mean)]!);
  });
  const middle = (points - 1) / 2;
  add(1, middle, points, (x) => massAt(x - middle, points));
  return density;
}

/** Scott's rule by the lesser of standard deviation and interquartile range. */
function scottDeviation(counts: Float64Array, total: number): number {
  let sum = 0;
  counts.forEach((count, x) => {
    sum += count * x;
  });
  const mean = sum / total;
  let squares = 0;
  counts.forEach((count, x) => {
    squares += count * (x - mean) ** 2;
  });
  const deviation = Math.sqrt(squares / Math.max(1, total - 1));
  const quartile = (reached: (cumulated: number) => boolean) => {
    let cumulated = 0;
    let last = 0;
    for (let x = 0; x < counts.length; x++) {
      if (counts[x] === 0) continue;
      last = x;
      cumulated += counts[x]!;
      if (reached(cumulated)) return x;
    }
    return last;
  };
  const [first, third] = [Math.floor(total / 4), Math.floor((total * 3) / 4)];
  const range = quartile((n) => n > third) - quartile((n) => n >= first);
  return 1.059 * Math.min(range / 1.34, deviation) * total ** -0.2;
}
