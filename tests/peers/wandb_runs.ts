/**
 * Our side of wandb_runs.py. `wandb_runs.ts PYTHON` runs experiments, one of which is interrupted, and logs with records at
 * every distance from the end of a block, and lets wandb read them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { runExperiment } from '../../src/protocol/run.ts';
import { field, integerField } from '../../src/tracking/wandb/protobuf.ts';
import { transactionLog } from '../../src/tracking/wandb/transaction-log.ts';
import { PUBLIC_SETS, type PublicSet } from '../public-sets.ts';

const [python] = process.argv.slice(2);
if (python === undefined) throw new Error('Usage: wandb_runs.ts PYTHON');
const folder = mkdtempSync(join(tmpdir(), 'lockstep wandb é-'));

async function run(set: PublicSet, name: string, stopAfter = Infinity): Promise<void> {
  const configPath = join(folder, `${name}.yaml`);
  const train = fileURLToPath(new URL(`../data/${set}.parquet`, import.meta.url));
  const config = {
    experiment: { name: `${name} 50 %`, description: 'long '.repeat(20_000), tags: ['v1.0', 'Grüße, 世界'] },
    data: { train_path: train, split: { train: 0.6, val: 0.2, test: 0.2 } },
    model: { objective: PUBLIC_SETS[set] },
    hyperparameters: { n_estimators: 30 },
    optimization: { n_trials: 5, cv: 3, generation: 2, pruner: { name: 'median', n_startup_trials: 1 } },
    resources: { n_jobs: 2 },
    tracking: { mlflow: { enabled: false } },
    use_wandb: true,
  };
  writeFileSync(configPath, stringify(config));
  const stop = new AbortController();
  const reporter = {
    step() {},
    warn: (text: string) => assert.ok(!text.includes('not recorded'), text),
    round() {},
    search({ done }: { done: number }) {
      if (done > stopAfter) stop.abort();
    },
  };
  await runExperiment({ configPath, out: join(folder, name), engine: 'cpu', reporter, signal: stop.signal });
}

/** A log whose second record begins `left` bytes before the end of the first block. */
function logAt(left: number): Buffer {
  const header = field(21, [field(1, [field(1, '0.31.0'), field(2, '0.70.0')])]);
  const about = (notes: number) => field(17, [field(1, 'edge'), field(9, 'n'.repeat(notes))]);
  const spare = 32_768 - left - transactionLog([header, about(20_000)]).length;
  const exit = Buffer.concat([integerField(1, 3), field(18, [integerField(1, 7)])]);
  return transactionLog([header, about(20_000 + spare), exit]);
}

try {
  await run('breast_cancer', 'breast_cancer');
  await run('digits', 'digits');
  await assert.rejects(run('breast_cancer', 'stopped', 1), /Interrupted/);
  for (let left = 0; left < 12; left++) writeFileSync(join(folder, `edge-${left}.wandb`), logAt(left));
  const script = fileURLToPath(new URL('wandb_runs.py', import.meta.url));
  const { status } = spawnSync(python, [script, folder], { stdio: 'inherit' });
  assert.equal(status, 0);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
