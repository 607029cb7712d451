import type { BinnedDataset } from '../data/types.ts';
import { EnvironmentError } from '../errors.ts';
import type {
  AdvanceOptions,
  Engine,
  ResidentDataset,
  RoundResult,
  RowSet,
  TrainingBatch,
  TrainingJob,
  TreeEnsemble,
} from './engine.ts';

/** An engine that is opened when it is wanted. */
export interface EngineSource {
  readonly open: () => Promise<Engine>;
}

/** When a relay tries its other engines. */
export interface RelayOptions {
  /** Seconds of training before the next engine is tried. */
  readonly trialAfter?: number;
  /** Milliseconds, `performance.now` unless a test has its own. */
  readonly now?: () => number;
}

/** Seconds of training after which starting a device is a small part of the whole. */
const TRIAL_AFTER = 2;
/** Wall time of a call to a device, in milliseconds. */
const CALL_MS = 250;
/** Rounds of a trial: the first warms up and is not timed. */
const TRIAL_ROUNDS = 3;

/**
 * Trains on whichever of several engines is fastest for the work at hand, and goes on with the next one where an engine
 * fails. All engines give the same bytes, so that nothing but the time depends on it: docs/engines.md has the rule.
 * @param sources In the order in which they are tried; the first one begins.
 */
export async function createRelayEngine(
  sources: readonly EngineSource[],
  options: RelayOptions = {},
): Promise<Engine> {
  return new RelayEngine(options, await firstThatOpens(sources));
}

interface Opened {
  readonly engine: Engine;
  readonly rest: readonly EngineSource[];
}

/** @throws EnvironmentError, that of the first source, where none opens. */
async function firstThatOpens(sources: readonly EngineSource[]): Promise<Opened> {
  const [source, ...rest] = sources;
  if (source === undefined) throw new EnvironmentError('No engine can run here.');
  try {
    return { engine: await source.open(), rest };
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    return firstThatOpens(rest).catch(() => {
      throw error;
    });
  }
}

class RelayEngine implements Engine {
  readonly #trialAfter: number;
  readonly #now: () => number;
  #current: Engine;
  #rest: readonly EngineSource[];
  /** Engines to fall back on, the fastest first. */
  readonly #fallbacks: Engine[] = [];
  #trained = 0;

  constructor(options: RelayOptions, { engine, rest }: Opened) {
    this.#trialAfter = (options.trialAfter ?? TRIAL_AFTER) * 1000;
    this.#now = options.now ?? (() => performance.now());
    this.#current = engine;
    this.#rest = rest;
  }

  get kind() {
    return this.#current.kind;
  }

  get description() {
    return this.#current.description;
  }

  get current(): Engine {
    return this.#current;
  }

  now(): number {
    return this.#now();
  }

  /** Milliseconds of training until another engine is to be tried; infinite where none is left. */
  get untilTrial(): number {
    return this.#rest.length === 0 ? Number.POSITIVE_INFINITY : this.#trialAfter - this.#trained;
  }

  spend(milliseconds: number): void {
    this.#trained += milliseconds;
  }

