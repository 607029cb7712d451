import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EnvironmentError, InputError } from '../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space',
  EDQUOT: 'the disk quota is used up; free some space',
  EACCES: 'permission is denied; choose another folder with --out',
  EPERM: 'permission is denied; choose another folder with --out',
  EROFS: 'the file system is read-only; choose another folder with --out',
  ENOTDIR: 'a part of the path is a file; choose another folder with --out',
  EEXIST: 'a part of the path is a file; choose another folder with --out',
  ENOENT: 'no folder can be made there; choose another one with --out',
  EISDIR: 'a folder of that name is in the way; remove it',
  ENAMETOOLONG: 'the name is too long; choose a shorter folder with --out',
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

/** An error of writing below the output folder: bad input where another --out helps, else a fault of the machine. */
function writeError(path: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const message = `Cannot write ${path}: ${REASONS[code] ?? (cause as Error).message}.`;
  return CALLERS_CHOICE.has(code)
    ? new InputError(message, { cause })
    : new EnvironmentError(message, { cause });
}

/**
 * Makes a folder and those above it. Unlike Node's recursive `mkdir`, which never returns for a folder below /proc, it
 * tries each one twice at most.
 */
async function makeFolder(path: string, isSecondTry = false): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !isSecondTry) {
      await makeFolder(dirname(path));
      await makeFolder(path, true);
    } else if (!(await stat(path).catch(() => undefined))?.isDirectory()) {
      throw error;
    }
  }
}

/**
 * Writes a file whole or not at all: to a temporary name beside it, flushed, then renamed. Folders are made.
 * @throws InputError or EnvironmentError naming the path and the reason.
 */
export async function writeFileAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await makeFolder(dirname(path));
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}

/** JSON for people and programs: indented, NaN and infinities as null. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, v) => (ArrayBuffer.isView(v) ? Array.from(v as Float64Array) : v), 2)}\n`;
}

/** The folder of one run, with the names of the protocol's deliverables and evidence package. */
export class OutputFolder {
  readonly path: string;
  readonly #written: string[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the folder and proves that it can be written to, before any work is done.
   * @throws InputError where it cannot.
   */
  static async create(path: string): Promise<OutputFolder> {
    const probe = join(path, `.${randomBytes(6).toString('hex')}.probe`);
    try {
      await makeFolder(path);
      const file = await open(probe, 'wx');
      await file.close();
      await rm(probe);
    } catch (cause) {
      throw writeError(path, cause);
    }
    return new OutputFolder(path);
  }

  /** Files written so far, relative to the folder. */
  get written(): readonly string[] {
    return this.#written;
  }

  /** Writes one file below the folder. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    await writeFileAtomically(join(this.path, name), content);
    this.#written.push(name);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await this.write(name, toJson(value));
  }

  /** Writes the same content to the folder and to the evidence package under the same relative name. */
  async writeDeliverable(name: string, content: string | Uint8Array): Promise<void> {
    await this.write(name, content);
    await this.writeEvidence(name, content);
  }

  /** Writes into the evidence package alone. */
  async writeEvidence(name: string, content: string | Uint8Array): Promise<void> {
    await this.write(join(EVIDENCE_FOLDER, name), content);
  }
}

/** The protocol's evidence package, below the output folder. */
export const EVIDENCE_FOLDER = 'evidence/protocol-11-training';
