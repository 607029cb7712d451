import type { BinnedDataset } from '../../data/types.ts';
import { EnvironmentError } from '../../errors.ts';
import { expTable, sigmoidTable } from '../../numerics/tables.ts';
import { FEATURES, preamble } from './layout.ts';

/** Source text of the shaders by file name without its ending. */
export type Shaders = Readonly<Record<string, string>>;

/** Cells that a workgroup sums, four words each, in the 16 KiB that every device has. */
const GROUP_CELLS = 1024;
/** Features that a workgroup searches one after the other. */
const SEARCH_CHUNK = 8;

type PipelineName =
  | 'gradients'
  | 'shift'
  | 'select'
  | 'plant'
  | 'draw'
  | 'build'
  | 'buildWide'
  | 'search'
  | 'decide'
  | 'collect'
  | 'partition'
  | 'segment'
  | 'addLeaves';

const PIPELINES: Readonly<
  Record<PipelineName, { files: readonly string[]; entry: string; constants?: Record<string, number> }>
> = {
  gradients: { files: ['numerics', 'gradients'], entry: 'compute' },
  shift: { files: ['numerics', 'shift'], entry: 'shift' },
  select: { files: ['numerics', 'rows'], entry: 'select_rows' },
  plant: { files: ['numerics', 'root'], entry: 'plant' },
  draw: { files: ['numerics', 'features'], entry: 'draw' },
  build: { files: ['numerics', 'histogram'], entry: 'build', constants: { WORDS: 2 } },
  buildWide: { files: ['numerics', 'histogram'], entry: 'build', constants: { WORDS: 4 } },
  search: { files: ['numerics', 'score', 'search'], entry: 'search' },
  decide: { files: ['numerics', 'score', 'decide'], entry: 'decide' },
  collect: { files: ['numerics', 'score', 'categories'], entry: 'collect' },
  partition: { files: ['numerics', 'route', 'partition'], entry: 'move_rows' },
  segment: { files: ['numerics', 'segments'], entry: 'segment' },
  addLeaves: { files: ['numerics', 'route', 'margins'], entry: 'add_leaves' },
};

export type Pipelines = Readonly<Record<PipelineName, GPUComputePipeline>>;

/** Compiles every shader. @throws EnvironmentError naming the file that the device refuses. */
export async function compilePipelines(device: GPUDevice, shaders: Shaders): Promise<Pipelines> {
  const compiled = await Promise.all(
    Object.entries(PIPELINES).map(async ([name, { files, entry, constants }]) => {
      const code = preamble() + files.map((file) => shaders[file]).join('\n');
      const module = device.createShaderModule({ label: `${files.at(-1)}.wgsl`, code });
      try {
        const pipeline = await device.createComputePipelineAsync({
          label: name,
          layout: 'auto',
          compute: { module, entryPoint: entry, ...(constants && { constants }) },
        });
        return [name, pipeline] as const;
      } catch (error) {
        const { messages } = await module.getCompilationInfo();
        const first = messages.find(({ type }) => type === 'error')?.message ?? (error as Error).message;
        throw new EnvironmentError(
          `The WebGPU device refuses shaders/${files.at(-1)}.wgsl (${first}): update its driver, or use --engine cpu.`,
        );
      }
    }),
  );
  return Object.fromEntries(compiled) as unknown as Pipelines;
}

/** A data set on the device. */
export class Resident {
  readonly device: GPUDevice;
  readonly pipelines: Pipelines;
  readonly data: BinnedDataset;
  /** Rows of `wordStride` words, four codes a word. */
  readonly bins: GPUBuffer;
  readonly wordStride: number;
  /** Cells of a histogram. */
  readonly cells: number;
  /** What the tables of a batch begin with: features, then groups of them that a workgroup sums together. */
  readonly descriptors: Uint32Array;
  readonly groups: number;
  readonly chunk: number;
  readonly chunks: number;
  readonly categorical: boolean;
  /** Bytes that histograms may take. */
  readonly histogramBytes: number;
  readonly sigmoidTable: GPUBuffer;
  readonly expTable: GPUBuffer;
  readonly #lost: Promise<never>;

  constructor(device: GPUDevice, pipelines: Pipelines, data: BinnedDataset, lost: Promise<never>) {
    this.device = device;
    this.pipelines = pipelines;
    this.data = data;
    this.#lost = lost;
    const features = data.features.length;
    this.wordStride = Math.ceil(features / 4);
    const bytes = data.rows * this.wordStride * 4;
    const limit = device.limits.maxStorageBufferBindingSize;
    if (bytes > limit) {
      throw new EnvironmentError(
        `The binned table takes ${bytes} bytes, and the WebGPU device binds ${limit} at most: use --engine cpu.`,
      );
    }
    this.bins = device.createBuffer({
      label: 'bins',
      size: Math.max(16, bytes),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(this.bins, 0, packRows(data, this.wordStride * 4));
    const ofFeatures: number[] = [];
    const groups: number[] = [];
    let cell = 0;
    let first = 0;
    let groupCell = 0;
    data.features.forEach(({ bins, type }, f) => {
      const codes = bins + 1;
      if (cell + codes - groupCell > GROUP_CELLS) {
        groups.push(first, f, groupCell, cell - groupCell);
        first = f;
        groupCell = cell;
      }
      ofFeatures.push(cell, codes, type === 'categorical' ? 1 : 0, 0);
      cell += codes;
    });
    groups.push(first, features, groupCell, cell - groupCell);
    this.cells = cell;
    this.descriptors = Uint32Array.of(FEATURES + ofFeatures.length, 0, 0, 0, ...ofFeatures, ...groups);
    this.groups = groups.length / 4;
    this.chunk = SEARCH_CHUNK;
    this.chunks = Math.ceil(features / SEARCH_CHUNK);
    this.categorical = data.features.some(({ type }) => type === 'categorical');
    this.histogramBytes = Math.min(limit, device.limits.maxBufferSize);
    this.sigmoidTable = this.#table(sigmoidTable);
    this.expTable = this.#table(expTable);
  }

  /** The value of a promise, or an error once the device is lost. */
  settled<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#lost]);
  }

  dispose(): void {
    this.bins.destroy();
    this.sigmoidTable.destroy();
    this.expTable.destroy();
  }

  #table(values: Int32Array): GPUBuffer {
    const buffer = this.device.createBuffer({
      size: values.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, values as GPUAllowSharedBufferSource);
    return buffer;
  }
}

function packRows({ bins, rows, stride, features }: BinnedDataset, to: number): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(Math.max(16, rows * to));
  if (stride === to) {
    packed.set(bins.subarray(0, rows * stride));
    return packed;
  }
  for (let row = 0; row < rows; row++) {
    packed.set(bins.subarray(row * stride, row * stride + features.length), row * to);
  }
  return packed;
}
