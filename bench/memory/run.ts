// What training keeps in memory: the binned table and everything the engine allocates beside it, one process a measurement.
// usage: run.ts [--out FILE] [--rows N] [--features N]
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { markdownTable } from '../../src/reporting/format.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/memory.json' },
    rows: { type: 'string', default: '1000000' },
    features: { type: 'string', default: '28' },
  },
});
const rows = Number(values.rows);
const features = Number(values.features);
const ROUNDS = 5;
const REPEATS = 3;
/** Bytes a row beside its codes that the design allows, and the factor for all else. */
const BYTES_A_ROW = 24;
const FACTOR = 1.3;
const allowed = FACTOR * (rows * features + BYTES_A_ROW * rows);

interface Run {
  readonly depth: number;
  readonly threads: number;
  readonly repeat: number;
  /** Bytes: of the codes; that the process had more with the table; and with the engine. */
  readonly bins: number;
  readonly table: number;
  readonly all: number;
}

const runs: Run[] = [];
for (let repeat = 0; repeat < REPEATS; repeat++) {
  for (const depth of [6, 8]) {
    for (const threads of [1, 2]) {
      const child = new URL('child.ts', import.meta.url).pathname;
      const given = [rows, features, depth, threads, ROUNDS].map(String);
      const text = execFileSync(process.execPath, ['--import', 'tsx', child, ...given], { encoding: 'utf8' });
      const measured = JSON.parse(text) as Pick<Run, 'bins' | 'table' | 'all'>;
      runs.push({ depth, threads, repeat, ...measured });
    }
  }
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
const largest = (of: readonly Run[]) => of.reduce((a, b) => (b.all > a.all ? b : a));
process.stdout.write(
  `${rows} rows × ${features} features, training on 95 % and scoring both parts; largest of ${REPEATS}; allowed: ${megabytes(allowed)} MB\n\n`,
);
process.stdout.write(
  `${markdownTable(
    ['depth', 'threads', 'table MB', 'with the engine MB', 'of what is allowed'],
    [6, 8].flatMap((depth) =>
      [1, 2].map((threads) => {
        const { table, all } = largest(runs.filter((run) => run.depth === depth && run.threads === threads));
        return [
          String(depth),
          String(threads),
          megabytes(table),
          megabytes(all),
          `${((100 * all) / allowed).toFixed(0)} %`,
        ];
      }),
    ),
  )}\n`,
);
writeFileSync(values.out, `${JSON.stringify({ rows, features, rounds: ROUNDS, allowed, runs }, null, 1)}\n`);
if (runs.some(({ all }) => all > allowed)) process.exitCode = 1;
