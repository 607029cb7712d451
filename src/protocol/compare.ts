import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Comparison, compareModels } from '../comparison/compare.ts';
import type { ComparedModel } from '../comparison/compared-model.ts';
import { InterruptedError } from '../errors.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import { type FinishedWork, NO_CHECKPOINTS } from './checkpoints.ts';
import { writeComparison } from './comparison-output.ts';
import { measureLatency, type RowPredictor } from './latency.ts';
import type { OutputFolder } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import type { FoldsRecord } from './run-data.ts';
import { testTrainRatio } from './run-data.ts';
import { type TestPredictions, testRowsOf } from './test-predictions.ts';

/** What the stage needs of a model of the run, of whatever kind it is. Its file is models/NAME_model.json. */
export interface RunModel extends TestPredictions {
  readonly model: RowPredictor & { readonly fingerprint: string };
  readonly metrics: SplitMetrics;
  /** boosting_s is the time of training the model. */
  readonly timings: { readonly boosting_s: number };
}

/** The models of a run and the scores of folds, by name; a name may be in one of them alone. */
export interface RunModels {
  readonly models: Readonly<Record<string, RunModel>>;
  readonly cvScores?: Readonly<Record<string, readonly number[]>> | undefined;
  readonly folds?: FoldsRecord | undefined;
}

export interface CompareResult {
  readonly comparison: Comparison;
  /** Its plots, as SVG. */
  readonly charts: readonly string[];
  /** Median microseconds of predicting one row, by model. */
  readonly latencies: Readonly<Record<string, number>>;
}

export interface CompareStageOptions {
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** Where the run keeps finished work. */
  readonly checkpoints?: FinishedWork | undefined;
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

/** Why the scores of a model that a search has chosen are to be read with care. */
export const flattery = (model: string) =>
  `${model} is the best of many trials on these very folds, which flatters it; test rows, which no fold has seen, are the fairer judge.`;

/** What the comparison of one run should say of itself. */
function caveatsOf({ cvScores, folds }: RunModels): string[] {
  return [
    ...(cvScores?.optimized === undefined ? [] : [flattery('The optimised model')]),
    ...(folds?.method === 'time'
      ? [
          'The folds chain forward in time, so their training sets differ in size; the corrected t-test uses the mean ratio of test to training rows.',
        ]
      : []),
  ];
}

/**
 * The stage compare: compares the models of a run, measures how long they take to predict a row, and writes summary, analysis, JSON and plots.
 * @throws InterruptedError on abort.
 */
export async function runCompare(
  output: OutputFolder,
  experiment: PreparedExperiment,
  run: RunModels,
  { reporter, signal, checkpoints = NO_CHECKPOINTS }: CompareStageOptions,
): Promise<CompareResult> {
  reporter.step('Comparing the models');
  const { comparison: settings, gates, experiment: about } = experiment.loaded.config;
  const names = [...new Set([...Object.keys(run.models), ...Object.keys(run.cvScores ?? {})])];
  const models: ComparedModel[] = [];
  const latencies: Record<string, number> = {};
  for (const name of names) {
    const of = run.models[name];
    if (of !== undefined) {
      const { model } = of;
      const measuring = async () => measureLatency(experiment, model);
      const work = { fingerprint: model.fingerprint };
      latencies[name] = await checkpoints.once('latency', work, measuring);
    }
    models.push({
      name,
      foldScores: run.cvScores?.[name],
      metrics: of?.metrics ?? {},
      predictions: of?.testPredictions,
      fingerprint: of?.model.fingerprint,
      trainingSeconds: of?.timings.boosting_s,
      bytes: of && (await sizeOf(join(output.path, 'models', `${name}_model.json`))),
      latencyUs: latencies[name],
    });
    if (signal?.aborted) throw new InterruptedError();
  }
  const rows = testRowsOf(experiment);
  const options = {
    metric: experiment.metrics[0]!,
    metrics: experiment.metrics,
    test: settings.test,
    alpha: settings.alpha,
    testTrainRatio: run.folds && testTrainRatio(run.folds),
    rows,
    noRows: rows === undefined ? 'the data has no test rows' : undefined,
    overfittingRatio: gates.overfitting_ratio,
    seed: experiment.seed,
    caveats: caveatsOf(run),
  };
  const comparing = () => compareModels(models, { ...options, signal });
  const comparison = await checkpoints.once('comparison', { models, options }, comparing);
  const charts = await writeComparison(output, about.name, comparison, { models, rows });
  return { comparison, latencies, charts };
}