  /** The next engine to be tried, undefined where none is left. */
  async nextCandidate(): Promise<Engine | undefined> {
    this.#trained = 0;
    try {
      const { engine, rest } = await firstThatOpens(this.#rest);
      this.#rest = rest;
      return engine;
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      this.#rest = [];
      return undefined;
    }
  }

  /** Makes an engine that was faster in its trial the current one. */
  adopt(engine: Engine): void {
    this.#fallbacks.unshift(this.#current);
    this.#current = engine;
  }

  /** Keeps an engine that was slower in its trial for the case that faster ones fail. */
  keep(engine: Engine): void {
    this.#fallbacks.push(engine);
  }

  /** Replaces the current engine, which failed. @throws `error` where there is no other. */
  async replace(error: EnvironmentError): Promise<Engine> {
    const engine = this.#fallbacks.shift() ?? (await this.nextCandidate());
    if (engine === undefined) throw error;
    this.#current = engine;
    return engine;
  }

  async load(data: BinnedDataset): Promise<ResidentDataset> {
    const resident = new RelayDataset(this, data);
    await resident.on(this.#current);
    return resident;
  }
}

class RelayDataset implements ResidentDataset {
  readonly #relay: RelayEngine;
  readonly #data: BinnedDataset;
  readonly #loaded = new Map<Engine, ResidentDataset>();

  constructor(relay: RelayEngine, data: BinnedDataset) {
    this.#relay = relay;
    this.#data = data;
  }

  /** The data on an engine, loaded once. */
  async on(engine: Engine): Promise<ResidentDataset> {
    let resident = this.#loaded.get(engine);
    if (resident === undefined) {
      resident = await engine.load(this.#data);
      this.#loaded.set(engine, resident);
    }
    return resident;
  }

  async start(jobs: readonly TrainingJob[]): Promise<TrainingBatch> {
    const engine = this.#relay.current;
    const batch = await (await this.on(engine)).start(jobs);
    return new RelayBatch(this.#relay, this, jobs, batch);
  }

  async predictMargins(trees: TreeEnsemble, rows: RowSet): Promise<Int32Array> {
    return (await this.on(this.#relay.current)).predictMargins(trees, rows);
  }

  dispose(): void {
    for (const resident of this.#loaded.values()) resident.dispose();
    this.#loaded.clear();
  }
}

class RelayBatch implements TrainingBatch {
  readonly jobs: number;
  readonly #relay: RelayEngine;
  readonly #data: RelayDataset;
  readonly #jobs: readonly TrainingJob[];
  readonly #stopped = new Set<number>();
  /** Rounds of each job whose results were given out. */
  readonly #rounds: number[];
  #batch: TrainingBatch;
  /** Milliseconds of a round in the last call. */
  #perRound = 0;
  #disposed = false;

  constructor(relay: RelayEngine, data: RelayDataset, jobs: readonly TrainingJob[], batch: TrainingBatch) {
    this.#relay = relay;
    this.#data = data;
    this.#jobs = jobs;
    this.jobs = jobs.length;
    this.#batch = batch;
    this.#rounds = jobs.map(({ resume }) =>
      resume === undefined ? 0 : (resume.treeStart.length - 1) / resume.classes,
    );
  }

  async advance(rounds: number, options: AdvanceOptions = {}): Promise<RoundResult[]> {
    const results: RoundResult[] = [];
    let done = 0;
    while (done < rounds && this.#stopped.size < this.jobs && !options.signal?.aborted && !this.#disposed) {
      const wanted = Math.min(rounds - done, this.#roundsOfCall());
      const started = this.#relay.now();
      let trained: RoundResult[];
      try {
        trained = await this.#batch.advance(wanted, options);
      } catch (error) {
        if (!(error instanceof EnvironmentError)) throw error;
        await this.#moveTo(await this.#relay.replace(error));
        continue;
      }
      const spent = this.#relay.now() - started;
      const count = this.#take(trained, results);
      done += count;
      if (count > 0) this.#perRound = spent / count;
      if (count < wanted) break;
      this.#relay.spend(spent);
      if (this.#relay.untilTrial <= 0 && done < rounds) {
        const tried = await this.#try(Math.min(TRIAL_ROUNDS, rounds - done), options);
        done += this.#take(tried, results);
      }
    }
    return results;
  }

  /** Trains some rounds on the next engine, and stays there if they take less time; else they are as if they had not been. */
  async #try(rounds: number, options: AdvanceOptions): Promise<RoundResult[]> {
    const candidate = await this.#relay.nextCandidate();
    if (candidate === undefined || rounds < 2) return [];
    let batch: TrainingBatch | undefined;
    try {
      batch = await this.#startOn(candidate);
      const results = await batch.advance(1, options);
      const started = this.#relay.now();
      const timed = await batch.advance(rounds - 1, options);
      const perRound = (this.#relay.now() - started) / (rounds - 1);
      if (options.signal?.aborted || perRound >= this.#perRound) {
        batch.dispose();
        this.#relay.keep(candidate);
        return [];
      }
      this.#batch.dispose();
      this.#batch = batch;
      this.#perRound = perRound;
      this.#relay.adopt(candidate);
      return [...results, ...timed];
    } catch (error) {
      batch?.dispose();
      if (!(error instanceof EnvironmentError)) throw error;
      return [];
    }
  }

  /** A call ends when another engine is to be tried; those to a device are short, since what fails in one is lost. */
  #roundsOfCall(): number {
    const onCpu = this.#relay.kind === 'cpu';
    if (onCpu && this.#relay.untilTrial === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    if (this.#perRound === 0) return 1;
    const time = onCpu ? this.#relay.untilTrial : CALL_MS;
    return Math.max(1, Math.ceil(time / this.#perRound));
  }

  /** Adds what is given out to `results`; returns the rounds of the jobs that went on to the last one. */
  #take(trained: readonly RoundResult[], results: RoundResult[]): number {
    const last = trained.at(-1);
    const count = last === undefined ? 0 : last.round - this.#rounds[last.job]!;
    for (const result of trained) {
      this.#rounds[result.job] = result.round;
      results.push(result);
    }
    return count;
  }

  /** The jobs on another engine, after the rounds whose results were given out. */
  async #startOn(engine: Engine): Promise<TrainingBatch> {
    const jobs = await Promise.all(
      this.#jobs.map(async (job, j) => ({ ...job, resume: await this.#batch.finish(j, this.#rounds[j]) })),
    );
    const batch = await (await this.#data.on(engine)).start(jobs);
    for (const job of this.#stopped) batch.stop(job);
    return batch;
  }

  async #moveTo(engine: Engine): Promise<void> {
    const batch = await this.#startOn(engine);
    this.#batch.dispose();
    this.#batch = batch;
    this.#perRound = 0;
  }

  stop(job: number): void {
    this.#batch.stop(job);
    this.#stopped.add(job);
  }

  finish(job: number, rounds?: number): Promise<TreeEnsemble> {
    return this.#batch.finish(job, rounds);
  }

  dispose(): void {
    this.#disposed = true;
    this.#batch.dispose();
  }
}
