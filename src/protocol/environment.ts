import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';

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
