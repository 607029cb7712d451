import { randomUUID } from 'node:crypto';
import { rename, stat, symlink, unlink } from 'node:fs/promises';
import { writeError } from '../../files.ts';

/** Milliseconds after which a lock of a process that does nothing is broken; Optuna's. */
export const LOCK_GRACE_MS = 30_000;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function release(lock: string): Promise<void> {
  const aside = `${lock}${randomUUID()}.rename`;
  await rename(lock, aside);
  await unlink(aside);
}

/** When the journal was written last; a holder of the lock that lives on writes. */
async function lastWrite(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.mtimeMs;
}

/**
 * Does something while no other process, Optuna's in Python included, writes to a journal. The lock is Optuna's: a symbolic link
 * named PATH.lock. One that has been there for the grace period, without anything being written, was left by a process
 * that died, and is broken.
 * @throws InputError where the folder cannot be written to.
 */
export async function withLock<Result>(
  path: string,
  graceMs: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const lock = `${path}.lock`;
  let since = performance.now();
  let seen = await lastWrite(path);
  for (let wait = 1; ; wait = Math.min(2 * wait, 1000)) {
    try {
      await symlink(path, lock);
      break;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(lock, cause);
    }
    const written = await lastWrite(path);
    if (written !== seen) {
      seen = written;
      since = performance.now();
    } else if (performance.now() - since > graceMs) {
      // Another process may break it at the same time; one of the two gets it then.
      await release(lock).catch(() => undefined);
      since = performance.now();
      wait = 0.5;
      continue;
    }
    await sleep(Math.min(wait, graceMs / 4));
  }
  try {
    return await work();
  } finally {
    // Gone where a process that waited took this one for dead.
    await release(lock).catch(() => undefined);
  }
}
