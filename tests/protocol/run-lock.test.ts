import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { LOCK_FILE, lockRunFolder } from '../../src/protocol/run-lock.ts';

const folder = await mkdtemp(join(tmpdir(), 'lockstep-lock-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

it('lets one of several runs of this process have a folder at a time', async () => {
  const tried = await Promise.allSettled([1, 2, 3].map(() => lockRunFolder(folder)));
  const taken = tried.flatMap((of) => (of.status === 'fulfilled' ? [of.value] : []));
  expect(taken).toHaveLength(1);
  for (const of of tried) {
    if (of.status === 'rejected')
      expect(of.reason.message).toContain('is in use by another run of this process');
  }
  expect(await readdir(folder)).toEqual([LOCK_FILE]);
  await taken[0]!();
  expect(await readdir(folder)).toEqual([]);
  await (await lockRunFolder(folder))();
});
