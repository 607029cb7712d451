import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, writeError, writeFileAtomically } from '../files.ts';

/** JSON for people and programs: indented, NaN and infinities as null. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, v) => (ArrayBuffer.isView(v) ? Array.from(v as Float64Array) : v), 2)}\n`;
}

/** The folder of one run, with the names of the protocol's deliverables and evidence package. */
export class OutputFolder {
  readonly path: string;
  readonly #written = new Set<string>();
  readonly #deliverables = new Set<string>();

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
    return [...this.#written];
  }

  /** Writes one file below the folder. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    await this.writeFile(name, (path) => writeFileAtomically(path, content));
  }

  /** Lets `write` make one file below the folder, given its path. */
  async writeFile(name: string, write: (path: string) => Promise<void>): Promise<void> {
    const path = join(this.path, name);
    await makeFolder(dirname(path));
    await write(path);
    this.#written.add(name);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await this.write(name, toJson(value));
  }

  /** Files of the evidence package, relative to the folder, as far as they are written. */
  get deliverables(): readonly string[] {
    return [...this.#deliverables];
  }

  /** Writes one file below the folder, which the evidence package will have under the same name. */
  async writeDeliverable(name: string, content: string | Uint8Array): Promise<void> {
    await this.write(name, content);
    this.#deliverables.add(name);
  }
}

/** Charts, below the output folder; the protocol's name. */
export const CHARTS_FOLDER = 'visualizations';

/** The protocol's evidence package, below the output folder. */
export const EVIDENCE_FOLDER = 'evidence/protocol-11-training';
