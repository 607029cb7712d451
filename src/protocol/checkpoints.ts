import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { NUMERICS_VERSION } from '../boosting/fingerprint.ts';
import { makeFolder, replaceFile } from '../files.ts';
import type { PreparedExperiment } from './prepare.ts';

/** Where a run keeps finished work until it ends, below its output folder. */
export const CHECKPOINT_FOLDER = 'checkpoints';

/** All that a piece of work depends on: plain values, and typed arrays, of which the bytes count. */
export type WorkInputs = Readonly<Record<string, unknown>>;

const DIGEST_BYTES = 32;
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data);

function keyOf(inputs: WorkInputs): string {
  const text = JSON.stringify(inputs, (_key, value) =>
    ArrayBuffer.isView(value)
      ? sha256(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)).digest('hex')
      : value,
  );
  return sha256(text).digest('hex').slice(0, 32);
}

/** Where a run keeps finished work, if it does. */
export interface FinishedWork {
  /** What an earlier process of the run has come to; undefined where it has not, or where nothing is to be taken over. */
  find<Value>(name: string, inputs: WorkInputs): Promise<Value | undefined>;
  /** Keeps a result: plain values, maps and typed arrays. */
  put(name: string, inputs: WorkInputs, value: unknown): Promise<void>;
  /** Lets go of a result. */
  drop(name: string, inputs: WorkInputs): Promise<void>;
  /** What an earlier process has come to, or else what `work` comes to. */
  once<Value>(name: string, inputs: WorkInputs, work: () => Promise<Value>): Promise<Value>;
}

/** Keeps nothing. */
export const NO_CHECKPOINTS: FinishedWork = {
  find: async () => undefined,
  put: async () => {},
  drop: async () => {},
  once: (_name, _inputs, work) => work(),
};

export interface CheckpointOptions {
  /** The run's output folder. */
  readonly folder: string;
  /** Whether work of an earlier process is taken over. */
  readonly resume: boolean;
  /** Told once where a checkpoint cannot be written; the run goes on without it. */
  readonly warn: (text: string) => void;
}

/**
 * Finished work of a run, so that a run that was killed goes on where it was. A file is found by the SHA-256 of all that the work
 * depends on, so that a changed config or changed data never meets a result of before; a file that is damaged is as good as none.
 */
export class Checkpoints implements FinishedWork {
  readonly #folder: string;
  readonly #resume: boolean;
  readonly #warn: (text: string) => void;
  readonly #data: WorkInputs;
  #failed = false;

  constructor(experiment: PreparedExperiment, { folder, resume, warn }: CheckpointOptions) {
    const { binned, data } = experiment;
    const { bins, features, label, weight } = binned;
    this.#folder = join(folder, CHECKPOINT_FOLDER);
    this.#resume = resume;
    this.#warn = warn;
    // Tables of other numbers of bins come from the same sources.
    const tables = { bins, features, label, weight, sources: data.sources };
    this.#data = { numerics: NUMERICS_VERSION, tables: keyOf(tables) };
  }

  #path(name: string, inputs: WorkInputs): string {
    return join(this.#folder, `${name}-${keyOf({ ...this.#data, name, ...inputs })}.bin`);
  }

  async find<Value>(name: string, inputs: WorkInputs): Promise<Value | undefined> {
    if (!this.#resume) return undefined;
    const bytes = await readFile(this.#path(name, inputs)).catch(() => undefined);
    if (bytes === undefined || bytes.length < DIGEST_BYTES) return undefined;
    const body = bytes.subarray(DIGEST_BYTES);
    if (!sha256(body).digest().equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
    return deserialize(body) as Value;
  }

  async put(name: string, inputs: WorkInputs, value: unknown): Promise<void> {
    if (this.#failed) return;
    const body = serialize(value);
    try {
      await makeFolder(this.#folder);
      await replaceFile(this.#path(name, inputs), (temporary) =>
        writeFile(temporary, Buffer.concat([sha256(body).digest(), body])),
      );
    } catch (error) {
      this.#failed = true;
      this.#warn(`finished work cannot be kept for --resume: ${(error as Error).message}`);
    }
  }

  async drop(name: string, inputs: WorkInputs): Promise<void> {
    await rm(this.#path(name, inputs), { force: true });
  }

  async once<Value>(name: string, inputs: WorkInputs, work: () => Promise<Value>): Promise<Value> {
    const found = await this.find<Value>(name, inputs);
    if (found !== undefined) return found;
    const made = await work();
    await this.put(name, inputs, made);
    return made;
  }

  /** Removes all that was kept: the run has ended well. */
  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
