import type { BinnedDataset } from '../../data/types.ts';
import { EnvironmentError } from '../../errors.ts';
import { expTable, logTable, sigmoidTable, softplusTable } from '../../numerics/tables.ts';
import type { Kernels } from './kernels.ts';
import { FEATURES, METRIC_SEGMENTS, preamble } from './layout.ts';
import { type Reciprocals, reciprocalsOf } from './metrics.ts';

/** Source text of the shaders by file name without its ending. */
export type Shaders = Readonly<Record<string, string>>;

/** Workgroups that a node's features are shared among in a search, of which `decide` takes the best. */
const MOST_CHUNKS = 64;

export type PipelineName =
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
  | 'addLeaves'
  | 'scoreTwoClasses'
  | 'scoreClasses'
  | 'scoreRegression'
  | 'collectRanks'
  | 'countDigits'
  | 'placeDigits'
  | 'scatter'
  | 'sumBlocks'
  | 'scanBlocks'
  | 'sumTies';

const EVAL_ROWS = ['numerics', 'evals', 'eval_rows'] as const;
const RANKS = ['numerics', 'evals', 'order'] as const;

const PIPELINES: Readonly<
  Record<PipelineName, { files: readonly string[]; entry: string; constants?: Record<string, number> }>
> = {
  gradients: { files: ['numerics', 'units', 'link', 'gradients'], entry: 'compute' },
  shift: { files: ['numerics', 'units', 'shift'], entry: 'shift' },
  select: { files: ['numerics', 'units', 'lanes', 'rows'], entry: 'select_rows' },
  plant: { files: ['numerics', 'units', 'root'], entry: 'plant' },
  draw: { files: ['numerics', 'units', 'features'], entry: 'draw' },
  build: { files: ['numerics', 'units', 'histogram'], entry: 'build', constants: { WORDS: 2 } },
  buildWide: { files: ['numerics', 'units', 'histogram'], entry: 'build', constants: { WORDS: 4 } },
  search: { files: ['numerics', 'units', 'score', 'lanes', 'search'], entry: 'search' },
  decide: { files: ['numerics', 'units', 'score', 'lanes', 'decide'], entry: 'decide' },
  collect: { files: ['numerics', 'units', 'score', 'categories'], entry: 'collect' },
  partition: { files: ['numerics', 'units', 'route', 'lanes', 'partition'], entry: 'move_rows' },
  segment: { files: ['numerics', 'units', 'segments'], entry: 'segment' },
  addLeaves: { files: ['numerics', 'units', 'route', 'margins'], entry: 'add_leaves' },
  scoreTwoClasses: {
    files: [...EVAL_ROWS, 'link', 'lanes', 'sums', 'two_classes'],
    entry: 'score_two_classes',
  },
  scoreClasses: { files: [...EVAL_ROWS, 'link', 'lanes', 'sums', 'classes'], entry: 'score_classes' },
  scoreRegression: { files: [...EVAL_ROWS, 'lanes', 'sums', 'regression'], entry: 'score_regression' },
  collectRanks: { files: [...EVAL_ROWS, 'link', 'collect_ranks'], entry: 'collect' },
  countDigits: { files: [...RANKS, 'lanes', 'radix'], entry: 'count_digits' },
  placeDigits: { files: [...RANKS, 'lanes', 'radix'], entry: 'place_digits' },
  scatter: { files: [...RANKS, 'lanes', 'radix'], entry: 'scatter' },
  sumBlocks: { files: [...RANKS, 'lanes', 'sums', 'areas'], entry: 'sum_blocks' },
  scanBlocks: { files: [...RANKS, 'lanes', 'sums', 'areas'], entry: 'scan_blocks' },
  sumTies: { files: [...RANKS, 'lanes', 'sums', 'areas'], entry: 'sum_ties' },
};

export type Pipelines = Readonly<Record<PipelineName, GPUComputePipeline>>;

/** The text of a kernel from its files; `lanes` stands on subgroups, or on what takes their place. */
function assemble(shaders: Shaders, files: readonly string[], kernels: Kernels): string {
  const enabled = kernels.subgroups && files.includes('lanes');
  const base = kernels.subgroups ? 'subgroups' : 'no_subgroups';
  const texts = files.flatMap((file) =>
    file === 'lanes' ? [shaders[base], shaders[file]] : [shaders[file]],
  );
  return [enabled ? 'enable subgroups;' : '', preamble(kernels), ...texts].join('\n');
}

