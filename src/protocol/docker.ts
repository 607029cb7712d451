import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EnvironmentError } from '../errors.ts';
import { findLockfile, PACKAGE_ROOT } from './lockfile.ts';
import type { OutputFolder } from './output.ts';
import type { Reporter } from './reporter.ts';

/** What a Docker image is made of, below the output folder. */
export const DOCKER_FOLDER = 'docker';

/** Most minutes that packing or building an image may take. */
const MOST_MINUTES = 30;

/** Runs a program with its output in a file; @returns how it ended, or undefined where there is no such program. */
function runLogged(
  program: string,
  args: readonly string[],
  { cwd, log, signal }: { cwd: string; log: string; signal?: AbortSignal | undefined },
): Promise<number | null | undefined> {
  return new Promise((settle) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: MOST_MINUTES * 60_000,
      ...(signal && { signal }),
    });
    const file = createWriteStream(log);
    file.on('error', () => {});
    child.stdout.pipe(file, { end: false });
    child.stderr.pipe(file, { end: false });
    child.on('error', (error: NodeJS.ErrnoException) => {
      file.end();
      settle(error.code === 'ENOENT' ? undefined : null);
    });
    child.on('close', (code) => file.end(() => settle(code)));
  });
}

/** A name that Docker takes. */
const imageName = (experiment: string) =>
  `lockstep-${
    experiment
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'experiment'
  }`;

function dockerfile(tarball: string, hasLock: boolean): string {
  return `# Lockstep with the versions of this run. The data and this run's folder are mounted:
#   docker run --rm -v RUN_FOLDER:/run:ro -v DATA_FOLDER:/data:ro IMAGE
FROM node:${process.versions.node}-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ ninja-build && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/lockstep
COPY ${tarball} ${hasLock ? 'package-lock.json ' : ''}./
RUN tar xzf ${tarball} --strip-components=1 && rm ${tarball} \\
  && npm ${hasLock ? 'ci' : 'install'} --omit=dev --ignore-scripts && node scripts/build.mjs --addon
ENTRYPOINT ["node", "/opt/lockstep/bin/lockstep.js"]
CMD ["reproduce", "/run", "--data-root", "/data"]
`;
}

/**
 * Writes what a Docker image that repeats a run is made of, and makes it where Docker is installed. What fails is warned about, as the run
 * itself is done.
 */
export async function writeDocker(
  output: OutputFolder,
  experiment: string,
  { reporter, signal }: { readonly reporter: Reporter; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  reporter.step('Writing the Docker image');
  const folder = resolve(output.path, DOCKER_FOLDER);
  try {
    const lock = findLockfile();
    const own = lock?.path === join(PACKAGE_ROOT, 'package-lock.json');
    await output.write(join(DOCKER_FOLDER, '.dockerignore'), '*.log\n');
    const packed = await runLogged('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], {
      cwd: PACKAGE_ROOT,
      log: join(folder, 'pack.log'),
      signal,
    });
    const tarball = (await readdir(folder)).find((name) => /^lockstep-.*\.tgz$/.test(name));
    if (packed !== 0 || tarball === undefined) {
      throw new EnvironmentError(`npm pack failed; ${DOCKER_FOLDER}/pack.log has its output.`);
    }
    if (own) {
      await output.writeFile(join(DOCKER_FOLDER, 'package-lock.json'), (path) => copyFile(lock.path, path));
    }
    await output.write(join(DOCKER_FOLDER, 'Dockerfile'), dockerfile(tarball, own));
    const image = imageName(experiment);
    const built = await runLogged('docker', ['build', '--tag', image, folder], {
      cwd: folder,
      log: join(folder, 'build.log'),
      signal,
    });
    if (built === undefined) {
      reporter.warn(
        `there is no Docker here, so that no image was made: run docker build --tag ${image} ${folder} where there is`,
      );
    } else if (built !== 0) {
      throw new EnvironmentError(`docker build failed; ${DOCKER_FOLDER}/build.log has its output.`);
    }
  } catch (error) {
    reporter.warn(`there is no Docker image: ${(error as Error).message.replace(/\.$/, '')}`);
  }
}
