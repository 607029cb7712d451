import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Command } from 'commander';
import { ExitCode } from '../errors.ts';
import { jsonOption } from './options.ts';
import { coloured, print, printJson, table } from './terminal.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, or why it is missing. */
  readonly detail: string;
  /** What to do where it is missing. */
  readonly remedy?: string;
}

const VERSION = /(\d+(?:\.\d+)+)/;
const SIMD_FLAGS = ['sse4_2', 'avx', 'avx2', 'fma', 'bmi2', 'avx512f', 'avx512bw', 'asimd', 'sve'];
const PEERS = ['xgboost', 'lightgbm', 'catboost'];
const PEER_VERSIONS = `
import importlib.metadata as m
for name in ${JSON.stringify(PEERS)}:
    try: print(name, m.version(name))
    except m.PackageNotFoundError: pass
`;

function atLeast(version: string, wanted: string): boolean {
  const [have, need] = [version, wanted].map((text) => text.split('.').map(Number));
  const i = need!.findIndex((part, k) => part !== (have![k] ?? 0));
  return i < 0 || (have![i] ?? 0) > need![i]!;
}

function found(name: string, version: string | null, remedy: string, minimum = '0'): Check {
  if (version === null) return { name, ok: false, detail: 'not found', remedy };
  if (atLeast(version, minimum)) return { name, ok: true, detail: version };
  return { name, ok: false, detail: `${version}, below ${minimum}`, remedy };
}

/** The vector instructions that the kernel reports; null where it does not say. */
async function simdFlags(): Promise<string | null> {
  if (!existsSync('/proc/cpuinfo')) return null;
  const [, flags = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(await readFile('/proc/cpuinfo', 'utf8')) ?? [];
  const words = new Set(flags.split(/\s+/));
  return SIMD_FLAGS.filter((flag) => words.has(flag)).join(' ') || 'none known';
}

async function compilerVersion(
  versionFrom: typeof import('../protocol/environment.ts').versionFrom,
): Promise<string | null> {
  for (const command of process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']) {
    const version = await versionFrom(command, ['--version'], /^(.*\d+\.\d+.*)$/m);
    if (version !== null) return version;
  }
  return null;
}

async function examine(): Promise<Check[]> {
  const { versionFrom } = await import('../protocol/environment.ts');
  const { engineStatus } = await import('../engine/choose.ts');
  const { isAddonBuilt } = await import('../addon.ts');
  const [cmake, compiler, simd, python, peers, driver] = await Promise.all([
    versionFrom('cmake', ['--version'], VERSION),
    compilerVersion(versionFrom),
    simdFlags(),
    versionFrom('python3', ['--version'], VERSION),
    versionFrom('python3', ['-c', PEER_VERSIONS], /^([\s\S]*)$/),
    versionFrom('nvidia-smi', ['--query-gpu=driver_version', '--format=csv,noheader'], VERSION),
  ]);
  const compilerCheck: Check =
    compiler === null
      ? {
          name: 'C++ compiler',
          ok: false,
          detail: 'not found',
          remedy: 'install one: apt-get install g++, or xcode-select --install',
        }
      : { name: 'C++ compiler', ok: true, detail: compiler };
  return [
    found('Node', process.versions.node, 'install Node 20.17 or later', '20.17'),
    found('CMake', cmake, 'install CMake 3.24 or later: apt-get, brew or pip install cmake', '3.24'),
    compilerCheck,
    isAddonBuilt()
      ? { name: 'native addon', ok: true, detail: 'built' }
      : { name: 'native addon', ok: false, detail: 'not built', remedy: 'npx lockstep build' },
    ...(await engineStatus()).map(({ kind, available, reason }) => ({
      name: `engine ${kind}`,
      ok: available,
      detail: reason,
    })),
    { name: 'cores', ok: true, detail: `${availableParallelism()} (${cpus()[0]?.model ?? 'unknown model'})` },
    { name: 'memory', ok: true, detail: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` },
    ...(simd === null ? [] : [{ name: 'SIMD', ok: true, detail: simd }]),
    found('Python', python, 'only needed to compare with peers: install Python 3'),
    ...PEERS.map((peer) => {
      const version = new RegExp(`^${peer} (\\S+)$`, 'm').exec(peers ?? '')?.[1] ?? null;
      return found(peer, version, `only needed to compare with it: pip install ${peer}`);
    }),
    found('NVIDIA driver', driver, 'only needed for GPUs of NVIDIA'),
  ];
}

/** `lockstep doctor`: what this machine offers. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('show what this machine offers, and what is missing')
    .description(
      'Shows what this machine offers and how to get what is missing. Exits with 4 where the CPU engine cannot run.',
    )
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep doctor')
    .action(async (options: { json?: boolean }) => {
      const checks = await examine();
      const canTrain = checks.some(({ name, ok }) => name === 'engine cpu' && ok);
      const exit = canTrain ? ExitCode.done : ExitCode.environment;
      process.exitCode = exit;
      if (options.json) {
        printJson({ checks, exit });
        return;
      }
      const rows = checks.map(({ name, ok, detail, remedy }) => [
        ok ? 'ok' : 'missing',
        name,
        remedy === undefined ? detail : `${detail}; ${remedy}`,
      ]);
      const lines = table(rows).split('\n');
      print(
        lines
          .map((line) => (line.startsWith('ok') ? line : coloured('yellow', line, process.stdout)))
          .join('\n'),
      );
      print(
        canTrain
          ? '\nReady to train on the CPU.'
          : '\nThe CPU engine cannot run: see the lines marked missing.',
      );
    });
}