/** Compiles every shader. @throws EnvironmentError naming the file that the device refuses. */
export async function compilePipelines(
  device: GPUDevice,
  shaders: Shaders,
  kernels: Kernels,
): Promise<Pipelines> {
  const compiled = await Promise.all(
    Object.entries(PIPELINES).map(async ([name, { files, entry, constants }]) => {
      const code = assemble(shaders, files, kernels);
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

interface Opened {
  readonly device: GPUDevice;
  readonly kernels: Kernels;
  readonly pipelines: Pipelines;
  readonly lost: Promise<never>;
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
  /** What the tables of a batch begin with: features, then groups of them that a workgroup sums together, narrow and wide. */
  readonly descriptors: Uint32Array;
  /** With cells of two words. */
  readonly narrowGroups: number;
  /** With cells of four words. */
  readonly wideGroups: number;
  readonly chunk: number;
  readonly chunks: number;
  readonly categorical: boolean;
  /** Bytes that histograms, and rankings, may take at a time. */
  readonly scratchBytes: number;
  readonly sigmoidTable: GPUBuffer;
  readonly expTable: GPUBuffer;
  /** The tables of losses and log-odds, at METRIC_SEGMENTS. */
  readonly metricTables: GPUBuffer;
  #reciprocals: { readonly exponents: readonly number[]; readonly buffer: GPUBuffer } | undefined;
  readonly #lost: Promise<never>;

  constructor(
    { device, kernels, pipelines, lost }: Opened,
    data: BinnedDataset,
    scratchBytes = Number.POSITIVE_INFINITY,
  ) {
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
    let cell = 0;
    for (const { bins, type } of data.features) {
      ofFeatures.push(cell, bins + 1, type === 'categorical' ? 1 : 0, 0);
      cell += bins + 1;
    }
    this.cells = cell;
    const codes = data.features.map(({ bins }) => bins + 1);
    const narrow = groupFeatures(codes, Math.floor(kernels.histogramBytes / 8));
    const wide = groupFeatures(codes, Math.floor(kernels.histogramBytes / 16));
    const firstGroup = FEATURES + ofFeatures.length;
    const header = [firstGroup, firstGroup + narrow.length, 0, 0];
    this.descriptors = Uint32Array.from([...header, ...ofFeatures, ...narrow, ...wide]);
    this.narrowGroups = narrow.length / 4;
    this.wideGroups = wide.length / 4;
    this.chunk = Math.max(kernels.searchFeatures, Math.ceil(features / MOST_CHUNKS));
    this.chunks = Math.ceil(features / this.chunk);
    this.categorical = data.features.some(({ type }) => type === 'categorical');
    this.scratchBytes = Math.min(limit, device.limits.maxBufferSize, scratchBytes);
    this.sigmoidTable = this.#table(sigmoidTable);
    this.expTable = this.#table(expTable);
    const metricTables = new Int32Array(2 * METRIC_SEGMENTS.log + logTable.length);
    metricTables.set(softplusTable, 2 * METRIC_SEGMENTS.softplus);
    metricTables.set(expTable, 2 * METRIC_SEGMENTS.exp);
    metricTables.set(logTable, 2 * METRIC_SEGMENTS.log);
    this.metricTables = this.#table(metricTables);
  }

  /** What mape multiplies errors by, for each row of the data set; made when a job first asks for it. */
  get reciprocals(): { readonly exponents: readonly number[]; readonly buffer: GPUBuffer } {
    if (this.#reciprocals === undefined) {
      const { exponents, words }: Reciprocals = reciprocalsOf(this.data.label);
      this.#reciprocals = { exponents, buffer: this.#table(words) };
    }
    return this.#reciprocals;
  }

  /** The value of a promise, or an error once the device is lost. */
  settled<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#lost]);
  }

  dispose(): void {
    this.bins.destroy();
    this.sigmoidTable.destroy();
    this.expTable.destroy();
    this.metricTables.destroy();
    this.#reciprocals?.buffer.destroy();
  }

  #table(values: Int32Array | Uint32Array): GPUBuffer {
    const buffer = this.device.createBuffer({
      size: values.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, values as GPUAllowSharedBufferSource);
    return buffer;
  }
}

/** Groups of features whose cells fit together, as few as can be and of like size: feature, end, cell, cells of each. */
function groupFeatures(codes: readonly number[], most: number): number[] {
  const groupBy = (enough: number) => {
    const groups: number[] = [];
    let [first, firstCell, cell] = [0, 0, 0];
    codes.forEach((count, f) => {
      const own = cell - firstCell;
      if (own + count > most || own >= enough) {
        groups.push(first, f, firstCell, own);
        [first, firstCell] = [f, cell];
      }
      cell += count;
    });
    groups.push(first, codes.length, firstCell, cell - firstCell);
    return groups;
  };
  const fewest = groupBy(most).length / 4;
  return groupBy(codes.reduce((sum, count) => sum + count, 0) / fewest);
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
