import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { NUMERICS_VERSION } from '../boosting/fingerprint.ts';
import type { LoadedConfig } from '../config/load.ts';
import { fingerprintFile } from '../data/read.ts';
import type { SourceRecord } from '../data/types.ts';
import { simdLevel } from '../engine/cpu.ts';
import { installedPackages, type Lockfile, lockstepVersion } from './installed.ts';
import type { PreparedExperiment } from './prepare.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 5000;

/** A version that the config expects, beside what this machine has; null where nothing was found. */
export interface ExpectedVersion {
  readonly expected: string | null;
  readonly found: string | null;
  readonly matches: boolean | null;
}

/** The machine a run took place on. */
export interface EnvironmentRecord {
  readonly node_version: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cpu_count: number;
  readonly memory_gb: number;
  readonly python: ExpectedVersion;
  readonly cuda: ExpectedVersion;
}

/** What the pattern's first group finds in the output of a command; null where the command fails or does not say. */
export async function versionFrom(command: string, args: string[], pattern: RegExp): Promise<string | null> {
  try {
    const { stdout, stderr } = await run(command, args, { timeout: TIMEOUT_MS });
    return pattern.exec(`${stdout}${stderr}`)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Whether the expected version is the found one or a prefix of it by components: 3.9 matches 3.9.18, not 3.11. */
export function versionMatches(expected: string, found: string): boolean {
  const wanted = expected.split('.');
  return wanted.every((part, i) => part === found.split('.')[i]);
}

function compare(expected: string | undefined, found: string | null): ExpectedVersion {
  return {
    expected: expected ?? null,
    found,
    matches: expected === undefined ? null : found !== null && versionMatches(expected, found),
  };
}

/**
 * Describes this machine and compares it with the versions a config expects.
 * @param expected.python Command or path of the Python to ask; `python3` by default.
 */
export async function describeEnvironment(expected: {
  pythonVersion?: string | undefined;
  cudaVersion?: string | undefined;
  python?: string | undefined;
}): Promise<{ record: EnvironmentRecord; warnings: string[] }> {
  const [python, cuda] = await Promise.all([
    versionFrom(expected.python ?? 'python3', ['--version'], /Python (\d+(?:\.\d+)*)/),
    versionFrom('nvidia-smi', [], /CUDA Version:\s*(\d+(?:\.\d+)*)/),
  ]);
  const record: EnvironmentRecord = {
    node_version: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpu_count: cpus().length,
    memory_gb: Math.round((totalmem() / 2 ** 30) * 100) / 100,
    python: compare(expected.pythonVersion, python),
    cuda: compare(expected.cudaVersion, cuda),
  };
  const warnings: string[] = [];
  for (const name of ['python', 'cuda'] as const) {
    const { expected: wanted, found, matches } = record[name];
    if (matches === false) {
      warnings.push(
        `environment.${name}_version is ${wanted}, but ${found === null ? 'none was found' : `${found} was found`}; Lockstep does not need it, so the run goes on.`,
      );
    }
  }
  return { record, warnings };
}

/** What the pattern of `command` prints line by line; none where the command fails. */
async function linesFrom(command: string, args: string[]): Promise<string[]> {
  const text = await versionFrom(command, args, /^([\s\S]*)$/);
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** A version of the sources, by git; null outside of a repository, or where there is no git. */
interface GitState {
  readonly commit: string;
  /** Whether files differ from the commit. */
  readonly dirty: boolean;
}

async function gitState(folder: string): Promise<GitState | null> {
  const commit = await versionFrom('git', ['-C', folder, 'rev-parse', 'HEAD'], /^([0-9a-f]{40,64})$/m);
  if (commit === null) return null;
  const status = await versionFrom('git', ['-C', folder, 'status', '--porcelain'], /^([\s\S]*)$/);
  return { commit, dirty: status !== '' };
}

/** environment_info.json, below the output folder. */
export const ENVIRONMENT_FILE = 'environment_info.json';

/** What is asked of other programs and read from files for environment_info.json. */
export interface Surroundings {
  readonly gpus: readonly { readonly name: string; readonly driver: string | null }[];
  readonly git: GitState | null;
  /** The list of features, where the config names one. */
  readonly features?: SourceRecord;
}

/** Asks for the GPUs of NVIDIA and for the version of the sources that the config lies among; reads the list of features. */
export async function surroundingsOf({ config, folder }: LoadedConfig): Promise<Surroundings> {
  const { features } = config.data;
  const [gpus, git, file] = await Promise.all([
    linesFrom('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader']),
    gitState(folder),
    features === undefined ? undefined : fingerprintFile(features),
  ]);
  return {
    gpus: gpus.map((line) => {
      const [name = '', driver = null] = line.split(', ');
      return { name, driver };
    }),
    git,
    ...(file && { features: file }),
  };
}

/** What environment_info.json says. */
export interface EnvironmentInputs {
  readonly experiment: PreparedExperiment;
  readonly environment: EnvironmentRecord;
  readonly surroundings: Surroundings;
  readonly lockfile: Lockfile;
  readonly engine: string;
  readonly fingerprints: Readonly<Record<string, string>>;
}

/** The protocol's record of the environment, and what else a repetition may have to know. No environment variables are in it. */
export function environmentInfo(inputs: EnvironmentInputs) {
  const { experiment, environment, surroundings, lockfile, engine, fingerprints } = inputs;
  const { gpus, git, features } = surroundings;
  return {
    python_version: environment.python.found,
    packages: installedPackages(),
    cuda_available: gpus.length > 0,
    cuda_version: environment.cuda.found,
    gpu_count: gpus.length,
    cpu_count: environment.cpu_count,
    memory_gb: environment.memory_gb,
    gpus,
    node_version: environment.node_version,
    platform: environment.platform,
    cpu: environment.cpu,
    simd: simdLevel(),
    lockstep_version: lockstepVersion(),
    lockfile: { file: lockfile.file, origin: lockfile.origin },
    git,
    data: [
      ...experiment.data.sources,
      ...(features === undefined ? [] : [{ ...features, role: 'features' }]),
    ],
    seed: experiment.seed,
    engine,
    threads: experiment.threads,
    numerics_version: NUMERICS_VERSION,
    fingerprints,
  };
}
