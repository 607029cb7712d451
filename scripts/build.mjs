// Builds what is missing or out of date: the native addon (cmake-js) and the TypeScript (tsc). Used by `npm run prepare`
// and `lockstep build`; --force builds everything, --addon the addon alone.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addonFile = join(root, 'build', 'Release', 'lockstep.node');

class BuildError extends Error {}

/** Newest modification time below a file or folder, in milliseconds. */
function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isCurrent(output, inputs) {
  if (!existsSync(output)) return false;
  const built = statSync(output).mtimeMs;
  return inputs.every((input) => newest(join(root, input)) <= built);
}

/** The first version number that a command prints, or undefined where it cannot be run. */
function versionOf(command) {
  const result = spawnSync(command, ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' });
  return result.status === 0 ? (/\d+(\.\d+)+/.exec(result.stdout)?.[0] ?? '0') : undefined;
}

function isBelow(version, major, minor) {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a < major || (a === major && b < minor);
}

function checkTools() {
  if (isBelow(process.versions.node, 20, 17)) {
    throw new BuildError(
      `Lockstep needs Node 20.17 or later, and this is ${process.versions.node}: install a newer Node.`,
    );
  }
  const cmake = versionOf('cmake');
  if (cmake === undefined || isBelow(cmake, 3, 24)) {
    throw new BuildError(
      `Lockstep's addon needs CMake 3.24 or later, and ${cmake === undefined ? 'none was found' : `this is ${cmake}`}: ` +
        'install it (apt-get install cmake, brew install cmake, pip install cmake) and run the command again.',
    );
  }
  if (process.platform === 'win32') return;
  const compiler = process.env.CXX ?? ['c++', 'g++', 'clang++'].find((name) => versionOf(name) !== undefined);
  if (compiler === undefined || versionOf(compiler) === undefined) {
    throw new BuildError(
      "Lockstep's addon needs a C++20 compiler, and none was found: install one (apt-get install g++, xcode-select --install) or name it in CXX.",
    );
  }
}

function run(command, args, what) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (result.status !== 0) {
    const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`;
    throw new BuildError(`${what} failed; its output:\n${output}`);
  }
}

function buildAddon() {
  checkTools();
  const cmakeJs = fileURLToPath(new URL('../bin/cmake-js', import.meta.resolve('cmake-js')));
  const generator = versionOf('ninja') === undefined ? [] : ['-G', 'Ninja'];
  const parallel = ['--parallel', String(availableParallelism())];
  // In development a warning ends the build; a user's newer compiler may warn of more.
  const warnings = process.env.LOCKSTEP_WERROR === undefined ? [] : ['--CDLOCKSTEP_WERROR=ON'];
  run(
    process.execPath,
    [cmakeJs, 'compile', '--out', 'build', ...generator, ...parallel, ...warnings],
    'Compiling the native addon',
  );
}

async function buildTypeScript() {
  run(
    process.execPath,
    [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'],
    'Compiling the TypeScript',
  );
  const { writeSchemas } = await import(pathToFileURL(join(root, 'dist', 'schema', 'write.js')).href);
  writeSchemas();
}

/**
 * Builds the addon, and the TypeScript where its sources are present (they are not in the published package).
 * Throws an error whose message says what is missing and how to get it.
 */
export async function build({ force = false, addonOnly = false } = {}) {
  const started = performance.now();
  const done = [];
  if (
    force ||
    !isCurrent(addonFile, [
      'native/core',
      'native/cpu',
      'native/addon',
      'native/cuda',
      'native/addon_cuda',
      'CMakeLists.txt',
    ])
  ) {
    buildAddon();
    done.push('addon');
  }
  const hasSources = existsSync(join(root, 'src')) && existsSync(join(root, 'tsconfig.build.json'));
  if (
    !addonOnly &&
    hasSources &&
    (force || !isCurrent(join(root, 'dist', 'schema', 'config.schema.json'), ['src', 'tsconfig.build.json']))
  ) {
    await buildTypeScript();
    done.push('TypeScript');
  }
  return { built: done, seconds: (performance.now() - started) / 1000 };
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  try {
    const { built, seconds } = await build({
      force: process.argv.includes('--force'),
      addonOnly: process.argv.includes('--addon'),
    });
    if (built.length > 0) process.stderr.write(`Built ${built.join(' and ')} in ${seconds.toFixed(1)} s.\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof BuildError ? error.message : error.stack}\n`);
    process.exitCode = 4;
  }
}
