import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { writeError } from '../files.ts';

/** Says which process writes into a run's folder, as long as one does. */
export const LOCK_FILE = 'run.lock';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process began, in the system's clock ticks, so that another one of the same number is told apart; null where that is not known. */
  readonly began: string | null;
}

/** Folders that runs of this process hold. */
const held = new Set<string>();

/** Field 22 of /proc/PID/stat, which follows the name in brackets and 20 others. */
async function beginningOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, host, began } = JSON.parse(text);
    return Number.isInteger(pid) && typeof host === 'string' ? { pid, host, began } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process that a lock names has ended; one of another host is taken to be alive. */
async function isOver({ pid, host, began }: Holder): Promise<boolean> {
  if (host !== hostname()) return false;
  if (pid === process.pid || !isAlive(pid)) return true;
  return began !== null && (await beginningOf(pid)) !== began;
}

/** A name that `removeTornFiles` clears away, should this process be killed. */
const besideOf = (path: string) => join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);

/** Makes a file with a text that is whole at once; false where there is one. */
async function claim(path: string, text: string): Promise<boolean> {
  const temporary = besideOf(path);
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    await link(temporary, path);
    return true;
  } catch (cause) {
    // The holder may have cleared the temporary file away.
    if (['EEXIST', 'ENOENT'].includes((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw writeError(path, cause);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the lock's file, in place of one that nobody holds any more. */
async function takeLock(path: string, inUse: (who: string) => InputError): Promise<void> {
  const mine: Holder = { pid: process.pid, host: hostname(), began: await beginningOf(process.pid) };
  for (let tries = 0; !(await claim(path, JSON.stringify(mine))); tries++) {
    const text = await readFile(path, 'utf8').catch(() => '');
    const holder = parseHolder(text);
    if (holder !== undefined && !(await isOver(holder))) {
      const where = holder.host === mine.host ? '' : ` on ${holder.host} (if it has ended, remove ${path})`;
      throw inUse(`process ${holder.pid}${where}`);
    }
    if (tries > 20) throw inUse('other processes that come and go');
    // Of several that find the same stale lock, one succeeds in moving it away; the others find what it has put there.
    const stale = besideOf(path);
    const moved = await rename(path, stale).then(
      () => true,
      () => false,
    );
    if (moved && (await readFile(stale, 'utf8').catch(() => '')) !== text) {
      await link(stale, path).catch(() => {});
    }
    await rm(stale, { force: true });
  }
}

/**
 * Takes a run's folder for this process, so that no other run writes into it. The lock of a process that has ended, killed ones too,
 * is taken over.
 * @param folder an output folder that is there
 * @returns lets go of it
 * @throws InputError where another run, of this process or another one, holds the folder.
 */
export async function lockRunFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(resolve(folder), LOCK_FILE);
  const inUse = (who: string) =>
    new InputError(
      `${folder} is in use by ${who}: wait until it has ended, or name another folder with --out.`,
    );
  if (held.has(path)) throw inUse('another run of this process');
  // At once, as the lock itself says no more than that this process holds it.
  held.add(path);
  try {
    await takeLock(path, inUse);
  } catch (error) {
    held.delete(path);
    throw error;
  }
  return async () => {
    held.delete(path);
    await rm(path, { force: true });
  };
}
