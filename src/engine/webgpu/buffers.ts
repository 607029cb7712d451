import { EnvironmentError } from '../../errors.ts';

/** Storage buffers by name. */
export class Buffers {
  readonly #device: GPUDevice;
  readonly #named = new Map<string, GPUBuffer>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** @throws RangeError for a name that was never allocated. */
  get(name: string): GPUBuffer {
    const buffer = this.#named.get(name);
    if (buffer === undefined) throw new RangeError(`There is no buffer ${name}.`);
    return buffer;
  }

  /**
   * Takes the place of a buffer with the same name.
   * @throws EnvironmentError where the device has no buffer of that size.
   */
  allocate(name: string, bytes: number, usage = 0): GPUBuffer {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    if (bytes > Math.min(maxBufferSize, maxStorageBufferBindingSize)) {
      throw new EnvironmentError(
        `The jobs need ${bytes} bytes for ${name}, and the WebGPU device binds ${maxStorageBufferBindingSize} at most: train fewer at a time, or use --engine cpu.`,
      );
    }
    this.#named.get(name)?.destroy();
    const buffer = this.#device.createBuffer({
      label: name,
      size: Math.max(16, Math.ceil(bytes / 16) * 16),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | usage,
    });
    this.#named.set(name, buffer);
    return buffer;
  }

  upload(name: string, data: Uint32Array | Int32Array, usage = 0): void {
    const buffer = this.allocate(name, data.byteLength, usage);
    this.#device.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
  }

  dispose(): void {
    for (const buffer of this.#named.values()) buffer.destroy();
    this.#named.clear();
  }
}

/** Arrays one after the other. */
export function concat<T extends Uint32Array | Int32Array>(
  type: new (length: number) => T,
  parts: readonly T[],
): T {
  const all = new type(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part as never, at);
    at += part.length;
  }
  return all;
}
