import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BoosterParams } from '../boosting/params.ts';
import type { EngineKind, MetricName } from '../engine/engine.ts';
import { EnvironmentError } from '../errors.ts';
import { isTiming, type Library, type Timing, type TimingJob } from './job.ts';
import { BUSY_CORES } from './meter.ts';
import { PEER_SCRIPT } from './peers.ts';
import { ask } from './process.ts';

/** What is measured beside others on the same data. */
export interface Subject {
  readonly library: Library;
  /** Lockstep alone. */
  readonly engine?: EngineKind;
  readonly threads: number;
  /** Lockstep alone: models to train at once; absent for one as `train` trains it. */
  readonly batch?: number;
}

/** One timing with its place among the others of its subject. */
export interface Repeat extends Timing {
  /** From 1. */
  readonly repeat: number;
}

/** All timings of a subject on one data set. */
export interface Measurement extends Subject {
  readonly data: string;
  /** Which time counts: CPU time on one thread of the processor, which other processes hardly change, else wall time. */
  readonly clock: 'cpu' | 'wall';
  readonly repeats: Repeat[];
  /** Why there are no, or no more, repeats. */
  failure: string | null;
}

/** What to measure on one table. */
export interface MeasurePlan {
  /** Name of the data set. */
  readonly data: string;
  /** Folder of its `BenchTable`. */
  readonly table: string;
  readonly params: BoosterParams;
  readonly metric: MetricName;
  readonly seed: number;
  readonly subjects: readonly Subject[];
  readonly repeats: number;
  /** The longest wait for an idle machine before each timed section, in seconds. */
  readonly wait: number;
  /** Seconds that one timing may take beside those waits. */
  readonly timeout: number;
  /** How often a timing on a busy machine is taken again; it is kept too. */
  readonly retakes?: number;
  /** Command of the Python that has the peers. */
  readonly python: string;
  readonly signal?: AbortSignal | undefined;
  /** Told what is about to be measured. */
  readonly onStep?: (text: string) => void;
}

/** The built process of a timing: from the sources, as tests run them, it is that one too. */
const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/bench/child.js' : './child.js', import.meta.url),
);

/** Timed sections of a process that each begin with a wait. */
const WAITS = 2;

const threadVariables = (threads: number): NodeJS.ProcessEnv =>
  Object.fromEntries(
    ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'].map((name) => [name, String(threads)]),
  );

/** A subject for people, such as `lockstep cpu, 2 threads, batch of 8`. */
export function subjectName({ library, engine, threads, batch }: Subject): string {
  const who = engine === undefined ? library : `${library} ${engine}`;
  const many = batch === undefined ? '' : `, batch of ${batch}`;
  return `${who}, ${threads} ${threads === 1 ? 'thread' : 'threads'}${many}`;
}

/** The share of the machine that other processes took while a timing ran; null where the system does not say. */
export function busyCores({ bin, boost }: Timing): number | null {
  const found = [bin?.busy_cores, boost.busy_cores].filter((cores) => typeof cores === 'number');
  return found.length === 0 ? null : Math.max(...found);
}

/** Whether other processes may have changed a timing. */
export function isBusy(timing: Timing): boolean {
  return (busyCores(timing) ?? 0) > BUSY_CORES;
}

async function timeOnce(plan: MeasurePlan, subject: Subject): Promise<Timing | string> {
  const { table, params, metric, seed, wait, timeout, python, signal } = plan;
  const job: TimingJob = { ...subject, table, params, metric, seed, wait_s: wait };
  const [command, script] =
    subject.library === 'lockstep' ? [process.execPath, CHILD] : [python, PEER_SCRIPT];
  const answer = await ask(command, [script, JSON.stringify(job)], {
    env: threadVariables(subject.threads),
    timeoutMs: (timeout + WAITS * wait) * 1000,
    signal,
  });
  if (answer.failure !== undefined) return answer.failure;
  return isTiming(answer.value) ? answer.value : 'its answer is not a timing';
}

/**
 * Times subjects on a table, each timing in a fresh process, the repeats of one interleaved with those of the others. A
 * subject that fails is not asked again, and the others go on.
 *
 * @param measurements OUT: one for each subject, filled as timings come in
 * @throws InterruptedError on abort, EnvironmentError where the package is not built
 */
export async function measure(plan: MeasurePlan, measurements: Measurement[]): Promise<void> {
  if (!existsSync(CHILD)) throw new EnvironmentError(`${CHILD} is not built: run \`npm run build\`.`);
  const own = plan.subjects.map(
    (subject): Measurement => ({
      data: plan.data,
      ...subject,
      clock: subject.threads === 1 && (subject.engine ?? 'cpu') === 'cpu' ? 'cpu' : 'wall',
      repeats: [],
      failure: null,
    }),
  );
  measurements.push(...own);
  for (let repeat = 1; repeat <= plan.repeats; repeat++) {
    for (const [i, measurement] of own.entries()) {
      const subject = plan.subjects[i]!;
      for (let take = 0; take <= (plan.retakes ?? 0) && measurement.failure === null; take++) {
        plan.onStep?.(`${plan.data}: ${subjectName(subject)}, ${repeat} of ${plan.repeats}`);
        const timing = await timeOnce(plan, subject);
        if (typeof timing === 'string') {
          measurement.failure = timing;
          break;
        }
        measurement.repeats.push({ repeat, ...timing });
        if (!isBusy(timing)) break;
      }
    }
  }
}
