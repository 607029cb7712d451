import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toJson } from './output.ts';

/** What Lockstep reads of a package.json. */
interface PackageJson {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The folder of the Lockstep that runs. */
export const PACKAGE_FOLDER = dirname(fileURLToPath(new URL('../../package.json', import.meta.url)));

function readPackage(folder: string): PackageJson | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson;
  } catch {
    return undefined;
  }
}

/** The version of the Lockstep that runs. */
export function lockstepVersion(): string {
  return readPackage(PACKAGE_FOLDER)?.version ?? 'unknown';
}

/** The folder and those above it. */
function upwards(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...upwards(above)];
}

/** Where Node finds a package that a file of `folder` imports. */
function findPackage(name: string, folder: string): string | undefined {
  return upwards(folder)
    .map((at) => join(at, 'node_modules', name))
    .find((at) => existsSync(join(at, 'package.json')));
}

/**
 * Versions of the packages that Lockstep needs and that are installed, by name, sorted; where several of a name are installed they have
 * commas between them.
 */
export function installedPackages(): Record<string, string> {
  const versions = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const queue = [PACKAGE_FOLDER];
  for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
    const { dependencies, optionalDependencies } = readPackage(folder) ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = findPackage(name, folder);
      if (found === undefined || seen.has(found)) continue;
      seen.add(found);
      queue.push(found);
      const { version = 'unknown' } = readPackage(found) ?? {};
      versions.set(name, (versions.get(name) ?? new Set()).add(version));
    }
  }
  const sorted = [...versions].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, of]) => [name, [...of].sort().join(', ')]));
}

/** What pins the packages of the Lockstep that runs. */
export interface Lockfile {
  /** Name in the output folder. */
  readonly file: string;
  /** That of Lockstep's own folder, that of the project Lockstep is installed in, or a list of what is installed. */
  readonly origin: 'lockstep' | 'project' | 'generated';
  readonly text: string;
}

const LOCKFILES = ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock'];

/** A name or password in an address, which no record may have. */
const CREDENTIALS = /:\/\/[^/\s"'@]+@/;

function readLockfile(folder: string, file: string): string | undefined {
  try {
    const text = readFileSync(join(folder, file), 'utf8');
    return CREDENTIALS.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Whether a project's lockfile is about Lockstep. */
const pinsLockstep = (text: string) => /(^|["'\s/])lockstep["']?[@:]/m.test(text);

/**
 * The lockfile of the Lockstep that runs: its own, else the nearest above it that pins Lockstep, else a list of the installed packages
 * (`packages.json`). A lockfile with credentials in its addresses is passed over.
 */
export function findLockfile(folder: string = PACKAGE_FOLDER): Lockfile {
  for (const at of upwards(folder)) {
    for (const file of LOCKFILES) {
      const text = readLockfile(at, file);
      if (text === undefined) continue;
      if (at === folder) return { file, origin: 'lockstep', text };
      if (pinsLockstep(text)) return { file, origin: 'project', text };
    }
  }
  const packages = { lockstep: lockstepVersion(), ...installedPackages() };
  return { file: 'packages.json', origin: 'generated', text: toJson(packages) };
}
