import { METRICS_BY_KIND, type MetricName } from '../config/metric-names.ts';
import { predictedClass } from '../numerics/softmax.ts';
import { ascending } from '../stats/placements.ts';
import { aucMetric, leaveOneOut, type RowMetric } from '../stats/row-metric.ts';
import type { TestRows } from './compared-model.ts';

/** With more classes the one-vs-rest AUC would take most of a comparison's time. */
const AUC_CLASSES = 20;
/** Probabilities below count as this, as scikit-learn has it: one wrong row with a probability of 0 would make the loss infinite. */
const LEAST_PROBABILITY = 2 ** -52;

/** Probabilities of equal odds differ in their last bits by the order of the other classes; within this they tie. */
const TIE = 2 ** -46;

/** Metrics of one model that come from the same sums over rows. */
export interface MetricFamily {
  /** By name; each can be asked by itself. */
  readonly metrics: ReadonlyMap<MetricName, RowMetric>;
  /** The values of all of them in their order; the rows are summed once. */
  of(counts: Uint32Array): readonly number[];
}

/** A metric of a family as a function of the family's sums. */
interface Member<Sums> {
  value(sums: Sums): number;
  /** The metric without each row in turn, where that takes no pass over all rows for each. */
  leaveOneOut?(): Float64Array;
}

function familyOf<Sums>(
  rows: number,
  sumsOf: (counts: Uint32Array) => Sums,
  members: readonly (readonly [MetricName, Member<Sums>])[],
): MetricFamily {
  const values = members.map(([, { value }]) => value);
  return {
    metrics: new Map(
      members.map(([name, { value, leaveOneOut: without }]) => [
        name,
        { rows, of: (counts) => value(sumsOf(counts)), ...(without && { leaveOneOut: without }) },
      ]),
    ),
    of(counts) {
      const sums = sumsOf(counts);
      return values.map((value) => value(sums));
    },
  };
}

const CLASS_METRICS: ReadonlySet<MetricName> = new Set([
  'accuracy',
  'merror',
  'precision',
  'recall',
  'f1',
  'precision_weighted',
  'recall_weighted',
  'f1_weighted',
]);

/**
 * Metrics of a model's predictions as the bootstrap asks them, by the formulas of docs/metrics.md in binary64: within rounding, and for
 * logloss within 1e-6, those of the margins. What cannot be had is left out: a metric of another kind of model, one-vs-rest AUC of more
 * than 20 classes, an AUC of rows that lack a class.
 * @param predictions as ComparedModel has them
 */
export function metricFamilies(
  asked: readonly MetricName[],
  rows: TestRows,
  predictions: Float64Array,
): MetricFamily[] {
  const ofKind: ReadonlySet<MetricName> = new Set(METRICS_BY_KIND[rows.kind]);
  const names = asked.filter((name) => ofKind.has(name));
  const ofClasses = names.filter((name) => CLASS_METRICS.has(name));
  const ofMeans = names.filter((name) => MEANS.has(name));
  const ofRanks = names.filter((name) => !CLASS_METRICS.has(name) && !MEANS.has(name));
  const families = [
    ...(ofClasses.length > 0 ? [classFamily(ofClasses, rows, predictions)] : []),
    ...(ofMeans.length > 0 ? [meansFamily(ofMeans, rows, predictions)] : []),
    ...(ofRanks.length === 0
      ? []
      : rows.kind === 'binary'
        ? [rankFamily(ofRanks, rows, predictions)]
        : [oneVsRestFamily(ofRanks, rows, predictions)]),
  ];
  return families.filter(({ metrics }) => metrics.size > 0);
}

/** One metric of a model's predictions, as metricFamilies has it; undefined where it cannot be had. */
export function rowMetric(
  name: MetricName,
  rows: TestRows,
  predictions: Float64Array,
): RowMetric | undefined {
  return metricFamilies([name], rows, predictions)[0]?.metrics.get(name);
}

