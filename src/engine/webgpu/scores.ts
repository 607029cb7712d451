import type { ModelKind } from '../../config/objectives.ts';
import { listRows } from '../../data/rows.ts';
import { EnvironmentError } from '../../errors.ts';
import type { TrainingJob } from '../engine.ts';
import { Buffers, concat } from './buffers.ts';
import { EVAL, NONE, RANK, RANK_BLOCK, RANK_TILE, SPAN, SUM_WORDS, WANT } from './layout.ts';
import { type EvalConstants, evalConstants, metricValue, type SumPlaces, sumPlaces } from './metrics.ts';
import { type Program, shareRows } from './program.ts';
import type { Resident } from './resident.ts';
import { type JobScale, scaleWeights } from './scale.ts';

/** Bytes of rankings that are sorted at a time. */
const RANK_BYTES = 256 * 2 ** 20;
const RANK_ROW_BYTES = 16;
/** Digits of an offset, eight bits each. */
const DIGITS = 4;
/** Workgroups that a dimension of a dispatch may have. */
const MOST_GROUPS = 65_535;
const PIPELINE_OF = {
  binary: 'scoreTwoClasses',
  multiclass: 'scoreClasses',
  regression: 'scoreRegression',
} as const satisfies Record<ModelKind, string>;

/** A job as its scores see it: where its arrays begin in the buffers of the batch. */
export interface ScoredJob {
  readonly job: TrainingJob;
  readonly scale: JobScale;
  /** The positions of each row set of `job.evals`. */
  readonly evals: readonly Uint32Array[];
  readonly labels: number;
  readonly margins: number;
  readonly table: number;
}

interface EvalSet {
  readonly constants: EvalConstants;
  readonly places: SumPlaces;
  readonly words: Uint32Array;
}

/** The row sets that one kernel scores, which lie side by side. */
interface KindOfEvals {
  readonly kind: ModelKind;
  readonly first: number;
  readonly count: number;
  /** Of the largest. */
  readonly rows: number;
}

/** Rankings that are sorted together because they fit together. */
interface RankWave {
  readonly first: number;
  readonly ranks: number;
  readonly firstSpan: number;
  readonly spans: number;
  readonly rows: number;
}

function writeBigint(words: Uint32Array, at: number, value: bigint): void {
  words[at] = Number(value & 0xffffffffn);
  words[at + 1] = Number(value >> 32n);
}

/** first, and how many, of stretches of at most MOST_GROUPS. */
function* stretches(first: number, count: number): Generator<readonly [number, number]> {
  for (let at = 0; at < count; at += MOST_GROUPS) yield [first + at, Math.min(MOST_GROUPS, count - at)];
}

/** The metrics of a batch: exact sums on the device, of which the host makes values. */
export class Scores {
  readonly #resident: Resident;
  readonly #buffers: Buffers;
  readonly #jobs: readonly ScoredJob[];
  /** By job. */
  readonly #evals: readonly (readonly EvalSet[])[];
  #planned: EvalSet[] = [];
  #kinds: KindOfEvals[] = [];
  #waves: RankWave[] = [];
  #rankStart = 0;
  #spanStart = 0;
  #sumBytes = 0;

