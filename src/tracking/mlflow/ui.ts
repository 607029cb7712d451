import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EnvironmentError, InputError } from '../../errors.ts';
import { STORE_FOLDER } from './outbox.ts';

const run = promisify(execFile);

/** MLflow's database of a folder's runs, beside its file store. */
export const DATABASE_FILE = 'mlflow.db';

/** How MLflow is started: a program and its first arguments. */
type MlflowCommand = readonly [string, ...string[]];

const HOW_TO_INSTALL =
  'install it with `pip install mlflow` (3.17 or later), and name its Python with --python where that is not the default';

/**
 * The installed MLflow.
 * @param python the Python that has it; without it, `mlflow` of the PATH, else that of `python3`
 * @throws EnvironmentError that says how to install it.
 */
async function findMlflow(python: string | undefined): Promise<MlflowCommand> {
  const candidates: MlflowCommand[] =
    python === undefined ? [['mlflow'], ['python3', '-m', 'mlflow']] : [[python, '-m', 'mlflow']];
  for (const [program, ...args] of candidates) {
    const works = await run(program, [...args, '--version'], { timeout: 60_000 }).then(
      () => true,
      () => false,
    );
    if (works) return [program, ...args];
  }
  const tried = candidates.map((command) => command.join(' ')).join(' and ');
  throw new EnvironmentError(`MLflow does not start (tried ${tried}): ${HOW_TO_INSTALL}.`);
}

/** When the youngest run of a store was recorded. */
function lastRecorded(store: string): number {
  let last = 0;
  for (const experiment of readdirSync(store, { withFileTypes: true })) {
    if (!experiment.isDirectory()) continue;
    for (const name of readdirSync(join(store, experiment.name))) {
      const meta = join(store, experiment.name, name, 'meta.yaml');
      if (existsSync(meta)) last = Math.max(last, statSync(meta).mtimeMs);
    }
  }
  return last;
}

/** Turns a file store into a database, unless the one that is there has all of its runs. */
async function migrate(
  command: MlflowCommand,
  folder: string,
  step: (text: string) => void,
): Promise<string> {
  const [program, ...args] = command;
  const database = join(folder, DATABASE_FILE);
  const store = join(folder, STORE_FOLDER);
  if (existsSync(database) && statSync(database).mtimeMs > lastRecorded(store)) return database;
  step(`Putting the runs of ${store} into ${database}`);
  const made = `${database}.tmp`;
  await rm(made, { force: true });
  try {
    await run(program, [...args, 'migrate-filestore', '--source', store, '--target', `sqlite:///${made}`], {
      env: { ...process.env, MLFLOW_ALLOW_FILE_STORE: 'true' },
      maxBuffer: 2 ** 26,
    });
  } catch (cause) {
    await rm(made, { force: true });
    const { stderr = '', message } = cause as Error & { stderr?: string };
    const reason = stderr.trim().split('\n').at(-1) || message;
    throw new EnvironmentError(
      `MLflow cannot turn ${store} into a database: ${reason.replace(/\.$/, '')}; it takes MLflow 3.17 or later.`,
      { cause },
    );
  }
  // What was noted in the interface since is in the one before.
  if (existsSync(database)) await rename(database, `${database}.old`);
  await rename(made, database);
  return database;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen(port, '127.0.0.1', () => server.close(() => settle(true)));
  });
}

const FIRST_PORT = 5000;
const MOST_PORTS = 100;

async function choosePort(asked: number | undefined): Promise<number> {
  if (asked !== undefined) {
    if (await isFree(asked)) return asked;
    throw new InputError(`Port ${asked} is taken or not allowed: name another one with --port.`);
  }
  for (let port = FIRST_PORT; port < FIRST_PORT + MOST_PORTS; port++) if (await isFree(port)) return port;
  throw new EnvironmentError(
    `Ports ${FIRST_PORT} to ${FIRST_PORT + MOST_PORTS - 1} are taken: name one with --port.`,
  );
}

export interface MlflowUiOptions {
  /** The Python that has MLflow; by default `mlflow` of the PATH, else `python3`. */
  readonly python?: string | undefined;
  /** By default the first free one from 5000. */
  readonly port?: number | undefined;
  /** Told of what takes some time. */
  readonly step?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A server of MLflow's interface that answers. */
export interface MlflowUi {
  readonly url: string;
  readonly database: string;
  /** Settles when the server has ended, after an abort or by itself. */
  readonly ended: Promise<void>;
}

const START_MS = 120_000;
const POLL_MS = 200;

async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Ends a server with its workers. */
function end(server: ChildProcess): void {
  try {
    process.kill(-server.pid!);
  } catch {
    server.kill();
  }
}

/**
 * Shows the recorded runs of a folder in MLflow's interface: turns its file store into a database and starts `mlflow server` for it on the
 * loopback device, until `signal` aborts.
 * @param folder output folder of a run, or an evidence package
 * @throws InputError where no run is recorded there or the port is taken; EnvironmentError where MLflow is missing or fails.
 */
export async function openMlflowUi(folder: string, options: MlflowUiOptions = {}): Promise<MlflowUi> {
  const { signal, step = () => {} } = options;
  const path = resolve(folder);
  if (!existsSync(join(path, STORE_FOLDER))) {
    throw new InputError(
      `${folder} has no recorded runs (${STORE_FOLDER}/): name the output folder of lockstep run.`,
    );
  }
  const port = await choosePort(options.port);
  const command = await findMlflow(options.python);
  const database = await migrate(command, path, step);
  step('Starting mlflow server');
  const [program, ...args] = command;
  const place = ['--host', '127.0.0.1', '--port', String(port), '--workers', '1'];
  const server = spawn(
    program,
    [...args, 'server', '--backend-store-uri', `sqlite:///${database}`, ...place],
    {
      // Where it may put what it makes.
      cwd: path,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    },
  );
  let said = '';
  server.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  let isOver = false;
  const ended = new Promise<void>((settle) => {
    const over = () => {
      isOver = true;
      settle();
    };
    server.on('error', over);
    server.on('close', over);
  });
  const stop = () => end(server);
  signal?.addEventListener('abort', stop, { once: true });
  process.once('exit', stop);
  void ended.then(() => {
    signal?.removeEventListener('abort', stop);
    process.off('exit', stop);
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + START_MS;
  while (!isOver && !signal?.aborted && !(await answers(url))) {
    if (performance.now() > deadline) stop();
    await sleep(POLL_MS);
  }
  if (isOver && !signal?.aborted) {
    const reason = said.trim().split('\n').at(-1) || 'it said nothing';
    throw new EnvironmentError(`mlflow server ended at once: ${reason.replace(/\.$/, '')}.`);
  }
  return { url, database, ended };
}
