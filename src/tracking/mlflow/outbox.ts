import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.ts';
import { writeFileAtomically } from '../../files.ts';
import { MlflowClient, type MlflowServer, MlflowServerError, PATIENCE, type Patience } from './client.ts';
import { sendRun } from './send.ts';
import { readStoredRun } from './stored-run.ts';

/** The folder of the file store, below a run's output folder. */
export const STORE_FOLDER = 'mlruns';
/** The list of runs that a server has not got yet, below a run's output folder; there is none when it is empty. */
export const OUTBOX_FILE = 'mlflow-unsent.json';

/** A run of the folder's file store, and the server that it is for. */
export interface UnsentRun {
  readonly uri: string;
  readonly experimentId: string;
  readonly runId: string;
}

/**
 * The runs of an output folder that are still to be sent, oldest first.
 * @throws InputError where the list is damaged.
 */
export async function readOutbox(folder: string): Promise<UnsentRun[]> {
  const path = join(folder, OUTBOX_FILE);
  const text = await readFile(path, 'utf8').catch(() => '[]');
  try {
    return JSON.parse(text) as UnsentRun[];
  } catch (cause) {
    throw new InputError(`${path} is not a list of runs to send; remove it.`, { cause });
  }
}

async function writeOutbox(folder: string, runs: readonly UnsentRun[]): Promise<void> {
  const path = join(folder, OUTBOX_FILE);
  if (runs.length === 0) await rm(path, { force: true });
  else await writeFileAtomically(path, `${JSON.stringify(runs, undefined, 2)}\n`);
}

/** Puts a recorded run on the list of those to send. */
export async function addToOutbox(folder: string, run: UnsentRun): Promise<void> {
  await writeOutbox(folder, [...(await readOutbox(folder)), run]);
}

export interface SendOptions {
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience;
}

/** What came of sending: how many runs were sent, how many are left, and what was in the way. */
export interface SendOutcome {
  readonly sent: number;
  readonly left: number;
  readonly problem?: string;
}

/**
 * Sends the runs of an output folder that are for a server; those that cannot be sent stay on the list.
 * @param options.uri Whose runs are sent; those of the server itself by default.
 */
export async function sendOutbox(
  folder: string,
  server: MlflowServer,
  { warn, signal, patience = PATIENCE, uri = server.uri }: SendOptions & { readonly uri?: string },
): Promise<SendOutcome> {
  const client = new MlflowClient(server, patience, signal);
  const all = await readOutbox(folder);
  const others = all.filter((run) => run.uri !== uri);
  const mine = all.filter((run) => run.uri === uri);
  for (const [sent, { experimentId, runId }] of mine.entries()) {
    try {
      await sendRun(client, readStoredRun(join(folder, STORE_FOLDER), experimentId, runId), warn);
    } catch (error) {
      if (!(error instanceof MlflowServerError)) throw error;
      return { sent, left: mine.length - sent, problem: error.message };
    }
    await writeOutbox(folder, [...others, ...mine.slice(sent + 1)]);
  }
  return { sent: mine.length, left: 0 };
}
