import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, it } from 'vitest';
import { cutOffAndResume } from '../cli/killed-runs.ts';

const folder = await mkdtemp(join(tmpdir(), 'lockstep-killed-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

it('a run that is cut off 50 times by SIGKILL or SIGTERM goes on to what it would have found', async () => {
  await cutOffAndResume(folder, 50, (n) => (n % 3 === 0 ? 'SIGTERM' : 'SIGKILL'));
});
