/**
 * Our side of optuna_journal.py. `optuna_journal.ts PYTHON` checks that Optuna reads a journal of ours value for value and
 * type for type, continues it, and that we read the result; and that two processes, Python's and ours, lose no record
 * while both append to one file; and that optuna-dashboard shows a journal of ours.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Journal } from '../../src/tuning/journal/journal.ts';
import { Float, formatJson } from '../../src/tuning/journal/text.ts';
import { type Distribution, externalValue } from '../../src/tuning/space.ts';
import type { Trial, TrialParam } from '../../src/tuning/trial.ts';
import { freePort, stop, untilAnswers } from './servers.ts';

const [python] = process.argv.slice(2);
if (python === undefined) throw new Error('Usage: optuna_journal.ts PYTHON');
const folder = mkdtempSync(join(tmpdir(), 'lockstep-optuna-'));
const script = new URL('optuna_journal.py', import.meta.url).pathname;
const STUDY = { studyName: 'ours', direction: 'minimize' } as const;

function start(...args: string[]): Promise<void> {
  const child = spawn(python!, [script, ...args], { stdio: 'inherit' });
  return once(child, 'exit').then(([code]) => assert.equal(code, 0));
}

const x: Distribution = { type: 'float', low: -1, high: 1, log: false };
const depth: Distribution = { type: 'int', low: 1, high: 9, log: false, step: 1 };
const kind: Distribution = { type: 'categorical', choices: ['a', null, true, 2] };
const stepped: Distribution = { type: 'float', low: 0.5, high: 2, log: false, step: 0.25 };

/** A trial as Python should see it, for formatJson. */
function expected({ state, value, params, intermediate, userAttrs, systemAttrs }: Trial): object {
  return {
    state,
    value: value === undefined ? null : new Float(value),
    params: [...params].map(([name, { value, distribution }]) => [
      name,
      distribution.type === 'float' ? new Float(value) : externalValue(distribution, value),
    ]),
    intermediate: [...intermediate].map(([step, value]) => [step, new Float(value)]),
    userAttrs,
    systemAttrs,
  };
}

async function reopened(path: string): Promise<readonly Trial[]> {
  const journal = await Journal.open(path, STUDY);
  await journal.close();
  return journal.trials;
}

async function continued(): Promise<void> {
  const path = join(folder, 'continued.journal');
  const journal = await Journal.open(path, STUDY);
  const params = new Map<string, TrialParam>([
    ['x', { value: 1, distribution: x }],
    ['stepped', { value: 0.75, distribution: stepped }],
    ['depth', { value: 3, distribution: depth }],
    ['tiny', { value: 5e-324, distribution: { type: 'float', low: 0, high: 1, log: false } }],
    ['kind', { value: 1, distribution: kind }],
  ]);
  const userAttrs = {
    'größe\n': ['"', 1, 2.5, null, true, Number.NaN, -Infinity, -0, 2 ** 60, { nested: 1e300 }],
  };
  await journal.create([
    { state: 'running', params, userAttrs, systemAttrs: { completed_rung_0: 0.5 } },
    ...[0.25, -0.5, 1e-9, 0.1].map((value) => ({
      state: 'running' as const,
      params: new Map([['x', { value, distribution: x }]]),
    })),
    { state: 'waiting', params: new Map(), systemAttrs: { fixed_params: { x: 0.5, depth: 2 } } },
  ]);
  await journal.change([
    { type: 'intermediate', number: 0, step: 0, value: 1 },
    { type: 'intermediate', number: 0, step: 1, value: Number.NaN },
    { type: 'intermediate', number: 0, step: 2, value: Infinity },
    { type: 'finish', number: 0, state: 'complete', value: 0.1 + 0.2 },
    { type: 'param', number: 1, name: 'kind', param: { value: 2, distribution: kind } },
    { type: 'intermediate', number: 1, step: 0, value: 3 },
    { type: 'finish', number: 1, state: 'pruned', value: 3 },
    { type: 'finish', number: 2, state: 'fail' },
    { type: 'finish', number: 3, state: 'complete', value: -Infinity },
    { type: 'userAttr', number: 4, key: 'k', value: { a: [1] } },
  ]);
  const file = join(folder, 'expected.json');
  writeFileSync(file, formatJson(journal.trials.map(expected)));
  const before = journal.trials.slice(0, 5).map((trial) => formatJson(expected(trial)));
  await start('continue', path, file);
  await journal.sync();
  assert.deepEqual(
    journal.trials.slice(0, 5).map((trial) => formatJson(expected(trial))),
    before,
  );
  assert.equal(journal.trials.length, 10);
  for (const trial of journal.trials.slice(5)) {
    assert.ok(trial.state === 'complete' || trial.state === 'pruned');
    assert.deepEqual([...trial.params.keys()], ['x', 'depth', 'kind']);
    assert.equal(trial.params.get('x')!.distribution.type, 'float');
  }
  assert.equal(journal.trials[5]!.params.get('x')!.value, 0.5);
  await journal.change([{ type: 'finish', number: 4, state: 'complete', value: 1 }]);
  await journal.close();
  assert.deepEqual(await reopened(path), journal.trials);
}

