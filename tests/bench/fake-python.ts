import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Peer } from '../../src/bench/job.ts';

/** What a peer of the fake Python does: is missing, or is there and times, crashes, hangs, or answers nonsense. */
export type Conduct = 'times' | 'missing' | 'crashes' | 'hangs' | 'talks nonsense';

/**
 * Writes a command that answers as bench/peers/train.py does, for tests that must not need Python. Each job that it is
 * given is added to `jobs.jsonl` beside it, with the variable OMP_NUM_THREADS and its process id.
 */
export async function fakePython(folder: string, conduct: Readonly<Record<Peer, Conduct>>): Promise<string> {
  const path = join(folder, 'fake-python');
  await writeFile(
    path,
    `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const conduct = ${JSON.stringify(conduct)};
const [, , script, first, name] = process.argv;
if (!script.endsWith('bench/peers/train.py')) process.exit(9);
const answer = (value) => process.stdout.write(JSON.stringify(value));
if (first === '--probe') {
  const missing = conduct[name] === 'missing' && 'this Python has no package ' + name;
  answer({ python: '3.99.0', ...(missing ? { missing } : { version: '1.2.3' }) });
} else {
  const job = JSON.parse(first);
  const table = JSON.parse(readFileSync(join(job.table, 'table.json'), 'utf8'));
  const line = { job, table, threads: process.env.OMP_NUM_THREADS, pid: process.pid };
  appendFileSync(${JSON.stringify(join(folder, 'jobs.jsonl'))}, JSON.stringify(line) + '\\n');
  const took = { wall_s: 2, cpu_s: 1 };
  const section = { ...took, busy_cores: 0 };
  const timing = { version: '1.2.3', load: took, bin: section, boost: section, rounds: job.params.n_estimators,
    scores: { train: 0.75, val: null }, peak_memory_mb: 10, notes: [] };
  switch (conduct[job.library]) {
    case 'times': answer(timing); break;
    case 'talks nonsense': answer({ ...timing, boost: { wall_s: 'long' } }); break;
    case 'crashes': process.stderr.write('Traceback\\nMemoryError: too large\\n'); process.exit(1);
    case 'hangs': setInterval(() => {}, 1000);
  }
}
`,
  );
  await chmod(path, 0o755);
  return path;
}
