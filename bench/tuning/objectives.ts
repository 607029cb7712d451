// What the samplers are compared on, all to be minimised: two functions of the literature, and 1 − AUC of recorded sweeps.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XGBOOST_SEARCH_SPACE } from '../../src/config/schema.ts';
import { type Distribution, type SearchSpace, toSearchSpace } from '../../src/tuning/space.ts';
import { predict, type Surrogate, unit } from './surrogate.ts';

export interface Objective {
  readonly name: string;
  readonly space: SearchSpace;
  /** Of recorded sweeps; quality.py computes the other two by name. */
  readonly surrogate?: Surrogate;
  /** @param values in the order of the space */
  evaluate(values: readonly number[]): number;
}

/** Sets with a file in recorded/. */
export const RECORDED = ['breast_cancer', 'titanic', 'higgs_7k', 'adult'] as const;

const float = (low: number, high: number): Distribution => ({ type: 'float', low, high, log: false });

/** Branin and Hoo; Dixon and Szegö 1978. Minimum 0.397887. */
function branin([x = 0, y = 0]: readonly number[]): number {
  const bend = y - (5.1 / (4 * Math.PI * Math.PI)) * x * x + (5 / Math.PI) * x - 6;
  return bend * bend + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
}

const HARTMANN_HEIGHTS = [1, 1.2, 3, 3.2];
const HARTMANN_WIDTHS = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const HARTMANN_CENTRES = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];

/** Hartmann's function of six coordinates; Dixon and Szegö 1978. Minimum −3.32237. */
function hartmann6(x: readonly number[]): number {
  let sum = 0;
  for (const [i, height] of HARTMANN_HEIGHTS.entries()) {
    let exponent = 0;
    for (const [d, width] of HARTMANN_WIDTHS[i]!.entries()) {
      const difference = x[d]! - HARTMANN_CENTRES[i]![d]!;
      exponent += width * difference * difference;
    }
    sum -= height * Math.exp(-exponent);
  }
  return sum;
}

function recorded(set: string): Objective {
  const file = join(import.meta.dirname, `recorded/${set}.json`);
  const { trials, scale, mean } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly scale: readonly number[];
    readonly mean: number;
    readonly trials: readonly (readonly number[])[];
  };
  const space = toSearchSpace(XGBOOST_SEARCH_SPACE);
  const points = trials.map((row) => toUnit(space, row));
  const surrogate = { scale, mean, points, weights: trials.map((row) => row.at(-1)!) };
  return { name: set, space, surrogate, evaluate: (values) => predict(surrogate, toUnit(space, values)) };
}

/** Values of a space in the unit cube; whatever follows them is left out. */
export function toUnit(space: SearchSpace, values: readonly number[]): number[] {
  return space.map(({ name, distribution }, d) => {
    if (distribution.type === 'categorical') throw new Error(`${name} has no order.`);
    return unit(distribution, values[d]!);
  });
}

export function makeObjectives(): Objective[] {
  const unitCube = Array.from({ length: 6 }, (_, d) => ({ name: `x${d}`, distribution: float(0, 1) }));
  const plane = [
    { name: 'x', distribution: float(-5, 10) },
    { name: 'y', distribution: float(0, 15) },
  ];
  return [
    { name: 'branin', space: plane, evaluate: branin },
    { name: 'hartmann6', space: unitCube, evaluate: hartmann6 },
    ...RECORDED.map(recorded),
  ];
}
