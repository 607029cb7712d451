import { expect } from 'vitest';
import { loadAddon } from '../../src/addon.ts';
import type { Model } from '../../src/boosting/model.ts';
import { type MakePredictor, Predictor } from '../../src/boosting/predict.ts';
import { NativePredictor } from '../../src/boosting/predict-native.ts';
import type { Column } from '../../src/data/types.ts';

/** Every way to predict: in JavaScript, and in the addon with each instruction set of this machine. */
export const PREDICTORS: readonly { readonly name: string; readonly make: MakePredictor }[] = [
  { name: 'JavaScript', make: (...forest) => new Predictor(...forest) },
  ...loadAddon()
    .describe()
    .simd.map((level) => ({
      name: `the addon with ${level}`,
      make: (...[forest, features, baseMargins]: Parameters<MakePredictor>) =>
        new NativePredictor(forest, features, baseMargins, level),
    })),
];

/** The margins of rows, after checking that every predictor gives them to the last bit. */
export function agreedMargins(model: Model, columns: readonly Column[], rows: number): Int32Array {
  const [first, ...others] = PREDICTORS.map(({ make }) =>
    make(model.forest, model.features, model.baseMargins).margins(columns, rows),
  );
  for (const margins of others)
    expect(Buffer.from(margins.buffer).equals(Buffer.from(first!.buffer))).toBe(true);
  return first!;
}

/** A column with the rows of `column` again and again, `count` in all. */
export function repeated(column: Column, rows: number, count: number): Column {
  return column.kind === 'numeric'
    ? { ...column, values: Float32Array.from({ length: count }, (_, row) => column.values[row % rows]!) }
    : { ...column, codes: Int32Array.from({ length: count }, (_, row) => column.codes[row % rows]!) };
}
