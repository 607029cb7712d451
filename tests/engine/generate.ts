import fc from 'fast-check';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import { kindOf, OBJECTIVES } from '../../src/config/objectives.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { BinnedDataset, Column, Dataset, FeatureSpec, RowSet } from '../../src/data/types.ts';
import type { MetricName, Objective, TrainingJob, TreeParams } from '../../src/engine/engine.ts';
import { listRows } from '../reference/reference.ts';

/** A small deterministic generator, so that a failing case can be made again from its seed alone. */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  normal(): number {
    return this.next() + this.next() + this.next() + this.next() - 2;
  }
}

export const DEFAULT_TREE_PARAMS: TreeParams = {
  objective: 'binary:logistic',
  num_class: 0,
  max_depth: 4,
  learning_rate: 0.3,
  subsample: 1,
  colsample_bytree: 1,
  colsample_bylevel: 1,
  colsample_bynode: 1,
  min_child_weight: 1,
  gamma: 0,
  reg_alpha: 0,
  reg_lambda: 1,
  max_delta_step: 0,
  monotone_constraints: [],
  scale_pos_weight: 1,
  base_score: null,
  max_cat_to_onehot: 4,
  max_cat_threshold: 64,
};

export const METRICS_OF: Readonly<Record<Objective, readonly MetricName[]>> = {
  'binary:logistic': METRICS_BY_KIND.binary,
  'multi:softprob': METRICS_BY_KIND.multiclass,
  'multi:softmax': METRICS_BY_KIND.multiclass,
  'reg:squarederror': METRICS_BY_KIND.regression,
};

/** What a table looks like; every field is a way in which engines could differ. */
export interface TableShape {
  readonly seed: number;
  readonly rows: number;
  readonly numeric: number;
  readonly discrete: number;
  /** Columns of 0 with a 1 here and there. */
  readonly indicators?: number;
  /** Numbers of categories. */
  readonly categorical: readonly number[];
  readonly missing: number;
  readonly weighted: boolean;
  /** Targets span 2^±targetScale; one in 50 is an outlier where heavyTail. */
  readonly targetScale: number;
  readonly heavyTail: boolean;
  readonly maxBin: number;
  /** Classes of a table for a multi: objective. */
  readonly classes: number;
}

/** A small table with columns of every kind, missing values and weights. */
export const MIXED_SHAPE: TableShape = {
  seed: 4,
  rows: 300,
  numeric: 3,
  discrete: 1,
  categorical: [3, 12],
  missing: 0.1,
  weighted: true,
  targetScale: 0,
  heavyTail: false,
  maxBin: 256,
  classes: 3,
};

export const tableShape = (maxRows: number): fc.Arbitrary<TableShape> =>
  fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    rows: fc.integer({ min: 1, max: maxRows }),
    numeric: fc.integer({ min: 0, max: 4 }),
    discrete: fc.integer({ min: 0, max: 2 }),
    categorical: fc.array(fc.constantFrom(1, 2, 3, 5, 12, 70, 300), { minLength: 1, maxLength: 3 }),
    missing: fc.constantFrom(0, 0, 0.1, 0.6),
    weighted: fc.boolean(),
    targetScale: fc.integer({ min: -20, max: 20 }),
    heavyTail: fc.boolean(),
    maxBin: fc.constantFrom(2, 3, 16, 256),
    classes: fc.integer({ min: 2, max: 6 }),
  });

/** A random table of that shape with a target for the objective. */
export function makeTable(
  shape: TableShape,
  objective: Objective,
): { data: Dataset; features: FeatureSpec[] } {
  const draws = new Draws(shape.seed);
  const { rows } = shape;
  const columns: Column[] = [];
  const signal = new Float64Array(rows);
  const numericColumn = (name: string, value: () => number, weight: number) => {
    const values = new Float32Array(rows);
    for (let row = 0; row < rows; row++) {
      const x = value();
      signal[row]! += weight * x;
      values[row] = draws.next() < shape.missing ? Number.NaN : x;
    }
    columns.push({ kind: 'numeric', name, values });
  };
  for (let f = 0; f < shape.numeric; f++)
    numericColumn(`n${f}`, () => draws.normal(), f % 2 === 0 ? 1 : -0.5);
  for (let f = 0; f < shape.discrete; f++) numericColumn(`d${f}`, () => draws.below(4) - 1, 0.5);
  for (let f = 0; f < (shape.indicators ?? 0); f++)
    numericColumn(`i${f}`, () => (draws.below(25) === 0 ? 1 : 0), f % 3 === 0 ? 1 : -1);
  shape.categorical.forEach((count, f) => {
    const codes = new Int32Array(rows);
    for (let row = 0; row < rows; row++) {
      const code = Math.floor(draws.next() * draws.next() * count);
      signal[row]! += ((code * 7) % 5) / 4;
      codes[row] = draws.next() < shape.missing ? -1 : code;
    }
    const categories = Array.from({ length: count }, (_, c) => `c${String(c).padStart(3, '0')}`);
    columns.push({ kind: 'categorical', name: `k${f}`, codes, categories });
  });
  const label = Float32Array.from(signal, (s) => {
    const noisy = s + draws.normal();
    if (objective === 'binary:logistic') return noisy > 0.8 ? 1 : 0;
    if (kindOf(objective) === 'multiclass') {
      const band = Math.floor(((noisy + 2) * shape.classes) / 5);
      return Math.min(Math.max(band, 0), shape.classes - 1);
    }
    const outlier = shape.heavyTail && draws.below(50) === 0 ? 1000 : 1;
    return (noisy * outlier + 3) * 2 ** shape.targetScale;
  });
  const data: Dataset = {
    rows,
    columns,
    label,
    ...(shape.weighted && {
      weight: Float32Array.from(label, (_, row) =>
        row === 0 ? 1 : draws.below(8) === 0 ? 0 : draws.next() * 3,
      ),
    }),
  };
  const features = columns.map(
    (column): FeatureSpec =>
      column.kind === 'numeric'
        ? { name: column.name, type: 'numeric' }
        : { name: column.name, type: 'categorical', categories: column.categories },
  );
  return { data, features };
}

