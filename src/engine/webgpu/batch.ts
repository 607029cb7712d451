import { kindOf } from '../../config/objectives.ts';
import { listRows } from '../../data/rows.ts';
import type { RowSet } from '../../data/types.ts';
import { InputError } from '../../errors.ts';
import type {
  AdvanceOptions,
  RoundResult,
  TrainingBatch,
  TrainingJob,
  TreeEnsemble,
  TreeParams,
} from '../engine.ts';
import { Buffers, concat } from './buffers.ts';
import { CONSTANT_WORDS, NODE, NONE, OBJECTIVES, RESULT_STRIDE, SHIFTS, STATE, UNIT } from './layout.ts';
import { Program, shareRows } from './program.ts';
import type { PipelineName, Resident } from './resident.ts';
import { type JobScale, scaleBy, scaleJob } from './scale.ts';
import { type ScoredJob, Scores } from './scores.ts';
import { flattenTrees, type GrownTree, readTree, splitTrees } from './trees.ts';
import { walkTrees } from './walk.ts';

/** Workgroups of a dispatch in one dimension. */
const MOST_WORKGROUPS = 65_535;
/** Rounds between two looks at the results: few enough to be interrupted soon. */
const ROUNDS_IN_FLIGHT = 32;
/** What the rounds in flight may take, in milliseconds: an abort waits for them. */
const FLIGHT_MS = 200;
/** Bytes of trees and scores that are kept on the device before they are read. */
const READ_BYTES = 32 * 2 ** 20;
/** Rows that a workgroup's 32-bit partial sums hold: 2^15 · 65,535 < 2^31. */
const NARROW_ROWS = 65_535;
/** Rows that a workgroup should have to itself, at least: to sum, and to move. */
const SUMMED_ROWS = 4096;
const MOVED_ROWS = 1024;
/** Workgroups among which a node's rows are shared. */
const MOST_SHARES = 1024;
/** The filter of the search is proved for λ' and α' in this range, and for α' = 0. */
const FILTER_RANGE = [2 ** -40, 2 ** 60] as const;

interface DeviceJob {
  readonly job: TrainingJob;
  readonly scale: JobScale;
  readonly trained: number;
  readonly positions: Uint32Array;
  readonly classes: number;
  readonly marginStart: number;
  readonly trees: GrownTree[];
}

/** Where the jobs' arrays lie in the buffers of a batch. */
interface Places {
  rows: number;
  labels: number;
  weights: number;
}

/** Units that are grown together because their histograms fit together. */
interface Wave {
  readonly first: number;
  readonly units: number;
  readonly depth: number;
  readonly rows: number;
  readonly draws: boolean;
  /** Nodes whose histograms fit the memory together, where those of a level do not: then nodes are summed portion by portion. */
  readonly portion: number | undefined;
}

interface Unit {
  readonly job: number;
  readonly words: Uint32Array;
  readonly extra: Uint32Array;
  readonly slots: number;
  readonly nodes: number;
}

const f64 = new DataView(new ArrayBuffer(8));

function writeF64(words: Uint32Array, at: number, value: number): void {
  f64.setFloat64(0, value, true);
  words[at] = f64.getUint32(0, true);
  words[at + 1] = f64.getUint32(4, true);
}

function f32Bits(value: number): number {
  f64.setFloat32(0, value, true);
  return f64.getUint32(0, true);
}

function writeU64(words: Uint32Array, at: number, value: number): void {
  words[at] = value % 2 ** 32;
  words[at + 1] = Math.floor(value / 2 ** 32);
}

/** Features that a draw leaves of `from`. */
function drawCount(fraction: number, from: number): number {
  return Math.max(1, Math.floor(fraction * from + 2 ** -30));
}

