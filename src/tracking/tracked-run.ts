import type { SplitName } from '../data/types.ts';

/** How a run ended, in MLflow's words. */
export type RunStatus = 'FINISHED' | 'FAILED' | 'KILLED';

/** Values of one metric by step, ascending; NaN and infinities are values too. */
export interface TrackedMetric {
  readonly name: string;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** What any run has, be it a whole experiment or one trial of it. */
export interface TrackedRecord {
  readonly name: string;
  readonly status: RunStatus;
  readonly started: Date;
  readonly ended: Date;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: readonly TrackedMetric[];
}

/** A file that a run has read. */
export interface TrackedDataset {
  readonly name: string;
  /** Absolute path of the file. */
  readonly path: string;
  readonly sha256: string;
  readonly rows: number;
  readonly role: SplitName;
  readonly columns: readonly TrackedColumn[];
}

export interface TrackedColumn {
  readonly name: string;
  readonly type: 'double' | 'string' | 'boolean';
}

/** A trained model in a form that other programs load. */
export interface TrackedModel {
  readonly name: string;
  /** The text of its XGBoost JSON file. */
  readonly xgboost: string;
  readonly features: readonly { readonly name: string; readonly categorical: boolean }[];
  /** Numbers that it predicts for a row. */
  readonly outputs: number;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Metrics of the run that are about it, each with its last value. */
  readonly scores: Readonly<Record<string, number>>;
}

/** A file of a run; `name` is its path below the artifacts, with slashes. */
export interface TrackedArtifact {
  readonly name: string;
  readonly path: string;
}

/** Everything that is recorded of one run of an experiment. */
export interface TrackedRun extends TrackedRecord {
  readonly experiment: string;
  readonly description: string;
  /** Who ran it. */
  readonly user: string;
  /** What the run's id is derived from: equal for runs that did the same. */
  readonly identity: string;
  readonly datasets: readonly TrackedDataset[];
  readonly artifacts: readonly TrackedArtifact[];
  readonly models: readonly TrackedModel[];
  /** The trials of a search. */
  readonly nested: readonly TrackedRecord[];
}
