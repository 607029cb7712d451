import type { BinaryScores, MulticlassScores, RegressionScores } from '../../src/addon.ts';
import type { MetricName } from '../../src/engine/engine.ts';
import { softplusNegAbsQ30 } from '../../src/numerics/link.ts';
import { logOdds, predictedClass, softmaxLoss } from '../../src/numerics/softmax.ts';

const UNDEFINED = Number.NaN;
const UNIT_WEIGHT = 1n << 24n;

const sum = (terms: readonly bigint[]): bigint => terms.reduce((total, term) => total + term, 0n);
const abs = (x: bigint): bigint => (x < 0n ? -x : x);
const floorDivide = (a: bigint, b: bigint): bigint => a / b - (a % b < 0n ? 1n : 0n);
const ratio = (a: bigint, b: bigint, undefinedValue: number): number =>
  b === 0n ? undefinedValue : Number(a) / Number(b);

/** x · 2^exponent, which is exact here, by factors that are. */
function scale(x: number, exponent: number): number {
  let result = x;
  for (let i = 0; i < Math.abs(exponent); i++) result *= exponent > 0 ? 2 : 0.5;
  return result;
}

type Scores = BinaryScores | MulticlassScores | RegressionScores;

function weightsOf(scores: Scores): bigint[] {
  const truth = 'labels' in scores ? scores.labels : scores.targets;
  return scores.weights ? Array.from(scores.weights, BigInt) : Array.from(truth, () => UNIT_WEIGHT);
}

function naiveBinaryMetric(name: MetricName, scores: BinaryScores): number {
  const weights = weightsOf(scores);
  const rows = weights.map((weight, i) => ({
    margin: scores.margins[i]!,
    positive: scores.labels[i] === 1,
    weight,
  }));
  const weightWhere = (test: (row: (typeof rows)[number]) => boolean) =>
    sum(rows.filter(test).map(({ weight }) => weight));
  const truePositive = weightWhere((row) => row.positive && row.margin > 0);
  const falsePositive = weightWhere((row) => !row.positive && row.margin > 0);
  const positives = weightWhere((row) => row.positive);
  const negatives = weightWhere((row) => !row.positive);
  const total = positives + negatives;
  switch (name) {
    case 'accuracy':
      return ratio(truePositive + negatives - falsePositive, total, UNDEFINED);
    case 'precision':
      return ratio(truePositive, truePositive + falsePositive, 0);
    case 'recall':
      return ratio(truePositive, positives, 0);
    case 'f1':
      return ratio(2n * truePositive, truePositive + falsePositive + positives, 0);
    case 'auc_roc': {
      const pairs = rows
        .filter((row) => row.positive)
        .map((row) => {
          const below = weightWhere((other) => !other.positive && other.margin < row.margin);
          const tied = weightWhere((other) => !other.positive && other.margin === row.margin);
          return row.weight * (2n * below + tied);
        });
      return ratio(sum(pairs), 2n * positives * negatives, UNDEFINED);
    }
    case 'auc_pr': {
      const precisions = rows
        .filter((row) => row.positive && row.weight > 0n)
        .map((row) => {
          const hits = weightWhere((other) => other.positive && other.margin >= row.margin);
          const predicted = weightWhere((other) => other.margin >= row.margin);
          return row.weight * ((hits << 32n) / predicted);
        });
      return scale(ratio(sum(precisions), positives, 0), -32);
    }
    case 'logloss': {
      const losses = rows.map(({ margin, positive, weight }) => {
        const wrongBy = Math.max(positive ? -margin : margin, 0);
        return weight * ((BigInt(wrongBy) << 10n) + BigInt(softplusNegAbsQ30(margin)));
      });
      return scale(ratio(sum(losses), total, UNDEFINED), -30);
    }
    default:
      throw new Error(`${name} is not a metric of binary scores.`);
  }
}

