import { LANES, PASS, type Pass } from './layout.ts';
import type { PipelineName, Resident } from './resident.ts';

const PASS_BYTES = 256;

/** Workgroups that take rows: enough for what a GPU holds at a time. */
const FULL_DEVICE = 1024;
/** As many of them in any case, whatever else is dispatched. */
const LEAST_SHARES = 64;

/** Workgroups that share the rows of each of `count` things of one dispatch. */
export function shareRows(rows: number, count: number): number {
  const most = Math.max(LEAST_SHARES, Math.floor(FULL_DEVICE / count));
  return Math.max(1, Math.min(most, Math.ceil(rows / LANES)));
}

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly pass: number;
  readonly buffers: readonly GPUBuffer[];
  readonly size: readonly [number, number, number];
}

/** Dispatches that are listed once and run every round: only the round's number changes. */
export class Program {
  readonly #resident: Resident;
  readonly #common: Pass;
  readonly #passes: Pass[] = [];
  readonly #steps: (Dispatch | GPUBuffer)[] = [];
  #uniforms: GPUBuffer | undefined;
  readonly #groups = new Map<Dispatch, GPUBindGroup>();

  /** @param fields Those of passes that do not name them. */
  constructor(resident: Resident, fields: Partial<Pass> = {}) {
    this.#resident = resident;
    const { data, chunks, chunk, wordStride, cells } = resident;
    this.#common = {
      round: 0,
      depth: 0,
      first: 0,
      units: 0,
      width: 1,
      start: 0,
      direct: 0,
      chunks,
      chunk,
      shares: 1,
      stride: wordStride,
      cells,
      features: data.features.length,
      objective: 0,
      leaving: 0,
      ranks: 0,
      spans: 0,
      digit: 0,
      ...fields,
    };
  }

  /** The number of a pass with these fields, for `run`. */
  pass(fields: Partial<Pass>): number {
    return this.#passes.push({ ...this.#common, ...fields }) - 1;
  }

  /** @param buffers In the order of the shader's bindings, behind the pass. */
  run(name: PipelineName, pass: number, buffers: readonly GPUBuffer[], x: number, y = 1, z = 1): void {
    const pipeline = this.#resident.pipelines[name];
    this.#steps.push({ pipeline, pass, buffers, size: [x, y, z] });
  }

  clear(buffer: GPUBuffer): void {
    this.#steps.push(buffer);
  }

  /** Makes what the listed steps need; to be called once, behind the last of them. */
  seal(): void {
    const { device } = this.#resident;
    const uniforms = device.createBuffer({
      label: 'passes',
      size: Math.max(1, this.#passes.length) * PASS_BYTES,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#uniforms = uniforms;
    for (const step of this.#steps) {
      if (!('pipeline' in step)) continue;
      const bound = [
        { buffer: uniforms, offset: step.pass * PASS_BYTES, size: PASS.length * 4 },
        ...step.buffers.map((buffer) => ({ buffer })),
      ];
      const group = device.createBindGroup({
        layout: step.pipeline.getBindGroupLayout(0),
        entries: bound.map((resource, binding) => ({ binding, resource })),
      });
      this.#groups.set(step, group);
    }
  }

  /** Rounds that are submitted one after the other do not disturb each other. */
  encode(encoder: GPUCommandEncoder, round: number): void {
    let pass: GPUComputePassEncoder | undefined;
    for (const step of this.#steps) {
      if ('pipeline' in step) {
        pass ??= encoder.beginComputePass();
        pass.setPipeline(step.pipeline);
        pass.setBindGroup(0, this.#groups.get(step)!);
        pass.dispatchWorkgroups(...step.size);
      } else {
        pass?.end();
        pass = undefined;
        encoder.clearBuffer(step);
      }
    }
    pass?.end();
    const words = new Uint32Array((this.#passes.length * PASS_BYTES) / 4);
    this.#passes.forEach((fields, i) => {
      PASS.forEach((field, f) => {
        words[(i * PASS_BYTES) / 4 + f] = field === 'round' ? round : fields[field];
      });
    });
    this.#resident.device.queue.writeBuffer(this.#uniforms!, 0, words);
  }

  dispose(): void {
    this.#uniforms?.destroy();
  }
}
