import { randomUUID } from 'node:crypto';
import { lstat, readlink, rename, stat, symlink, unlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { writeError } from '../../files.ts';
import { isOwnerGone } from './owner.ts';

/** Milliseconds after which a lock of a process that does nothing is broken; Optuna's. */
export const LOCK_GRACE_MS = 30_000;
/** The same where a process of Lockstep has left it that is gone: it could only be of one that is about to take over. */
const DEAD_GRACE_MS = 250;
/** Optuna's waits grow to a second; with such, many short changes of others would keep this process waiting. */
const LONGEST_WAIT_MS = 50;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Removes the lock if it is still that one. */
async function release(lock: string, id: string | undefined): Promise<void> {
  if ((await idOf(lock)) !== id) return;
  const aside = `${lock}${randomUUID()}.rename`;
  await rename(lock, aside);
  await unlink(aside);
}

/** Tells a lock from a later one of the same name, which may have its inode. */
async function idOf(lock: string): Promise<string | undefined> {
  const found = await lstat(lock, { bigint: true }).catch(() => undefined);
  return found && `${found.ino} ${found.ctimeNs}`;
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
  const own = await acquire(path, lock, graceMs);
  try {
    return await work();
  } finally {
    // Gone, or another's, where a process that waited took this one for dead.
    await release(lock, own).catch(() => undefined);
  }
}

const ownerLink = (path: string) => `${basename(path)}.owner`;

async function isOfDeadOwner(path: string, lock: string): Promise<boolean> {
  const target = await readlink(lock).catch(() => undefined);
  return target === ownerLink(path) && (await isOwnerGone(path));
}

/** Tells of the lock that it has made which one it is. */
async function acquire(path: string, lock: string, graceMs: number): Promise<string | undefined> {
  const deadGraceMs = Math.min(graceMs, DEAD_GRACE_MS);
  let since = performance.now();
  let seen: string | undefined;
  for (let wait = 1; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      // Relative to its folder, to be found from any working directory. Optuna wants a file there; the owner's says whose lock it is.
      await symlink(ownerLink(path), lock);
      return await idOf(lock);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(lock, cause);
    }
    const id = await idOf(lock);
    const state = `${id} ${await lastWrite(path)}`;
    if (state !== seen) {
      seen = state;
      since = performance.now();
    } else if (performance.now() - since > ((await isOfDeadOwner(path, lock)) ? deadGraceMs : graceMs)) {
      await release(lock, id).catch(() => undefined);
      seen = undefined;
      continue;
    }
    await sleep(Math.min(wait, graceMs / 4));
  }
}