/** The class that a model predicts for each row. */
export function predictedClasses({ kind, classes, labels }: TestRows, predictions: Float64Array): Uint8Array {
  return Uint8Array.from({ length: labels.length }, (_, row) =>
    kind === 'binary' ? Number(predictions[row]! > 0.5) : predictedClass(predictions, row * classes, classes),
  );
}

const weightsOf = ({ labels, weights }: TestRows) =>
  weights === undefined ? new Float64Array(labels.length).fill(1) : Float64Array.from(weights);

/** Sums counts times weights over some rows, in their order. */
function weigher({ weights }: TestRows): (rows: Uint32Array, counts: Uint32Array) => number {
  if (weights === undefined)
    return (rows, counts) => {
      let sum = 0;
      for (let i = 0; i < rows.length; i++) sum += counts[rows[i]!]!;
      return sum;
    };
  const own = Float64Array.from(weights);
  return (rows, counts) => {
    let sum = 0;
    for (let i = 0; i < rows.length; i++) sum += counts[rows[i]!]! * own[rows[i]!]!;
    return sum;
  };
}

/** The rows of each of several groups, rising. */
function rowsByGroup(groupOf: ArrayLike<number>, groups: number): Uint32Array[] {
  const sizes = new Uint32Array(groups);
  for (let row = 0; row < groupOf.length; row++) sizes[groupOf[row]!]!++;
  const rows = Array.from(sizes, (size) => new Uint32Array(size));
  sizes.fill(0);
  for (let row = 0; row < groupOf.length; row++) rows[groupOf[row]!]![sizes[groupOf[row]!]!++] = row;
  return rows;
}

/** Sums over rows by class, as the metrics of classes need them. */
interface ClassSums {
  /** Weight of the rows of each class that are predicted so, that are predicted as it, and that are of it. */
  readonly hits: Float64Array;
  readonly predicted: Float64Array;
  readonly actual: Float64Array;
}

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);

function classValue(name: MetricName, binary: boolean): (sums: ClassSums) => number {
  const total = ({ actual }: ClassSums) => actual.reduce((sum, w) => sum + w, 0);
  const right = ({ hits }: ClassSums) => hits.reduce((sum, w) => sum + w, 0);
  if (name === 'accuracy') return (sums) => right(sums) / total(sums);
  if (name === 'merror') return (sums) => 1 - right(sums) / total(sums);
  const of = ({ hits, predicted, actual }: ClassSums, c: number) =>
    name.startsWith('precision')
      ? ratio(hits[c]!, predicted[c]!)
      : name.startsWith('recall')
        ? ratio(hits[c]!, actual[c]!)
        : ratio(2 * hits[c]!, predicted[c]! + actual[c]!);
  if (binary) return (sums) => of(sums, 1);
  if (name.endsWith('_weighted'))
    return (sums) => sums.actual.reduce((sum, w, c) => sum + w * of(sums, c), 0) / total(sums);
  return (sums) => sums.actual.reduce((sum, _, c) => sum + of(sums, c), 0) / sums.actual.length;
}

function classFamily(names: readonly MetricName[], rows: TestRows, predictions: Float64Array): MetricFamily {
  const { labels, classes } = rows;
  const predicted = predictedClasses(rows, predictions);
  const cellOf = Uint16Array.from(predicted, (guess, row) => labels[row]! * classes + guess);
  // Rows of one cell lie together: adding to the cell of each row in turn would wait for the sum that was just stored.
  const cells = [...rowsByGroup(cellOf, classes * classes).entries()].filter(([, { length }]) => length > 0);
  const weightOf = weigher(rows);
  const sumsOf = (counts: Uint32Array) => {
    const sums: ClassSums = {
      hits: new Float64Array(classes),
      predicted: new Float64Array(classes),
      actual: new Float64Array(classes),
    };
    for (const [cell, ofCell] of cells)
      add(sums, Math.floor(cell / classes), cell % classes, weightOf(ofCell, counts));
    return sums;
  };
  const members = names.map((name) => {
    const value = classValue(name, rows.kind === 'binary');
    const member: Member<ClassSums> = {
      value,
      leaveOneOut() {
        const sums = sumsOf(new Uint32Array(labels.length).fill(1));
        return weightsOf(rows).map((weight, row) => {
          add(sums, labels[row]!, predicted[row]!, -weight);
          const without = value(sums);
          add(sums, labels[row]!, predicted[row]!, weight);
          return without;
        });
      },
    };
    return [name, member] as const;
  });
  return familyOf(labels.length, sumsOf, members);
}

