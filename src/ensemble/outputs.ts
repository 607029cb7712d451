import { type OutputScale, predictionsOf } from '../boosting/output.ts';
import { kindOf, type ModelKind, type Objective } from '../config/objectives.ts';
import type { Column } from '../data/types.ts';
import type { TreeEnsemble } from '../engine/engine.ts';
import { takeColumn } from './passthrough.ts';

/** What the members of an ensemble say of the same rows. */
export interface MemberOutputs {
  readonly kind: ModelKind;
  readonly rows: number;
  /** Numbers a member has for each row: its class probabilities (multiclass), else 1. */
  readonly width: number;
  /** One a member, (rows, width), row-major: the probability of the second class, of every class, or the value. */
  readonly members: readonly Float64Array[];
  /** The features of the same rows, for a linear combiner to see as well (passthrough); without them it sees the members alone. */
  readonly columns?: readonly Column[] | undefined;
}

/** A member's outputs from its margins, (rows, outputs): probabilities also where the objective predicts classes. */
export function outputsOfMargins(scale: OutputScale, margins: Int32Array): Float64Array {
  const objective = kindOf(scale.objective) === 'multiclass' ? 'multi:softprob' : scale.objective;
  return predictionsOf({ ...scale, objective }, margins);
}

/** The same for the trees that the margins are from. */
export function outputsOfTrees(
  { objective }: { readonly objective: Objective },
  trees: TreeEnsemble,
  margins: Int32Array,
): Float64Array {
  const { marginBits, baseValue } = trees;
  return outputsOfMargins({ objective, marginBits, baseValue, baseMargins: [...trees.baseMargins] }, margins);
}

/** The outputs of the listed rows, in their order. */
export function takeRows(outputs: MemberOutputs, rows: Uint32Array): MemberOutputs {
  const { width, columns } = outputs;
  return {
    ...outputs,
    rows: rows.length,
    ...(columns && { columns: columns.map((column) => takeColumn(column, rows)) }),
    members: outputs.members.map((values) => {
      const taken = new Float64Array(rows.length * width);
      rows.forEach((row, i) => {
        for (let c = 0; c < width; c++) taken[i * width + c] = values[row * width + c]!;
      });
      return taken;
    }),
  };
}
