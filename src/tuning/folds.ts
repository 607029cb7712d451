import type { ModelKind } from '../config/objectives.ts';
import { type FoldOptions, kFold } from '../data/split.ts';
import type { RowSet } from '../data/types.ts';
import { InputError } from '../errors.ts';

/** How rows are divided for cross-validation. */
export type FoldMethod = 'stratified' | 'random' | 'grouped' | 'time';

/**
 * Rows 0 … rows − 1 of the table take part; labels and groups may be longer. `stratified` needs labels, which `grouped` uses where
 * given, and `grouped` needs groups.
 */
export interface FoldSetOptions extends FoldOptions {
  readonly method: FoldMethod;
  /** Rows of the table, at least `rows`. */
  readonly tableRows: number;
}

/** How rows are divided where nothing is said about it. */
export function defaultFoldMethod(kind: ModelKind, isGrouped: boolean): FoldMethod {
  if (isGrouped) return 'grouped';
  return kind === 'regression' ? 'random' : 'stratified';
}

/** Rows that one model of a cross-validation trains on, and those that score it. */
export interface Fold {
  readonly train: RowSet;
  readonly validation: RowSet;
}

/** Of the table, and in no fold. */
const NO_FOLD = 255;

/**
 * The folds of a cross-validation. `stratified` and `random` shuffle by the seed, `grouped` keeps groups whole, and `time`
 * chains forward: the rows, in their order, are cut into k + 1 blocks, and fold i trains on the first i + 1 and is scored on the next
 * (scikit-learn's TimeSeriesSplit).
 * @throws InputError where there are fewer rows or groups than that needs.
 */
export function makeFolds(options: FoldSetOptions): Fold[] {
  const { method, k, rows, tableRows, seed } = options;
  if (method === 'time') {
    const block = Math.floor(rows / (k + 1));
    if (block < 1) {
      throw new InputError(
        `Forward chaining with ${k} folds needs ${k + 1} rows at least, and there are ${rows}; lower optimization.cv.`,
      );
    }
    return Array.from({ length: k }, (_, i) => {
      const start = rows - (k - i) * block;
      return { train: { start: 0, end: start }, validation: { start, end: start + block } };
    });
  }
  const of = (part: Float32Array | Int32Array | undefined) => part?.subarray(0, rows);
  const numbers = kFold({
    rows,
    k,
    labels: method === 'random' ? undefined : (of(options.labels) as Float32Array | undefined),
    groups: method === 'grouped' ? (of(options.groups) as Int32Array | undefined) : undefined,
    seed,
  });
  const folds = new Uint8Array(tableRows).fill(NO_FOLD);
  folds.set(numbers);
  return Array.from({ length: k }, (_, fold) => ({
    train: { folds, fold, except: true },
    validation: { folds, fold },
  }));
}
