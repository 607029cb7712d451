import type { ComparedModel, TestRows } from '../../src/comparison/compared-model.ts';

/** Numbers in [0, 1) that look drawn; the same for the same seed. */
export function drawn(seed: number): () => number {
  let state = seed * 2 + 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** Test rows of two classes and predictions that follow them the more closely, the greater the skill. */
export function binaryRows(count: number, seed: number, weighted = false): TestRows {
  const next = drawn(seed);
  const labels = Float64Array.from({ length: count }, () => Number(next() < 0.4));
  return {
    kind: 'binary',
    classes: 2,
    labels,
    ...(weighted && { weights: labels.map(() => Math.floor(4 * next()) / 2) }),
  };
}

export function binaryPredictions({ labels }: TestRows, skill: number, seed: number): Float64Array {
  const next = drawn(seed);
  return Float64Array.from(labels, (label) => skill * (0.2 + 0.6 * label) + (1 - skill) * next());
}

export function model(
  name: string,
  foldScores: readonly number[],
  rest: Partial<ComparedModel> = {},
): ComparedModel {
  return { name, foldScores, metrics: {}, ...rest };
}
