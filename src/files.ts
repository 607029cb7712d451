import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EnvironmentError, InputError, LockstepError } from './errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space',
  EDQUOT: 'the disk quota is used up; free some space',
  EACCES: 'permission is denied; choose another place',
  EPERM: 'permission is denied; choose another place',
  EROFS: 'the file system is read-only; choose another place',
  ENOTDIR: 'a part of the path is a file; choose another place',
  EEXIST: 'a part of the path is a file; choose another place',
  ENOENT: 'there is no such folder; create it or choose another place',
  EISDIR: 'a folder of that name is in the way; remove it',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
};

const CALLERS_CHOICE = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'EISDIR',
  'ENAMETOOLONG',
]);

const READING_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ENAMETOOLONG: 'the name is too long',
};

/**
 * The bytes of a file.
 * @param kind What the file should be, such as "a model".
 * @throws InputError naming the path and the reason.
 */
export async function readFileBytes(path: string, kind: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw new InputError(`${path} cannot be read as ${kind}: ${READING_REASONS[code] ?? message}.`, {
      cause,
    });
  }
}

/** Whether a text is a SHA-256: 64 hexadecimal digits, the letters small. */
export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** The system's code of a failure; DuckDB has it in its text alone. */
function codeOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code !== undefined) return code;
  if (/No space left/i.test(message)) return 'ENOSPC';
  return /No such file|Cannot open file/i.test(message) ? 'ENOENT' : '';
}

/** The error of a failed write: bad input where another place would help, else a fault of the machine. */
export function writeError(path: string, cause: unknown): Error {
  if (cause instanceof LockstepError) return cause;
  const code = codeOf(cause);
  const message = `Cannot write ${path}: ${REASONS[code] ?? (cause as Error).message}.`;
  return CALLERS_CHOICE.has(code)
    ? new InputError(message, { cause })
    : new EnvironmentError(message, { cause });
}

/**
 * Makes a folder and those above it. Unlike Node's recursive `mkdir`, which never returns for a folder below /proc, it
 * tries each one twice at most.
 */
async function tryMakeFolder(path: string, isSecondTry = false): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !isSecondTry) {
      await tryMakeFolder(dirname(path));
      await tryMakeFolder(path, true);
    } else if (!(await stat(path).catch(() => undefined))?.isDirectory()) {
      throw error;
    }
  }
}

/**
 * Makes a folder and those above it, unless they are there.
 * @throws InputError or EnvironmentError naming the path and the reason.
 */
export async function makeFolder(path: string): Promise<void> {
  await tryMakeFolder(path).catch((cause: unknown) => {
    throw writeError(path, cause);
  });
}

/**
 * Writes a file whole or not at all: `write` fills a temporary file beside it, which is then renamed.
 * @throws InputError or EnvironmentError naming the path and the reason.
 */
export async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}

/**
 * Removes the temporary files and folders below a folder that processes which were killed have left, of `replaceFile` and of whatever
 * names them alike; none may be at work there.
 */
export async function removeTornFiles(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (/^\.[0-9a-f]{12}\.tmp$/.test(entry.name)) {
      await rm(join(entry.parentPath, entry.name), { recursive: true, force: true });
    }
  }
}

/**
 * Writes a file whole or not at all, flushed to the disk.
 * @throws InputError or EnvironmentError naming the path and the reason.
 */
export async function writeFileAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await replaceFile(path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  });
}
