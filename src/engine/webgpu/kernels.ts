/** How kernels are made for an adapter. It changes the speed, never a result. */
export interface Kernels {
  /** Whether they use subgroups; else workgroup memory does all the work. */
  readonly subgroups: boolean;
  /** Invocations of a search, and of a decision: a power of two, at most 256. */
  readonly searchLanes: number;
  /** Features that a search takes one after the other. */
  readonly searchFeatures: number;
  /** Invocations that sum a histogram. */
  readonly histogramLanes: number;
  /** Workgroup memory that they sum in. */
  readonly histogramBytes: number;
}

/** What every WebGPU has; searches are small, which a processor that emulates invocations likes. */
export const CORE_KERNELS = {
  searchLanes: 64,
  searchFeatures: 8,
  histogramLanes: 256,
  histogramBytes: 16 * 1024,
};
/** For workgroups of 512 invocations, of which a processor of a GPU holds four with their memory. */
export const LARGE_KERNELS = {
  searchLanes: 256,
  searchFeatures: 1,
  histogramLanes: 512,
  histogramBytes: 48 * 1024,
};

/** The kernels for an adapter, where `wanted` does not say otherwise. */
export function kernelsFor({ features, info, limits }: GPUAdapter, wanted: Partial<Kernels> = {}): Kernels {
  const isLarge = limits.maxComputeInvocationsPerWorkgroup >= LARGE_KERNELS.histogramLanes;
  const usual = isLarge && !info.isFallbackAdapter ? LARGE_KERNELS : CORE_KERNELS;
  return {
    subgroups: features.has('subgroups'),
    ...usual,
    histogramBytes: Math.min(usual.histogramBytes, limits.maxComputeWorkgroupStorageSize),
    ...wanted,
  };
}
