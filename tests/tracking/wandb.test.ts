import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { array, assert as check, constantFrom, property } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runExperiment } from '../../src/protocol/run.ts';
import type { TrackedRun } from '../../src/tracking/tracked-run.ts';
import { writeOfflineRun } from '../../src/tracking/wandb/offline-run.ts';
import { transactionLog } from '../../src/tracking/wandb/transaction-log.ts';

/** Reads a log back, and checks every fragment on the way. */
function readLog(bytes: Buffer): Buffer[] {
  expect(bytes.subarray(0, 7)).toEqual(Buffer.from(':W&B\xe1\xbe\0', 'latin1'));
  const records: Buffer[] = [];
  let parts: Buffer[] = [];
  for (let at = 7; at < bytes.length; ) {
    const left = 32768 - (at % 32768);
    if (left < 7) {
      expect(bytes.subarray(at, at + left).every((byte) => byte === 0)).toBe(true);
      at += left;
      continue;
    }
    const length = bytes.readUInt16LE(at + 4);
    const type = bytes[at + 6]!;
    expect(length).toBeLessThanOrEqual(left - 7);
    expect(bytes.readUInt32LE(at)).toBe(crc32(bytes.subarray(at + 6, at + 7 + length)));
    expect(type === 1 || type === 2).toBe(parts.length === 0);
    parts.push(bytes.subarray(at + 7, at + 7 + length));
    at += 7 + length;
    if (type === 1 || type === 4) {
      records.push(Buffer.concat(parts));
      parts = [];
    }
  }
  expect(parts).toEqual([]);
  return records;
}

type Fields = Map<number, (number | Buffer)[]>;

function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const number = varint();
    let value: number | Buffer = number;
    if (key % 8 === 2) {
      value = bytes.subarray(at, at + number);
      at += number;
    }
    const id = Math.floor(key / 8);
    fields.set(id, [...(fields.get(id) ?? []), value]);
  }
  return fields;
}

const texts = (fields: Fields, number: number) => (fields.get(number) ?? []).map(String);
const inner = (fields: Fields, number: number) =>
  (fields.get(number) ?? []).map((b) => fieldsOf(b as Buffer));

/** JSON texts by key; the key is field 1 of a config and field 2 elsewhere. */
const itemsOf = (fields: Fields, key: number) =>
  Object.fromEntries(inner(fields, 1).map((item) => [texts(item, key)[0], texts(item, 16)[0]]));

const started = new Date(1_700_000_000_250);
let root: string;
let run: TrackedRun;
const details = {
  config: { hyperparameters: { eta: 0.1, sample: Number.NaN }, metrics: ['auc', Infinity] },
  labels: ['baseline', 'x'.repeat(80), 'Grüße, 世界', 'baseline', ''],
  exitCode: 130,
};

