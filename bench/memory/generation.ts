// What models in flight keep in memory beside the table: a generation of 8 trials on 5 folds, 40 models in one batch, less what one model
// alone takes, one process a measurement. Trees, which grow with the rounds and not with the rows, are within.
// usage: generation.ts [--out FILE] [--repeats N] [--threads A,B]
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/summary.ts';
import { markdownTable } from '../../src/reporting/format.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/memory-generation.json' },
    repeats: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
  },
});
/** Rows and features: as many as adult has, and more. */
const TABLES = [
  { rows: 32_561, features: 14 },
  { rows: 200_000, features: 28 },
] as const;
const threadCounts = values.threads.split(',').map(Number);
/** Rounds before and after which trees are counted. */
const [FEW, MANY] = [5, 50];
const MODELS = 40;
/** Bytes a row for each model that the design allows. */
const ALLOWED = 30;

interface Run {
  readonly rows: number;
  readonly features: number;
  readonly models: number;
  readonly threads: number;
  readonly rounds: number;
  readonly repeat: number;
  /** Bytes: with the table loaded, and more while training. */
  readonly table: number;
  readonly training: number;
}

const runs: Run[] = [];
for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
  for (const { rows, features } of TABLES) {
    for (const threads of threadCounts) {
      for (const rounds of [FEW, MANY]) {
        for (const models of [1, MODELS]) {
          const child = new URL('generation-child.ts', import.meta.url).pathname;
          const given = [rows, features, models, threads, rounds].map(String);
          const text = execFileSync(process.execPath, ['--import', 'tsx', child, ...given], {
            encoding: 'utf8',
          });
          const measured = JSON.parse(text) as Pick<Run, 'table' | 'training'>;
          runs.push({ rows, features, models, threads, rounds, repeat, ...measured });
        }
      }
    }
  }
}

let most = 0;
const table = TABLES.flatMap(({ rows, features }) =>
  threadCounts.map((threads) => {
    const bytes = (models: number, rounds: number) =>
      median(
        runs
          .filter((run) => run.rows === rows && run.threads === threads)
          .filter((run) => run.models === models && run.rounds === rounds)
          .map(({ training }) => training),
      );
    const further = (rounds: number) => (bytes(MODELS, rounds) - bytes(1, rounds)) / (MODELS - 1);
    most = Math.max(most, further(FEW) / rows, further(MANY) / rows);
    return [
      `${rows.toLocaleString('en')} × ${features}`,
      String(threads),
      (bytes(1, FEW) / 1e6).toFixed(1),
      (bytes(MODELS, FEW) / 1e6).toFixed(1),
      (further(FEW) / rows).toFixed(1),
      (further(MANY) / rows).toFixed(1),
      ((further(MANY) - further(FEW)) / (MANY - FEW) / 1000).toFixed(1),
    ];
  }),
);
const head = [
  'table',
  'threads',
  'one model, MB',
  `${MODELS} models, MB`,
  'bytes a row, each further model',
  `the same after ${MANY} rounds`,
  'its trees, KB a round',
];
process.stdout.write(
  `beside the table after ${FEW} rounds, medians of ${values.repeats}; allowed: ${ALLOWED} bytes a row for each model\n\n${markdownTable(head, table)}\n`,
);
writeFileSync(values.out, `${JSON.stringify({ allowed: ALLOWED, runs }, null, 1)}\n`);
if (most > ALLOWED) process.exitCode = 1;
