import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import type { AddonScores } from '../addon.ts';
import { EnvironmentError } from '../errors.ts';
import type { JobTask } from './job-worker.ts';

/** Milliseconds that an idle worker thread lives on: batches of one sweep follow each other closely. */
const IDLE_TIMEOUT = 10_000;
/** What a task takes of a thread's even share of the work that is left: fewer messages than jobs at first, even loads at last. */
const SHARE_OF_REST = 1 / 3;
/** What a task takes at least of a thread's even share of all work. */
const LEAST_SHARE = 1 / 32;

/** From the sources, as tests run them, the worker is the built one: worker threads cannot load TypeScript. */
const WORKER = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/workers/job-worker.js' : './job-worker.js',
    import.meta.url,
  ),
);

const pools = new Map<number, Promise<Piscina<JobTask, AddonScores>>>();

/**
 * The process's pool of so many worker threads. Threads start when there is work and end when there is none for a while; a
 * pool does not keep the process alive.
 */
function workerPool(threads: number): Promise<Piscina<JobTask, AddonScores>> {
  let pool = pools.get(threads);
  if (pool === undefined) {
    if (!existsSync(WORKER)) {
      throw new EnvironmentError(`The worker ${WORKER} is not built: run \`npm run build\`.`);
    }
    pool = import('piscina').then(
      ({ Piscina }) =>
        new Piscina<JobTask, AddonScores>({
          filename: WORKER,
          minThreads: 0,
          maxThreads: threads,
          idleTimeout: IDLE_TIMEOUT,
          // A batch's tasks all lie in the queue; nobody else puts any there.
          maxQueue: Number.POSITIVE_INFINITY,
        }),
    );
    pools.set(threads, pool);
  }
  return pool;
}

/**
 * Cuts jobs into tasks that shrink with the work that is left: guided self-scheduling (Polychronopoulos and Kuck, IEEE
 * Transactions on Computers 36, 1987).
 * @param jobs Longest first.
 * @param costs One for each job.
 */
export function taskLists(jobs: Uint32Array, costs: Float64Array, threads: number): Uint32Array[] {
  let rest = costs.reduce((sum, cost) => sum + cost, 0) / threads;
  const least = rest * LEAST_SHARE;
  const lists: Uint32Array[] = [];
  let start = 0;
  let cost = 0;
  for (let i = 0; i < jobs.length; i++) {
    cost += costs[i]!;
    if (cost < Math.max(rest * SHARE_OF_REST, least) && i + 1 < jobs.length) continue;
    lists.push(jobs.slice(start, i + 1));
    start = i + 1;
    rest -= cost / threads;
    cost = 0;
  }
  return lists;
}

/**
 * Trains jobs of a batch on worker threads, each job whole on one of them, the longest first.
 * @throws EnvironmentError where the package is not built.
 */
export async function trainOnWorkers(
  task: Omit<JobTask, 'jobs'>,
  jobs: Uint32Array,
  costs: Float64Array,
  threads: number,
): Promise<AddonScores[]> {
  const pool = await workerPool(threads);
  return Promise.all(taskLists(jobs, costs, threads).map((list) => pool.run({ ...task, jobs: list })));
}
