import { stringify } from 'yaml';
import { studyPlots } from '../reporting/study-plots.ts';
import { externalValue } from '../tuning/space.ts';
import type { Trial } from '../tuning/trial.ts';
import type { OptimizeResult } from './optimize.ts';
import { type OutputFolder, toJson } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';

function trialJson({ number, params, value, state, intermediate, userAttrs }: Trial) {
  return {
    number,
    params: Object.fromEntries(
      [...params].map(([name, param]) => [name, externalValue(param.distribution, param.value)]),
    ),
    value: value ?? null,
    state,
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
      generation: optimization.generation,
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

/** Writes what a search leaves: model, results, scores of the folds, config, plots and report. */
export async function writeSearch(
  output: OutputFolder,
  experiment: PreparedExperiment,
  result: OptimizeResult,
): Promise<void> {
  await output.writeDeliverable('models/optimized_model.json', result.optimized.model.toText());
  await output.writeDeliverable('metrics/cv_scores.json', toJson(result.cvScores));
  await output.writeDeliverable('configs/best_config.yaml', stringify(bestConfig(experiment, result)));
  await output.writeDeliverable('optimization_results.json', toJson(resultsJson(experiment, result)));
  const { trials, direction } = result;
  const plots = await studyPlots({ trials, direction, metric: experiment.metrics[0]! });
  for (const [name, svg] of Object.entries(plots)) await output.write(`plots/${name}`, svg);
}
