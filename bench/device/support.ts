import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { generateSynthetic, parseSynthetic } from '../../src/bench/synthetic.ts';
import { BenchTableWriter } from '../../src/bench/table.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { BinnedDataset, Dataset } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { createCudaEngine } from '../../src/engine/cuda.ts';
import { createDawnEngine, openDawnDevice } from '../../src/engine/dawn.ts';
import type { Engine, EngineKind, Objective, RoundResult, TreeEnsemble } from '../../src/engine/engine.ts';
import { CORE_KERNELS, createWebGpuEngine } from '../../src/engine/webgpu.ts';

/** What the tables of a folder are, in a file beside them. */
export const SETS_FILE = 'sets.json';

export interface DeviceSet {
  readonly objective: Objective;
  /** Rows that its source gives for training; they come first. */
  readonly train_rows: number;
}

/** The sets of a folder that `tables.ts` wrote. */
export async function readSets(folder: string): Promise<Readonly<Record<string, DeviceSet>>> {
  return JSON.parse(await readFile(join(folder, SETS_FILE), 'utf8')) as Record<string, DeviceSet>;
}

/** Bins a table as the public sets are: all its rows decide the cuts, and there are 256 bins. */
export function binTable(data: Dataset): Promise<BinnedDataset> {
  const specs = data.columns.map(({ name, kind }) => ({ name, type: kind }));
  return binDataset(data, specs, { threads: availableParallelism() });
}

const SYNTHETIC_SEED = 7;

/**
 * Makes a synthetic table, all its rows for training, unless it is there.
 * @param name `synth:ROWSxFEATURES`
 * @returns the name of its folder
 */
export async function makeSynthetic(folder: string, name: string): Promise<string> {
  const { rows, features } = parseSynthetic(name);
  const set = name.replace(':', '_');
  const path = join(folder, set);
  if (existsSync(join(path, 'table.json'))) return set;
  await mkdir(path, { recursive: true });
  const writer = new BenchTableWriter(path);
  const label = await generateSynthetic({ rows, features, seed: SYNTHETIC_SEED }, (feature, values) =>
    writer.column(feature, [values]),
  );
  await writer.column('label', [label]);
  await writer.finish({
    rows,
    train_rows: rows,
    features: Array.from({ length: features }, () => ({ kind: 'numeric' })),
    weighted: false,
  });
  return set;
}

/** WebGPU with the kernels that every adapter can run is an engine of its own here. */
export type EngineName = EngineKind | 'webgpu-core';

/**
 * Opens an engine by name.
 * @throws EnvironmentError where it cannot run here.
 */
export async function openEngine(kind: EngineName): Promise<Engine> {
  if (kind === 'webgpu-core')
    return createWebGpuEngine(await openDawnDevice({ subgroups: false, ...CORE_KERNELS }));
  if (kind === 'cuda') return createCudaEngine();
  return kind === 'webgpu' ? createDawnEngine() : createCpuEngine();
}

/** Opens an engine, or ends the process with the reason why it cannot run here. */
export async function requireEngine(kind: EngineName): Promise<Engine> {
  try {
    return await openEngine(kind);
  } catch (error) {
    process.stdout.write(`${kind}: not run: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

const sha256 = (parts: Iterable<ArrayBufferView>) => {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of parts)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
};

/** SHA-256 of everything that an ensemble holds. */
export function treesDigest(trees: TreeEnsemble): string {
  return sha256([
    Float64Array.of(trees.classes, trees.marginBits, trees.baseValue),
    trees.baseMargins,
    trees.treeStart,
    trees.feature,
    trees.splitBin,
    trees.missingLeft,
    trees.left,
    trees.leaf,
    trees.gain,
    trees.cover,
    trees.catIndex,
    trees.catSets,
  ]);
}

/** SHA-256 of the scores of one job, round by round. */
export function scoresDigest(rounds: readonly RoundResult[], job: number): string {
  const ofJob = rounds.filter((result) => result.job === job);
  // A NaN is undefined, whatever its bits.
  return sha256(
    ofJob.map(({ values }) => new BigUint64Array(values.length).map((_, i) => bitsOf(values[i]!))),
  );
}

/** SHA-256 of margins. */
export function marginsDigest(margins: Int32Array): string {
  return sha256([margins]);
}

function bitsOf(value: number): bigint {
  return Number.isNaN(value) ? -1n : new BigInt64Array(Float64Array.of(value).buffer)[0]!;
}

/** What `body` gives, and the seconds that it took. */
export async function timed<T>(body: () => Promise<T>): Promise<{ value: T; seconds: number }> {
  const started = performance.now();
  const value = await body();
  return { value, seconds: (performance.now() - started) / 1000 };
}
