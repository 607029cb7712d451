import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const repository = fileURLToPath(new URL('../..', import.meta.url));
const launcher = join(repository, 'bin', 'lockstep.js');
const TIMEOUT_MS = 30_000;

/** How a command ended. */
export interface Ended {
  /** null where a signal or the time limit ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts the built command line; it is killed after a while, so that no test can hang.
 * @param file the launcher, another one for a copy of the package
 */
export function start(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  file: string = launcher,
): { child: ChildProcessWithoutNullStreams; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [file, ...args], {
    cwd,
    env: { ...process.env, ...env },
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

/** Runs a command to its end. */
export function cli(args: readonly string[], cwd: string, env?: NodeJS.ProcessEnv): Promise<Ended> {
  return start(args, cwd, env).ended;
}

/** A folder of its own for each call, gone after the file's tests. */
export function scratch(): () => Promise<string> {
  const root = mkdtemp(join(tmpdir(), 'lockstep-cli-'));
  let count = 0;
  afterAll(async () => rm(await root, { recursive: true, force: true }));
  return async () => {
    const folder = join(await root, String(count++));
    await mkdir(folder);
    return folder;
  };
}

/** Every file below a folder, relative to it, sorted; none where there is no folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Files below a folder but those of MLflow's file stores. */
export async function filesBesideStores(folder: string): Promise<string[]> {
  return (await filesBelow(folder)).filter((name) => !/(^|\/)mlruns\//.test(name));
}

/** 40 rows in which y follows a with a few exceptions. */
export function smallCsv(): string {
  const rows = Array.from(
    { length: 40 },
    (_, i) => `${i},${(i * 7) % 11},${Number(i % 9 === 0 ? i < 20 : i >= 20)}`,
  );
  return ['a,b,y', ...rows, ''].join('\n');
}

/** 90 rows in which y, one of three kinds, follows a with a few exceptions. */
export function kindsCsv(): string {
  const kinds = ['red', 'green', 'deep blue'];
  const rows = Array.from(
    { length: 90 },
    (_, i) => `${i},${(i * 7) % 11},${kinds[(Math.floor(i / 30) + (i % 9 === 0 ? 1 : 0)) % 3]}`,
  );
  return ['a,b,y', ...rows, ''].join('\n');
}

/** Whether a row of noisyCsv is of class 1. */
export const isLikely = (a: number, b: number, noise: number) => Number(a / 101 + b / 29 + noise > 1.5);

/**
 * Rows of which a and b say something about y.
 * @param shift is added to a, and y stays as it is
 */
export function noisyCsv(
  rows: number,
  y: (a: number, b: number, noise: number) => string | number = isLikely,
  shift = 0,
): string {
  const lines = Array.from({ length: rows }, (_, i) => {
    const [a, b, noise] = [(i * 37) % 101, (i * 53) % 29, ((i * 71) % 83) / 83];
    return `${a + shift},${b},${y(a, b, noise)}`;
  });
  return ['a,b,y', ...lines, ''].join('\n');
}

/** Config of a short training on train.csv, whose few rows are overfitted. */
export const smallConfig = `optimization: {n_trials: 4, cv: 2}
gates: {overfitting_ratio: 0}
experiment:
  name: small
data:
  train_path: train.csv
  target: y
hyperparameters:
  n_estimators: 5
`;

/** Writes x.yaml and train.csv into a folder. */
export async function writeExperiment(
  folder: string,
  { csv = smallCsv(), config = smallConfig }: { csv?: string | Uint8Array; config?: string } = {},
): Promise<void> {
  await writeFile(join(folder, 'train.csv'), csv);
  await writeFile(join(folder, 'x.yaml'), config);
}
