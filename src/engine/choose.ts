import { EnvironmentError } from '../errors.ts';
import { createCpuEngine } from './cpu.ts';
import { createCudaEngine } from './cuda.ts';
import { createDawnEngine, describeDawnAdapter } from './dawn.ts';
import type { Engine, EngineKind } from './engine.ts';
import { createRelayEngine } from './relay.ts';

/** What a user may ask for. */
export type EngineChoice = EngineKind | 'auto';

/** Whether an engine can run here, and if not, why. */
export interface EngineStatus {
  readonly kind: EngineKind;
  readonly available: boolean;
  readonly reason: string;
  /** It runs, but on the processor, by emulation: only for whoever asks for it by name. */
  readonly emulated?: boolean;
}

const ENGINE_KINDS: readonly EngineKind[] = ['cpu', 'cuda', 'webgpu'];

type Probe = () => Promise<{ readonly reason: string; readonly emulated?: boolean }>;

const PROBES = {
  cpu: async () => ({ reason: createCpuEngine().description }),
  cuda: async () => ({ reason: createCudaEngine().description }),
  webgpu: describeDawnAdapter,
} as const satisfies Record<EngineKind, Probe>;

/** The engines named, or all of them, with whether each can run here. Opens no device. */
export function engineStatus(kinds: readonly EngineKind[] = ENGINE_KINDS): Promise<EngineStatus[]> {
  return Promise.all(kinds.map((kind) => status(kind, PROBES[kind])));
}

async function status(kind: EngineKind, probe: Probe): Promise<EngineStatus> {
  try {
    return { kind, available: true, ...(await probe()) };
  } catch (error) {
    return { kind, available: false, reason: (error as Error).message };
  }
}

/** An emulated adapter could only be slower than the CPU engine. */
async function openHardwareWebGpu(): Promise<Engine> {
  const { reason, emulated } = await describeDawnAdapter();
  if (emulated) throw new EnvironmentError(`${reason} is emulated.`);
  return createDawnEngine();
}

/**
 * The engine a user asked for; `auto` begins on the CPU and moves to a device where that is faster: docs/engines.md.
 * @throws EnvironmentError where it cannot run here.
 */
export async function chooseEngine(choice: EngineChoice, options: { threads: number }): Promise<Engine> {
  switch (choice) {
    case 'auto':
      return createRelayEngine([
        { open: async () => createCpuEngine(options) },
        { open: async () => createCudaEngine() },
        { open: openHardwareWebGpu },
      ]);
    case 'cpu':
      return createCpuEngine(options);
    case 'webgpu':
      return createDawnEngine();
    case 'cuda':
      return createCudaEngine();
    default:
      throw choice satisfies never;
  }
}
