import { randomUUID } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { InputError } from '../../errors.ts';
import { writeError } from '../../files.ts';
import { compatible } from '../compatible.ts';
import type { Distribution } from '../space.ts';
import {
  applyChange,
  type MutableTrial,
  type NewTrial,
  type StudyStorage,
  type TrialChange,
} from '../storage.ts';
import { type Direction, isFinished, type Trial, type TrialParam, type TrialState } from '../trial.ts';
import { LOCK_GRACE_MS, withLock } from './lock.ts';
import { takeOwnership } from './owner.ts';
import { Float, formatDistribution, formatJson, parseDistribution, parseJson } from './text.ts';

/** Optuna's numbers of what a line does. */
const OP = {
  createStudy: 0,
  deleteStudy: 1,
  studyUserAttr: 2,
  studySystemAttr: 3,
  createTrial: 4,
  param: 5,
  state: 6,
  intermediate: 7,
  userAttr: 8,
  systemAttr: 9,
  discardTrials: 10,
} as const;

/** Optuna's numbers of states. */
const STATES: readonly TrialState[] = ['running', 'complete', 'pruned', 'fail', 'waiting'];
/** Optuna's numbers of directions. */
const DIRECTIONS: readonly (Direction | undefined)[] = [undefined, 'minimize', 'maximize'];

const READ_BYTES = 2 ** 20;
const NEWLINE = 10;
/** How every line of Optuna's and ours begins. */
const BEGINNING = '{"op_code":';

type JournalRecord = Readonly<Record<string, unknown>> & { readonly op_code: number };

interface StudyRecord {
  readonly name: string;
  readonly directions: readonly number[];
}

export interface JournalOptions {
  readonly studyName: string;
  readonly direction: Direction;
  /** Milliseconds after which a lock that nobody works under is broken; 30,000 by default, as in Optuna. */
  readonly lockGraceMs?: number;
}

/** Optuna gives the values of float parameters to its user as they are in the file. */
function formatValue({ value, distribution }: TrialParam): number | Float {
  return distribution.type === 'float' ? new Float(value) : value;
}

const iso = (date: Date) => date.toISOString().replace('Z', '000+00:00');

function dateOf(text: unknown): Date | undefined {
  return typeof text === 'string' ? new Date(text.replace(/(\.\d{3})\d*/, '$1')) : undefined;
}

/**
 * A study in a file of Optuna's journal format: one line of JSON a change, appended and flushed to the disk under
 * Optuna's lock, so that Optuna's own processes can read, continue and watch it. A last line that a crash has cut short is cut off
 * at the next change. Other studies of the file are left alone.
 * Source of the format: optuna 5.0.0, storages/journal/_storage.py and _file.py.
 */
export class Journal implements StudyStorage {
  readonly path: string;
  readonly studyName: string;
  readonly direction: Direction;
  readonly #graceMs: number;
  readonly #worker = `${randomUUID()}-1`;
  #file: FileHandle | undefined;
  /** One for all reads: a new one each would make V8 collect garbage every few generations, which takes longer the more trials there are. */
  readonly #chunk = Buffer.allocUnsafe(READ_BYTES);
  #giveFree: (() => Promise<void>) | undefined;
  /** Bytes and lines taken in. */
  #offset = 0;
  #lines = 0;
  /** By number; undefined once deleted. */
  readonly #studies: (StudyRecord | undefined)[] = [];
  #studyId: number | undefined;
  #isOpen = false;
  /** Trials of the whole file. */
  #allTrials = 0;
  readonly #ids: number[] = [];
  readonly #byId = new Map<number, MutableTrial>();
  readonly #trials: MutableTrial[] = [];
  readonly #distributions = new Map<string, Distribution>();
  readonly #firstOf = new Map<string, Distribution>();
  /** Calls wait for each other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(path: string, { studyName, direction, lockGraceMs = LOCK_GRACE_MS }: JournalOptions) {
    this.path = path;
    this.studyName = studyName;
    this.direction = direction;
    this.#graceMs = lockGraceMs;
  }

  /**
   * Opens a journal, which is created where there is none, and so is the study.
   * @throws InputError for a file that is damaged or no journal, a study of that name with another direction, a study that
   *   another process of Lockstep works on, and where the file cannot be read or written.
   */
  static async open(path: string, options: JournalOptions): Promise<Journal> {
    const journal = new Journal(path, options);
    journal.#giveFree = await withLock(path, journal.#graceMs, () => takeOwnership(path));
    try {
      journal.#file = await open(path, 'a+').catch((cause: unknown) => {
        throw writeError(path, cause);
      });
      await journal.#read();
      await journal.#checkBeginning();
      if (journal.#studyId === undefined) {
        const directions = [DIRECTIONS.indexOf(options.direction)];
        await journal.#append(() => [{ op_code: OP.createStudy, study_name: options.studyName, directions }]);
      }
      journal.#checkDirection();
      journal.#isOpen = true;
      return journal;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  get trials(): readonly Trial[] {
    return this.#trials;
  }

