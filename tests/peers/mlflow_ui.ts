// Opens a run's record in MLflow's own interface, in a real browser: tsx tests/peers/mlflow_ui.ts PYTHON
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { runExperiment } from '../../src/protocol/run.ts';
import { openMlflowUi } from '../../src/tracking/mlflow/ui.ts';

const python = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), 'lockstep-ui-'));
const controller = new AbortController();
const browser = await chromium.launch({
  executablePath: process.env.LOCKSTEP_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  await runExperiment({
    configPath: 'examples/adult/experiment.yaml',
    out: folder,
    overrides: ['optimization.n_trials=4', 'hyperparameters.n_estimators=20'],
  });
  const ui = await openMlflowUi(folder, { python, signal: controller.signal });
  const search = await fetch(
    `${ui.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=adult_income_v1`,
  );
  const { experiment } = (await search.json()) as { experiment: { experiment_id: string } };
  const page = await browser.newPage();
  await page.goto(`${ui.url}/#/experiments/${experiment.experiment_id}/runs`);
  await page.getByText('Does a person earn more than 50,000 dollars a year?').first().waitFor();
  await page.getByText('5 matching runs').waitFor();
  await page.getByText('adult.train.parquet').first().waitFor({ state: 'attached' });
  controller.abort();
  await ui.ended;
  console.log("MLflow's interface shows the migrated store: the run and its 4 trials");
} finally {
  controller.abort();
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
