import { readFileSync } from 'node:fs';
import { open, readFile, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { InputError } from '../../errors.ts';
import { writeError } from '../../files.ts';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began, so that another one with the same number is not taken for it; null where that is not known. */
  readonly started: string | null;
}

/** What the kernel says of a process; undefined where there is no such process or no /proc. */
function processOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may have spaces; the state follows it, the start time in ticks is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, started: fields[19]! };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, started }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = processOf(pid);
  if (found === undefined) return true;
  // Z: it has ended, and its parent has not asked for that yet.
  return found.state !== 'Z' && (started === null || found.started === started);
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const { pid, host, started } = JSON.parse(await readFile(path, 'utf8')) as Partial<Owner>;
    return typeof pid === 'number' && typeof host === 'string'
      ? { pid, host, started: started ?? null }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether no process owns the study, or one of this machine that is gone without having given it free. */
export async function isOwnerGone(path: string): Promise<boolean> {
  const owner = await readOwner(`${path}.owner`);
  return owner === undefined || (owner.host === hostname() && !isAlive(owner));
}

/**
 * Makes this process the only one of Lockstep that works on a study, by a file PATH.owner. Two of them would suggest the same
 * trials. One that a dead process of this machine has left is taken over. To be called under the journal's lock: of two that take
 * it over at the same time, the second would delete the file of the first.
 * @returns gives the study free
 * @throws InputError where another process has it, or the folder cannot be written to.
 */
export async function takeOwnership(path: string): Promise<() => Promise<void>> {
  const file = `${path}.owner`;
  const own: Owner = { pid: process.pid, host: hostname(), started: processOf(process.pid)?.started ?? null };
  for (let tries = 0; ; tries++) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(`${JSON.stringify(own)}\n`);
      await handle.close();
      return () => unlink(file).catch(() => undefined);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(file, cause);
    }
    const owner = await readOwner(file);
    const isForeign = owner !== undefined && owner.host !== own.host;
    if (tries >= 3 || isForeign || (owner !== undefined && isAlive(owner))) {
      const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
      throw new InputError(
        `${path} is in use by ${who}; wait for it to end, or delete ${file} if that process is gone.`,
      );
    }
    await unlink(file).catch(() => undefined);
  }
}
