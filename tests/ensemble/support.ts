import { kindOf } from '../../src/config/objectives.ts';
import type { Column } from '../../src/data/types.ts';
import type { MetricName, Objective } from '../../src/engine/engine.ts';
import type { JudgedOutputs } from '../../src/ensemble/truth.ts';

export interface GivenOutputs {
  readonly objective: Objective;
  readonly label: readonly number[];
  readonly weight?: readonly number[] | undefined;
  /** One a member, (rows, width). */
  readonly members: readonly (readonly number[])[];
  readonly metric: MetricName;
  /** Features of the rows, which a meta-learner sees too. */
  readonly columns?: readonly Column[];
}

/** Outputs as an ensemble is fitted to them; values have margins in units of 2^−22. */
export function judged({ objective, label, weight, members, metric, columns }: GivenOutputs): JudgedOutputs {
  const kind = kindOf(objective);
  return {
    outputs: {
      kind,
      rows: label.length,
      width: members[0]!.length / label.length,
      members: members.map((values) => Float64Array.from(values)),
      ...(columns && { columns }),
    },
    truth: {
      scale: { objective, marginBits: kind === 'regression' ? 22 : 20, baseValue: 0 },
      label: Float32Array.from(label),
      ...(weight && { weight: Float32Array.from(weight) }),
      metric,
    },
  };
}

/** Columns of numbers, NaN missing. */
export const numericColumns = (lists: readonly (readonly number[])[]): Column[] =>
  lists.map((values, f) => ({ kind: 'numeric', name: `f${f}`, values: Float32Array.from(values) }));
