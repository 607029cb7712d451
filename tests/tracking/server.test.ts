import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MlflowClient, mlflowServer } from '../../src/tracking/mlflow/client.ts';
import { writeFileStore } from '../../src/tracking/mlflow/file-store.ts';
import { addToOutbox, OUTBOX_FILE, readOutbox, sendOutbox } from '../../src/tracking/mlflow/outbox.ts';
import { batchesOf } from '../../src/tracking/mlflow/send.ts';
import type { TrackedRecord, TrackedRun } from '../../src/tracking/tracked-run.ts';
import { FakeServer } from './fake-server.ts';

const started = new Date(1_700_000_000_000);
const ended = new Date(1_700_000_060_000);
const common = { started, ended, status: 'FINISHED', tags: {} } as const;

const trial = (number: number): TrackedRecord => ({
  ...common,
  name: `trial_${number}`,
  params: { max_depth: String(number) },
  metrics: [{ name: 'auc_roc', points: [{ step: 0, value: number }] }],
});

const runIn = (folder: string): TrackedRun => ({
  ...common,
  experiment: 'one',
  description: 'note',
  user: 'someone',
  identity: 'x',
  name: 'one',
  params: { a: '1' },
  metrics: [
    { name: 'baseline/val/auc_roc', points: [{ step: 0, value: 0.75 }] },
    { name: 'odd', points: [Number.NaN, Number.NEGATIVE_INFINITY].map((value, step) => ({ step, value })) },
  ],
  datasets: [{ name: 'd', path: '/d.csv', sha256: 'ab'.repeat(32), rows: 3, role: 'test', columns: [] }],
  artifacts: [{ name: 'a b/ü.md', path: join(folder, 'report.md') }],
  models: [
    {
      name: 'baseline',
      xgboost: '{}',
      features: [{ name: 'a', categorical: false }],
      outputs: 1,
      params: {},
      tags: {},
      scores: { 'baseline/val/auc_roc': 0.75 },
    },
  ],
  nested: [trial(0), trial(1), trial(2)],
});

const IMPATIENT = { answer: 2000, pauses: [1, 1], total: 10_000 };
let folder: string;
let server: FakeServer;
let uri: string;
const warnings: string[] = [];
const warn = (text: string) => void warnings.push(text);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-outbox-'));
  await writeFile(join(folder, 'report.md'), '# Report\n');
  server = new FakeServer();
  uri = await server.start();
  warnings.length = 0;
  const { experimentId, runId } = await writeFileStore(join(folder, 'mlruns'), runIn(folder));
  await addToOutbox(folder, { uri, experimentId, runId });
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const send = (patience = IMPATIENT, env: NodeJS.ProcessEnv = {}) =>
  sendOutbox(folder, mlflowServer(uri, env)!, { warn, patience });

function expectWholeRun() {
  expect(server.experiment).toBe('one');
  const [run, ...others] = server.runs;
  const nested = others.sort((a, b) => (a.info.run_name < b.info.run_name ? -1 : 1));
  expect([run!, ...nested].map(({ info }) => [info.run_name, info.status])).toEqual([
    ['one', 'FINISHED'],
    ['trial_0', 'FINISHED'],
    ['trial_1', 'FINISHED'],
    ['trial_2', 'FINISHED'],
  ]);
  expect([...run!.metrics].sort()).toEqual([
    'baseline/val/auc_roc 0 0.75 m-0',
    'odd 0 NaN',
    'odd 1 -Infinity',
  ]);
  expect([...run!.params]).toEqual([['a', '1']]);
  expect(run!.tags.get('mlflow.note.content')).toBeUndefined();
  for (const [i, of] of nested.entries()) {
    expect(of.tags.get('mlflow.parentRunId')).toBe('run0');
    expect([...of.metrics]).toEqual([`auc_roc 0 ${i}`]);
  }
  expect(server.models).toMatchObject([{ info: { name: 'baseline' }, status: 'LOGGED_MODEL_READY' }]);
  expect(run!.outputs).toEqual([{ model_id: 'm-0', step: 0 }]);
  expect(server.files.get('1/run0/artifacts/a b/ü.md')).toBe('# Report\n');
  expect(server.files.get('1/models/m-0/artifacts/MLmodel')).toMatch(/^model_id: "m-0"$/m);
  expect(server.files.get('1/models/m-0/artifacts/MLmodel')).toMatch(/^run_id: "run0"$/m);
}

