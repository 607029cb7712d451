import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cli, filesBelow, noisyCsv, start, writeExperiment } from './cli.ts';

/** All stages, each long enough to be hit. */
const CONFIG = `experiment: {name: killed}
environment: {random_seed: 11}
data: {train_path: train.csv, target: y, split: {train: 0.6, val: 0.2, test: 0.2}}
hyperparameters: {n_estimators: 60}
training: {verbose: 1}
gates: {overfitting_ratio: 0}
optimization: {n_trials: 12, cv: 3, generation: 4}
ensemble: {top_k: 3}
`;

/** What a run has found, without times. */
async function foundIn(out: string) {
  const read = async (name: string) => JSON.parse(await readFile(join(out, name), 'utf8'));
  const { fingerprints, exit } = await read('run.json');
  const { trials } = await read('optimization_results.json');
  const names = ['training', 'validation', 'test'].map((name) => `metrics/${name}_metrics.json`);
  return {
    fingerprints,
    exit,
    metrics: await Promise.all([...names, 'metrics/cv_scores.json', 'metrics/history.json'].map(read)),
    trials: trials.map(({ seconds: _, ...trial }: Record<string, unknown>) => trial),
    verdict: (await read('experiment_comparison.json')).verdict,
    gates: (await read('gates.json')).passed,
    predictions: await readFile(join(out, 'predictions/test.parquet'), 'base64'),
  };
}

/**
 * Cuts off runs at moments spread over their length and lets them go on, until so many have been cut off; expects what came of each
 * to be what comes of a run that nobody disturbs.
 * @param signal for the n-th time
 */
export async function cutOffAndResume(
  folder: string,
  times: number,
  signal: (n: number) => NodeJS.Signals,
): Promise<void> {
  await writeExperiment(folder, { config: CONFIG, csv: noisyCsv(600) });
  const began = performance.now();
  const whole = await cli(['run', 'x.yaml', '--out', 'whole', '--quiet'], folder);
  const length = performance.now() - began;
  expect(whole.code, whole.stderr).toBe(0);
  const expected = await foundIn(join(folder, 'whole'));
  const files = (names: string[]) => names.filter((name) => !/mlruns|\/latest/.test(name));
  const expectedFiles = files(await filesBelow(join(folder, 'whole')));
  let cut = 0;
  for (let round = 0; cut < times; round++) {
    const out = `out${round}`;
    for (;;) {
      const { child, ended } = start(['run', 'x.yaml', '--out', out, '--resume', '--quiet'], folder);
      // Quotients of the golden ratio spread evenly.
      const after = 100 + (((cut + round) * 0.618034) % 1) * length;
      const timer = setTimeout(() => child.kill(signal(cut)), cut < times ? after : 1e6);
      const { code, stderr } = await ended;
      clearTimeout(timer);
      if (code === 0) break;
      expect(code === null || code === 130, stderr).toBe(true);
      cut++;
    }
    expect(await foundIn(join(folder, out)), `${out}, ${cut} times cut off`).toEqual(expected);
    const left = await filesBelow(join(folder, out));
    expect(files(left)).toEqual(expectedFiles);
    const runs = new Set(left.flatMap((name) => /^(mlruns\/\d+\/[0-9a-f]{32})\//.exec(name)?.[1] ?? []));
    for (const run of runs) expect(left).toContain(`${run}/meta.yaml`);
  }
}