export async function makeBinned(shape: TableShape, objective: Objective): Promise<BinnedDataset> {
  const { data, features } = makeTable(shape, objective);
  return binDataset(data, features, { maxBin: shape.maxBin });
}

export const objective: fc.Arbitrary<Objective> = fc.constantFrom(...OBJECTIVES);

/**
 * Tree parameters over the ranges that people search, and their edges. Monotone constraints are for any number of
 * features: see `makeJob`.
 * @param classes of the table, where the objective is multi:.
 */
export const treeParamsFor = (of: Objective, classes: number): fc.Arbitrary<TreeParams> =>
  fc.record({
    objective: fc.constant(of),
    num_class: fc.constant(kindOf(of) === 'multiclass' ? classes : 0),
    max_depth: fc.integer({ min: 1, max: 7 }),
    learning_rate: fc.constantFrom(0.05, 0.3, 1, 3),
    subsample: fc.constantFrom(1, 0.8, 0.3),
    colsample_bytree: fc.constantFrom(1, 0.8, 0.29),
    colsample_bylevel: fc.constantFrom(1, 1, 0.7),
    colsample_bynode: fc.constantFrom(1, 1, 0.5),
    min_child_weight: fc.constantFrom(0, 1, 2.5, 10),
    gamma: fc.constantFrom(0, 0, 0.1, 1),
    reg_alpha: fc.constantFrom(0, 0, 0.1, 1),
    reg_lambda: fc.constantFrom(0, 0.3, 1, 10),
    max_delta_step: fc.constantFrom(0, 0, 0.05, 1),
    monotone_constraints: fc.constantFrom([], [], [1, -1], [1, 0, -1, 1], [0]),
    scale_pos_weight: of === 'binary:logistic' ? fc.constantFrom(1, 1, 0.3, 7) : fc.constant(1),
    base_score: kindOf(of) === 'multiclass' ? fc.constant(null) : fc.constantFrom(null, null, 0.3),
    max_cat_to_onehot: fc.constantFrom(1, 4, 20),
    max_cat_threshold: fc.constantFrom(1, 3, 64),
  });

/** A random ascending subset, at least one row. */
export function subset(rows: number, fraction: number, seed: number): RowSet {
  const draws = new Draws(seed);
  const list = Array.from({ length: rows }, (_, row) => row).filter(() => draws.next() < fraction);
  return Uint32Array.from(list.length > 0 ? list : [0]);
}

/** The rows of all folds but one of five; a few rows are in none. At least one row. */
export function foldRows(rows: number, seed: number): RowSet {
  const draws = new Draws(seed);
  const folds = Uint8Array.from({ length: rows }, () => (draws.below(20) === 0 ? 255 : draws.below(5)));
  const fold = seed % 5;
  folds[0] = (fold + 1) % 5;
  return { folds, fold, except: true };
}

/**
 * A job over part of the rows that scores both that part and the whole. Monotone constraints are repeated until there
 * is one for each feature; categorical features have none.
 */
export function makeJob(
  data: BinnedDataset,
  params: TreeParams,
  seed: number,
  fraction: number,
  byFold = false,
): TrainingJob {
  const all = { start: 0, end: data.rows };
  const part = byFold ? foldRows(data.rows, seed) : subset(data.rows, fraction, seed);
  const rows = fraction >= 1 ? all : part;
  const usable = data.weight === undefined || hasWeight(data, rows);
  const { monotone_constraints: pattern } = params;
  const constraints = data.features.map(({ type }, f) =>
    type === 'categorical' ? 0 : pattern[f % pattern.length]!,
  );
  return {
    params: { ...params, monotone_constraints: pattern.length === 0 ? [] : constraints },
    seed,
    rows: usable ? rows : all,
    evals: [usable ? rows : all, all],
    metrics: METRICS_OF[params.objective],
  };
}

function hasWeight(data: BinnedDataset, rows: RowSet): boolean {
  return listRows(rows).some((row) => data.weight![row]! > 0);
}
