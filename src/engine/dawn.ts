import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EnvironmentError } from '../errors.ts';
import type { Engine } from './engine.ts';
import {
  createWebGpuEngine,
  type Kernels,
  openWebGpuDevice,
  type Shaders,
  type WebGpuDevice,
} from './webgpu.ts';

const SHADERS = fileURLToPath(new URL('../../shaders/', import.meta.url));

function readShaders(): Shaders {
  const files = readdirSync(SHADERS).filter((name) => name.endsWith('.wgsl'));
  return Object.fromEntries(files.map((name) => [name.slice(0, -5), readFileSync(SHADERS + name, 'utf8')]));
}

/** Dawn aborts the process once this object is collected while a device lives. */
let dawn: GPU | undefined;
let engine: Promise<Engine> | undefined;

/**
 * The WebGPU engine on the first adapter that Dawn finds, one for the process.
 * @throws EnvironmentError where there is no adapter, or it cannot run the shaders.
 */
export function createDawnEngine(): Promise<Engine> {
  engine ??= openDawnDevice().then((device) => createWebGpuEngine(device));
  return engine;
}

const NO_ADAPTER =
  'No WebGPU adapter was found: install a Vulkan driver and loader (libvulkan1), or use --engine cpu.';

/** Prints the adapter that Dawn finds, or null. */
const PROBE = `
const { create } = await import(process.argv[1]);
const gpu = create([]);
const info = (await gpu.requestAdapter({ powerPreference: 'high-performance' }))?.info;
console.log(JSON.stringify(info ? { name: info.description || info.vendor, emulated: info.isFallbackAdapter } : null));
process.exit(0);
`;

/**
 * What `createDawnEngine` would run on. A process of its own asks, since drivers write to stderr as they please, and a
 * broken one may crash.
 * @throws EnvironmentError where there is no adapter.
 */
export async function describeDawnAdapter(): Promise<{ reason: string; emulated: boolean }> {
  const output = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', PROBE, import.meta.resolve('webgpu')],
    { timeout: 30_000 },
  ).then(
    ({ stdout }) => stdout,
    () => 'null',
  );
  const found = JSON.parse(output) as { name: string; emulated: boolean } | null;
  if (found === null) throw new EnvironmentError(NO_ADAPTER);
  return { reason: `webgpu (${found.name})`, emulated: found.emulated };
}

/**
 * The first adapter that Dawn finds; each gives one device.
 * @throws EnvironmentError where there is none.
 */
export async function findDawnAdapter(): Promise<GPUAdapter> {
  const { create, globals } = await import('webgpu').catch((error: Error) => {
    throw new EnvironmentError(
      `The package webgpu cannot be loaded (${error.message}): install it again, or use --engine cpu.`,
    );
  });
  Object.assign(globalThis, globals);
  // Vulkan's drivers complain on stderr where it is missing, and need nothing of it.
  process.env.XDG_RUNTIME_DIR ??= tmpdir();
  dawn ??= create([]);
  const adapter = await dawn.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new EnvironmentError(NO_ADAPTER);
  return adapter;
}

/**
 * A new device with the shaders compiled for it.
 * @param wanted What of the kernels is not to be chosen by the adapter's features and limits.
 * @throws EnvironmentError where there is no adapter, or it cannot run the shaders.
 */
export async function openDawnDevice(wanted: Partial<Kernels> = {}): Promise<WebGpuDevice> {
  return openWebGpuDevice(await findDawnAdapter(), readShaders(), wanted);
}
