import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../addon.ts';
import { kindOf } from '../config/objectives.ts';
import { EnvironmentError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { createWebGpuEngine, type Scorer, type Shaders } from './webgpu.ts';

const SHADERS = fileURLToPath(new URL('../../shaders/', import.meta.url));

function readShaders(): Shaders {
  const files = readdirSync(SHADERS).filter((name) => name.endsWith('.wgsl'));
  return Object.fromEntries(files.map((name) => [name.slice(0, -5), readFileSync(SHADERS + name, 'utf8')]));
}

const scoreWithAddon: Scorer = (job, scale, { margins, labels, raw, weights }) => {
  const shared = { margins, ...(weights && { weights }) };
  const kind = kindOf(job.params.objective);
  return loadAddon().evaluateMetrics(
    job.metrics,
    kind === 'regression'
      ? { ...shared, targets: labels, raw, marginBits: scale.marginBits }
      : {
          ...shared,
          labels: Uint8Array.from(labels),
          ...(kind === 'multiclass' && { classes: job.params.num_class }),
        },
  );
};

/** Dawn aborts the process once this object is collected while a device lives. */
let dawn: GPU | undefined;
let engine: Promise<Engine> | undefined;

/**
 * The WebGPU engine on the first adapter that Dawn finds, one for the process.
 * @throws EnvironmentError where there is no adapter, or it cannot run the shaders.
 */
export function createDawnEngine(): Promise<Engine> {
  engine ??= openDawn();
  return engine;
}

async function openDawn(): Promise<Engine> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  dawn ??= create([]);
  const adapter = await dawn.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw new EnvironmentError(
      'No WebGPU adapter was found: install a Vulkan driver and loader (libvulkan1), or use --engine cpu.',
    );
  }
  return createWebGpuEngine({ adapter, shaders: readShaders(), score: scoreWithAddon });
}
