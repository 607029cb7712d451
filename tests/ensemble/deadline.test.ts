import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { type EnsembleResult, runEnsemble, type SkippedEnsemble } from '../../src/protocol/ensemble.ts';
import { type OptimizeResult, runOptimize } from '../../src/protocol/optimize.ts';
import { experimentTables, type PreparedExperiment, prepareExperiment } from '../../src/protocol/prepare.ts';
import { silentReporter } from '../../src/protocol/reporter.ts';
import { baselinePlan, type TrainedModel, trainAndScore } from '../../src/protocol/trained-model.ts';
import { BestFolds } from '../../src/tuning/best-folds.ts';
import type { BinnedTables } from '../../src/tuning/tables.ts';
import { noisyCsv } from '../cli/cli.ts';

const HOUR = 3_600_000;
const METHODS = ['stacking', 'voting', 'blending', 'weighted'] as const;

let folder: string;
let experiment: PreparedExperiment;
let tables: BinnedTables;
let baseline: TrainedModel;
let search: OptimizeResult;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-deadline-'));
  await writeFile(join(folder, 'train.csv'), noisyCsv(200));
  await writeFile(
    join(folder, 'x.yaml'),
    `experiment: {name: deadline}
data: {train_path: train.csv, target: y}
hyperparameters: {n_estimators: 6}
optimization: {n_trials: 4, cv: 2, search_space: {max_depth: {type: int, low: 1, high: 4}, learning_rate: {type: float, low: 0.1, high: 0.5}}}
ensemble: {methods: [${METHODS.join(', ')}], top_k: 3}
`,
  );
  experiment = await prepareExperiment(await loadConfig(join(folder, 'x.yaml')), silentReporter);
  tables = experimentTables(experiment, createCpuEngine({ threads: 1 }));
  const { resident } = await tables.get(experiment.params.max_bin);
  baseline = await trainAndScore(experiment, resident, baselinePlan(experiment), {});
  search = await runOptimize(experiment, tables, { reporter: silentReporter });
});
afterAll(async () => {
  tables.dispose();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => vi.restoreAllMocks());

const clock = performance.now.bind(performance);
let gone = 0;

/** The stage with an hour of time, which is up when it comes to a step. */
async function ranUntil(
  step: RegExp | undefined,
  of: OptimizeResult = search,
  withBaseline = true,
): Promise<{ result: EnsembleResult | SkippedEnsemble; warnings: string[]; steps: string[] }> {
  gone = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + gone);
  const warnings: string[] = [];
  const steps: string[] = [];
  const reporter = {
    ...silentReporter,
    step(text: string) {
      steps.push(text);
      if (step?.test(text)) gone = 2 * HOUR;
    },
    warn: (text: string) => void warnings.push(text),
  };
  const deadline = clock() + HOUR;
  const models = withBaseline ? baseline : undefined;
  const result = await runEnsemble(experiment, tables, of, models, { reporter, deadline });
  return { result, warnings, steps };
}

function made(result: EnsembleResult | SkippedEnsemble): EnsembleResult {
  if ('skipped' in result) throw new Error(result.skipped);
  return result;
}

const printsOf = ({ fitted }: EnsembleResult) =>
  Object.fromEntries(fitted.map(({ method, model }) => [method, model.fingerprint]));

describe('the stage ensemble, when its time is up', () => {
  it('before a method, leaves out those to come but voting, and makes the others as ever', async () => {
    const whole = made((await ranUntil(undefined)).result);
    expect(whole.leftOut).toEqual([]);
    expect(whole.fitted.map(({ method }) => method)).toEqual(METHODS);
    const { result, warnings } = await ranUntil(/Building the ensemble stacking/);
    const cut = made(result);
    expect(cut.leftOut).toEqual(['blending', 'weighted']);
    expect(cut.onlyTrained).toBe(false);
    const { stacking, voting } = printsOf(whole);
    expect(printsOf(cut)).toEqual({ stacking, voting });
    expect(warnings).toEqual(['these ensembles are left out, as the time was up: blending, weighted']);
  });

  it('before members are trained, makes do with those that are', async () => {
    const { result, warnings, steps } = await ranUntil(/Choosing the members/);
    const cut = made(result);
    expect(cut.members.map(({ name }) => name).sort()).toEqual(['baseline', 'optimized']);
    expect(cut.onlyTrained).toBe(true);
    expect(cut.fitted.map(({ method }) => method)).toEqual(['voting']);
    expect(cut.leftOut).toEqual(['stacking', 'blending', 'weighted']);
    expect(warnings).toEqual([
      expect.stringMatching(/^ensembles have only the members \w+ and \w+, which were trained already/),
      'these ensembles are left out, as the time was up: stacking, blending, weighted',
    ]);
    expect(steps).toContain('Building the ensemble voting');
  });

  it('while members are chosen, makes do with those that are trained among all that were looked at', async () => {
    const keptFolds = {
      get(number: number) {
        gone = 2 * HOUR;
        return search.keptFolds.get(number);
      },
    } as BestFolds;
    const cut = made((await ranUntil(undefined, { ...search, keptFolds })).result);
    const atOnce = made((await ranUntil(/Choosing the members/)).result);
    expect(cut.onlyTrained).toBe(true);
    expect(printsOf(cut)).toEqual(printsOf(atOnce));
    expect((await ranUntil(undefined, { ...search, keptFolds }, false)).result).toHaveProperty('skipped');
  });

  it('and there are no two models, is left out with a reason', async () => {
    const alone = await ranUntil(/Choosing the members/, search, false);
    const reason =
      'the time was up before its members were trained; raise resources.max_time_hours, or set optimization.timeout_hours below it';
    expect(alone.result).toEqual({ skipped: reason });
    expect(alone.warnings).toEqual([`the stage ensemble is left out: ${reason}`]);
    const forgotten = { ...search, keptFolds: new BestFolds(0, search.direction) };
    expect((await ranUntil(/Choosing the members/, forgotten)).result).toEqual({ skipped: reason });
    const short = { ...search, trials: search.trials.slice(0, 1), end: 'time' as const };
    expect((await ranUntil(undefined, short, false)).result).toEqual({
      skipped: expect.stringContaining('the search had time for too few trials'),
    });
  });
});
