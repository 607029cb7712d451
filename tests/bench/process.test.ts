import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { ask } from '../../src/bench/process.ts';
import { InterruptedError } from '../../src/index.ts';

const folder = mkdtemp(join(tmpdir(), 'lockstep-process-'));
afterAll(async () => rm(await folder, { recursive: true, force: true }));

const askNode = (script: string, options: Partial<Parameters<typeof ask>[2]> = {}) =>
  ask(process.execPath, ['-e', script], { timeoutMs: 20_000, ...options });

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

it('a JSON value on stdout is the answer, and the environment is passed on', async () => {
  const answer = await askNode('console.error("noise"); console.log(JSON.stringify([process.env.GIVEN]))', {
    env: { GIVEN: 'yes' },
  });
  expect(answer).toEqual({ value: ['yes'] });
});

it.each([
  ['a crash', 'process.abort()', /^it was ended by SIGABRT/],
  [
    'an exit code',
    'console.error("first\\nlast line\\n"); process.exit(7)',
    /^it ended with exit code 7: last line$/,
  ],
  ['a silent exit', 'process.exit(3)', /^it ended with exit code 3$/],
  ['no answer', '', /^its answer is not JSON$/],
  ['half an answer', 'process.stdout.write("{")', /^its answer is not JSON$/],
  [
    'a flood',
    'const flood = () => process.stdout.write("x".repeat(100000), flood); flood()',
    /^it wrote more than an answer$/,
  ],
])('%s is a reason, not an error', async (_what, script, reason) => {
  expect((await askNode(script)).failure).toMatch(reason);
});

it('a command that does not exist is named', async () => {
  const answer = await ask('/nowhere/python', [], { timeoutMs: 1000 });
  expect(answer).toEqual({ failure: '/nowhere/python was not found' });
});

it('a process that hangs is ended when its time is up, with what it started', async () => {
  const file = join(await folder, 'pids');
  const script = `const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    require('node:fs').writeFileSync(${JSON.stringify(file)}, process.pid + ' ' + child.pid);
    process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`;
  const answer = await askNode(script, { timeoutMs: 1500 });
  expect(answer).toEqual({ failure: 'it took longer than 1.5 s' });
  const pids = (await readFile(file, 'utf8')).split(' ').map(Number);
  await until(() => pids.every((pid) => !isAlive(pid)));
});

it('an abort ends the process and is an InterruptedError, before it starts too', async () => {
  const controller = new AbortController();
  const asked = askNode('setInterval(() => {}, 1000)', { signal: controller.signal });
  const rejected = expect(asked).rejects.toThrow(InterruptedError);
  await sleep(100);
  controller.abort();
  await rejected;
  await expect(askNode('console.log(1)', { signal: controller.signal })).rejects.toThrow(InterruptedError);
});
