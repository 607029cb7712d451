import type { FeatureType } from '../config/features.ts';

export type { FeatureType } from '../config/features.ts';

/** A column of numbers; timestamps, booleans and ordinals are numbers by the time they are here. */
export interface NumericColumn {
  readonly kind: 'numeric';
  readonly name: string;
  /** One value a row; NaN is missing, infinities are kept. */
  readonly values: Float32Array;
}

/** A column of categories. */
export interface CategoricalColumn {
  readonly kind: 'categorical';
  readonly name: string;
  /** One index into `categories` a row; −1 is missing (a null, or a category that `categories` does not hold). */
  readonly codes: Int32Array;
  /** Distinct category names, sorted by UTF-16 code units, as found in the training rows. */
  readonly categories: readonly string[];
}

export type Column = NumericColumn | CategoricalColumn;

/** What a model must know of one input column to read new data the same way. */
export interface FeatureSpec {
  readonly name: string;
  readonly type: FeatureType;
  /** Categorical: the known categories, sorted. Ordinal over strings: the levels, lowest first. */
  readonly categories?: readonly string[];
  /** The source held timestamps: they are read as seconds since 1970-01-01 UTC. */
  readonly timestamp?: boolean;
  /** Categorical, of imported models: a category that is not listed is not missing but goes right at every split. */
  readonly unlisted_right?: boolean;
}

/** What a model must know of the target. */
export interface TargetSpec {
  readonly name: string;
  /** Classification: the classes in sorted order, class k having label k. Absent for regression. */
  readonly classes?: readonly (string | number | boolean)[];
}

/** How a table is read: feature order, types and categories, all taken from the training rows. */
export interface Schema {
  readonly features: readonly FeatureSpec[];
  readonly target: TargetSpec;
}

/** Rows ready for binning; all arrays have length `rows`. */
export interface Dataset {
  readonly rows: number;
  /** In the order of `Schema.features`. */
  readonly columns: readonly Column[];
  /** Class index for classification, value for regression. */
  readonly label: Float32Array;
  /** Non-negative, finite; absent means all ones. */
  readonly weight?: Float32Array;
}

/** Rows by the fold they are in. */
export interface FoldRows {
  /** One a row of the data set: its fold, 0 … 254, or 255 for none. Not to be changed while a job uses it. */
  readonly folds: Uint8Array;
  readonly fold: number;
  /** Take the rows of all other folds instead, as training does. */
  readonly except?: boolean;
}

/** Rows of a data set: a half-open range, ascending distinct row numbers, or a fold. */
export type RowSet = { readonly start: number; readonly end: number } | Uint32Array | FoldRows;

/** The parts of an experiment's data. */
export type SplitName = 'train' | 'val' | 'test';

/** A file that was read, for the record. */
export interface SourceRecord {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** One feature after binning. */
export interface BinnedFeature {
  readonly name: string;
  readonly type: FeatureType;
  /** Number of value bins, 1…255; their codes are 1…bins, code 0 is missing. */
  readonly bins: number;
  /**
   * Numeric and ordinal: ascending finite float32 boundaries, length bins − 1; a value x has the code
   * 1 + #{cuts ≤ x}. Empty for categorical features.
   */
  readonly cuts: Float32Array;
  /** Categorical: the bin code of each category of the schema; several rare ones may share the last bin. */
  readonly binOfCategory: Uint8Array;
}

/** A binned table: what engines train on. Immutable once made; shared between threads without copies. */
export interface BinnedDataset {
  readonly rows: number;
  /** Bytes from one row to the next, ≥ features.length (`rowStride`); the padding bytes are 0. */
  readonly stride: number;
  /** Row-major codes, bins[row · stride + feature]; backed by a SharedArrayBuffer. */
  readonly bins: Uint8Array;
  readonly features: readonly BinnedFeature[];
  /** Length rows. */
  readonly label: Float32Array;
  /** Length rows, or absent for all ones. */
  readonly weight?: Float32Array;
}