describe('sending a run', () => {
  it('puts all of it on the server and empties the list', async () => {
    expect(await send()).toEqual({ sent: 1, left: 0 });
    expectWholeRun();
    expect(server.inputs).toMatchObject([{ dataset: { name: 'd' }, tags: [{ value: 'testing' }] }]);
    await expect(readFile(join(folder, OUTBOX_FILE))).rejects.toThrow('ENOENT');
    expect(await send()).toEqual({ sent: 0, left: 0 });
    expect(warnings).toEqual([]);
  });

  it('tries again after answers that may pass', async () => {
    const tries = new Map<string, number>();
    server.intercept = ({ method, path, body }, response) => {
      const request = `${method} ${path} ${body}`;
      const count = tries.get(request) ?? 0;
      tries.set(request, count + 1);
      if (count % 3 === 2) return false;
      response.statusCode = [500, 503][count % 3]!;
      response.end('<html>busy</html>');
      return true;
    };
    expect(await send()).toEqual({ sent: 1, left: 0 });
    expectWholeRun();
  });

  it.each(['runs/create', 'runs/log-batch', 'PUT', 'logged-models', 'runs/outputs', 'runs/update'])(
    'goes on after a server that stopped at its second %s, and leaves nothing there twice',
    async (what) => {
      let count = 0;
      server.intercept = ({ method, path }, response) => {
        if ((path !== what && method !== what) || ++count < (what === 'runs/outputs' ? 1 : 2)) return false;
        response.statusCode = 500;
        response.end();
        return true;
      };
      const outcome = await send({ ...IMPATIENT, pauses: [] });
      server.intercept = () => false;
      if (what !== 'logged-models') {
        expect(outcome).toEqual({ sent: 0, left: 1, problem: `${uri} answered 500` });
        expect(await readOutbox(folder)).toHaveLength(1);
        await send();
      }
      expectWholeRun();
      expect(await readOutbox(folder)).toEqual([]);
    },
  );

  it('keeps a run that a server refuses, without trying again, and says how to be let in', async () => {
    server.intercept = (_, response) => {
      response.statusCode = 401;
      response.end('no');
      return true;
    };
    const { problem } = await send(IMPATIENT, { MLFLOW_TRACKING_TOKEN: 'hunter2' });
    expect(problem).toBe(
      `${uri} does not let this user in (401): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN`,
    );
    expect(server.taken).toHaveLength(1);
    expect(await readFile(join(folder, OUTBOX_FILE), 'utf8')).not.toContain('hunter2');
  });

  it('gives up on a server that is too slow, or not there', async () => {
    server.intercept = () => true;
    expect((await send({ answer: 100, pauses: [1], total: 10_000 })).problem).toBe(
      `${uri} did not answer in time`,
    );
    expect(server.taken).toHaveLength(2);
    expect((await send({ answer: 10_000, pauses: [1], total: 50 })).problem).toBe(
      `${uri} did not answer in time`,
    );
    await server.stop();
    expect((await send()).problem).toBe(`${uri} cannot be reached (ECONNREFUSED)`);
    server = new FakeServer();
    await server.start();
    expect(await readOutbox(folder)).toHaveLength(1);
  });

  it('ends at once when it is stopped', async () => {
    server.intercept = () => true;
    const patience = { ...IMPATIENT, answer: 10_000 };
    const signal = AbortSignal.timeout(10);
    const { problem } = await sendOutbox(folder, mlflowServer(uri, {})!, { warn, patience, signal });
    expect(problem).toContain('did not answer in time');
    expect(server.taken.length).toBeLessThan(2);
  });

  it('leaves files out where the server does not keep them, and says so', async () => {
    server.artifacts = 's3://bucket';
    expect(await send()).toEqual({ sent: 1, left: 0 });
    expect(server.files.size).toBe(0);
    expect(server.runs).toHaveLength(4);
    expect(warnings).toEqual([
      `The run is sent without its files: ${uri} leaves artifacts to a store of kind "s3"; start it with --serve-artifacts`,
    ]);
  });
});

describe('a server', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  it.each([
    ['http://host:5000/', {}, 'http://host:5000', undefined],
    ['https://me:s%40crt@host/path/?x=1', {}, 'https://host/path', basic('me:s@crt')],
    ['http://host', { MLFLOW_TRACKING_TOKEN: 't' }, 'http://host', 'Bearer t'],
    [
      'http://host',
      { MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: 'p', MLFLOW_TRACKING_TOKEN: 't' },
      'http://host',
      basic('u:p'),
    ],
  ])('%s with %j is told apart from its credentials', (given, env, address, authorization) => {
    expect(mlflowServer(given, env)).toEqual({ uri: address, authorization });
  });

  it.each(['', 'mlruns', 'sqlite:///mlflow.db', 'file:///tmp/mlruns', 'databricks'])('is not %j', (given) => {
    expect(mlflowServer(given, {})).toBeUndefined();
  });

  it('is given the credentials, which no error names', async () => {
    server.intercept = (_, response) => {
      response.statusCode = 400;
      response.end(JSON.stringify({ error_code: 'BAD', message: 'x'.repeat(500) }));
      return true;
    };
    const client = new MlflowClient(mlflowServer(uri.replace('//', '//me:hunter2@'), {})!, IMPATIENT);
    await expect(client.call('GET', 'x')).rejects.toThrow(new RegExp(`^${uri} answered 400: x{200}$`));
    expect(server.taken[0]!.authorization).toBe(basic('me:hunter2'));
  });

  it('cannot send the credentials elsewhere', async () => {
    server.intercept = (_, response) => {
      response.writeHead(302, { location: `${uri}/other` });
      response.end();
      return true;
    };
    const client = new MlflowClient(mlflowServer(uri, {})!, { ...IMPATIENT, pauses: [] });
    await expect(client.call('GET', 'x')).rejects.toThrow('cannot be reached');
    expect(server.taken).toHaveLength(1);
  });
});

describe('batches', () => {
  const entries = (count: number, size = 1) =>
    Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: 'x'.repeat(size) }));
  const metrics = (count: number) =>
    Array.from({ length: count }, (_, step) => ({ key: 'm', value: 0.5, timestamp: 1, step }));

  it('hold what MLflow takes: 1000 together, 100 parameters and tags, a megabyte', () => {
    const batches = batchesOf({ params: entries(250), tags: entries(101), metrics: metrics(2500) });
    const sizes = batches.map(({ params, tags, metrics }) => [params.length, tags.length, metrics.length]);
    expect(sizes).toEqual([
      [100, 0, 0],
      [100, 0, 0],
      [50, 100, 0],
      [0, 1, 999],
      [0, 0, 1000],
      [0, 0, 501],
    ]);
    const large = batchesOf({ params: entries(100, 6000), tags: entries(100, 8000), metrics: [] });
    for (const batch of large) expect(JSON.stringify(batch).length).toBeLessThan(1e6);
    expect(large.flatMap(({ tags }) => tags)).toEqual(entries(100, 8000));
    expect(batchesOf({ params: [], tags: [], metrics: [] })).toEqual([]);
  });
});
