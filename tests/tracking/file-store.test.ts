import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { mirrorRun, type RecordedRun, writeFileStore } from '../../src/tracking/mlflow/file-store.ts';
import { toYaml } from '../../src/tracking/mlflow/yaml.ts';
import type { TrackedRecord, TrackedRun } from '../../src/tracking/tracked-run.ts';

const started = new Date(1_700_000_000_000);
const ended = new Date(1_700_000_060_000);

const trial = (number: number, status: TrackedRecord['status']): TrackedRecord => ({
  name: `trial_${number}`,
  status,
  started,
  ended,
  params: { max_depth: '3' },
  tags: { 'lockstep.trial': String(number) },
  metrics: [{ name: 'auc_roc', points: [{ step: 0, value: 0.5 + number }] }],
});

let root: string;
let run: TrackedRun;
let first: RecordedRun;
const read = (...path: string[]) => readFile(join(root, 'mlruns', ...path), 'utf8');
const readMeta = async (...path: string[]) => parse(await read(...path, 'meta.yaml'), { version: '1.1' });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lockstep store-'));
  await writeFile(join(root, 'report.md'), '# Report\n');
  run = {
    experiment: 'on: "x" 1_0 \u0085',
    description: 'A note\nof two lines',
    user: 'someone',
    identity: 'same',
    name: '1e3',
    status: 'FINISHED',
    started,
    ended,
    params: { 'a b': 'x'.repeat(7000), empty: '' },
    tags: { baseline: 'true' },
    metrics: [
      {
        name: 'val/auc_roc',
        points: [0.5, Number.NaN, Infinity, -Infinity, 1e-9].map((value, step) => ({ step, value })),
      },
      { name: 'unknown', points: [] },
    ],
    datasets: [
      {
        name: 'train.csv',
        path: '/data/train.csv',
        sha256: '0123456789abcdef'.repeat(4),
        rows: 40,
        role: 'train',
        columns: [{ name: 'a', type: 'double' }],
      },
    ],
    artifacts: [{ name: 'reports/report.md', path: join(root, 'report.md') }],
    models: [
      {
        name: 'baseline',
        xgboost: '{}',
        features: [{ name: 'a', categorical: false }],
        outputs: 3,
        params: { seed: '1' },
        tags: { 'lockstep.fingerprint': 'f' },
        scores: { 'val/auc_roc': 0.75 },
      },
    ],
    nested: [trial(0, 'FINISHED'), trial(1, 'KILLED'), trial(2, 'FAILED')],
  };
  first = await writeFileStore(join(root, 'mlruns'), run);
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a file store', () => {
  it('has the experiment and the default one, by ids of digits', async () => {
    const { experimentId } = first;
    expect(experimentId).toMatch(/^\d{18}$/);
    expect((await readdir(join(root, 'mlruns'))).sort()).toEqual(['.trash', '0', experimentId].sort());
    const uri = pathToFileURL(join(root, 'mlruns', experimentId)).href;
    expect(uri).toContain('lockstep%20store');
    expect(await readMeta(experimentId)).toEqual({
      artifact_location: uri,
      creation_time: started.getTime(),
      experiment_id: experimentId,
      last_update_time: started.getTime(),
      lifecycle_stage: 'active',
      name: run.experiment,
    });
    expect(await read(experimentId, 'tags', 'mlflow.note.content')).toBe(run.description);
  });

  it('has the run with its parameters, tags, metrics and artifacts', async () => {
    const { experimentId, runId } = first;
    expect(runId).toMatch(/^[0-9a-f]{32}$/);
    const meta = await readMeta(experimentId, runId);
    expect(meta).toMatchObject({ run_id: runId, run_name: '1e3', status: 3, user_id: 'someone' });
    expect(meta.end_time - meta.start_time).toBe(60_000);
    expect(await read(experimentId, runId, 'params', 'a b')).toHaveLength(6000);
    expect(await read(experimentId, runId, 'params', 'empty')).toBe('');
    expect(await read(experimentId, runId, 'tags', 'baseline')).toBe('true');
    expect(await read(experimentId, runId, 'tags', 'mlflow.runName')).toBe('1e3');
    const time = ended.getTime();
    expect(await read(experimentId, runId, 'metrics', 'val', 'auc_roc')).toBe(
      `${time} 0.5 0\n${time} nan 1\n${time} inf 2\n${time} -inf 3\n${time} 1e-9 4\n`,
    );
    expect(await readdir(join(root, 'mlruns', experimentId, runId, 'metrics'))).toEqual(['val']);
    expect(await read(experimentId, runId, 'artifacts', 'reports', 'report.md')).toBe('# Report\n');
  });

  it('has each nested run with the state of its trial', async () => {
    const { experimentId, runId } = first;
    const states: Record<string, number> = {};
    for (const id of await readdir(join(root, 'mlruns', experimentId))) {
      if (!/^[0-9a-f]{32}$/.test(id) || id === runId) continue;
      expect(await read(experimentId, id, 'tags', 'mlflow.parentRunId')).toBe(runId);
      const { run_name, status } = await readMeta(experimentId, id);
      states[run_name] = status;
    }
    expect(states).toEqual({ trial_0: 3, trial_1: 5, trial_2: 4 });
  });

  it('has the data that the run has read', async () => {
    const { experimentId, runId } = first;
    const [id] = await readdir(join(root, 'mlruns', experimentId, 'datasets'));
    const dataset = await readMeta(experimentId, 'datasets', id!);
    expect(dataset).toMatchObject({ name: 'train.csv', digest: run.datasets[0]!.sha256.slice(0, 36) });
    expect(JSON.parse(dataset.source)).toEqual({ uri: '/data/train.csv', sha256: run.datasets[0]!.sha256 });
    const [input] = await readdir(join(root, 'mlruns', experimentId, runId, 'inputs'));
    expect(await readMeta(experimentId, runId, 'inputs', input!)).toMatchObject({
      source_id: id,
      tags: { 'mlflow.data.context': 'training' },
    });
  });

  it('has the models, each in a folder that says how it is loaded', async () => {
    const { experimentId, runId } = first;
    const [id] = await readdir(join(root, 'mlruns', experimentId, runId, 'outputs'));
    const folder = ['models', id!];
    const place = [experimentId, ...folder];
    expect(await readMeta(...place)).toMatchObject({
      model_id: id,
      name: 'baseline',
      source_run_id: runId,
      status: 2,
    });
    expect(await read(...place, 'metrics', 'val', 'auc_roc')).toBe(`${ended.getTime()} 0.75 0 ${runId}\n`);
    expect((await readdir(join(root, 'mlruns', ...place, 'artifacts'))).sort()).toEqual([
      'MLmodel',
      'model.json',
      'python_env.yaml',
      'requirements.txt',
    ]);
    const { flavors, signature } = parse(await read(...place, 'artifacts', 'MLmodel'), { version: '1.1' });
    expect(flavors.python_function.loader_module).toBe('mlflow.xgboost');
    expect(flavors.xgboost).toMatchObject({ data: 'model.json', model_class: 'xgboost.core.Booster' });
    expect(JSON.parse(signature.inputs)).toEqual([{ type: 'double', name: 'a', required: false }]);
    expect(JSON.parse(signature.outputs)[0]['tensor-spec']).toEqual({ dtype: 'float32', shape: [-1, 3] });
  });

  it('keeps its runs where the same one is recorded again, and gives equal ids in another folder', async () => {
    const other = await writeFileStore(join(root, 'other'), run);
    expect([other.experimentId, other.runId]).toEqual([first.experimentId, first.runId]);
    const again = await writeFileStore(join(root, 'other'), { ...run, models: [], status: 'KILLED' });
    expect(again.experimentId).toBe(first.experimentId);
    expect(again.runId).not.toBe(first.runId);
    const entries = await readdir(join(root, 'other', first.experimentId));
    expect(entries.filter((name) => /^[0-9a-f]{32}$/.test(name))).toHaveLength(8);
  });

  it('clears away a run that was cut off while it was recorded, and nothing else', async () => {
    const place = join(root, 'torn');
    const { experimentId, runId } = await writeFileStore(place, run);
    const torn = join(place, experimentId, 'f'.repeat(32));
    await mkdir(join(torn, 'params'), { recursive: true });
    await writeFile(join(torn, 'params', 'a'), '1');
    await writeFileStore(place, { ...run, models: [] });
    expect(await readdir(join(place, experimentId))).not.toContain('f'.repeat(32));
    expect(await readdir(join(place, experimentId, runId))).toContain('meta.yaml');
  });

  it('is repeated in another place, whole and with its own addresses', async () => {
    await mirrorRun(first, join(root, 'evidence', 'mlruns'));
    await mirrorRun(first, join(root, 'evidence', 'mlruns'));
    const files = async (store: string) =>
      (await readdir(store, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(store.length + 1))
        .sort();
    const names = await files(join(root, 'mlruns'));
    expect(await files(join(root, 'evidence', 'mlruns'))).toEqual(names);
    const [from, to] = [join(root, 'mlruns'), join(root, 'evidence', 'mlruns')];
    const [ours, theirs] = [pathToFileURL(from).href, pathToFileURL(to).href];
    for (const name of names) {
      const text = await readFile(join(from, name), 'utf8');
      expect(await readFile(join(to, name), 'utf8')).toBe(text.replaceAll(ours, theirs));
    }
  });

  it('joins the experiment of that name that another program has made there', async () => {
    await writeFileStore(join(root, 'theirs'), { ...run, experiment: 'other', nested: [] });
    await rm(join(root, 'theirs', '0'), { recursive: true });
    const meta = { experiment_id: '7', lifecycle_stage: 'active', name: 'mine' };
    await mkdir(join(root, 'theirs', '7'));
    await writeFile(join(root, 'theirs', '7', 'meta.yaml'), toYaml(meta));
    const { experimentId } = await writeFileStore(join(root, 'theirs'), {
      ...run,
      experiment: 'mine',
      nested: [],
    });
    expect(experimentId).toBe('7');
  });

  it('says what is in the way of it', async () => {
    await expect(writeFileStore(join(root, 'report.md'), run)).rejects.toThrow(
      /^Cannot write \S+ ?\S*report\.md.*: a part of the path is a file; choose another place\.$/,
    );
  });
});
