import type { EnsembleResult, SkippedEnsemble } from './ensemble.ts';
import type { CvScores } from './optimize.ts';
import { type OutputFolder, toJson } from './output.ts';
import { CV_SCORES_FILE } from './run-data.ts';

const memberFile = (name: string) => `${name}_model.json`;

/** ensemble_results.json. */
function resultsJson({ members, fitted, best, leftOut, onlyTrained, timings }: EnsembleResult) {
  return {
    members: members.map(({ name, value, foldScores, model }) => ({
      name,
      value,
      fold_scores: foldScores,
      fingerprint: model.fingerprint,
      file: `models/${memberFile(name)}`,
    })),
    methods: fitted.map(({ method, score, foldScores, scores, combiner, model }) => ({
      method,
      score,
      fold_scores: foldScores,
      metrics: scores.metrics,
      combiner,
      fingerprint: model.fingerprint,
    })),
    best: best.method,
    left_out: leftOut,
    only_trained_members: onlyTrained,
    seconds: timings.ensemble_s,
  };
}

/** Writes why the stage ensemble has left nothing. */
export async function writeSkippedEnsemble(output: OutputFolder, skipped: SkippedEnsemble): Promise<void> {
  await output.writeDeliverable('ensemble_results.json', toJson(skipped));
}

/**
 * Writes what the stage ensemble leaves: members, an ensemble for each method, which names the members' files, the best one with its
 * members inside, the scores, and cv_scores.json with the best one's.
 */
export async function writeEnsemble(
  output: OutputFolder,
  result: EnsembleResult,
  cvScores: CvScores,
): Promise<void> {
  const { members, fitted, best } = result;
  for (const { name, model } of members) {
    if (name.startsWith('trial_'))
      await output.writeDeliverable(`models/${memberFile(name)}`, model.toText());
  }
  for (const { method, model } of fitted) {
    await output.writeDeliverable(`models/ensemble_${method}.json`, model.toTextWithFiles(memberFile));
  }
  await output.writeDeliverable('models/ensemble_model.json', best.model.toText());
  await output.writeDeliverable('ensemble_results.json', toJson(resultsJson(result)));
  await output.writeDeliverable(CV_SCORES_FILE, toJson({ ...cvScores, ensemble: best.foldScores }));
}
