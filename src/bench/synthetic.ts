import { InputError } from '../errors.ts';
import { philox4x32 } from '../numerics/philox.ts';

/** A synthetic table, named as `--data` names it. */
export interface SyntheticSpec {
  /** Training rows. */
  readonly rows: number;
  readonly features: number;
}

const ROWS = { low: 100, high: 100_000_000 };
const FEATURES = { low: 2, high: 10_000 };

/**
 * Reads `synth:ROWSxFEATURES`.
 * @throws InputError for anything else.
 */
export function parseSynthetic(name: string): SyntheticSpec {
  const [, rows, features] = /^synth:(\d{1,9})x(\d{1,5})$/.exec(name) ?? [];
  const spec = { rows: Number(rows), features: Number(features) };
  const inside = (value: number, { low, high }: typeof ROWS) => value >= low && value <= high;
  if (inside(spec.rows, ROWS) && inside(spec.features, FEATURES)) return spec;
  throw new InputError(
    `${name} is not a data set to bench on: write synth:ROWSxFEATURES, such as synth:100000x50, with ${ROWS.low} to ${ROWS.high} rows and ${FEATURES.low} to ${FEATURES.high} features; a file of yours goes into a config.`,
  );
}

export function syntheticName({ rows, features }: SyntheticSpec): string {
  return `synth:${rows}x${features}`;
}

/** Rows beyond the training rows, to validate on: a quarter of their number, or 20,000 if that is less, or a twentieth if that is more. */
export function validationRows(rows: number): number {
  return Math.floor(Math.min(rows / 4, Math.max(20_000, rows / 20)));
}

/** What the counter of a random word stands for; each has a stream of its own. */
const VALUES = 0;
const COEFFICIENTS = 1;
const NOISE = 2;

const NOISE_SCALE = 0.8;

/** A word as a number strictly between 0 and 1. */
const unit = (word: number) => (word + 0.5) / 2 ** 32;

/**
 * A stream of standard normal numbers for `count` rows: Box and Muller's transform of pairs of uniform ones ("A note on
 * the generation of random normal deviates", 1958), rounded to float32.
 */
function normals(count: number, feature: number, key: readonly [number, number]): Float32Array {
  const values = new Float32Array(count);
  const words = new Uint32Array(4);
  for (let i = 0; i < count; i += 4) {
    philox4x32([i / 4, feature, 0, VALUES], key, words);
    for (let pair = 0; pair < 4; pair += 2) {
      const radius = Math.sqrt(-2 * Math.log(unit(words[pair]!)));
      const angle = 2 * Math.PI * unit(words[pair + 1]!);
      // Writes beyond the end of a typed array are dropped.
      values[i + pair] = radius * Math.cos(angle);
      values[i + pair + 1] = radius * Math.sin(angle);
    }
  }
  return values;
}

/** Weights of a feature's terms in the score, evenly spread over −1 to 1. */
function coefficients(feature: number, key: readonly [number, number]): [number, number, number, number] {
  const words = new Uint32Array(4);
  philox4x32([feature, 0, 0, COEFFICIENTS], key, words);
  const weight = (i: number) => 2 * unit(words[i]!) - 1;
  return [weight(0), weight(1), weight(2), weight(3)];
}

/**
 * Makes a binary classification table of any size, the same one for the same arguments. All features start as independent
 * normal numbers. The first third of them (at least six) decide: each by a saturating, a stepping and an oscillating term, and with its neighbour
 * by their product. As many after those are skewed (log-normal) and, like the rest, noise. The label is 1 where the
 * score plus logistic noise is above the median score.
 *
 * Features come one at a time, so that the table need not fit in memory.
 *
 * @param rows of the whole table, validation rows included
 * @param onColumn takes feature f, (rows); awaited
 * @returns the labels, (rows), 0 or 1
 */
export async function generateSynthetic(
  { rows, features, seed }: { readonly rows: number; readonly features: number; readonly seed: number },
  onColumn: (feature: number, values: Float32Array) => Promise<void>,
): Promise<Float32Array> {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32)] as const;
  const deciding = Math.min(features, Math.max(6, Math.floor(features / 3)));
  const score = new Float64Array(rows);
  let before: Float32Array | undefined;
  for (let feature = 0; feature < features; feature++) {
    const values = normals(rows, feature, key);
    if (feature < deciding) {
      const [bend, step, wave, product] = coefficients(feature, key);
      for (let i = 0; i < rows; i++) {
        const x = values[i]!;
        score[i]! += (bend * x) / (1 + Math.abs(x)) + 0.3 * wave * Math.sin(3 * x);
        if (x > step) score[i]! += 0.5 * step;
        if (before !== undefined) score[i]! += 0.6 * product * x * before[i]!;
      }
      before = values;
    } else if (feature < 2 * deciding) {
      for (let i = 0; i < rows; i++) values[i] = Math.exp(0.5 * values[i]!);
    }
    await onColumn(feature, values);
  }
  const median = score.slice().sort()[Math.floor(rows / 2)]!;
  const label = new Float32Array(rows);
  const words = new Uint32Array(4);
  for (let i = 0; i < rows; i++) {
    if (i % 4 === 0) philox4x32([i / 4, 0, 0, NOISE], key, words);
    const u = unit(words[i % 4]!);
    label[i] = score[i]! + NOISE_SCALE * Math.log(u / (1 - u)) > median ? 1 : 0;
  }
  return label;
}