async function together(): Promise<void> {
  const path = join(folder, 'together.journal');
  const journal = await Journal.open(path, STUDY);
  const count = 400;
  let isDone = false;
  const theirs = start('append', path, String(count)).finally(() => {
    isDone = true;
  });
  let ours = 0;
  for (; !isDone; ours++) {
    // Optuna waits for a lock in steps that grow to a second: without pauses it would hardly ever find it free.
    await sleep(5);
    const [trial] = await journal.create([{ state: 'running', params: new Map(), userAttrs: { ours } }]);
    const { number } = trial!;
    await journal.change([
      { type: 'intermediate', number, step: 0, value: ours },
      { type: 'finish', number, state: 'complete', value: ours },
    ]);
  }
  await theirs;
  await journal.close();
  const trials = await reopened(path);
  assert.deepEqual(trials.slice(0, journal.trials.length), journal.trials);
  const isOurs = ({ userAttrs }: Trial) => 'ours' in userAttrs;
  const values = trials.filter((trial) => !isOurs(trial)).map(({ value }) => value);
  assert.deepEqual(
    values,
    Array.from({ length: count }, (_, i) => i),
  );
  const own = trials.filter(isOurs);
  assert.equal(own.length, ours);
  assert.ok(
    own.every(
      ({ userAttrs, value, state }, i) => state === 'complete' && userAttrs.ours === i && value === i,
    ),
  );
  const turns = trials.filter((trial, i) => i > 0 && isOurs(trial) !== isOurs(trials[i - 1]!)).length;
  assert.ok(turns > 3, `only ${turns} turns: the two did not append at the same time`);
  console.log(`Optuna journal: ${ours} trials of ours and ${count} of Optuna's in one file, ${turns} turns`);
}

interface ShownTrial {
  readonly number: number;
  readonly state: string;
  readonly values?: readonly (number | string)[];
}

/** Lets optuna-dashboard show a study, and compares what it tells its page. */
async function shown(): Promise<void> {
  const path = join(folder, 'shown.journal');
  const journal = await Journal.open(path, STUDY);
  const values = [0.5, -1.25, 3];
  const params = (value: number) => new Map([['x', { value, distribution: x }]]);
  await journal.create(values.map((value) => ({ state: 'running' as const, params: params(value / 4) })));
  await journal.change([
    { type: 'intermediate', number: 1, step: 2, value: 0.75 },
    { type: 'finish', number: 0, state: 'complete', value: values[0] },
    { type: 'finish', number: 1, state: 'pruned', value: values[1] },
    { type: 'finish', number: 2, state: 'complete', value: values[2] },
  ]);
  await journal.close();
  const uri = `http://127.0.0.1:${await freePort()}`;
  const place = ['--host', '127.0.0.1', '--port', new URL(uri).port];
  const command = join(dirname(python!), 'optuna-dashboard');
  const dashboard = spawn(command, ['--storage-class', 'JournalFileStorage', ...place, path], {
    stdio: 'ignore',
    detached: true,
  });
  try {
    const get = async (name: string) => (await fetch(`${uri}/api/${name}`)).json();
    await untilAnswers(`${uri}/api/studies`);
    const studies = (await get('studies')) as {
      readonly study_summaries: readonly { readonly study_id: number; readonly study_name: string }[];
    };
    assert.deepEqual(
      studies.study_summaries.map(({ study_name }) => study_name),
      ['ours'],
    );
    const { trials } = (await get(`studies/${studies.study_summaries[0]!.study_id}`)) as {
      trials: ShownTrial[];
    };
    assert.deepEqual(
      trials.map(({ number, state }) => [number, state]),
      [
        [0, 'Complete'],
        [1, 'Pruned'],
        [2, 'Complete'],
      ],
    );
    assert.deepEqual(trials[2]!.values, [3]);
  } finally {
    stop(dashboard);
  }
  console.log('Optuna journal: optuna-dashboard shows its trials');
}

try {
  await continued();
  console.log('Optuna journal: read, continued and read back, value for value');
  await together();
  await shown();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