const recordsOf = async (folder: string) => {
  const log = (await readdir(folder)).find((name) => name.endsWith('.wandb'))!;
  return readLog(await readFile(join(folder, log))).map(fieldsOf);
};
const having = (records: Fields[], number: number) => records.flatMap((record) => inner(record, number));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lockstep wandb-'));
  await writeFile(join(root, 'report.md'), '# Report\n');
  run = {
    experiment: 'a/b: 50 %',
    description: 'long '.repeat(20_000),
    user: 'someone',
    identity: 'same',
    name: 'a/b: 50 %',
    status: 'KILLED',
    started,
    ended: new Date(started.getTime() + 60_500),
    params: {},
    tags: { baseline: 'true', 'lockstep.engine': 'cpu', 'lockstep.tags': '[]' },
    metrics: [
      {
        name: 'baseline/curve/val_loss',
        points: [0.5, Number.NaN, -Infinity, 1e-9].map((value, step) => ({ step, value })),
      },
      { name: 'search/auc_roc', points: [0, 2].map((step) => ({ step, value: 0.5 + step / 8 })) },
      { name: 'baseline/val/auc_roc', points: [{ step: 0, value: 0.75 }] },
      { name: 'unknown', points: [] },
    ],
    datasets: [],
    artifacts: [{ name: 'reports/report.md', path: join(root, 'report.md') }],
    models: [],
    nested: [1, 0].map((number) => ({
      name: `trial_${number}`,
      status: 'FINISHED',
      started,
      ended: started,
      params: { max_depth: '3', booster: 'gbtree' },
      tags: { 'lockstep.trial': String(number), 'lockstep.state': 'complete' },
      metrics: [{ name: 'auc_roc_folds', points: [0.5, 0.25].map((value, step) => ({ step, value })) }],
    })),
  };
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a transaction log', () => {
  it('gives back records of any length, whole fragments and checksums', () => {
    const length = constantFrom(0, 1, 6, 7, 8, 100, 32_747, 32_748, 32_753, 32_754, 32_761, 32_768, 100_000);
    check(
      property(array(length, { maxLength: 8 }), (lengths) => {
        const records = lengths.map((n, i) => Buffer.alloc(n, i + 1));
        expect(readLog(transactionLog(records)).map((record) => record.length)).toEqual(lengths);
        expect(Buffer.concat(readLog(transactionLog(records))).equals(Buffer.concat(records))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('has the bytes that wandb itself has written for the same records', async () => {
    const theirs = await readFile(new URL('fixtures/run.wandb', import.meta.url));
    const records = readLog(theirs);
    expect(records.some((record) => record.length > 32_768)).toBe(true);
    expect(transactionLog(records).equals(theirs)).toBe(true);
  });
});

describe('an offline run', () => {
  it('names the project, the labels, the note and the nested config', async () => {
    const folder = await writeOfflineRun(join(root, 'one'), run, details);
    expect(folder).toMatch(/[\\/]offline-run-20231114_221320-[a-z0-9]{8}$/);
    expect(await readlink(join(root, 'one/latest-run'))).toBe(folder.split(/[\\/]/).at(-1));
    const records = await recordsOf(folder);
    expect(records.map((record) => record.get(1)![0])).toEqual(records.map((_, i) => i + 1));
    const about = having(records, 17)[0]!;
    expect(texts(about, 1)[0]).toBe(folder.slice(-8));
    expect(texts(about, 3)).toEqual(['a_b_ 50 _']);
    expect(texts(about, 9)).toEqual([run.description]);
    expect(texts(about, 10)).toEqual(['baseline', 'x'.repeat(64), 'Grüße, 世界']);
    expect(itemsOf(inner(about, 4)[0]!, 1)).toEqual({
      hyperparameters: '{"eta":0.1,"sample":NaN}',
      metrics: '["auc",Infinity]',
      _wandb: '{}',
    });
    expect(having(records, 18)[0]!.get(1)).toEqual([130]);
  });

  it('has a history row a step, over an axis of its own, and the last values as summary', async () => {
    const records = await recordsOf(await writeOfflineRun(join(root, 'two'), run, details));
    const rows = having(records, 2).map((row) => itemsOf(row, 2));
    expect(rows.map((row) => row._step)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
    const losses = rows
      .slice(0, 4)
      .map((row) => [row['baseline/curve/step'], row['baseline/curve/val_loss']]);
    expect(losses).toEqual([
      ['0', '0.5'],
      ['1', 'NaN'],
      ['2', '-Infinity'],
      ['3', '1e-9'],
    ]);
    expect(rows.slice(4).map((row) => [row['search/step'], row['search/auc_roc']])).toEqual([
      ['0', '0.5'],
      ['1', undefined],
      ['2', '0.75'],
    ]);
    expect(rows[5]).toMatchObject({
      'search/trial/params/max_depth': '3',
      'search/trial/params/booster': '"gbtree"',
      'search/trial/state': '"complete"',
      'search/trial/auc_roc_folds': '[0.5,0.25]',
    });
    const axes = having(records, 12).map((metric) => [texts(metric, 1)[0], texts(metric, 4)[0]]);
    expect(axes).toContainEqual(['baseline/curve/val_loss', 'baseline/curve/step']);
    const summary = itemsOf(having(records, 3)[0]!, 2);
    expect(summary).toMatchObject({
      'baseline/val/auc_roc': '0.75',
      'baseline/curve/val_loss': '1e-9',
      'lockstep.engine': '"cpu"',
    });
    expect(summary).not.toHaveProperty('lockstep.tags');
    expect(summary).not.toHaveProperty('unknown');
  });

  it('is added beside an equal one', async () => {
    const folder = join(root, 'twice');
    const first = await writeOfflineRun(folder, run, details);
    const before = await readFile(join(first, `run-${first.slice(-8)}.wandb`));
    const second = await writeOfflineRun(folder, run, details);
    expect(second).not.toBe(first);
    expect((await readFile(join(first, `run-${first.slice(-8)}.wandb`))).equals(before)).toBe(true);
    expect(await readFile(join(second, 'files/lockstep/reports/report.md'), 'utf8')).toBe('# Report\n');
  });

  it('leaves nothing where a file cannot be copied', async () => {
    const broken = { ...run, artifacts: [{ name: 'gone', path: join(root, 'gone') }] };
    await expect(writeOfflineRun(join(root, 'new'), broken, details)).rejects.toThrow('Cannot write');
    await mkdir(join(root, 'old'));
    await expect(writeOfflineRun(join(root, 'old'), broken, details)).rejects.toThrow('Cannot write');
    expect(await readdir(join(root, 'old'))).toEqual([]);
    expect(await readdir(root)).not.toContain('new');
  });
});

describe('use_wandb', () => {
  const experiment = async (name: string) => {
    const configPath = join(root, `${name}.yaml`);
    const lines = Array.from({ length: 60 }, (_, i) => `${i},${i % 7},${i % 2}`);
    await writeFile(join(root, 'data.csv'), `a,b,target\n${lines.join('\n')}\n`);
    await writeFile(
      configPath,
      'experiment: {name: small, tags: [one]}\ndata: {train_path: data.csv, target: target}\n' +
        'hyperparameters: {n_estimators: 3}\ntracking: {mlflow: {enabled: false}}\nuse_wandb: true\n',
    );
    const warnings: string[] = [];
    const reporter = { step() {}, warn: (text: string) => warnings.push(text), round() {}, search() {} };
    const out = join(root, name);
    await runExperiment({ configPath, out, engine: 'cpu', stages: ['baseline'], reporter });
    return { out, warnings: warnings.filter((text) => text.includes('Weights & Biases')) };
  };

  it('records a run without MLflow, and without the section tracking', async () => {
    const { out, warnings } = await experiment('run');
    expect(warnings).toEqual([]);
    expect(await readdir(out)).not.toContain('mlruns');
    const about = having(await recordsOf(join(out, 'wandb/latest-run')), 17)[0]!;
    const config = itemsOf(inner(about, 4)[0]!, 1);
    expect(config).not.toHaveProperty('tracking');
    expect(JSON.parse(config.hyperparameters!)).toMatchObject({ n_estimators: 3 });
    expect(texts(about, 10)).toEqual(['one']);
  });

  it('warns where it cannot be written, and the run goes on', async () => {
    await mkdir(join(root, 'blocked'));
    await writeFile(join(root, 'blocked/wandb'), 'a file');
    const { out, warnings } = await experiment('blocked');
    expect(warnings).toEqual([
      expect.stringContaining('The run is not recorded for Weights & Biases: Cannot'),
    ]);
    expect(await readdir(out)).toContain('run.json');
  });
});
