import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { NUMERICS_VERSION } from '../boosting/fingerprint.ts';
import { simdLevel } from '../engine/cpu.ts';
import { findLockfile, packageVersions } from './lockfile.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 5000;

/** A version that the config expects, beside what this machine has; null where nothing was found. */
export interface ExpectedVersion {
  readonly expected: string | null;
  readonly found: string | null;
  readonly matches: boolean | null;
}

/** A graphics card, as its driver names it. */
export interface GpuRecord {
  readonly name: string;
  readonly driver: string;
}

/** Where the config lies in version control. */
export interface GitRecord {
  readonly commit: string;
  /** Whether files there differ from the commit. */
  readonly dirty: boolean;
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

/** What a command prints; null where it fails. */
async function outputOf(command: string, args: string[]): Promise<string | null> {
  return run(command, args, { timeout: TIMEOUT_MS }).then(
    ({ stdout }) => stdout,
    () => null,
  );
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

async function gpus(): Promise<GpuRecord[]> {
  const text = await outputOf('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader']);
  return (text ?? '').split('\n').flatMap((line) => {
    const [name, driver] = line.split(',').map((part) => part.trim());
    return name && driver ? [{ name, driver }] : [];
  });
}

async function gitRecord(folder: string): Promise<GitRecord | null> {
  const commit = await outputOf('git', ['-C', folder, 'rev-parse', 'HEAD']);
  if (commit === null) return null;
  const changes = await outputOf('git', ['-C', folder, 'status', '--porcelain']);
  return { commit: commit.trim(), dirty: changes !== '' };
}

/** What environment_info.json has before a run has trained anything. */
export interface EnvironmentInfo {
  readonly python_version: string | null;
  /** Version of each package that Lockstep depends on. */
  readonly packages: Readonly<Record<string, string>>;
  readonly cuda_available: boolean;
  readonly cuda_version: string | null;
  readonly gpu_count: number;
  readonly cpu_count: number;
  readonly memory_gb: number;
  readonly lockstep_version: string;
  readonly numerics_version: number;
  readonly node_version: string;
  readonly platform: string;
  readonly cpu: string;
  readonly simd: string;
  readonly gpus: readonly GpuRecord[];
  readonly lockfile: string | null;
  readonly git: GitRecord | null;
}

/**
 * What a repetition should know of this machine and of the programs that ran: the protocol's fields first. Nothing of the
 * environment's variables.
 * @param record of this machine
 * @param configPath the experiment file: its folder's commit is recorded
 */
export async function environmentInfo(
  record: EnvironmentRecord,
  configPath: string,
): Promise<EnvironmentInfo> {
  const { python, cuda, ...machine } = record;
  const [{ lockstep, packages }, cards, git] = await Promise.all([
    packageVersions(),
    gpus(),
    gitRecord(dirname(configPath)),
  ]);
  return {
    python_version: python.found,
    packages,
    cuda_available: cards.length > 0 && cuda.found !== null,
    cuda_version: cuda.found,
    gpu_count: cards.length,
    cpu_count: machine.cpu_count,
    memory_gb: machine.memory_gb,
    lockstep_version: lockstep,
    numerics_version: NUMERICS_VERSION,
    node_version: machine.node_version,
    platform: machine.platform,
    cpu: machine.cpu,
    simd: simdLevel(),
    gpus: cards,
    lockfile: findLockfile()?.name ?? null,
    git,
  };
}
