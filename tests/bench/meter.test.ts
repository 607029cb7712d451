import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { busySeconds, timed, timedWhenIdle } from '../../src/bench/meter.ts';

it('busy seconds are all but idle and waiting ones, in hundredths, without guests, which users count already', () => {
  const stat = 'cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 50 10 15 2000 250 3 3 4 45 5\nintr 1\n';
  expect(busySeconds(stat)).toBe(1.71);
});

it('a system that does not say is not guessed at', () => {
  expect(busySeconds('')).toBeNull();
  expect(busySeconds('intr 1 2 3\n')).toBeNull();
});

it('sleeping takes wall time alone, and computing takes CPU time too', async () => {
  const asleep = await timed(() => sleep(200));
  expect(asleep.took.wall_s).toBeGreaterThan(0.19);
  expect(asleep.took.cpu_s).toBeLessThan(0.15);
  const awake = await timed(async () => {
    const until = process.cpuUsage().user + 200_000;
    while (process.cpuUsage().user < until);
    return 'done';
  });
  expect(awake.result).toBe('done');
  expect(awake.took.cpu_s).toBeGreaterThan(0.19);
});

it('a section is told how busy others were where the system says, and no wait lasts longer than it may', async () => {
  const started = performance.now();
  const { section } = await timedWhenIdle(0.1, () => sleep(10));
  expect(performance.now() - started).toBeLessThan(5000);
  if (existsSync('/proc/stat')) expect(section.busy_cores).toBeGreaterThanOrEqual(0);
  else expect(section.busy_cores).toBeNull();
});