function add(sums: ClassSums, label: number, guess: number, weight: number): void {
  sums.actual[label]! += weight;
  sums.predicted[guess]! += weight;
  if (label === guess) sums.hits[label]! += weight;
}

/** Numbers a row whose weighted means metrics are functions of. */
type RowValues = 'loss' | 'square' | 'size' | 'share' | 'centred' | 'centredSquare';

const MEANS: ReadonlyMap<
  MetricName,
  { readonly of: readonly RowValues[]; value(...means: readonly number[]): number }
> = new Map([
  ['logloss', { of: ['loss'], value: (loss: number) => loss }],
  ['mse', { of: ['square'], value: (square: number) => square }],
  ['rmse', { of: ['square'], value: Math.sqrt }],
  ['mae', { of: ['size'], value: (size: number) => size }],
  ['mape', { of: ['share'], value: (share: number) => share }],
  ['r2', { of: ['square', 'centred', 'centredSquare'], value: determination }],
]);

function determination(error: number, mean: number, square: number): number {
  const variance = square - mean ** 2;
  // What rounding leaves of equal targets.
  if (variance <= square * 1e-14) return error === 0 ? 1 : 0;
  return 1 - error / variance;
}

function valuesOf(rows: TestRows, predictions: Float64Array, name: RowValues): Float64Array {
  const { labels } = rows;
  const errors = (of: (difference: number, label: number) => number) =>
    predictions.map((value, row) => of(value - labels[row]!, labels[row]!));
  switch (name) {
    case 'loss':
      return losses(rows, predictions);
    case 'square':
      return errors((d) => d * d);
    case 'size':
      return errors(Math.abs);
    case 'share':
      return errors((d, y) => Math.abs(d) / Math.max(Math.abs(y), 2 ** -52));
    case 'centred':
      return centred(labels);
    case 'centredSquare':
      return centred(labels).map((t) => t * t);
    default:
      throw name satisfies never;
  }
}

/** Targets about the mean of all rows: sums of squares of far ones would cancel. */
function centred(labels: ArrayLike<number>): Float64Array {
  const targets = Float64Array.from(labels);
  const middle = targets.reduce((sum, y) => sum + y / targets.length, 0);
  return targets.map((y) => y - middle);
}

/** Metrics that are functions of weighted means of numbers a row. */
function meansFamily(names: readonly MetricName[], rows: TestRows, predictions: Float64Array): MetricFamily {
  const weights = weightsOf(rows);
  const used = [...new Set(names.flatMap((name) => MEANS.get(name)!.of))];
  const weighted = used.map((name) => valuesOf(rows, predictions, name).map((x, row) => x * weights[row]!));
  const sumOf = (counts: Uint32Array, of: Float64Array) => {
    let sum = 0;
    for (let row = 0; row < of.length; row++) sum += counts[row]! * of[row]!;
    return sum;
  };
  const drawnOf = (counts: Uint32Array) => {
    if (rows.weights !== undefined) return sumOf(counts, weights);
    let drawn = 0;
    for (let row = 0; row < counts.length; row++) drawn += counts[row]!;
    return drawn;
  };
  const sumsOf = (counts: Uint32Array) => ({
    drawn: drawnOf(counts),
    sums: weighted.map((of) => sumOf(counts, of)),
  });
  const members = names.map((name) => {
    const { of, value } = MEANS.get(name)!;
    const places = of.map((values) => used.indexOf(values));
    const member: Member<ReturnType<typeof sumsOf>> = {
      value: ({ drawn, sums }) => value(...places.map((i) => sums[i]! / drawn)),
      leaveOneOut() {
        const { drawn, sums } = sumsOf(new Uint32Array(weights.length).fill(1));
        return weights.map((weight, row) =>
          value(...places.map((i) => (sums[i]! - weighted[i]![row]!) / (drawn - weight))),
        );
      },
    };
    return [name, member] as const;
  });
  return familyOf(weights.length, sumsOf, members);
}

