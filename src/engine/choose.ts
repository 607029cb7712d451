import { createCpuEngine } from './cpu.ts';
import { createCudaEngine } from './cuda.ts';
import { createDawnEngine, describeDawnAdapter } from './dawn.ts';
import type { Engine, EngineKind } from './engine.ts';

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

/**
 * The engine a user asked for; `auto` is the CPU engine.
 * @throws EnvironmentError where it cannot run here.
 */
export async function chooseEngine(choice: EngineChoice, options: { threads: number }): Promise<Engine> {
  switch (choice) {
    case 'auto':
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