/** log2 of the units of gradients and Hessians; of the first, before the shift. */
export function unitsOf(params: TreeParams, scale: JobScale): { gradient: number; hessian: number } {
  const e = scale.weights.exponent;
  return kindOf(params.objective) === 'regression'
    ? { gradient: e - scale.marginBits, hessian: e - 24 }
    : { gradient: e - 15, hessian: e - 16 };
}

export class WebGpuBatch implements TrainingBatch {
  readonly jobs: number;
  readonly #resident: Resident;
  readonly #jobs: readonly DeviceJob[];
  readonly #live: Set<number>;
  readonly #placesOf: readonly Places[];
  readonly #buffers: Buffers;
  readonly #scores: Scores;
  #program: Program | undefined;
  #units: Unit[] = [];
  /** Whether the layout has units of jobs that have been stopped since. */
  #isStale = false;
  #waves: Wave[] = [];
  #nodeTotal = 0;
  #round = 0;
  /** Rounds that the next call may have in flight; grows while they take little time. */
  #ahead = 1;
  #advancing = false;
  #disposed = false;

  constructor(resident: Resident, jobs: readonly TrainingJob[]) {
    this.#resident = resident;
    this.#buffers = new Buffers(resident.device);
    this.jobs = jobs.length;
    this.#live = new Set(jobs.keys());
    const { data } = resident;
    const tables: Uint32Array[] = [resident.descriptors];
    const labels: Int32Array[] = [];
    const weights: Uint32Array[] = [];
    const places: Places = { rows: resident.descriptors.length, labels: 0, weights: 0 };
    let margins = 0;
    let trainedTotal = 0;
    const placesOf: Places[] = [];
    const scored: ScoredJob[] = [];
    this.#jobs = jobs.map((job) => {
      const { positions, trained, evals } = layRows(job);
      const scale = scaleJob(data, job.params, positions, trained);
      const classes = scale.baseMargins.length;
      const values = scale.weights.values;
      placesOf.push({ ...places, weights: values === undefined ? NONE : places.weights });
      tables.push(positions);
      labels.push(scale.labels);
      places.rows += positions.length;
      places.labels += positions.length;
      if (values !== undefined) {
        weights.push(values);
        places.weights += values.length;
      }
      const marginStart = margins;
      margins += positions.length * classes;
      trainedTotal += trained * classes;
      const { rows: table, labels: firstLabel } = placesOf.at(-1)!;
      scored.push({ job, scale, evals, labels: firstLabel, margins: marginStart, table });
      return { job, scale, trained, positions, classes, marginStart, trees: resumedTrees(job, scale) };
    });
    this.#scores = new Scores(resident, scored);
    this.#placesOf = placesOf;
    this.#buffers.upload('tables', concat(Uint32Array, tables));
    this.#buffers.upload('labels', concat(Int32Array, labels));
    this.#buffers.upload('weights', concat(Uint32Array, weights));
    const start = new Int32Array(margins);
    for (const { job, scale, positions, classes, marginStart } of this.#jobs) {
      if (job.resume !== undefined) {
        start.set(walkTrees(data, job.resume, positions), marginStart);
        continue;
      }
      for (let i = 0; i < positions.length; i++) start.set(scale.baseMargins, marginStart + i * classes);
    }
    this.#buffers.upload('margins', start);
    this.#buffers.allocate('gradients', trainedTotal * 8);
    this.#buffers.allocate('orderA', trainedTotal * 4);
    this.#buffers.allocate('orderB', trainedTotal * 4);
    this.#plan();
  }

  async advance(rounds: number, options: AdvanceOptions = {}): Promise<RoundResult[]> {
    this.#checkIdle();
    this.#advancing = true;
    try {
      if (this.#isStale) this.#plan();
      const results: RoundResult[] = [];
      const live = [...this.#live].sort((a, b) => a - b);
      const bytes = this.#roundBytes();
      const perRead = Math.max(1, Math.min(ROUNDS_IN_FLIGHT, Math.floor(READ_BYTES / bytes)));
      for (let done = 0; done < rounds && live.length > 0; ) {
        if (options.signal?.aborted) break;
        const count = Math.min(perRead, this.#ahead, rounds - done);
        const started = performance.now();
        const trained = await this.#train(count);
        const fitting = Math.floor((FLIGHT_MS * count) / (performance.now() - started));
        this.#ahead = Math.max(1, Math.min(fitting, 2 * this.#ahead, ROUNDS_IN_FLIGHT));
        for (const sums of trained) {
          this.#round++;
          for (const j of live) {
            const round = this.#resumed(j) + this.#round;
            results.push({ job: j, round, values: this.#scores.values(j, sums) });
          }
        }
        done += count;
        // The host's events get their turn, or nobody could abort.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      return results;
    } finally {
      this.#advancing = false;
      if (this.#disposed) this.#free();
    }
  }

  stop(job: number): void {
    this.#checkIdle();
    if (!Number.isInteger(job) || job < 0 || job >= this.jobs) {
      throw new RangeError(`The batch has no job ${job}.`);
    }
    if (this.#live.delete(job)) this.#isStale = true;
  }

  async finish(job: number, rounds?: number): Promise<TreeEnsemble> {
    this.#checkIdle();
    const { scale, classes, trees } = this.#jobs[job]!;
    return flattenTrees(scale, classes, trees.slice(0, rounds === undefined ? undefined : rounds * classes));
  }

  dispose(): void {
    this.#disposed = true;
    if (!this.#advancing) this.#free();
  }

  #free(): void {
    this.#program?.dispose();
    this.#scores.dispose();
    this.#buffers.dispose();
  }

  #checkIdle(): void {
    if (this.#disposed) throw new Error('The batch has been disposed of.');
    if (this.#advancing) throw new Error('The batch is training; wait for the running advance() first.');
  }

  /** Rounds that a job had when the batch began. */
  #resumed(j: number): number {
    const { job, classes } = this.#jobs[j]!;
    return job.resume === undefined ? 0 : (job.resume.treeStart.length - 1) / classes;
  }

  /** Lays out the units of the live jobs, and the buffers that depend on them. */
  #plan(): void {
    this.#isStale = false;
    const { data, cells, scratchBytes } = this.#resident;
    const live = [...this.#live].sort((a, b) => a - b);
    this.#units = [];
    let order = 0;
    let nodes = 0;
    for (const j of live) {
      const { job, scale, trained, positions, classes, marginStart } = this.#jobs[j]!;
      const { params } = job;
      const place = this.#placesOf[j]!;
      const depth = params.max_depth;
      const gradients = order;
      for (let c = 0; c < classes; c++) {
        const words = new Uint32Array(UNIT.size);
        const capacity = Math.min(2 ** (depth + 1) - 1, 2 * trained - 1);
        words[UNIT.objective] = objectiveOf(params);
        words[UNIT.class] = c;
        words[UNIT.classes] = classes;
        words[UNIT.depth] = depth;
        words[UNIT.trained] = trained;
        words[UNIT.positions] = positions.length;
        words[UNIT.rows] = place.rows;
        words[UNIT.labels] = place.labels;
        words[UNIT.weights] = place.weights;
        words[UNIT.margins] = marginStart;
        words[UNIT.gradients] = gradients + c * trained;
        words[UNIT.order] = order;
        words[UNIT.nodes] = nodes;
        writeU64(words, UNIT.seed, job.seed);
        words[UNIT.resumed] = this.#resumed(j);
        words[UNIT.sampled] = params.subsample < 1 ? 1 : 0;
        words[UNIT.threshold] = Math.min(NONE, Math.round(params.subsample * 2 ** 32));
        let left = data.features.length;
        [params.colsample_bytree, params.colsample_bylevel, params.colsample_bynode].forEach(
          (fraction, step) => {
            if (fraction === 1) return;
            left = drawCount(fraction, left);
            words[UNIT.drawn + step] = left;
            words[UNIT.draws] = 1;
          },
        );
        const extra = this.#writeConstants(words, params, scale);
        this.#units.push({
          job: j,
          words,
          extra,
          slots: Math.min(2 ** (depth - 1), trained),
          nodes: capacity,
        });
        order += trained;
        nodes += capacity;
      }
    }
    this.#nodeTotal = nodes;
    // Waves take units in their order for as long as the histograms fit.
    const slotsInAll = Math.max(1, Math.floor(scratchBytes / (cells * 16)));
    this.#waves = [];
    let most = 1;
    let slots = 0;
    let first = 0;
    const close = (end: number, portion?: number) => {
      const units = this.#units.slice(first, end);
      if (units.length === 0) return;
      this.#waves.push({
        first,
        units: units.length,
        depth: Math.max(...units.map(({ words }) => words[UNIT.depth]!)),
        rows: Math.max(...units.map(({ words }) => words[UNIT.trained]!)),
        draws: units.some(({ words }) => words[UNIT.draws] === 1),
        portion,
      });
      first = end;
      slots = 0;
    };
    this.#units.forEach((unit, u) => {
      if (slots + unit.slots > slotsInAll) close(u);
      unit.words[UNIT.slots] = slots;
      slots = Math.min(slots + unit.slots, slotsInAll);
      most = Math.max(most, slots);
      if (unit.slots > slotsInAll) close(u + 1, slotsInAll);
    });
    close(this.#units.length);
    const unitWords = this.#units.length * UNIT.size;
    const all = new Uint32Array(unitWords + this.#units.reduce((sum, { extra }) => sum + extra.length, 0));
    let at = unitWords;
    this.#units.forEach(({ words, extra }, u) => {
      words[UNIT.constants] = at;
      if (words[UNIT.monotone] !== 0) words[UNIT.monotone] = at + SHIFTS * CONSTANT_WORDS;
      all.set(words, u * UNIT.size);
      all.set(extra, at);
      at += extra.length;
    });
    if (this.#units.length === 0) return;
    const widest = Math.max(...this.#waves.map((wave) => this.#width(wave, wave.depth) * wave.units));
    const features = data.features.length;
    this.#buffers.upload('units', all);
    this.#buffers.allocate('nodes', nodes * NODE.size * 4, GPUBufferUsage.COPY_SRC);
    this.#buffers.allocate('cursors', nodes * 8);
    this.#buffers.allocate('state', this.#units.length * STATE.size * 4, GPUBufferUsage.COPY_SRC);
    this.#buffers.allocate('cells', most * cells * 16);
    this.#buffers.allocate('results', widest * this.#resident.chunks * RESULT_STRIDE * 4);
    const draws = this.#waves.some((wave) => wave.draws);
    this.#buffers.allocate('masks', draws ? widest * Math.ceil(features / 32) * 8 : 16);
    this.#buffers.allocate('drawn', draws ? widest * features * 4 : 16);
    this.#scores.plan(live);
    this.#program?.dispose();
    this.#program = this.#list();
  }

  /** The most nodes that a level of a wave's trees can have. */
  #width({ rows }: Wave, depth: number): number {
    return Math.min(2 ** depth, rows);
  }

  /** Workgroups that share the rows of a node: as many as its rows are worth, and as their 32-bit sums need. */
  #shares(wave: Wave, depth: number, groups: number): number {
    const most = depth === 0 ? wave.rows : Math.ceil(wave.rows / 2);
    const mean = wave.rows / this.#width(wave, depth);
    const worth = Math.min(Math.ceil(mean / SUMMED_ROWS), MOST_SHARES, Math.floor(MOST_WORKGROUPS / groups));
    return Math.max(Math.ceil(most / NARROW_ROWS), worth);
  }

  #writeConstants(words: Uint32Array, params: TreeParams, scale: JobScale): Uint32Array {
    const units = unitsOf(params, scale);
    const lambda = scaleBy(params.reg_lambda, -units.hessian);
    const alpha = scaleBy(params.reg_alpha, -units.gradient);
    const least = Math.ceil(scaleBy(params.min_child_weight, -units.hessian));
    const constrained = params.monotone_constraints.some((constraint) => constraint !== 0);
    const bounded = constrained || params.max_delta_step > 0;
    writeF64(words, UNIT.lambda, lambda);
    writeU64(words, UNIT.least_hessian, Math.min(2 ** 62, Math.max(1, least)));
    words[UNIT.bounded] = bounded ? 1 : 0;
    words[UNIT.monotone] = constrained ? 1 : 0;
    words[UNIT.onehot] = params.max_cat_to_onehot;
    words[UNIT.cat_threshold] = params.max_cat_threshold;
    const inRange = (x: number) => x === 0 || (x >= FILTER_RANGE[0] * 2 ** SHIFTS && x <= FILTER_RANGE[1]);
    words[UNIT.filtered] = !bounded && lambda <= FILTER_RANGE[1] && inRange(alpha) ? 1 : 0;
    words[UNIT.lambda32] = f32Bits(Math.min(lambda, FILTER_RANGE[1]));
    words[UNIT.alpha32] = f32Bits(Math.min(alpha, FILTER_RANGE[1]));
    const extra = new Uint32Array(
      SHIFTS * CONSTANT_WORDS + (constrained ? params.monotone_constraints.length : 0),
    );
    for (let s = 0; s < SHIFTS; s++) {
      const gradient = units.gradient + s;
      const noise = kindOf(params.objective) === 'regression' ? 0 : 2 ** -6;
      const at = s * CONSTANT_WORDS;
      writeF64(extra, at, scaleBy(params.reg_alpha, -gradient));
      writeF64(extra, at + 2, Math.max(scaleBy(params.gamma, units.hessian - 2 * gradient), noise));
      writeF64(extra, at + 4, scaleBy(params.learning_rate, scale.marginBits + gradient - units.hessian));
      writeF64(
        extra,
        at + 6,
        params.max_delta_step > 0
          ? scaleBy(params.max_delta_step, units.hessian - gradient)
          : Number.POSITIVE_INFINITY,
      );
    }
    if (constrained) {
      params.monotone_constraints.forEach((constraint, f) => {
        extra[SHIFTS * CONSTANT_WORDS + f] = constraint < 0 ? 2 : constraint;
      });
    }
    return extra;
  }

  /** Bytes that are read of a round: nodes, state and sums. */
  #roundBytes(): number {
    return (this.#nodeTotal * NODE.size + this.#units.length * STATE.size) * 4 + this.#scores.sumBytes;
  }

  /** Trains rounds and keeps their trees; returns the sums of their scores, round by round. */
  async #train(rounds: number): Promise<Uint32Array[]> {
    const { device } = this.#resident;
    const bytes = this.#roundBytes();
    const parts = [
      { buffer: this.#buffers.get('nodes'), bytes: this.#nodeTotal * NODE.size * 4 },
      { buffer: this.#buffers.get('state'), bytes: this.#units.length * STATE.size * 4 },
      { buffer: this.#scores.sums, bytes: this.#scores.sumBytes },
    ];
    const read = device.createBuffer({
      size: bytes * rounds,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      for (let r = 0; r < rounds; r++) {
        const encoder = device.createCommandEncoder();
        this.#program!.encode(encoder, this.#round + r);
        let at = bytes * r;
        for (const part of parts) {
          encoder.copyBufferToBuffer(part.buffer, 0, read, at, part.bytes);
          at += part.bytes;
        }
        device.queue.submit([encoder.finish()]);
      }
      await this.#resident.settled(read.mapAsync(GPUMapMode.READ));
      const words = new Uint32Array(read.getMappedRange());
      const sums: Uint32Array[] = [];
      for (let r = 0; r < rounds; r++) {
        let at = (bytes * r) / 4;
        const [nodes, state, ofScores] = parts.map((part) => {
          at += part.bytes / 4;
          return words.subarray(at - part.bytes / 4, at);
        }) as [Uint32Array, Uint32Array, Uint32Array];
        let start = 0;
        this.#units.forEach(({ job, nodes: capacity }, u) => {
          const { params } = this.#jobs[job]!.job;
          const { gradient, hessian } = unitsOf(params, this.#jobs[job]!.scale);
          const range = state[u * STATE.size + STATE.range]!;
          const shift = Math.max(0, 32 - Math.clz32(range) - 23);
          this.#jobs[job]!.trees.push(readTree(nodes.subarray(start * NODE.size), gradient + shift, hessian));
          start += capacity;
        });
        sums.push(ofScores.slice());
      }
      return sums;
    } finally {
      read.destroy();
    }
  }

  /** The dispatches of a round. */
  #list(): Program {
    const { chunks, narrowGroups, wideGroups, bins } = this.#resident;
    const program = new Program(this.#resident, {
      units: this.#units.length,
      leaving: this.#buffers.get('masks').size / 8,
    });
    const buffer = (name: string): GPUBuffer => (name === 'bins' ? bins : this.#buffers.get(name));
    const run = (name: PipelineName, pass: number, names: readonly string[], x: number, y = 1, z = 1) =>
      program.run(name, pass, names.map(buffer), x, y, z);
    program.clear(buffer('state'));
    const rows = Math.max(...this.#waves.map((wave) => wave.rows));
    const objectives = new Set(this.#units.map(({ words }) => words[UNIT.objective]!));
    for (const objective of objectives) {
      const table = objective === OBJECTIVES.softmax ? this.#resident.expTable : this.#resident.sigmoidTable;
      const at = program.pass({ objective });
      const gradientBuffers = ['units', 'tables', 'labels', 'weights', 'margins', 'gradients', 'state'];
      program.run(
        'gradients',
        at,
        [...gradientBuffers.map(buffer), table],
        shareRows(rows, this.#units.length),
        this.#units.length,
      );
      if (objective === OBJECTIVES.squared_error) {
        run(
          'shift',
          at,
          ['units', 'tables', 'gradients', 'state'],
          shareRows(rows, this.#units.length),
          this.#units.length,
        );
      }
    }
    const wide = objectives.has(OBJECTIVES.squared_error);
    const groups = wide ? wideGroups : narrowGroups;
    for (const wave of this.#waves) {
      const shares = Array.from({ length: wave.depth }, (_, depth) => this.#shares(wave, depth, groups));
      // Histograms that several workgroups add to begin at zero; the others are written.
      if (shares.some((count) => count > 1)) program.clear(buffer('cells'));
      const ofWave = { first: wave.first, units: wave.units };
      const begin = program.pass(ofWave);
      run(
        'select',
        begin,
        ['units', 'tables', 'gradients', 'state', 'orderA'],
        shareRows(wave.rows, wave.units),
        wave.units,
      );
      run('plant', begin, ['units', 'state', 'nodes'], Math.ceil(wave.units / 64));
      let [order, moved] = ['orderA', 'orderB'];
      for (let depth = 0; depth <= wave.depth; depth++) {
        const width = this.#width(wave, depth);
        const movers = Math.min(MOST_SHARES, Math.ceil(wave.rows / width / MOVED_ROWS));
        const share = shares[depth] ?? 1;
        const level = { ...ofWave, depth, width, shares: share };
        const direct = wave.portion === undefined ? 0 : 1;
        const step = Math.min(wave.portion ?? width, MOST_WORKGROUPS);
        const portions = Array.from({ length: Math.ceil(width / step) }, (_, i) => ({
          start: i * step,
          at: program.pass({ ...level, start: i * step, direct }),
          nodes: Math.min(step, width - i * step),
        }));
        const build = ({ at, nodes }: (typeof portions)[number]) => {
          if (direct === 1 && share > 1) program.clear(buffer('cells'));
          const name = wide ? 'buildWide' : 'build';
          const names = ['units', 'state', 'nodes', 'tables', order, 'gradients', 'bins', 'cells'];
          run(name, at, names, nodes, wave.units, groups * share);
        };
        if (depth < wave.depth) {
          for (const portion of portions) {
            const { at, nodes } = portion;
            if (wave.draws) run('draw', at, ['units', 'state', 'nodes', 'masks', 'drawn'], nodes, wave.units);
            build(portion);
            const names = ['units', 'state', 'nodes', 'tables', 'masks', 'cells', 'results'];
            run('search', at, names, nodes, wave.units, chunks);
          }
        }
        const ofLevel = program.pass(level);
        run('decide', ofLevel, ['units', 'state', 'nodes', 'results', 'cursors', 'tables'], wave.units);
        if (depth < wave.depth) {
          for (const portion of portions) {
            const { at, nodes, start } = portion;
            if (this.#resident.categorical) {
              // The histograms of a portion are gone when the next one has been searched.
              if (direct === 1) build(portion);
              run('collect', at, ['units', 'state', 'nodes', 'tables', 'cells'], nodes, wave.units);
            }
            const names = ['units', 'state', 'nodes', 'tables', 'bins', 'cursors', order, moved];
            run(
              'partition',
              program.pass({ ...level, start, shares: movers }),
              names,
              nodes,
              wave.units,
              movers,
            );
          }
          run('segment', ofLevel, ['units', 'state', 'nodes', 'cursors'], wave.units);
          [order, moved] = [moved, order];
        }
      }
    }
    const positions = Math.max(...this.#units.map(({ words }) => words[UNIT.positions]!));
    run(
      'addLeaves',
      program.pass({}),
      ['units', 'nodes', 'tables', 'bins', 'margins'],
      shareRows(positions, this.#units.length),
      this.#units.length,
    );
    this.#scores.list(program, {
      labels: buffer('labels'),
      margins: buffer('margins'),
      tables: buffer('tables'),
    });
    program.seal();
    return program;
  }
}

function objectiveOf({ objective }: TreeParams): number {
  switch (kindOf(objective)) {
    case 'binary':
      return OBJECTIVES.logistic;
    case 'multiclass':
      return OBJECTIVES.softmax;
    case 'regression':
      return OBJECTIVES.squared_error;
  }
}

/** @throws InputError where the trees to go on after cannot be the job's own. */
function resumedTrees({ resume }: TrainingJob, scale: JobScale): GrownTree[] {
  if (resume === undefined) return [];
  const classes = scale.baseMargins.length;
  if (
    resume.classes !== classes ||
    resume.marginBits !== scale.marginBits ||
    resume.baseValue !== scale.baseValue ||
    resume.baseMargins.some((margin, c) => margin !== scale.baseMargins[c]) ||
    (resume.treeStart.length - 1) % classes !== 0
  ) {
    throw new InputError('The trees to go on after are not of this job: objective, rows or base differ.');
  }
  return splitTrees(resume);
}

/** Numbers the rows of a job: those of training first, then those that are only scored. */
function layRows({ rows, evals }: TrainingJob): {
  positions: Uint32Array;
  trained: number;
  evals: Uint32Array[];
} {
  const training = listRows(rows);
  const position = new Map<number, number>();
  for (const row of training) position.set(row, position.size);
  const ofEvals = evals.map((set: RowSet) =>
    Uint32Array.from(listRows(set), (row) => {
      let place = position.get(row);
      if (place === undefined) {
        place = position.size;
        position.set(row, place);
      }
      return place;
    }),
  );
  return { positions: Uint32Array.from(position.keys()), trained: training.length, evals: ofEvals };
}