  sync(): Promise<void> {
    return this.#inTurn(() => this.#read());
  }

  create(trials: readonly NewTrial[]): Promise<Trial[]> {
    return this.#inTurn(async () => {
      let before = 0;
      await this.#append(() => {
        before = this.#trials.length;
        return trials.map((trial) => this.#creation(trial));
      });
      return this.#trials.slice(before, before + trials.length);
    });
  }

  change(changes: readonly TrialChange[]): Promise<void> {
    return this.#inTurn(() => this.#append(() => changes.map((change) => this.#changeRecord(change))));
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file?.close();
    this.#file = undefined;
    await this.#giveFree?.();
    this.#giveFree = undefined;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** One line for a whole trial, so that a crash leaves it whole or not at all. */
  #creation({ state, params, userAttrs = {}, systemAttrs = {} }: NewTrial): JournalRecord {
    return {
      op_code: OP.createTrial,
      study_id: this.#studyId,
      datetime_start: state === 'running' ? iso(new Date()) : null,
      state: STATES.indexOf(state),
      value: null,
      values: null,
      distributions: Object.fromEntries(
        [...params].map(([name, { distribution }]) => [name, formatDistribution(distribution)]),
      ),
      params: Object.fromEntries([...params].map(([name, param]) => [name, formatValue(param)])),
      user_attrs: userAttrs,
      system_attrs: systemAttrs,
      intermediate_values: {},
    };
  }

  #changeRecord(change: TrialChange): JournalRecord {
    const trial_id = this.#ids[change.number];
    if (trial_id === undefined) {
      throw new RangeError(`The study ${this.studyName} has no trial ${change.number}; create it first.`);
    }
    const now = iso(new Date());
    switch (change.type) {
      case 'start':
        return { op_code: OP.state, trial_id, state: 0, values: null, datetime_start: now };
      case 'param': {
        const { name: param_name, param } = change;
        const distribution = formatDistribution(param.distribution);
        return {
          op_code: OP.param,
          trial_id,
          param_name,
          param_value_internal: formatValue(param),
          distribution,
        };
      }
      case 'intermediate':
        return {
          op_code: OP.intermediate,
          trial_id,
          step: change.step,
          intermediate_value: new Float(change.value),
        };
      case 'userAttr':
        return { op_code: OP.userAttr, trial_id, user_attr: { [change.key]: change.value } };
      case 'systemAttr':
        return { op_code: OP.systemAttr, trial_id, system_attr: { [change.key]: change.value } };
      case 'finish': {
        const { value } = change;
        const state = STATES.indexOf(change.state);
        const values = value === undefined ? null : [new Float(value)];
        return { op_code: OP.state, trial_id, state, values, datetime_complete: now };
      }
    }
  }

  /** Appends records that are made once all that others have written is known; takes them in from the file. */
  async #append(make: () => readonly JournalRecord[]): Promise<void> {
    await withLock(this.path, this.#graceMs, async () => {
      await this.#read();
      const worker_id = this.#worker;
      const lines = make().map(({ op_code, ...rest }) => `${formatJson({ op_code, worker_id, ...rest })}\n`);
      const file = this.#file!;
      try {
        const [{ ino, size }, named] = await Promise.all([
          file.stat(),
          stat(this.path).catch(() => undefined),
        ]);
        if (named?.ino !== ino || size < this.#offset) {
          throw new InputError(`${this.path} has been replaced or removed meanwhile; begin again.`);
        }
        if (size > this.#offset) await file.truncate(this.#offset);
        await file.appendFile(lines.join(''));
        await file.datasync();
      } catch (cause) {
        throw cause instanceof InputError ? cause : writeError(this.path, cause);
      }
    });
    await this.#read();
  }

  /** Whatever has no line at all would pass for a first line that a crash has cut short, and be overwritten. */
  async #checkBeginning(): Promise<void> {
    if (this.#lines > 0) return;
    const found = Buffer.alloc(BEGINNING.length);
    const { bytesRead } = await this.#file!.read(found, 0, found.length, 0);
    if (!BEGINNING.startsWith(found.toString('latin1', 0, bytesRead))) throw this.#noJournal();
  }

  #noJournal(cause?: unknown): InputError {
    return new InputError(`${this.path}, line 1, is not a record of an Optuna journal; name another file.`, {
      cause,
    });
  }

  /** Takes in all whole lines that have been added. */
  async #read(): Promise<void> {
    let rest = Buffer.alloc(0);
    let position = this.#offset;
    for (;;) {
      const { bytesRead } = await this.#file!.read(this.#chunk, 0, READ_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const bytes = Buffer.concat([rest, this.#chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        this.#takeLine(bytes.toString('utf8', start, end));
        // After each line, so that one which is refused is refused again.
        this.#offset += end + 1 - start;
        this.#lines++;
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  }

  #takeLine(text: string): void {
    const line = this.#lines + 1;
    let record: JournalRecord;
    try {
      record = parseJson(text) as JournalRecord;
      if (typeof record?.op_code !== 'number') throw new SyntaxError('no op_code');
      this.#take(record);
    } catch (cause) {
      if (cause instanceof InputError) throw cause;
      if (line === 1) throw this.#noJournal(cause);
      throw new InputError(
        `${this.path}, line ${line}, is damaged; mend or delete that line, or begin a new study in another folder.`,
        { cause },
      );
    }
  }

  #take(record: JournalRecord): void {
    const now = new Date(0);
    switch (record.op_code) {
      case OP.createStudy: {
        const { study_name: name, directions } = record as unknown as {
          study_name: string;
          directions: number[];
        };
        if (this.#studies.some((study) => study?.name === name)) return;
        if (name === this.studyName) this.#studyId = this.#studies.length;
        this.#studies.push({ name, directions });
        return;
      }
      case OP.deleteStudy:
        this.#deleteStudy(this.#studyOf(record));
        return;
      case OP.studyUserAttr:
      case OP.studySystemAttr:
        this.#studyOf(record);
        return;
      case OP.discardTrials:
        return;
      case OP.createTrial:
        this.#takeTrial(record);
        return;
    }
    const id = record.trial_id as number;
    if (!(id >= 0 && id < this.#allTrials)) throw new SyntaxError('an unknown trial');
    const trial = this.#byId.get(id);
    if (trial === undefined || isFinished(trial)) return;
    const { number } = trial;
    switch (record.op_code) {
      case OP.param: {
        const name = record.param_name as string;
        const value = record.param_value_internal as number;
        const param = { value, distribution: this.#distribution(record.distribution as string) };
        if (this.#admit(name, param)) applyChange(trial, { type: 'param', number, name, param }, now);
        return;
      }
      case OP.state:
        this.#takeState(trial, record);
        return;
      case OP.intermediate: {
        const { step, intermediate_value: value } = record as unknown as {
          step: number;
          intermediate_value: number;
        };
        applyChange(trial, { type: 'intermediate', number, step, value }, now);
        return;
      }
      case OP.userAttr:
        Object.assign(trial.userAttrs, record.user_attr);
        return;
      case OP.systemAttr:
        Object.assign(trial.systemAttrs, record.system_attr);
        return;
      default:
        throw new SyntaxError('an unknown op_code');
    }
  }

  /** The number of a study that has been created; it may be deleted by now. */
  #studyOf(record: JournalRecord): number {
    const study = record.study_id as number;
    if (!(study >= 0 && study < this.#studies.length)) throw new SyntaxError('an unknown study');
    return study;
  }

  #deleteStudy(id: number): void {
    this.#studies[id] = undefined;
    if (id !== this.#studyId) return;
    if (this.#isOpen) {
      throw new InputError(
        `The study ${this.studyName} of ${this.path} has been deleted; begin again, or name another file or study.`,
      );
    }
    this.#studyId = undefined;
    this.#ids.length = 0;
    this.#trials.length = 0;
    this.#byId.clear();
    this.#firstOf.clear();
  }

  #takeTrial(record: JournalRecord): void {
    const study = this.#studyOf(record);
    if (this.#studies[study] === undefined) return;
    const id = this.#allTrials++;
    if (study !== this.#studyId) return;
    const given = record as unknown as {
      readonly state?: number;
      readonly params?: Record<string, number>;
      readonly distributions?: Record<string, string>;
      readonly value?: number | null;
      readonly values?: number[] | null;
      readonly user_attrs?: Record<string, unknown>;
      readonly system_attrs?: Record<string, unknown>;
      readonly intermediate_values?: Record<string, number>;
    };
    const params = new Map<string, TrialParam>();
    for (const [name, value] of Object.entries(given.params ?? {})) {
      const param = { value, distribution: this.#distribution(given.distributions![name]!) };
      this.#firstOf.set(name, this.#firstOf.get(name) ?? param.distribution);
      params.set(name, param);
    }
    const state = STATES[given.state ?? 0];
    if (state === undefined) throw new SyntaxError('an unknown state');
    const value = given.value ?? given.values?.[0];
    const trial: MutableTrial = {
      number: this.#trials.length,
      state,
      params,
      intermediate: new Map(
        Object.entries(given.intermediate_values ?? {}).map(([step, reported]) => [Number(step), reported]),
      ),
      userAttrs: { ...given.user_attrs },
      systemAttrs: { ...given.system_attrs },
      started: dateOf(record.datetime_start),
      ended: dateOf(record.datetime_complete),
      ...(value != null && { value }),
    };
    this.#ids.push(id);
    this.#byId.set(id, trial);
    this.#trials.push(trial);
  }

  #takeState(trial: MutableTrial, record: JournalRecord): void {
    const state = STATES[record.state as number];
    if (state === undefined) throw new SyntaxError('an unknown state');
    // Another process has taken the waiting trial before.
    if (state === 'running' && trial.state === 'running') return;
    trial.state = state;
    if (state === 'running') trial.started = dateOf(record.datetime_start);
    if (isFinished(trial)) trial.ended = dateOf(record.datetime_complete);
    const value = (record.values as number[] | null)?.[0];
    if (value !== undefined) trial.value = value;
  }

  /** A parameter that does not go with earlier trials is ignored, as Optuna does. */
  #admit(name: string, { distribution }: TrialParam): boolean {
    const first = this.#firstOf.get(name);
    if (first === undefined) this.#firstOf.set(name, distribution);
    return first === undefined || compatible(first, distribution);
  }

  /** The distribution of a text; equal texts share one. */
  #distribution(text: string): Distribution {
    let distribution = this.#distributions.get(text);
    if (distribution === undefined) {
      distribution = parseDistribution(text);
      if (distribution === undefined) throw new SyntaxError('an unknown distribution');
      this.#distributions.set(text, distribution);
    }
    return distribution;
  }

  #checkDirection(): void {
    const { directions } = this.#studies[this.#studyId!]!;
    if (directions.length > 1) {
      throw new InputError(
        `The study ${this.studyName} of ${this.path} has ${directions.length} objectives, and Lockstep searches for one; name another file.`,
      );
    }
    const found = DIRECTIONS[directions[0]!];
    if (found !== this.direction) {
      throw new InputError(
        `The study ${this.studyName} of ${this.path} is to ${found ?? 'do nothing'}, but the metric is to ${this.direction}; name another folder with --out.`,
      );
    }
  }
}
