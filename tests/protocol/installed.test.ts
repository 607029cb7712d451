import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findLockfile, installedPackages } from '../../src/protocol/installed.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-installed-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const PINNING = '{"packages": {"node_modules/lockstep": {"version": "0.1.0"}}}';

/** A project that Lockstep is installed in, with these files. */
async function project(name: string, files: Record<string, string>): Promise<string> {
  const lockstep = join(root, name, 'app', 'node_modules', 'lockstep');
  await mkdir(lockstep, { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(root, name, path), text);
  return lockstep;
}

describe('findLockfile', () => {
  it("takes the nearest lockfile that pins Lockstep, a project's where Lockstep has none", async () => {
    const own = '{"lockfileVersion": 3}';
    const files = { 'app/package-lock.json': '{"packages": {}}', 'package-lock.json': PINNING };
    const installed = await project('above', files);
    expect(findLockfile(installed)).toEqual({ file: 'package-lock.json', origin: 'project', text: PINNING });
    await writeFile(join(installed, 'package-lock.json'), own);
    expect(findLockfile(installed)).toEqual({ file: 'package-lock.json', origin: 'lockstep', text: own });
  });

  it('takes the lockfiles of pnpm and yarn', async () => {
    const pnpm = 'packages:\n  lockstep@0.1.0:\n    resolution: {}\n';
    const yarn = 'lockstep@^0.1.0:\n  version "0.1.0"\n';
    expect(findLockfile(await project('pnpm', { 'app/pnpm-lock.yaml': pnpm })).file).toBe('pnpm-lock.yaml');
    expect(findLockfile(await project('yarn', { 'app/yarn.lock': yarn })).file).toBe('yarn.lock');
  });

  it('passes over a lockfile with credentials, and lists what is installed where there is none', async () => {
    const secret = PINNING.replace(
      '0.1.0"',
      '0.1.0", "resolved": "https://me:hunter2@registry/lockstep.tgz"',
    );
    const found = findLockfile(await project('secret', { 'app/package-lock.json': secret }));
    expect(found).toMatchObject({ file: 'packages.json', origin: 'generated' });
    expect(found.text).not.toContain('hunter2');
    expect(JSON.parse(found.text)).toMatchObject(installedPackages());
  });
});
