import type { TargetSpec } from '../data/types.ts';
import type { Forest, ModelFeature } from './forest.ts';
import type { OutputScale } from './output.ts';

/** The version of docs/numerics.md that models of this program follow. */
export const NUMERICS_VERSION = 1;

/** What a fingerprint covers: all that decides predictions, and the recorded gains and covers. */
export interface FingerprintedModel extends OutputScale {
  readonly schema: { readonly features: readonly ModelFeature[]; readonly target: TargetSpec };
  readonly forest: Forest;
}

/** SHA-256 of the canonical bytes, 64 lower-case hexadecimal digits. Needs neither Node nor a secure context. */
export function fingerprint(model: FingerprintedModel): string {
  return sha256Hex(canonicalBytes(model));
}

const FEATURE_TYPES = ['numeric', 'categorical', 'ordinal'] as const;

/** The canonical bytes of a model: little-endian, as docs/model-format.md lays them out. */
export function canonicalBytes(model: FingerprintedModel): Uint8Array {
  const { schema, forest } = model;
  const out = new ByteWriter();
  out.ascii('LOCKSTEP');
  out.u32(NUMERICS_VERSION);
  out.string(model.objective);

  out.string(schema.target.name);
  const classes = schema.target.classes ?? [];
  out.u32(classes.length);
  for (const label of classes) {
    if (typeof label === 'string') {
      out.u8(0);
      out.string(label);
    } else if (typeof label === 'number') {
      out.u8(1);
      out.f64(label);
    } else {
      out.u8(2);
      out.u8(label ? 1 : 0);
    }
  }

  out.u32(schema.features.length);
  for (const feature of schema.features) {
    out.string(feature.name);
    out.u8(FEATURE_TYPES.indexOf(feature.type));
    out.u8(feature.timestamp ? 1 : 0);
    out.u8(feature.unlisted_right ? 2 : feature.categories ? 1 : 0);
    if (!feature.categories) continue;
    out.u32(feature.categories.length);
    for (const category of feature.categories) out.string(category);
    out.u32(feature.pooled?.length ?? 0);
    for (const category of feature.pooled ?? []) out.u32(category);
  }

  out.i32(model.marginBits);
  for (const margin of model.baseMargins) out.i32(margin);
  out.f64(model.baseValue);

  const trees = forest.treeStart.length - 1;
  out.u32(trees);
  for (let t = 0; t < trees; t++) {
    const start = forest.treeStart[t]!;
    const end = forest.treeStart[t + 1]!;
    out.u32(end - start);
    for (let n = start; n < end; n++) {
      out.i32(forest.feature[n]!);
      out.f32(forest.threshold[n]!);
      out.u8(forest.missingLeft[n]!);
      out.i32(forest.left[n]!);
      out.i32(forest.leaf[n]!);
      out.f64(forest.gain[n]!);
      out.f64(forest.cover[n]!);
      const set = forest.catIndex[n]!;
      const [from, to] = set < 0 ? [0, 0] : [forest.catStart[set]!, forest.catStart[set + 1]!];
      out.u32(to - from);
      for (let i = from; i < to; i++) out.u32(forest.catList[i]!);
    }
  }
  return out.bytes();
}

class ByteWriter {
  #view = new DataView(new ArrayBuffer(1 << 16));
  #length = 0;
  readonly #utf8 = new TextEncoder();

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setInt32(at, value, true);
  }

  f32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setFloat32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  ascii(text: string): void {
    for (const character of text) this.u8(character.charCodeAt(0));
  }

  string(text: string): void {
    const bytes = this.#utf8.encode(text);
    this.u32(bytes.length);
    const at = this.#reserve(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.#length);
  }

  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#view.byteLength) {
      const grown = new Uint8Array(Math.max(2 * this.#view.byteLength, this.#length));
      grown.set(new Uint8Array(this.#view.buffer, 0, at));
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** The first `count` primes. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
}

/** The first 32 bits of the fraction of n^(1/root), by bisection in exact integers. */
function rootFraction(n: number, root: 2 | 3): number {
  const target = BigInt(n) << BigInt(32 * root);
  let low = 0n;
  let high = BigInt(n) << 32n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(root) <= target) low = middle;
    else high = middle;
  }
  return Number(BigInt.asIntN(32, low));
}

const SHA_START = Int32Array.from(primes(8), (p) => rootFraction(p, 2));
const SHA_ROUND = Int32Array.from(primes(64), (p) => rootFraction(p, 3));

/**
 * SHA-256 (FIPS 180-4) in hexadecimal. Its own implementation because a fingerprint is read synchronously, in browsers too,
 * where the platform's hash is asynchronous and absent from pages that are not served securely.
 */
export function sha256Hex(data: Uint8Array): string {
  const padded = new Uint8Array(((data.length + 8) >> 6) * 64 + 64);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29));
  view.setUint32(padded.length - 4, data.length << 3);
  const state = SHA_START.slice();
  const words = new Int32Array(64);
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(block + 4 * i);
    compress(state, words);
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/** One block: `words` holds its 16 words, and is scratch beyond them. */
function compress(state: Int32Array, words: Int32Array): void {
  for (let i = 16; i < 64; i++) {
    const w15 = words[i - 15]!;
    const w2 = words[i - 2]!;
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    words[i] = words[i - 16]! + s0 + words[i - 7]! + s1;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + SHA_ROUND[i]! + words[i]!) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i]! += value;
  });
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