function losses({ kind, classes, labels }: TestRows, predictions: Float64Array): Float64Array {
  return Float64Array.from({ length: labels.length }, (_, row) => {
    const label = labels[row]!;
    const p =
      kind !== 'binary'
        ? predictions[row * classes + label]!
        : label === 1
          ? predictions[row]!
          : 1 - predictions[row]!;
    return -Math.log(Math.max(p, LEAST_PROBABILITY));
  });
}

const hasBothClasses = (labels: ArrayLike<number>) => {
  const found = new Set(Array.from(labels));
  return found.has(0) && found.has(1);
};

/** AUC and average precision of two classes. */
function rankFamily(names: readonly MetricName[], rows: TestRows, scores: Float64Array): MetricFamily {
  const both = hasBothClasses(rows.labels);
  const members = both ? names.map((name) => [name, rankMetric(name, rows, scores)] as const) : [];
  return familyOf(
    rows.labels.length,
    (counts) => counts,
    members.map(([name, { of, leaveOneOut: without }]) => [
      name,
      { value: of, ...(without && { leaveOneOut: without }) },
    ]),
  );
}

function rankMetric(name: MetricName, rows: TestRows, scores: Float64Array): RowMetric {
  if (name === 'auc_pr') return averagePrecision(rows, scores);
  return rows.weights === undefined ? aucMetric(rows.labels, scores) : weightedAuc(rows, scores);
}

/** Rows by falling scores, for metrics that take one pass over them a resample. */
interface SortedRows {
  readonly order: Uint32Array;
  /** By place in the order: label, own weight, and 1 where the next score is another one. */
  readonly labels: Uint8Array;
  readonly own: Float64Array;
  readonly endsTie: Uint8Array;
}

function sortRows(rows: TestRows, scores: Float64Array): SortedRows {
  const falling = scores.map((score) => -score);
  const order = ascending(rows.labels, falling);
  const weights = weightsOf(rows);
  return {
    order,
    labels: Uint8Array.from(order, (row) => rows.labels[row]!),
    own: Float64Array.from(order, (row) => weights[row]!),
    endsTie: Uint8Array.from(order, (row, place) => Number(scores[row] !== scores[order[place + 1]!])),
  };
}

// One loop for both would choose between them for each row, which takes as long again.

/** The area under the ROC curve with weights. */
function weightedAuc(rows: TestRows, scores: Float64Array): RowMetric {
  const { order, labels, own, endsTie } = sortRows(rows, scores);
  return {
    rows: order.length,
    of(counts) {
      let positives = 0;
      let negatives = 0;
      let ofPositive = 0;
      let ofNegative = 0;
      let sum = 0;
      for (let place = 0; place < order.length; place++) {
        const weight = counts[order[place]!]! * own[place]!;
        const positive = weight * labels[place]!;
        ofPositive += positive;
        ofNegative += weight - positive;
        if (endsTie[place] === 0) continue;
        sum += ofNegative * (positives + ofPositive / 2);
        positives += ofPositive;
        negatives += ofNegative;
        ofPositive = 0;
        ofNegative = 0;
      }
      return sum / (positives * negatives);
    },
  };
}