  constructor(resident: Resident, jobs: readonly ScoredJob[]) {
    this.#resident = resident;
    this.#buffers = new Buffers(resident.device);
    this.#jobs = jobs;
    const positions: Uint32Array[] = [];
    const weights: Uint32Array[] = [];
    let listed = 0;
    let weighted = 0;
    this.#evals = jobs.map((scored) => {
      const { job, scale, evals } = scored;
      const scaled = evals.map((_, e) => scaleWeights(resident.data, listRows(job.evals[e]!)));
      if (job.metrics.length === 0) return [];
      const exponents = job.metrics.includes('mape') ? resident.reciprocals.exponents : [];
      return evals.map((of, e): EvalSet => {
        const { values } = scaled[e]!;
        const labels = Int32Array.from(of, (position) => scale.labels[position]!);
        const constants = evalConstants(job, scale, labels, values, exponents);
        const classes = scale.baseMargins.length;
        const places = sumPlaces(constants.kind, classes, job.metrics, exponents.length);
        const words = new Uint32Array(EVAL.size);
        const isStretch = of.every((position, i) => position === of[0]! + i);
        words[EVAL.rows] = of.length;
        words[EVAL.first] = of[0] ?? 0;
        words[EVAL.listed] = isStretch ? NONE : listed;
        words[EVAL.weights] = values === undefined ? NONE : weighted;
        words[EVAL.labels] = scored.labels;
        words[EVAL.margins] = scored.margins;
        words[EVAL.classes] = classes;
        words[EVAL.table] = scored.table;
        words[EVAL.wanted] = places.wanted;
        if (!isStretch) {
          positions.push(of);
          listed += of.length;
        }
        if (values !== undefined) {
          weights.push(values);
          weighted += values.length;
        }
        return { constants, places, words };
      });
    });
    this.#buffers.upload('positions', concat(Uint32Array, positions));
    this.#buffers.upload('weights', concat(Uint32Array, weights));
  }

  /** Bytes of the sums of a round. */
  get sumBytes(): number {
    return this.#sumBytes;
  }

  /** What `values` reads, after every round. */
  get sums(): GPUBuffer {
    return this.#buffers.get('sums');
  }

  /** Lays out what the live jobs need. */
  plan(live: readonly number[]): void {
    const ofKind = (kind: ModelKind) =>
      live.flatMap((j) => this.#evals[j]!.filter(({ constants }) => constants.kind === kind));
    this.#planned = [];
    this.#kinds = [];
    for (const kind of ['binary', 'multiclass', 'regression'] as const) {
      const evals = ofKind(kind);
      if (evals.length === 0) continue;
      const rows = Math.max(...evals.map(({ constants }) => constants.rows));
      this.#kinds.push({ kind, first: this.#planned.length, count: evals.length, rows });
      this.#planned.push(...evals);
    }
    let sums = 0;
    for (const { words, places } of this.#planned) {
      words[EVAL.sums] = sums * SUM_WORDS;
      sums += places.sums;
    }
    this.#sumBytes = sums * SUM_WORDS * 4;
    const { rankings, spans } = this.#planRankings();
    const parts = [...this.#planned.map(({ words }) => words), ...rankings, ...spans];
    this.#rankStart = this.#planned.length * EVAL.size;
    this.#spanStart = this.#rankStart + rankings.length * RANK.size;
    this.#buffers.upload('scores', concat(Uint32Array, parts));
    this.#buffers.allocate('sums', this.#sumBytes, GPUBufferUsage.COPY_SRC);
    this.#buffers.allocate('ranges', rankings.length * 8);
  }

  /** Waves take rankings in their order for as long as their rows fit. */
  #planRankings(): { rankings: Uint32Array[]; spans: Uint32Array[] } {
    const rankings: Uint32Array[] = [];
    const spans: Uint32Array[] = [];
    const most = Math.min(Math.floor(this.#resident.scratchBytes / RANK_ROW_BYTES), MOST_GROUPS * RANK_TILE);
    const usual = Math.min(most, RANK_BYTES / RANK_ROW_BYTES);
    this.#waves = [];
    let wave = { first: 0, firstSpan: 0, rows: 0 };
    let used = { rows: 0, tiles: 0, blocks: 0 };
    const needed = { rows: 0, tiles: 0, blocks: 0 };
    const close = () => {
      if (rankings.length > wave.first) {
        this.#waves.push({
          ...wave,
          ranks: rankings.length - wave.first,
          spans: spans.length - wave.firstSpan,
        });
      }
      wave = { first: rankings.length, firstSpan: spans.length, rows: 0 };
      for (const key of ['rows', 'tiles', 'blocks'] as const) needed[key] = Math.max(needed[key], used[key]);
      used = { rows: 0, tiles: 0, blocks: 0 };
    };
    this.#planned.forEach(({ constants, places, words: ofEval }, e) => {
      const { rows, kind, weight, weightOfClass } = constants;
      if (places.rankings > 0 && rows > most) {
        throw new EnvironmentError(
          `The WebGPU device ranks ${most} rows at most, and ${rows} are to be scored by auc_roc or auc_pr: use --engine cpu, or other metrics.`,
        );
      }
      for (let c = 0; c < places.rankings; c++) {
        if (used.rows + rows > usual || rankings.length - wave.first === MOST_GROUPS) close();
        if (spans.length === wave.firstSpan || spans.at(-1)![SPAN.eval] !== e) {
          const span = new Uint32Array(SPAN.size);
          span[SPAN.eval] = e;
          span[SPAN.rank] = rankings.length;
          spans.push(span);
        }
        spans.at(-1)![SPAN.ranks]! += 1;
        const words = new Uint32Array(RANK.size);
        const positives = weightOfClass[kind === 'binary' ? 1 : c]!;
        words[RANK.eval] = e;
        words[RANK.class] = c;
        words[RANK.rows] = 2 * used.rows;
        words[RANK.tiles] = used.tiles;
        words[RANK.blocks] = used.blocks;
        words[RANK.sums] = ofEval[EVAL.sums]! + (places.pairs + c) * SUM_WORDS;
        writeBigint(words, RANK.positive, positives);
        writeBigint(words, RANK.negative, weight - positives);
        rankings.push(words);
        wave.rows = Math.max(wave.rows, rows);
        used.rows += rows;
        used.tiles += Math.ceil(rows / RANK_TILE);
        used.blocks += Math.ceil(rows / RANK_BLOCK);
      }
    });
    close();
    this.#buffers.allocate('ranked', needed.rows * RANK_ROW_BYTES);
    this.#buffers.allocate('digits', needed.tiles * 256 * 4);
    this.#buffers.allocate('blocks', needed.blocks * 16);
    return { rankings, spans };
  }

  /** Lists the dispatches that score a round; the buffers are those of the batch. */
  list(program: Program, batch: { labels: GPUBuffer; margins: GPUBuffer; tables: GPUBuffer }): void {
    if (this.#planned.length === 0) return;
    const { metricTables } = this.#resident;
    const named = (...names: readonly string[]) => names.map((name) => this.#buffers.get(name));
    const rowBuffers = [...named('scores', 'positions', 'weights'), batch.labels, batch.margins];
    program.clear(this.sums);
    if (this.#waves.length > 0) program.clear(this.#buffers.get('ranges'));
    for (const { kind, first, count, rows } of this.#kinds) {
      const groups = shareRows(rows, count);
      const further =
        kind === 'regression' ? [batch.tables, this.#reciprocals(first, count)] : [metricTables];
      for (const [from, evals] of stretches(first, count)) {
        const pass = program.pass({ first: from });
        program.run(PIPELINE_OF[kind], pass, [...rowBuffers, ...further, this.sums], groups, evals);
      }
    }
    const places = { ranks: this.#rankStart, spans: this.#spanStart };
    for (const { first, ranks, firstSpan, spans, rows } of this.#waves) {
      const tiles = Math.ceil(rows / RANK_TILE);
      const collected = [...rowBuffers, metricTables, ...named('ranked', 'ranges')];
      program.run('collectRanks', program.pass({ ...places, first: firstSpan }), collected, tiles, spans);
      for (let digit = 0; digit < DIGITS; digit++) {
        const pass = program.pass({ ...places, first, digit });
        program.run('countDigits', pass, named('scores', 'ranges', 'digits', 'ranked'), tiles, ranks);
        program.run('placeDigits', pass, named('scores', 'ranges', 'digits'), ranks);
        program.run('scatter', pass, named('scores', 'ranges', 'digits', 'ranked'), tiles, ranks);
      }
      const pass = program.pass({ ...places, first });
      program.run('sumBlocks', pass, named('scores', 'blocks', 'ranges', 'ranked'), tiles, ranks);
      program.run('scanBlocks', pass, named('scores', 'blocks'), ranks);
      program.run('sumTies', pass, named('scores', 'blocks', 'ranges', 'ranked', 'sums'), tiles, ranks);
    }
  }

  /** The buffer of the regression kernel that mape reads; it is bound where nothing reads it, too. */
  #reciprocals(first: number, count: number): GPUBuffer {
    const evals = this.#planned.slice(first, first + count);
    const wanted = evals.some(({ places }) => (places.wanted & WANT.relative) !== 0);
    return wanted ? this.#resident.reciprocals.buffer : this.#buffers.get('weights');
  }

  /** Values of a live job's metrics, by row set. */
  values(j: number, sums: Uint32Array): Float64Array {
    const { metrics } = this.#jobs[j]!.job;
    const values = this.#evals[j]!.flatMap(({ constants, words }) => {
      const ofEval = sums.subarray(words[EVAL.sums]!);
      return metrics.map((name) => metricValue(name, constants, ofEval));
    });
    return Float64Array.from(values);
  }

  dispose(): void {
    this.#buffers.dispose();
  }
}
