// Seconds and peak memory of `lockstep compare` of many runs: near-copies of one run, with fold scores and predictions of their own.
//   npm run build && npx tsx bench/statistics/many-runs.ts [RUNS [TEST_ROWS …]]
import { spawn } from 'node:child_process';
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withNumbersReader } from '../../src/data/read.ts';
import { writePredictions } from '../../src/data/write.ts';
import { RandomState } from '../../src/tuning/samplers/random-state.ts';

const [runs = 1000, ...given] = process.argv.slice(2).map(Number);
/** A small set, and the test rows of adult. */
const SIZES = given.length > 0 ? given : [200, 16_281];
/** Files of predictions that differ; runs share them by hard links. */
const PREDICTIONS = 50;
const TEST_PREDICTIONS = 'predictions/test.parquet';
const launcher = fileURLToPath(new URL('../../bin/lockstep.js', import.meta.url));

interface Ended {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** Runs the command line in a folder; the process's peak is asked of Linux while it lives. */
function lockstep(args: readonly string[], cwd: string): Promise<Ended> {
  const start = performance.now();
  const child = spawn(process.execPath, [launcher, ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  let peakBytes = 0;
  const timer = setInterval(() => {
    try {
      const peak = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
      if (peak !== null) peakBytes = 1024 * Number(peak[1]);
    } catch {}
  }, 20);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      if (code === 0) resolve({ seconds: (performance.now() - start) / 1000, peakBytes });
      else reject(new Error(`lockstep ${args[0]} ended with ${code}.`));
    });
  });
}

/** A run of one searched model with test rows. */
async function makeRun(folder: string, testRows: number): Promise<void> {
  const random = new RandomState(1);
  const lines = ['a,b,c,y'];
  for (let row = 0; row < 2 * testRows; row++) {
    const [a, b, c] = [random.random(), random.random(), random.random()];
    lines.push(`${a},${b},${c},${Number(a + b * c + random.random() > 1.2)}`);
  }
  writeFileSync(join(folder, 'train.csv'), `${lines.join('\n')}\n`);
  writeFileSync(
    join(folder, 'x.yaml'),
    `experiment: {name: many}
data: {train_path: train.csv, target: y, split: {train: 0.3, val: 0.2, test: 0.5}}
hyperparameters: {n_estimators: 10, max_depth: 3}
optimization: {n_trials: 4, cv: 5, generation: 2}
ensemble: {methods: []}
`,
  );
  await lockstep(['run', 'x.yaml', '--out', 'run', '--quiet'], folder);
}

/** Predictions of the run's models, moved a little. */
async function makePredictions(folder: string): Promise<string[]> {
  const path = join(folder, 'run', TEST_PREDICTIONS);
  const columns = await withNumbersReader(async (reader) => {
    const names = await reader.columns(path);
    const values = await reader.read(path, names);
    return names.map((name, i) => [name, values[i]!] as const);
  });
  const random = new RandomState(2);
  const files: string[] = [];
  for (let i = 0; i < PREDICTIONS; i++) {
    const file = join(folder, `predictions-${i}.parquet`);
    await writePredictions(
      file,
      columns.map(([name, values]) => ({
        name,
        values:
          name === 'row' || name === 'label'
            ? values
            : values.map((p) => Math.min(1, Math.max(0, p + (0.02 + 0.002 * i) * (random.random() - 0.5)))),
      })),
    );
    files.push(file);
  }
  return files;
}

async function makeCopies(folder: string): Promise<string[]> {
  const files = await makePredictions(folder);
  const random = new RandomState(3);
  const scores: Record<string, number[]> = JSON.parse(
    readFileSync(join(folder, 'run/metrics/cv_scores.json'), 'utf8'),
  );
  return Array.from({ length: runs }, (_, i) => {
    const name = `many/${String(i).padStart(4, '0')}`;
    const copy = join(folder, name);
    for (const part of ['metrics', 'models', 'predictions']) mkdirSync(join(copy, part), { recursive: true });
    for (const part of ['run.json', 'metrics', 'models'])
      cpSync(join(folder, 'run', part), join(copy, part), { recursive: true });
    linkSync(files[i % files.length]!, join(copy, TEST_PREDICTIONS));
    const moved = Object.entries(scores).map(([model, of]) => [
      model,
      of.map((score) => score - 0.01 * random.random()),
    ]);
    writeFileSync(join(copy, 'metrics/cv_scores.json'), JSON.stringify(Object.fromEntries(moved)));
    return name;
  });
}

for (const testRows of SIZES) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-many-'));
  try {
    await makeRun(folder, testRows);
    const names = await makeCopies(folder);
    for (const args of [[], ['--out', 'reports'], ['--test', 'delong'], ['--test', 'mcnemar']]) {
      const { seconds, peakBytes } = await lockstep(['compare', ...names, '--quiet', ...args], folder);
      const what = `${runs} runs, ${testRows} test rows ${args.join(' ')}`;
      console.log(
        `${what.padEnd(48)} ${seconds.toFixed(1).padStart(6)} s  ${Math.round(peakBytes / 1e6)} MB`,
      );
    }
    const report = readFileSync(join(folder, 'reports/reports/comparison_analysis.md'), 'utf8');
    const json = statSync(join(folder, 'reports/experiment_comparison.json')).size;
    console.log(
      `  the analysis has ${report.split('\n').length} lines, the JSON ${(json / 1e6).toFixed(1)} MB`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
