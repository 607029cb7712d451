import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A figure is marked as taken on a busy machine where other processes kept more cores than this busy. */
export const BUSY_CORES = 0.15;
/** The machine counts as idle where other processes keep fewer cores than this busy. */
const IDLE_CORES = 0.1;
const SAMPLE_MS = 400;
/** The kernel counts in ticks of 10 ms, so that shorter sections are judged together with the sample before them. */
const SHORTEST_JUDGED_MS = 250;
const TICKS_A_SECOND = 100;

/** What a part of a process's work took. */
export interface Took {
  readonly wall_s: number;
  /** Of the process and all its threads. */
  readonly cpu_s: number;
}

/** A timed section, with how busy the machine was. */
export interface Section extends Took {
  /** Cores that other processes kept busy meanwhile; null where the system does not say. */
  readonly busy_cores: number | null;
}

interface Reading {
  readonly wall: number;
  readonly cpu: number;
  readonly allCores: number | null;
}

/** Seconds that all cores together have been busy since the machine started, from the text of /proc/stat. */
export function busySeconds(stat: string): number | null {
  const [, counts] = /^cpu +([\d ]+)$/m.exec(stat) ?? [];
  if (counts === undefined) return null;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = counts.split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_A_SECOND;
}

function read(): Reading {
  let allCores: number | null = null;
  try {
    allCores = busySeconds(readFileSync('/proc/stat', 'utf8'));
  } catch {
    // Only Linux has the file.
  }
  const { user, system } = process.cpuUsage();
  return { wall: performance.now() / 1000, cpu: (user + system) / 1e6, allCores };
}

/** Cores that other processes kept busy between two readings. */
function othersBetween(from: Reading, to: Reading): number | null {
  if (from.allCores === null || to.allCores === null) return null;
  return Math.max(0, (to.allCores - from.allCores - (to.cpu - from.cpu)) / (to.wall - from.wall));
}

/** Runs `body` and says what it took. */
export async function timed<T>(body: () => Promise<T>): Promise<{ result: T; took: Took }> {
  const from = read();
  const result = await body();
  const to = read();
  return { result, took: { wall_s: to.wall - from.wall, cpu_s: to.cpu - from.cpu } };
}

/** Shorter work is done twice where it should be warm. */
const SHORT_S = 0.5;

/**
 * Runs `body` on a machine that is as idle as can be had, and says what it took and how busy the machine was.
 * @param waitSeconds the longest wait for an idle machine; a sample of 0.4 s is taken in any case
 * @param warm work of less than half a second is done twice and the second time counts, so that what a process pays once,
 *   such as for memory and the compilation of code, does not stand for what every model costs
 * @returns `first`: what the first time took
 */
export async function timedWhenIdle<T>(
  waitSeconds: number,
  body: () => Promise<T>,
  warm = false,
): Promise<{ result: T; section: Section; first: Took }> {
  const sample = await waitForIdle(waitSeconds);
  const from = read();
  let { result, took } = await timed(body);
  const first = took;
  if (warm && took.wall_s < SHORT_S) ({ result, took } = await timed(body));
  const judgedFrom = took.wall_s * 1000 < SHORTEST_JUDGED_MS ? sample : from;
  return { result, section: { ...took, busy_cores: othersBetween(judgedFrom, read()) }, first };
}

/** Ends when a sample was idle or the time is up; returns the reading at the start of the last sample. */
async function waitForIdle(seconds: number): Promise<Reading> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const from = read();
    if (from.allCores === null) return from;
    await sleep(SAMPLE_MS);
    if (othersBetween(from, read())! < IDLE_CORES || performance.now() >= until) return from;
  }
}
