import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { Journal } from '../../src/tuning/journal/journal.ts';
import { isFinished } from '../../src/tuning/trial.ts';

const STUDY = { studyName: 'killed', direction: 'minimize', lockGraceMs: 30 } as const;

/**
 * Kills a process that appends batches (append-forever.ts), `times` times at random moments, and checks after each that
 * the journal opens and holds every acknowledged batch, and of the last batch a beginning at most.
 */
export async function killedWhileAppending(path: string, times: number): Promise<void> {
  for (let round = 0; round < times; round++) {
    const acknowledged = await killAfter(path, Math.random() * 60);
    const journal = await Journal.open(path, STUDY);
    const { trials } = journal;
    expect(trials.length).toBeGreaterThanOrEqual(acknowledged);
    const open = trials.filter((trial) => !isFinished(trial));
    for (const { number } of open)
      expect(number).toBeGreaterThanOrEqual(Math.max(acknowledged, trials.length - 3));
    for (const { state, intermediate, userAttrs } of trials) {
      if (state !== 'complete') continue;
      expect([...intermediate.keys()]).toEqual([0, 1, 2, 3, 4]);
      expect(String(userAttrs.filler)).toHaveLength(3000);
    }
    await journal.change(open.map(({ number }) => ({ type: 'finish', number, state: 'fail' })));
    await journal.close();
  }
}

/** @returns How many trials the process has said are finished. */
async function killAfter(path: string, ms: number): Promise<number> {
  const script = new URL('append-forever.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  let acknowledged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (acknowledged === 0) setTimeout(() => child.kill('SIGKILL'), ms);
    acknowledged = Number(line);
  }
  await exit;
  expect(acknowledged).toBeGreaterThan(0);
  return acknowledged;
}
