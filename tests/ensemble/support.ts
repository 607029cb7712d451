import { kindOf } from '../../src/config/objectives.ts';
import type { MetricName, Objective } from '../../src/engine/engine.ts';
import type { JudgedOutputs } from '../../src/ensemble/truth.ts';

export interface GivenOutputs {
  readonly objective: Objective;
  readonly label: readonly number[];
  readonly weight?: readonly number[] | undefined;
  /** One a member, (rows, width). */
  readonly members: readonly (readonly number[])[];
  readonly metric: MetricName;
}

/** Outputs as an ensemble is fitted to them; values have margins in units of 2^−22. */
export function judged({ objective, label, weight, members, metric }: GivenOutputs): JudgedOutputs {
  const kind = kindOf(objective);
  return {
    outputs: {
      kind,
      rows: label.length,
      width: members[0]!.length / label.length,
      members: members.map((values) => Float64Array.from(values)),
    },
    truth: {
      scale: { objective, marginBits: kind === 'regression' ? 22 : 20, baseValue: 0 },
      label: Float32Array.from(label),
      ...(weight && { weight: Float32Array.from(weight) }),
      metric,
    },
  };
}
