import { stringify } from 'yaml';
import { optimizationReport } from '../reporting/optimization-report.ts';
import { studyPlots } from '../reporting/study-plots.ts';
import { generationOf } from '../tuning/study.ts';
import { type Trial, trialValues } from '../tuning/trial.ts';
import { foldMethod, type OptimizeResult } from './optimize.ts';
import { CHARTS_FOLDER, type OutputFolder, toJson } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';
import { CV_SCORES_FILE } from './run-data.ts';

function trialJson(trial: Trial) {
  const { number, value, state, intermediate, userAttrs } = trial;
  return {
    number,
    params: trialValues(trial),
    value: value ?? null,
    state,
    generation: generationOf(trial) ?? null,
    intermediate: Object.fromEntries(intermediate),
    fold_scores: userAttrs.fold_scores ?? null,
    seconds: userAttrs.seconds ?? null,
    ...(userAttrs.failure !== undefined && { failure: userAttrs.failure }),
  };
}

/** optimization_results.json. */
export function resultsJson(experiment: PreparedExperiment, result: OptimizeResult) {
  const { optimization } = experiment.loaded.config;
  return {
    study: {
      name: result.studyName,
      direction: result.direction,
      metric: experiment.metrics[0],
      cv: optimization.cv,
      sampler: optimization.sampler,
      pruner: optimization.pruner,
      generation: result.generation,
      early_stopping_rounds: optimization.early_stopping_rounds,
      search_space: optimization.search_space,
      n_trials: result.trials.length,
      ended_by: result.end,
      seconds: result.timings.search_s,
    },
    best: {
      ...trialJson(result.best),
      model_params: result.params,
      importances: Object.fromEntries(result.importances),
    },
    trials: result.trials.map(trialJson),
  };
}

/** The config whose baseline is the optimised model. */
function bestConfig(experiment: PreparedExperiment, result: OptimizeResult) {
  const { config } = experiment.loaded;
  const { optimization, hyperparameters } = config;
  const found = Object.fromEntries(
    Object.entries(result.params).filter(
      ([name]) => name in hyperparameters && name !== 'monotone_constraints',
    ),
  );
  const fixedRounds = optimization.refit_rounds === 'mean_best';
  return {
    ...config,
    hyperparameters: { ...hyperparameters, ...found },
    ...(fixedRounds && { training: { ...config.training, early_stopping_rounds: 0 } }),
  };
}

/** What a report says beside the search itself. */
export interface SearchSetting {
  /** Description of the engine. */
  readonly engine: string;
  readonly machine: string;
  readonly warnings: readonly string[];
}

const settings = (options: Readonly<Record<string, unknown>>) =>
  Object.entries(options).flatMap(([key, value]) =>
    key === 'name' || value === undefined ? [] : [`${key} ${String(value)}`],
  );

/** How the search was set up, as the report lists it. */
function setupOf(experiment: PreparedExperiment, generation: number): [string, string][] {
  const { optimization } = experiment.loaded.config;
  const { sampler, pruner } = optimization;
  const patience = optimization.early_stopping_rounds;
  return [
    ['sampler', [sampler.name, ...settings(sampler)].join(', ')],
    ['pruner', [pruner.name, ...settings(pruner)].join(', ')],
    ['trials', String(optimization.n_trials)],
    ['generation', `${generation} trials at a time`],
    ['early stopping in folds', patience === 0 ? 'off' : `after ${patience} rounds`],
    ['rounds of the optimised model', optimization.refit_rounds],
    ['seed of folds and models', String(experiment.seed)],
  ];
}

function reportOf(
  experiment: PreparedExperiment,
  result: OptimizeResult,
  { engine, machine, warnings }: SearchSetting,
  out: string,
): string {
  const { config, path } = experiment.loaded;
  const { rows } = experiment.splits[0]!;
  return optimizationReport({
    name: config.experiment.name,
    description: config.experiment.description,
    engine,
    metric: experiment.metrics[0]!,
    direction: result.direction,
    folds: `${config.optimization.cv} ${foldMethod(experiment)} folds of ${rows.end - rows.start} rows`,
    trials: result.trials,
    search: { seconds: result.timings.search_s, trials: result.newTrials },
    baselineScores: result.cvScores.baseline,
    optimizedScores: result.cvScores.optimized,
    baselineParams: experiment.params as unknown as Readonly<Record<string, unknown>>,
    importances: result.importances,
    setup: setupOf(experiment, result.generation),
    machine,
    warnings,
    configPath: `${path} --out ${out}`,
    studyName: result.studyName,
    paths: { journal: '../study.journal', plots: `../${CHARTS_FOLDER}` },
  });
}

/**
 * Writes what a search leaves: model, results, scores of the folds, config, plots and report.
 * @returns the plots
 */
export async function writeSearch(
  output: OutputFolder,
  experiment: PreparedExperiment,
  result: OptimizeResult,
  setting: SearchSetting,
): Promise<string[]> {
  await output.writeDeliverable('models/optimized_model.json', result.optimized.model.toText());
  await output.writeDeliverable(CV_SCORES_FILE, toJson(result.cvScores));
  await output.writeDeliverable('configs/best_config.yaml', stringify(bestConfig(experiment, result)));
  await output.writeDeliverable('optimization_results.json', toJson(resultsJson(experiment, result)));
  const report = reportOf(experiment, result, setting, output.path);
  await output.writeDeliverable('reports/optimization_report.md', report);
  const { trials, direction, importances } = result;
  const plots = await studyPlots({ trials, direction, metric: experiment.metrics[0]! }, importances);
  for (const [name, svg] of Object.entries(plots)) await output.write(`${CHARTS_FOLDER}/${name}`, svg);
  return Object.values(plots);
}
