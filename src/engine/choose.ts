import { EnvironmentError } from '../errors.ts';
import { createCpuEngine } from './cpu.ts';
import type { Engine, EngineKind } from './engine.ts';

/** What a user may ask for. */
export type EngineChoice = EngineKind | 'auto';

/** Whether an engine can run here, and if not, why. */
export interface EngineStatus {
  readonly kind: EngineKind;
  readonly available: boolean;
  readonly reason: string;
}

const NOT_BUILT = 'not part of this version';

/** Every engine by name, with whether it can run here. */
export function engineStatus(): EngineStatus[] {
  const cpu = (): EngineStatus => {
    try {
      return { kind: 'cpu', available: true, reason: createCpuEngine().description };
    } catch (error) {
      return { kind: 'cpu', available: false, reason: (error as Error).message };
    }
  };
  return [
    cpu(),
    { kind: 'cuda', available: false, reason: NOT_BUILT },
    { kind: 'webgpu', available: false, reason: NOT_BUILT },
  ];
}

/**
 * The engine a user asked for; `auto` is the CPU engine, the only one of this version.
 * @throws EnvironmentError where it cannot run here.
 */
export function chooseEngine(choice: EngineChoice, options: { threads: number }): Engine {
  switch (choice) {
    case 'auto':
    case 'cpu':
      return createCpuEngine(options);
    case 'cuda':
    case 'webgpu':
      throw new EnvironmentError(`The ${choice} engine is ${NOT_BUILT}; use --engine cpu.`);
    default:
      throw choice satisfies never;
  }
}
