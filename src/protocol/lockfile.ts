import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the installed Lockstep. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

const LOCKFILES = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock'];

/** The file that pins every package that Lockstep runs with. */
export interface Lockfile {
  readonly path: string;
  /** What it is called. */
  readonly name: string;
}

/** The lockfile nearest to Lockstep: its own in a checkout, that of the project that depends on it elsewhere; undefined where there is none. */
export function findLockfile(from: string = PACKAGE_ROOT): Lockfile | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const name = LOCKFILES.find((file) => existsSync(join(folder, file)));
    if (name !== undefined) return { path: join(folder, name), name };
    if (dirname(folder) === folder) return undefined;
  }
}

async function versionOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text).version as string);
}

/** The installed version of a package that Lockstep depends on, where Node would find it. */
async function installedVersion(name: string): Promise<string | undefined> {
  for (let folder = PACKAGE_ROOT; ; folder = dirname(folder)) {
    const version =
      basename(folder) === 'node_modules' ? undefined : await versionOf(join(folder, 'node_modules', name));
    if (version !== undefined || dirname(folder) === folder) return version;
  }
}

/** Version of Lockstep, and of each package that it depends on directly, as they are installed. */
export async function packageVersions(): Promise<{ lockstep: string; packages: Record<string, string> }> {
  const { version, dependencies } = JSON.parse(await readFile(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  const packages: Record<string, string> = {};
  for (const name of Object.keys(dependencies)) {
    const installed = await installedVersion(name);
    if (installed !== undefined) packages[name] = installed;
  }
  return { lockstep: version, packages };
}