/** Average precision, with weights or without. */
function averagePrecision(rows: TestRows, scores: Float64Array): RowMetric {
  const { order, labels, own, endsTie } = sortRows(rows, scores);
  return {
    rows: order.length,
    of(counts) {
      let positives = 0;
      let negatives = 0;
      let ofPositive = 0;
      let ofNegative = 0;
      let sum = 0;
      let place = 0;
      // Until a row counts, precision is 0 / 0.
      while (place < order.length && counts[order[place]!]! * own[place]! === 0) place++;
      for (; place < order.length; place++) {
        const weight = counts[order[place]!]! * own[place]!;
        const positive = weight * labels[place]!;
        ofPositive += positive;
        ofNegative += weight - positive;
        if (endsTie[place] === 0) continue;
        positives += ofPositive;
        negatives += ofNegative;
        // Also of ties without positive rows, which add 0: which have some cannot be predicted.
        sum += (ofPositive * positives) / (positives + negatives);
        ofPositive = 0;
        ofNegative = 0;
      }
      return positives === 0 ? Number.NaN : sum / positives;
    },
  };
}

/** AUCs of each class against the others, and the weight of each class. */
interface OneVsRestSums {
  readonly aucs: readonly number[];
  readonly shares: readonly number[];
}

/** The mean of the classes' AUCs, by their weight for auc_roc_weighted. */
function oneVsRestFamily(
  names: readonly MetricName[],
  rows: TestRows,
  predictions: Float64Array,
): MetricFamily {
  const { classes, labels } = rows;
  const parts = classes > AUC_CLASSES ? [] : oneVsRestParts(rows, predictions);
  const had =
    parts.length < 2 ? [] : names.filter((name) => parts.length === classes || name === 'auc_roc_weighted');
  const byWeight = had.includes('auc_roc_weighted');
  const weightOf = weigher(rows);
  const sumsOf = (counts: Uint32Array): OneVsRestSums => ({
    aucs: parts.map(({ metric }) => metric.of(counts)),
    shares: byWeight ? parts.map(({ ofClass }) => weightOf(ofClass, counts)) : [],
  });
  const average = (values: readonly number[], shares: readonly number[]) => {
    const total = shares.reduce((sum, share) => sum + share, 0);
    return values.reduce((sum, value, i) => (shares[i] === 0 ? sum : sum + shares[i]! * value), 0) / total;
  };
  const alike = parts.map(() => 1);
  const withoutRows = (isWeighted: boolean) => {
    const without = parts.map(({ metric }) => leaveOneOut(metric));
    const shares = parts.map(({ ofClass }) => (isWeighted ? ofClass.length : 1));
    return Float64Array.from(labels, (label, row) =>
      average(
        without.map((values) => values[row]!),
        isWeighted ? parts.map(({ c }, i) => shares[i]! - Number(label === c)) : alike,
      ),
    );
  };
  const members = had.map((name) => {
    const isWeighted = name === 'auc_roc_weighted';
    const member: Member<OneVsRestSums> = {
      value: ({ aucs, shares }) => average(aucs, isWeighted ? shares : alike),
      ...(rows.weights === undefined && { leaveOneOut: () => withoutRows(isWeighted) }),
    };
    return [name, member] as const;
  });
  return familyOf(labels.length, sumsOf, members);
}

/** Each class that has rows, and has rows beside it, against the others. */
function oneVsRestParts(rows: TestRows, predictions: Float64Array) {
  const { classes, labels } = rows;
  return rowsByGroup(labels, classes).flatMap((ofClass, c) => {
    const isClass = new Uint8Array(labels.length);
    for (const row of ofClass) isClass[row] = 1;
    if (!hasBothClasses(isClass)) return [];
    const scores = Float64Array.from(isClass, (_, row) => Math.round(predictions[row * classes + c]! / TIE));
    const one: TestRows = { ...rows, kind: 'binary', classes: 2, labels: isClass };
    return [{ c, ofClass, metric: rankMetric('auc_roc', one, scores) }];
  });
}
