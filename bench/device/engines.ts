// Trains the public sets and a synthetic one on several engines and compares all trees, scores and margins, bit for bit.
// Each engine has a process and a time of its own; what it finished in that time counts. Exits with 1 on a difference.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readTable } from '../../src/bench/table.ts';
import type { Engine, EngineKind, Objective } from '../../src/engine/engine.ts';
import { makeFolder, writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { markdownTable } from '../../src/reporting/format.ts';
import { templateJob } from '../../tests/engine/template-job.ts';
import {
  binTable,
  makeSynthetic,
  marginsDigest,
  openEngine,
  readSets,
  scoresDigest,
  timed,
  treesDigest,
} from './support.ts';

const { values } = parseArgs({
  options: {
    tables: { type: 'string', default: 'build/device-tables' },
    out: { type: 'string', default: 'build/device' },
    engines: { type: 'string', default: 'cpu,cuda,webgpu' },
    sets: { type: 'string' },
    rounds: { type: 'string', default: '10' },
    seeds: { type: 'string', default: '3' },
    synthetic: { type: 'string', default: 'synth:1000000x28' },
    'synthetic-rounds': { type: 'string', default: '5' },
    /** Seconds of one engine. */
    timeout: { type: 'string', default: '60' },
    /** Engines whose results of the same options are in the folder are not asked again. */
    keep: { type: 'boolean', default: false },
    /** Trains on this engine, in this process. */
    child: { type: 'string' },
  },
});

/** What one engine made of one set; digests by seed. */
interface SetResult {
  readonly set: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly trees: readonly string[];
  readonly scores: readonly string[];
  readonly margins: readonly string[];
}

interface EngineResults {
  readonly options: string;
  readonly description?: string;
  /** Why it cannot run here, or ended before its time. */
  readonly failure?: string;
  readonly complete: boolean;
  readonly sets: readonly SetResult[];
}

interface Task {
  readonly set: string;
  readonly objective: Objective;
  readonly rounds: number;
}

const publicSets = await readSets(values.tables);
const tasks = Object.entries(publicSets)
  .filter(([set]) => values.sets === undefined || values.sets.split(',').includes(set))
  .map(([set, { objective }]): Task => ({ set, objective, rounds: Number(values.rounds) }));
if (values.synthetic !== 'none') {
  const set = await makeSynthetic(values.tables, values.synthetic);
  tasks.push({ set, objective: 'binary:logistic', rounds: Number(values['synthetic-rounds']) });
}
const options = JSON.stringify({ tasks, seeds: Number(values.seeds) });
const fileOf = (kind: string) => join(values.out, `engine-${kind}.json`);

async function trainSet(engine: Engine, { set, objective, rounds }: Task): Promise<SetResult> {
  const data = await binTable((await readTable(join(values.tables, set))).data);
  const jobs = Array.from({ length: Number(values.seeds) }, (_, seed) => templateJob(data, objective, seed));
  const resident = await engine.load(data);
  try {
    const batch = await resident.start(jobs);
    const { value: scores, seconds } = await timed(() => batch.advance(rounds));
    const result = { trees: [] as string[], margins: [] as string[] };
    for (const job of jobs.keys()) {
      const trees = await batch.finish(job);
      result.trees.push(treesDigest(trees));
      result.margins.push(marginsDigest(await resident.predictMargins(trees, { start: 0, end: data.rows })));
    }
    batch.dispose();
    return { set, rounds, seconds, ...result, scores: jobs.map((_, job) => scoresDigest(scores, job)) };
  } finally {
    resident.dispose();
  }
}

/** Trains every set on one engine, and keeps what there is after each. */
async function train(kind: EngineKind): Promise<void> {
  const write = (results: Omit<EngineResults, 'options'>) =>
    writeFileAtomically(fileOf(kind), toJson({ options, ...results }));
  const sets: SetResult[] = [];
  let description: string | undefined;
  try {
    const engine = await openEngine(kind);
    description = engine.description;
    await write({ description, failure: 'its time was up before the first set', complete: false, sets });
    for (const task of tasks) {
      sets.push(await trainSet(engine, task));
      const missing = tasks.length - sets.length;
      await write({
        description,
        ...(missing > 0 && { failure: `its time was up before ${missing} of ${tasks.length} sets` }),
        complete: missing === 0,
        sets,
      });
    }
  } catch (error) {
    const failure = (error as Error).message;
    await write({ ...(description && { description }), failure, complete: false, sets });
  }
}

function resultsOf(kind: string): EngineResults | undefined {
  if (!existsSync(fileOf(kind))) return undefined;
  const results = JSON.parse(readFileSync(fileOf(kind), 'utf8')) as EngineResults;
  return results.options === options ? results : undefined;
}

/** Runs an engine in a process of its own. */
async function runEngine(kind: string): Promise<EngineResults> {
  const before = resultsOf(kind);
  if (values.keep && before?.complete) return before;
  const nothing: EngineResults = { options, complete: false, sets: [] };
  await writeFileAtomically(fileOf(kind), toJson({ ...nothing, failure: 'it did not open' }));
  const { status, signal } = spawnSync(
    process.execPath,
    [...process.execArgv, process.argv[1]!, ...process.argv.slice(2), '--child', kind],
    { stdio: 'inherit', timeout: Number(values.timeout) * 1000, killSignal: 'SIGKILL' },
  );
  const results = resultsOf(kind) ?? nothing;
  if (results.complete || (status === 0 && results.failure !== undefined)) return results;
  const ending = signal === null ? `its process ended with ${status}` : `its process was ended by ${signal}`;
  return { ...results, failure: [results.failure, ending].filter(Boolean).join('; ') };
}

/** Compares every engine with the first that trained the set; returns whether all are equal. */
async function compare(kinds: readonly string[]): Promise<boolean> {
  const results = new Map<string, EngineResults>();
  for (const kind of kinds) results.set(kind, await runEngine(kind));
  let equal = true;
  const rows: string[][] = [];
  for (const { set, rounds } of tasks) {
    let first: SetResult | undefined;
    for (const [kind, { sets }] of results) {
      const result = sets.find((one) => one.set === set);
      if (result === undefined) {
        rows.push([set, kind, String(rounds), '', '', '', '', 'not run']);
        continue;
      }
      first ??= result;
      const different = (['trees', 'scores', 'margins'] as const).filter(
        (of) => result[of].join() !== first![of].join(),
      );
      if (different.length > 0) equal = false;
      const prefix = (digests: readonly string[]) => digests.map((digest) => digest.slice(0, 8)).join(' ');
      const verdict = result === first ? 'compared with' : 'equal';
      rows.push([
        set,
        kind,
        String(rounds),
        prefix(result.trees),
        prefix(result.scores),
        prefix(result.margins),
        result.seconds.toPrecision(3),
        different.length > 0 ? `DIFFERENT ${different.join(', ')}` : verdict,
      ]);
    }
  }
  const head = ['set', 'engine', 'rounds', 'trees, by seed', 'scores', 'margins', 'seconds', 'verdict'];
  process.stdout.write(`${markdownTable(head, rows)}\n\n`);
  for (const [kind, { description, failure }] of results) {
    process.stdout.write(`${kind}: ${[description, failure].filter(Boolean).join('; ')}\n`);
  }
  return equal;
}

if (values.child === undefined) {
  await makeFolder(values.out);
  process.exit((await compare(values.engines.split(','))) ? 0 : 1);
}
await train(values.child as EngineKind);
// Open devices and worker threads would keep the process.
process.exit(0);
