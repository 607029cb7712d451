import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import {
  appendFile,
  copyFile,
  lstat,
  mkdtemp,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { Journal } from '../../src/tuning/journal/journal.ts';
import { withLock } from '../../src/tuning/journal/lock.ts';
import { parseJson } from '../../src/tuning/journal/text.ts';
import {
  MemoryStorage,
  type NewTrial,
  type StudyStorage,
  type TrialChange,
} from '../../src/tuning/storage.ts';
import { isFinished, type Trial, type TrialParam } from '../../src/tuning/trial.ts';
import { killedWhileAppending } from './kill.ts';

const folder = await mkdtemp(join(tmpdir(), 'lockstep-journal-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
let files = 0;
const newPath = () => join(folder, `${files++}.journal`);
const STUDY = { studyName: 's', direction: 'maximize' } as const;

const param = (value: number): TrialParam => ({
  value,
  distribution: { type: 'float', low: 1e-3, high: 10, log: true },
});
const running = (...values: number[]): NewTrial => ({
  state: 'running',
  params: new Map(values.map((value, i) => [`p${i}`, param(value)])),
  systemAttrs: { 'lockstep:generation': [0, 1, 2] },
});

/** The records of a file. */
async function records(path: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => parseJson(line) as Record<string, unknown>);
}

/** Appends records as another process would. */
async function foreignAppend(path: string, ...added: readonly object[]): Promise<void> {
  await appendFile(path, added.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

/** A trial without its times, as one comparable value. */
const plain = ({ started: _started, ended: _ended, ...trial }: Trial) =>
  structuredClone({ ...trial, params: [...trial.params], intermediate: [...trial.intermediate] });

async function reopened(path: string): Promise<ReturnType<typeof plain>[]> {
  const journal = await Journal.open(path, STUDY);
  await journal.close();
  return journal.trials.map(plain);
}

const number = fc.oneof(fc.double({ noNaN: false }), fc.integer(), fc.constant(-0.1));
const attr = fc.oneof(
  number,
  fc.string(),
  fc.array(number, { maxLength: 3 }),
  fc.constant(null),
  fc.boolean(),
);
const changeOf = fc.oneof(
  fc.record({ type: fc.constant('intermediate' as const), step: fc.nat(50), value: number }),
  fc.record({
    type: fc.constantFrom('userAttr' as const, 'systemAttr' as const),
    key: fc.string(),
    value: attr,
  }),
  fc.record({
    type: fc.constant('finish' as const),
    state: fc.constantFrom('complete' as const, 'pruned' as const, 'fail' as const),
    value: number,
  }),
);
const steps = fc.array(
  fc.oneof(
    fc.record({ create: fc.array(fc.double({ min: 0.001, max: 10, noNaN: true }), { maxLength: 3 }) }),
    fc.array(fc.tuple(fc.nat(5), changeOf), { minLength: 1, maxLength: 6 }),
  ),
  { maxLength: 8 },
);

/** Does the steps to a storage; changes to trials that there are not, or that are finished, are left out. */
async function perform(storage: StudyStorage, todo: typeof steps extends fc.Arbitrary<infer T> ? T : never) {
  for (const step of todo) {
    if ('create' in step) {
      await storage.create([running(...step.create), { state: 'waiting', params: new Map() }]);
      continue;
    }
    const ended = new Set(storage.trials.filter(isFinished).map((trial) => trial.number));
    const changes: TrialChange[] = [];
    for (const [n, change] of step) {
      if (n >= storage.trials.length || ended.has(n)) continue;
      if (change.type === 'finish') ended.add(n);
      changes.push({ number: n, ...change });
    }
    await storage.change(changes);
  }
}

describe('a journal', () => {
  it('holds what a study in memory holds, and again when it is opened again', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (todo) => {
        const path = newPath();
        const [journal, memory] = [await Journal.open(path, STUDY), new MemoryStorage('s', 'maximize')];
        await perform(journal, todo);
        await perform(memory, todo);
        await journal.close();
        const text = await readFile(path, 'utf8');
        expect(journal.trials.map(plain)).toEqual(memory.trials.map(plain));
        expect(await reopened(path)).toEqual(memory.trials.map(plain));
        expect(await readFile(path, 'utf8')).toBe(text);
      }),
      { numRuns: 40 },
    );
  });

  it('cut short at any byte of its last change, opens as it was before, and goes on', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1)]);
    const before = (await stat(path)).size;
    const expected = journal.trials.map(plain);
    await journal.change([{ type: 'userAttr', number: 0, key: 'schlüssel', value: 'größer' }]);
    await journal.close();
    const { size } = await stat(path);
    for (let end = before; end < size; end++) {
      const torn = newPath();
      await copyFile(path, torn);
      await truncate(torn, end);
      expect(await reopened(torn)).toEqual(expected);
    }
    const torn = newPath();
    await copyFile(path, torn);
    await truncate(torn, size - 5);
    const mended = await Journal.open(torn, STUDY);
    await mended.create([running(2)]);
    await mended.close();
    expect((await reopened(torn)).map((trial) => trial.params)).toEqual([
      [['p0', param(1)]],
      [['p0', param(2)]],
    ]);
  });

  it('names the line that is damaged, and a file that is none of its kind', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1), running(2)]);
    await journal.close();
    const lines = (await readFile(path, 'utf8')).split('\n');
    for (const damaged of [
      '{"op_code":5,',
      '\u0000\u0000',
      '[]',
      '{"op_code":6,"trial_id":99}',
      '{"op_code":77,"trial_id":0}',
      '{"op_code":1,"study_id":1}',
      '{"op_code":2,"study_id":1,"user_attr":{"a":1}}',
      '{"op_code":4,"study_id":1}',
      '{"op_code":4,"study_id":0,"state":5}',
      '{"op_code":4,"study_id":0,"params":{"x":1},"distributions":{"x":"{\\"name\\":\\"Beta\\",\\"attributes\\":{}}"}}',
    ]) {
      await writeFile(path, [lines[0], lines[1], damaged, ...lines.slice(2)].join('\n'));
      await expect(Journal.open(path, STUDY)).rejects.toThrow(`${path}, line 3, is damaged`);
    }
    // Without a line's end, they could be taken for a line that was cut short.
    for (const other of ['a,b\n1,2\n', 'SQLite format 3', '{"a": 1}', '{"op_codes":']) {
      await writeFile(path, other);
      await expect(Journal.open(path, STUDY)).rejects.toThrow('line 1, is not a record of an Optuna journal');
      expect(await readFile(path, 'utf8')).toBe(other);
      expect(existsSync(`${path}.owner`) || existsSync(`${path}.lock`)).toBe(false);
    }
    await expect(Journal.open(folder, STUDY)).rejects.toThrow(InputError);
    await expect(Journal.open(join(folder, 'no', 'x.journal'), STUDY)).rejects.toThrow('no such folder');
  });

  it('keeps apart the studies of a file, and refuses one with another direction or several', async () => {
    const path = newPath();
    const first = await Journal.open(path, STUDY);
    await first.create([running(1)]);
    await first.close();
    const second = await Journal.open(path, { studyName: 't', direction: 'minimize' });
    await second.create([running(2), running(3)]);
    await second.change([{ type: 'finish', number: 1, state: 'complete', value: 7 }]);
    await second.close();
    const again = await Journal.open(path, STUDY);
    await again.create([running(4)]);
    await again.close();
    expect((await reopened(path)).map((trial) => trial.params[0]![1].value)).toEqual([1, 4]);
    expect(second.trials.map(({ state }) => state)).toEqual(['running', 'complete']);
    await expect(Journal.open(path, { studyName: 't', direction: 'maximize' })).rejects.toThrow(
      'is to minimize, but the metric is to maximize',
    );
    await appendFile(path, '{"op_code":0,"worker_id":"x-1","study_name":"two","directions":[1,2]}\n');
    await expect(Journal.open(path, { studyName: 'two', direction: 'minimize' })).rejects.toThrow(
      '2 objectives',
    );
  });

  it('opens where its very first line was cut short', async () => {
    const path = newPath();
    for (const beginning of ['', '{', '{"op_code":', '{"op_code":0,"worker_id":"ab']) {
      await writeFile(path, beginning);
      expect(await reopened(path)).toEqual([]);
      expect(await records(path)).toMatchObject([{ op_code: 0, study_name: 's' }]);
    }
  });

  it('has floats with a point, so that Python does not take them for ints, and whole parameters without', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    const n: TrialParam = { value: 3, distribution: { type: 'int', low: 1, high: 4, log: true, step: 1 } };
    const x: TrialParam = { value: 1, distribution: { type: 'float', low: 0, high: 2, log: false } };
    await journal.create([
      {
        state: 'running',
        params: new Map([
          ['x', x],
          ['n', n],
        ]),
        userAttrs: { a: [1, -0, 1e21] },
      },
    ]);
    await journal.change([
      { type: 'param', number: 0, name: 'x', param: { ...x, value: 2 } },
      { type: 'intermediate', number: 0, step: 0, value: 2 },
      { type: 'finish', number: 0, state: 'complete', value: 3 },
    ]);
    await journal.close();
    const lines = (await readFile(path, 'utf8')).split('\n');
    expect(lines[1]).toContain('"params":{"x":1.0,"n":3}');
    expect(lines[1]).toContain(String.raw`\"step\":null,\"low\":0.0,\"high\":2.0,\"log\":false`);
    expect(lines[1]).toContain(String.raw`\"log\":true,\"step\":1,\"low\":1,\"high\":4`);
    expect(lines[1]).toContain('"a":[1,-0.0,1e+21]');
    expect(lines[2]).toContain('"param_value_internal":2.0,');
    expect(lines[3]).toContain('"step":0,"intermediate_value":2.0}');
    expect(lines[4]).toContain('"values":[3.0],');
  });

  it('has the changes in the order of their calls, and none of a trial that there is not', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1)]);
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    await Promise.all(
      keys.map((key, value) => journal.change([{ type: 'userAttr', number: 0, key, value }])),
    );
    expect(Object.keys(journal.trials[0]!.userAttrs)).toEqual(keys);
    const { size } = await stat(path);
    await expect(
      journal.change([
        { type: 'userAttr', number: 0, key: 'a', value: 1 },
        { type: 'userAttr', number: 1, key: 'a', value: 1 },
      ]),
    ).rejects.toThrow('The study s has no trial 1; create it first.');
    expect((await stat(path)).size).toBe(size);
    await journal.close();
  });

  it('has the steps of a trial in ascending order, in whatever order they were reported', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1)]);
    await journal.change(
      [3, 10, 2, 3].map((step, value) => ({ type: 'intermediate', number: 0, step, value })),
    );
    await journal.close();
    const expected = [
      [2, 2],
      [3, 3],
      [10, 1],
    ];
    expect([...journal.trials[0]!.intermediate]).toEqual(expected);
    expect((await reopened(path))[0]!.intermediate).toEqual(expected);
  });

  it('is whole after kills while it was written to', async () => {
    await killedWhileAppending(newPath(), 2);
  });

  it('removed, replaced or cut off by others meanwhile is noticed before anything is written', async () => {
    for (const harm of [
      (path: string) => rm(path),
      (path: string) => rename(path, `${path}.away`),
      async (path: string) => {
        await copyFile(path, `${path}.copy`);
        await rename(`${path}.copy`, path);
      },
      (path: string) => truncate(path, 10),
    ]) {
      const path = newPath();
      const journal = await Journal.open(path, STUDY);
      await journal.create([running(1)]);
      await harm(path);
      const text = existsSync(path) ? await readFile(path, 'utf8') : undefined;
      await expect(journal.create([running(2)])).rejects.toThrow('replaced or removed');
      expect(existsSync(path) ? await readFile(path, 'utf8') : undefined).toBe(text);
      await journal.close();
    }
  });

  it('passes over what Optuna does: changes of a finished trial, and parameters of another kind', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1), running()]);
    await journal.change([{ type: 'finish', number: 0, state: 'complete', value: 1 }]);
    const set = (name: string, attributes: object) => ({
      op_code: 5,
      trial_id: 1,
      param_name: 'p0',
      param_value_internal: 1,
      distribution: JSON.stringify({ name, attributes }),
    });
    await foreignAppend(
      path,
      { op_code: 7, trial_id: 0, step: 9, intermediate_value: 9 },
      { op_code: 6, trial_id: 0, state: 3, values: null, datetime_complete: '2026-11-23T20:23:28+00:00' },
      set('IntDistribution', { low: 0, high: 1, log: false, step: 1 }),
      set('FloatDistribution', { low: 1, high: 2, log: false, step: null }),
    );
    await journal.sync();
    expect(journal.trials[0]).toMatchObject({ state: 'complete', value: 1, intermediate: new Map() });
    expect(journal.trials[1]!.params.size).toBe(0);
    await foreignAppend(path, set('FloatDistribution', { low: 1, high: 2, log: true, step: null }));
    await journal.sync();
    expect(journal.trials[1]!.params.get('p0')).toMatchObject({ value: 1, distribution: { high: 2 } });
    await journal.close();
  });

  it('ends the work on a study that is deleted meanwhile, and begins one of the same name anew', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1)]);
    await foreignAppend(path, { op_code: 1, study_id: 0 });
    for (let tries = 0; tries < 2; tries++) {
      await expect(journal.create([running(2)])).rejects.toThrow('has been deleted');
    }
    await journal.close();
    expect(await reopened(path)).toEqual([]);
    const anew = await Journal.open(path, STUDY);
    await anew.create([running(3)]);
    await anew.close();
    expect(await reopened(path)).toMatchObject([{ number: 0, params: [['p0', param(3)]] }]);
    expect((await records(path)).map(({ op_code }) => op_code)).toEqual([0, 4, 1, 0, 4]);
  });

  it('waits for a lock, and breaks one under which nothing has been written for the time of grace', async () => {
    const path = newPath();
    const journal = await Journal.open(path, { ...STUDY, lockGraceMs: 300 });
    await symlink(path, `${path}.lock`);
    const started = performance.now();
    await journal.create([running(1)]);
    expect(performance.now() - started).toBeGreaterThan(290);
    await symlink(path, `${path}.lock`);
    const touched = setInterval(() => void utimes(path, new Date(), new Date()), 50);
    const waiting = journal.create([running(2)]);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(journal.trials).toHaveLength(1);
    clearInterval(touched);
    await waiting;
    await journal.close();
    expect(await reopened(path)).toHaveLength(2);
  });

  it('does not wait for the lock of a dead process of Lockstep', async () => {
    const path = newPath();
    await (await Journal.open(path, STUDY)).close();
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('exit', resolve));
    await writeFile(`${path}.owner`, JSON.stringify({ pid: child.pid, host: hostname(), started: null }));
    await symlink(`${basename(path)}.owner`, `${path}.lock`);
    const started = performance.now();
    expect(await reopened(path)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('belongs to one process, and passes to another when that one has ended, cleanly or not', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await expect(Journal.open(path, STUDY)).rejects.toThrow(
      `in use by process ${process.pid} on ${hostname()}`,
    );
    await journal.close();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const of = (owner: object) => writeFile(`${path}.owner`, JSON.stringify(owner));
    await of({ pid: child.pid, host: hostname(), started: null });
    await expect(Journal.open(path, STUDY)).rejects.toThrow(`in use by process ${child.pid}`);
    await of({ pid: child.pid, host: 'elsewhere', started: null });
    await expect(Journal.open(path, STUDY)).rejects.toThrow('on elsewhere');
    // The number of the process, but not the process.
    await of({ pid: child.pid, host: hostname(), started: '1' });
    if (process.platform === 'linux') expect(await reopened(path)).toEqual([]);
    await of({ pid: child.pid, host: hostname(), started: null });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.on('exit', resolve));
    expect(await reopened(path)).toEqual([]);
  });

  it('has a lock that Optuna follows from any folder, and is not kept waiting where it is free again', async () => {
    const path = newPath();
    await writeFile(path, '');
    await withLock(path, 1000, async () =>
      expect(await readlink(`${path}.lock`)).toBe(`${basename(path)}.owner`),
    );
    await symlink(path, `${path}.lock`);
    let freed = Number.POSITIVE_INFINITY;
    setTimeout(() => {
      freed = performance.now();
      void unlink(`${path}.lock`);
    }, 540);
    await withLock(path, 10_000, async () => {
      // At most 50; waits that double to a second would be some 480.
      expect(performance.now() - freed).toBeLessThan(300);
    });
  });

  it('leaves the lock to a process that took it for dead and broke it', async () => {
    const path = newPath();
    await withLock(path, 1000, async () => {
      await unlink(`${path}.lock`);
      await symlink(path, `${path}.lock`);
    });
    expect((await lstat(`${path}.lock`)).isSymbolicLink()).toBe(true);
  });

  it('passes from a dead process to one of many that try at the same time', async () => {
    const path = newPath();
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    for (const left of [
      JSON.stringify({ pid: child.pid, host: hostname(), started: null }),
      '',
      '{"pid":1',
    ]) {
      await writeFile(`${path}.owner`, left);
      const opened = await Promise.allSettled(Array.from({ length: 6 }, () => Journal.open(path, STUDY)));
      const winners = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(winners).toHaveLength(1);
      await winners[0]!.close();
    }
  });

  it.skipIf(process.platform !== 'linux')(
    'passes from a process that has ended, and whose parent has not noticed',
    async () => {
      const path = newPath();
      const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 20'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void parent.kill());
      const [output] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(output);
      await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z '));
      await writeFile(`${path}.owner`, JSON.stringify({ pid, host: hostname(), started: null }));
      expect(await reopened(path)).toEqual([]);
    },
  );

  it('takes in what another process has added, and numbers its own trials after those', async () => {
    const path = newPath();
    const journal = await Journal.open(path, STUDY);
    await journal.create([running(1)]);
    const other =
      '{"op_code":4,"worker_id":"y-1","study_id":0,"datetime_start":"2026-01-01T00:00:00.123456+00:00"}\n';
    await appendFile(path, other);
    const [created] = await journal.create([running(3)]);
    expect(created!.number).toBe(2);
    expect(journal.trials[1]!.started).toEqual(new Date('2026-01-01T00:00:00.123Z'));
    await journal.close();
  });
});

describe('a journal that Optuna has written', () => {
  it('is read with all kinds of parameters, states and numbers', async () => {
    const path = newPath();
    await copyFile(new URL('fixtures/optuna.journal', import.meta.url), path);
    const journal = await Journal.open(path, { studyName: 'from-python', direction: 'minimize' });
    const expected = JSON.parse(
      await readFile(new URL('fixtures/optuna-journal.json', import.meta.url), 'utf8'),
    ) as {
      state: string;
      value: number | string | null;
      params: Record<string, number>;
      intermediate: [number, number | string][];
    }[];
    const numberOf = (value: number | string | null) => (value === null ? undefined : Number(value));
    expect(
      journal.trials.map(({ state, value, params, intermediate }) => ({
        state,
        value,
        params: Object.fromEntries([...params].map(([name, of]) => [name, of.value])),
        intermediate: [...intermediate],
      })),
    ).toEqual(
      expected.map(({ state, value, params, intermediate }) => ({
        state,
        value: numberOf(value),
        params,
        intermediate: intermediate.map(([step, reported]) => [step, numberOf(reported)]),
      })),
    );
    await journal.close();
  });
});
