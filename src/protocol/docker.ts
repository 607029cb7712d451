import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeError } from '../files.ts';
import { installedPackages, type Lockfile, PACKAGE_FOLDER } from './installed.ts';
import { EVIDENCE_FOLDER } from './output.ts';

export const DOCKERFILE = 'Dockerfile';
/** What `docker build` says, below the output folder. */
export const DOCKER_LOG = 'docker_build.log';

/** The Lockstep that runs, for the image, below the output folder. */
const SOURCES = 'docker/lockstep';
/** What it needs to be built and to run, of the files of its package. */
const PACKAGE_FILES = [
  'package.json',
  'CMakeLists.txt',
  'bin',
  'dist',
  'shaders',
  'scripts/build.mjs',
  ...['core', 'cpu', 'addon', 'cuda', 'addon_cuda'].map((folder) => `native/${folder}`),
];

/** Copies the Lockstep that runs into an output folder, so that its image can be built anywhere. */
async function copyLockstep(folder: string): Promise<void> {
  await rm(join(folder, SOURCES), { recursive: true, force: true });
  for (const name of PACKAGE_FILES) {
    await cp(join(PACKAGE_FOLDER, name), join(folder, SOURCES, name), { recursive: true });
  }
}

/** The installed packages of which there is one version, as npm is told of them. */
function exactVersions(): string {
  const exact = Object.entries(installedPackages()).filter(([, versions]) => !versions.includes(','));
  return exact.map(([name, version]) => `${name}@${version}`).join(' ');
}

/** How the image gets this very Lockstep, with the packages that it has here. */
function installSteps({ file, origin }: Lockfile): string[] {
  return [
    'WORKDIR /opt/lockstep',
    `COPY ${SOURCES}/ ./`,
    `COPY ${file} ./`,
    origin === 'lockstep'
      ? 'RUN npm ci --omit=dev --ignore-scripts'
      : `RUN npm install --no-save --omit=dev --ignore-scripts ${exactVersions()}`,
    'RUN node scripts/build.mjs --addon && chmod +x bin/lockstep.js \\',
    ' && ln -s /opt/lockstep/bin/lockstep.js /usr/local/bin/lockstep',
  ];
}

/** A Dockerfile whose image runs the experiment of an output folder again; data are mounted at /data. */
export function dockerfileText(lockfile: Lockfile): string {
  return [
    '# Runs the experiment again and compares every result:',
    '#   docker run --rm --volume DATA:/data:ro IMAGE',
    `# ${SOURCES} is the folder of the Lockstep that ran; create_docker: true puts it there and builds the image.`,
    `FROM node:${process.versions.node}-bookworm`,
    'RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3-pip \\',
    ' && pip install --break-system-packages cmake==3.31.6 && rm -rf /var/lib/apt/lists/*',
    ...installSteps(lockfile),
    'WORKDIR /experiment',
    `COPY ${EVIDENCE_FOLDER}/ evidence/`,
    'ENTRYPOINT ["lockstep", "reproduce", "evidence", "--data-root", "/data"]',
    '',
  ].join('\n');
}

/** A name that Docker allows. */
function imageName(experiment: string): string {
  const name = experiment
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return `lockstep-${name === '' ? 'experiment' : name}`;
}

/**
 * Builds the image of an output folder whose Dockerfile and evidence package are written; docker's output goes to a file.
 * @returns the image's name, or a sentence about why there is none
 */
export async function buildImage(
  folder: string,
  experiment: string,
  signal?: AbortSignal,
): Promise<{ readonly image: string } | { readonly problem: string }> {
  const image = imageName(experiment);
  try {
    await copyLockstep(folder);
  } catch (cause) {
    return { problem: `No Docker image is built: ${writeError(join(folder, SOURCES), cause).message}` };
  }
  const args = ['build', '--tag', image, '.'];
  const log = createWriteStream(join(folder, DOCKER_LOG));
  const ended = await new Promise<number | NodeJS.ErrnoException | null>((resolve) => {
    log.on('error', resolve);
    const docker = spawn('docker', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], signal });
    docker.on('error', resolve);
    docker.stdout.pipe(log, { end: false });
    docker.stderr.pipe(log, { end: false });
    docker.on('close', resolve);
  });
  await new Promise((resolve) => log.end(resolve));
  if (signal?.aborted) return { problem: `docker build was interrupted; build the image in ${folder}.` };
  if (ended === 0) return { image };
  if (ended instanceof Error && ended.code === 'ENOENT')
    return { problem: `Docker was not found, so ${DOCKERFILE} is written and no image is built.` };
  const how = ended instanceof Error ? ended.message : `exit code ${ended}`;
  return { problem: `docker build failed (${how}); ${join(folder, DOCKER_LOG)} has what it said.` };
}
