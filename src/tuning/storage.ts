import type { Direction, Trial, TrialParam, TrialState } from './trial.ts';

/** A trial to be recorded. */
export interface NewTrial {
  readonly state: 'running' | 'waiting';
  readonly params: ReadonlyMap<string, TrialParam>;
  readonly userAttrs?: Readonly<Record<string, unknown>> | undefined;
  readonly systemAttrs?: Readonly<Record<string, unknown>> | undefined;
}

/** One thing to be recorded of a trial. */
export type TrialChange = { readonly number: number } & (
  | { readonly type: 'start' }
  | { readonly type: 'param'; readonly name: string; readonly param: TrialParam }
  | { readonly type: 'intermediate'; readonly step: number; readonly value: number }
  | { readonly type: 'userAttr' | 'systemAttr'; readonly key: string; readonly value: unknown }
  | {
      readonly type: 'finish';
      readonly state: Extract<TrialState, 'complete' | 'pruned' | 'fail'>;
      readonly value?: number | undefined;
    }
);

/** Where a study is kept. What a call was given is safe when its promise resolves. */
export interface StudyStorage {
  readonly studyName: string;
  readonly direction: Direction;
  /** By number, as far as known; others may add to a shared file, which `sync` and every change take in. */
  readonly trials: readonly Trial[];
  sync(): Promise<void>;
  /** Numbers them on from the last trial. */
  create(trials: readonly NewTrial[]): Promise<Trial[]>;
  /** Records all of the changes at once. */
  change(changes: readonly TrialChange[]): Promise<void>;
  close(): Promise<void>;
}

/** A trial that takes in changes. */
export type MutableTrial = {
  -readonly [Key in keyof Trial]: Trial[Key] extends ReadonlyMap<infer K, infer V>
    ? Map<K, V>
    : Trial[Key] extends Readonly<Record<string, unknown>>
      ? Record<string, unknown>
      : Trial[Key];
};

/** A trial as it begins. */
export function beginTrial(number: number, given: NewTrial, now: Date): MutableTrial {
  return {
    number,
    state: given.state,
    params: new Map(given.params),
    intermediate: new Map(),
    userAttrs: { ...given.userAttrs },
    systemAttrs: { ...given.systemAttrs },
    ...(given.state === 'running' && { started: now }),
  };
}

/** Keeps the steps ascending, in whatever order they are reported: the last entry is the last step. */
function report(intermediate: Map<number, number>, step: number, value: number): void {
  const isLate = !intermediate.has(step) && [...intermediate.keys()].some((other) => other > step);
  intermediate.set(step, value);
  if (!isLate) return;
  const sorted = [...intermediate].sort(([a], [b]) => a - b);
  intermediate.clear();
  for (const [key, reported] of sorted) intermediate.set(key, reported);
}

/** Takes in one change. */
export function applyChange(trial: MutableTrial, change: TrialChange, now: Date): void {
  switch (change.type) {
    case 'start':
      trial.state = 'running';
      trial.started = now;
      break;
    case 'param':
      trial.params.set(change.name, change.param);
      break;
    case 'intermediate':
      report(trial.intermediate, change.step, change.value);
      break;
    case 'userAttr':
      trial.userAttrs[change.key] = change.value;
      break;
    case 'systemAttr':
      trial.systemAttrs[change.key] = change.value;
      break;
    case 'finish':
      trial.state = change.state;
      trial.value = change.value;
      trial.ended = now;
  }
}

/** A study that is kept in memory alone. */
export class MemoryStorage implements StudyStorage {
  readonly studyName: string;
  readonly direction: Direction;
  readonly #trials: MutableTrial[] = [];

  constructor(studyName: string, direction: Direction) {
    this.studyName = studyName;
    this.direction = direction;
  }

  get trials(): readonly Trial[] {
    return this.#trials;
  }

  async sync(): Promise<void> {}

  async create(trials: readonly NewTrial[]): Promise<Trial[]> {
    const now = new Date();
    const created = trials.map((given, i) => beginTrial(this.#trials.length + i, given, now));
    this.#trials.push(...created);
    return created;
  }

  async change(changes: readonly TrialChange[]): Promise<void> {
    const now = new Date();
    for (const change of changes) applyChange(this.#trials[change.number]!, change, now);
  }

  async close(): Promise<void> {}
}
