import type { Distribution } from '../../src/tuning/space.ts';
import type { Trial, TrialState } from '../../src/tuning/trial.ts';

export const SPACE: Readonly<Record<string, Distribution>> = {
  learning_rate: { type: 'float', low: 0.005, high: 0.3, log: true },
  max_depth: { type: 'int', low: 3, high: 12, log: false, step: 1 },
  max_leaves: { type: 'int', low: 8, high: 512, log: true, step: 1 },
  min_child_weight: { type: 'float', low: 0.1, high: 20, log: true },
  subsample: { type: 'float', low: 0.5, high: 1, log: false, step: 0.05 },
  colsample_bytree: { type: 'float', low: 0.4, high: 1, log: false },
  max_bin: { type: 'int', low: 32, high: 256, log: false, step: 32 },
  grow_policy: { type: 'categorical', choices: ['depthwise', 'lossguide'] },
  lambda: { type: 'float', low: 1e-8, high: 100, log: true },
};

/** Numbers in [0, 1) that look drawn. */
const drawn = (i: number, j: number) => {
  const x = Math.sin(i * 12.9898 + j * 78.233) * 43758.5453;
  return x - Math.floor(x);
};

function at(distribution: Distribution, part: number): number {
  if (distribution.type === 'categorical') return Math.floor(part * distribution.choices.length);
  const { low, high, log, step } = distribution;
  const value = log ? Math.exp(Math.log(low) + part * Math.log(high / low)) : low + part * (high - low);
  if (step === undefined) return value;
  return low + Math.round((value - low) / step) * step;
}

export interface StudyShape {
  readonly space?: Readonly<Record<string, Distribution>>;
  /** Of a trial by its number; every third pruned and every eleventh failed by default. */
  readonly state?: (number: number) => TrialState;
  /** Of a trial instead of the drawn one. */
  readonly value?: (number: number, drawn: number) => number;
  readonly steps?: number;
}

/** A study of `count` trials, the same one at every call. */
export function studyOf(count: number, shape: StudyShape = {}): Trial[] {
  const { space = SPACE, value = (_, of) => of, steps = 12 } = shape;
  const state =
    shape.state ?? ((i: number) => (i % 11 === 10 ? 'fail' : i % 3 === 2 ? 'pruned' : 'complete'));
  return Array.from({ length: count }, (_, number): Trial => {
    const names = Object.keys(space);
    const parts = names.map((_, j) => drawn(number, j) ** (1 + number / count));
    const loss = 0.3 + parts.reduce((sum, part, j) => sum + (part - 0.3) ** 2 / (j + 2), 0);
    const reported = state(number) === 'pruned' ? 1 + Math.floor(drawn(number, 50) * (steps - 1)) : steps;
    const intermediate = new Map(
      Array.from({ length: state(number) === 'fail' ? 0 : reported }, (_, i) => [
        (i + 1) * 10,
        loss + 0.4 * Math.exp(-i / 3),
      ]),
    );
    return {
      number,
      state: state(number),
      params: new Map(
        names.map((name, j) => [name, { value: at(space[name]!, parts[j]!), distribution: space[name]! }]),
      ),
      value: state(number) === 'fail' ? undefined : value(number, loss),
      intermediate,
      userAttrs: {
        fold_scores: [loss - 0.01, loss, loss + 0.01],
        best_rounds: [40, 50, 60],
        seconds: 0.5,
      },
      systemAttrs: {},
      started: new Date(2026, 0, 1, 0, 0, number),
      ended: new Date(2026, 0, 1, 0, 0, number + 1),
    };
  });
}
