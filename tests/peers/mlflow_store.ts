/**
 * Our side of mlflow_store.py. `mlflow_store.ts PYTHON` runs experiments on public sets, one of them twice into the same
 * folder, one that is interrupted during its search, one that fails, and one for a server that is away at first, and lets MLflow
 * read what they have recorded.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { Model } from '../../src/boosting/model.ts';
import { loadForPrediction } from '../../src/data/load.ts';
import { type RunOptions, runExperiment } from '../../src/protocol/run.ts';
import { sendUnsent } from '../../src/protocol/track.ts';
import { PUBLIC_SETS, type PublicSet } from '../public-sets.ts';
import { freePort, stop, untilAnswers } from './servers.ts';

const [python] = process.argv.slice(2);
if (python === undefined) throw new Error('Usage: mlflow_store.ts PYTHON');
const folder = mkdtempSync(join(tmpdir(), 'lockstep mlflow é-'));

const tablePath = (set: PublicSet) => fileURLToPath(new URL(`../data/${set}.parquet`, import.meta.url));

/** Labels that MLflow would refuse as keys, or that mean something to it. */
const TAGS = [
  'baseline',
  'v1.0',
  'two words',
  'Grüße, 世界?',
  'a/b',
  'a',
  '../up',
  'mlflow.runName',
  'x'.repeat(300),
];

async function run(set: PublicSet, name: string, options: Partial<RunOptions> = {}): Promise<string> {
  const configPath = join(folder, `${name}.yaml`);
  const out = join(folder, name);
  writeFileSync(
    configPath,
    stringify({
      experiment: {
        name: `${name} 1.0 – off`,
        description: `Line one: "é"\nline two\n${'long '.repeat(2000)}`,
        tags: TAGS,
      },
      data: { train_path: tablePath(set), split: { train: 0.6, val: 0.2, test: 0.2 } },
      model: { objective: PUBLIC_SETS[set] },
      hyperparameters: { n_estimators: 30, monotone_constraints: {} },
      optimization: { n_trials: 5, cv: 3, generation: 2, pruner: { name: 'median', n_startup_trials: 1 } },
      resources: { n_jobs: 2 },
    }),
  );
  await runExperiment({ configPath, out, engine: 'cpu', ...options });
  return out;
}

/** What our models predict for all rows, as models/NAME.f64. */
async function writePredictions(set: PublicSet, out: string): Promise<void> {
  mkdirSync(join(out, 'expected'));
  for (const name of ['baseline', 'optimized']) {
    const model = await Model.load(join(out, 'models', `${name}_model.json`));
    const { columns, rows } = await loadForPrediction(tablePath(set), model);
    writeFileSync(join(out, 'expected', `${name}.f64`), model.predict(columns, rows));
  }
}

async function interrupted(set: PublicSet): Promise<void> {
  const stop = new AbortController();
  const reporter = {
    step() {},
    warn() {},
    round() {},
    search({ done }: { done: number }) {
      if (done > 1) stop.abort();
    },
  };
  await assert.rejects(run(set, 'stopped', { reporter, signal: stop.signal }), /Interrupted/);
}

let server: ChildProcess | undefined;

async function startServer(port: number): Promise<ChildProcess> {
  const place = ['--backend-store-uri', `sqlite:///${join(folder, 'server.db')}`];
  const files = ['--artifacts-destination', join(folder, 'server')];
  const command = join(dirname(python!), 'mlflow');
  const args = ['server', '--port', String(port), '--workers', '1', ...place, ...files];
  const started = spawn(command, args, { stdio: 'ignore', detached: true });
  await untilAnswers(`http://127.0.0.1:${port}/health`);
  return started;
}

/**
 * Runs an experiment for a server that is not there yet, starts the server and sends the run while the server is killed and started again,
 * and once more as if it had been lost.
 */
async function served(set: PublicSet): Promise<string> {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}`;
  const out = await run(set, 'served', { overrides: [`tracking.mlflow.uri=${uri}`] });
  const outbox = join(out, 'mlflow-unsent.json');
  const unsent = readFileSync(outbox);
  await writePredictions(set, out);
  server = await startServer(port);
  const sending = sendUnsent(out, { warn: () => {} }).then(
    () => 'sent',
    () => 'kept',
  );
  await sleep(700);
  stop(server);
  server = await startServer(port);
  console.log(`the run was ${await sending} while the server was killed and started again`);
  const options = { warn: (text: string) => assert.fail(text) };
  for (const _ of ['first', 'again']) {
    writeFileSync(outbox, unsent);
    assert.deepEqual(await sendUnsent(out, options), { sent: 1 });
    assert.ok(!existsSync(outbox));
  }
  return uri;
}

try {
  for (const set of ['breast_cancer', 'digits', 'diabetes', 'adult'] as const) {
    await writePredictions(set, await run(set, set));
  }
  await run('diabetes', 'twice');
  await run('diabetes', 'twice', { resume: true });
  await interrupted('breast_cancer');
  await run('diabetes', 'failed', { stages: ['baseline'] });
  // The folder holds a study by now.
  await run('diabetes', 'failed', { stages: ['baseline', 'optimize'] });
  await assert.rejects(
    run('diabetes', 'failed', { stages: ['baseline', 'optimize'] }),
    /already holds a study/,
  );
  const script = fileURLToPath(new URL('mlflow_store.py', import.meta.url));
  const uri = await served('digits');
  const { status } = spawnSync(python, [script, folder, uri], { stdio: 'inherit' });
  assert.equal(status, 0);
} finally {
  stop(server);
  rmSync(folder, { recursive: true, force: true });
}
