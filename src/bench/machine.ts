import { cpus, loadavg, totalmem } from 'node:os';
import { isAddonBuilt, loadAddon } from '../addon.ts';

/** The machine that figures were taken on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gb: number;
  readonly platform: string;
  readonly node_version: string;
  /** The instruction set in use, and all that this machine and build have, best first; null without the addon. */
  readonly simd: string | null;
  readonly simd_levels: readonly string[];
  /** Processes running or waiting to, on average over 1, 5 and 15 minutes before the first timing; zeros on Windows. */
  readonly load_average: readonly number[];
}

/** Describes this machine. */
export function describeMachine(): Machine {
  const addon = isAddonBuilt() ? loadAddon() : undefined;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round((totalmem() / 2 ** 30) * 100) / 100,
    platform: `${process.platform} ${process.arch}`,
    node_version: process.versions.node,
    simd: addon?.chooseSimd('') ?? null,
    simd_levels: addon?.describe().simd ?? [],
    load_average: loadavg(),
  };
}