function naiveMulticlassMetric(name: MetricName, scores: MulticlassScores): number {
  const { classes } = scores;
  const weights = weightsOf(scores);
  const rows = weights.map((weight, i) => {
    const margins = scores.margins.slice(i * classes, (i + 1) * classes);
    return { margins, predicted: predictedClass(margins), actual: scores.labels[i]!, weight };
  });
  const weightWhere = (test: (row: (typeof rows)[number]) => boolean) =>
    sum(rows.filter(test).map(({ weight }) => weight));
  const total = sum(weights);
  const correct = weightWhere(({ predicted, actual }) => predicted === actual);
  const every = Array.from({ length: classes }, (_, c) => ({
    c,
    hits: weightWhere(({ predicted, actual }) => predicted === c && actual === c),
    predicted: weightWhere(({ predicted }) => predicted === c),
    actual: weightWhere(({ actual }) => actual === c),
  }));
  const scoreOf = (metric: string, { c, hits, predicted, actual }: (typeof every)[number]): number => {
    switch (metric) {
      case 'precision':
        return ratio(hits, predicted, 0);
      case 'recall':
        return ratio(hits, actual, 0);
      case 'f1':
        return ratio(2n * hits, predicted + actual, 0);
      case 'auc_roc':
        return naiveBinaryMetric('auc_roc', {
          margins: Int32Array.from(rows, ({ margins }) => logOdds(margins, c)),
          labels: Uint8Array.from(rows, (row) => (row.actual === c ? 1 : 0)),
          ...(scores.weights && { weights: scores.weights }),
        });
      default:
        throw new Error(`${metric} is not a metric of several classes.`);
    }
  };
  switch (name) {
    case 'accuracy':
      return ratio(correct, total, UNDEFINED);
    case 'merror':
      return ratio(total - correct, total, UNDEFINED);
    case 'logloss': {
      const losses = rows.map(({ margins, actual, weight }) => weight * BigInt(softmaxLoss(margins, actual)));
      return scale(ratio(sum(losses), total, UNDEFINED), -30);
    }
    case 'precision_weighted':
    case 'recall_weighted':
    case 'f1_weighted':
    case 'auc_roc_weighted': {
      if (total === 0n) return UNDEFINED;
      const present = every.filter(({ actual }) => actual > 0n);
      const terms = present.map((one) => Number(one.actual) * scoreOf(name.replace('_weighted', ''), one));
      return terms.reduce((a, b) => a + b, 0) / Number(total);
    }
    default:
      return every.map((one) => scoreOf(name, one)).reduce((a, b) => a + b, 0) / classes;
  }
}

/** |error| / max(|y|, 2^−52) summed by binary exponent of the denominator, each reciprocal rounded to 40 bits. */
function naiveMape(scores: RegressionScores, errors: readonly bigint[], weights: readonly bigint[]): number {
  const sums = new Map<number, bigint>();
  errors.forEach((error, i) => {
    const denominator = Math.max(Math.abs(scores.raw[i]!), Number.EPSILON);
    let exponent = 127;
    while (scale(1, exponent) > denominator) exponent--;
    const mantissa = BigInt(scale(denominator, 23 - exponent));
    const reciprocal = ((1n << 63n) + mantissa / 2n) / mantissa;
    sums.set(exponent, (sums.get(exponent) ?? 0n) + abs(error) * reciprocal * weights[i]!);
  });
  const exponents = [...sums.keys()].sort((a, b) => b - a);
  const total = exponents.reduce((partial, e) => partial + scale(Number(sums.get(e)!), -e), 0);
  return scale(total / Number(sum(weights)), -40 - scores.marginBits);
}

function naiveRegressionMetric(name: MetricName, scores: RegressionScores): number {
  const weights = weightsOf(scores);
  const total = sum(weights);
  const targets = Array.from(scores.targets, BigInt);
  const errors = targets.map((target, i) => BigInt(scores.margins[i]!) - target);
  const weighted = (terms: readonly bigint[]) => sum(terms.map((term, i) => term * weights[i]!));
  const squared = weighted(errors.map((error) => error * error));
  const mse = scale(ratio(squared, total, UNDEFINED), -2 * scores.marginBits);
  switch (name) {
    case 'mse':
      return mse;
    case 'rmse':
      return Math.sqrt(mse);
    case 'mae':
      return scale(ratio(weighted(errors.map(abs)), total, UNDEFINED), -scores.marginBits);
    case 'r2': {
      if (targets.length < 2 || total === 0n) return UNDEFINED;
      const centre = floorDivide(2n * weighted(targets) + total, 2n * total);
      const deviations = targets.map((target) => target - centre);
      const spread = weighted(deviations.map((deviation) => deviation * deviation));
      const variation = Number(spread) - Number(weighted(deviations) ** 2n) / Number(total);
      if (variation === 0) return squared === 0n ? 1 : 0;
      return 1 - Number(squared) / variation;
    }
    case 'mape':
      return total === 0n ? UNDEFINED : naiveMape(scores, errors, weights);
    default:
      throw new Error(`${name} is not a metric of a regression.`);
  }
}

/** One metric as docs/metrics.md defines it, with BigInt, by sums over all pairs: the judge of every engine. */
export function naiveMetric(name: MetricName, scores: Scores): number {
  if ('classes' in scores) return naiveMulticlassMetric(name, scores);
  return 'labels' in scores ? naiveBinaryMetric(name, scores) : naiveRegressionMetric(name, scores);
}
