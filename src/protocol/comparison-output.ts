import type { Comparison } from '../comparison/compare.ts';
import { SHOWN_MODELS } from '../comparison/compare.ts';
import { type ComparedModel, predictionsOf, type TestRows } from '../comparison/compared-model.ts';
import { rocPoints } from '../comparison/roc.ts';
import { type ComparisonPlotName, comparisonPlots, type RocCurveOf } from '../reporting/comparison-plots.ts';
import { comparisonAnalysis, comparisonSummary } from '../reporting/comparison-report.ts';
import { CHARTS_FOLDER, type OutputFolder, toJson } from './output.ts';

/** The files of a comparison, below its folder. */
const COMPARISON_FILES = {
  summary: 'experiment_comparison.md',
  json: 'experiment_comparison.json',
  analysis: 'reports/comparison_analysis.md',
} as const;

const CURVE_POINTS = 200;

/** ROC curves of the best models of two classes, in the order of the comparison. */
async function curvesOf(
  { experiments }: Comparison,
  models: readonly ComparedModel[],
  rows: TestRows | undefined,
): Promise<RocCurveOf[]> {
  if (rows?.kind !== 'binary') return [];
  const byName = new Map(models.map((model) => [model.name, model]));
  const curves: RocCurveOf[] = [];
  for (const { name } of experiments.slice(0, SHOWN_MODELS)) {
    const scores = await predictionsOf(byName.get(name)!, rows);
    const points = scores && rocPoints(rows, scores, CURVE_POINTS);
    if (points !== undefined) curves.push({ name, points });
  }
  return curves;
}

/**
 * Writes a comparison: summary, JSON, analysis and plots.
 * @returns the plots
 */
export async function writeComparison(
  output: OutputFolder,
  title: string,
  comparison: Comparison,
  { models, rows }: { readonly models: readonly ComparedModel[]; readonly rows: TestRows | undefined },
): Promise<string[]> {
  const drawn = await comparisonPlots(comparison, await curvesOf(comparison, models, rows));
  for (const [name, svg] of Object.entries(drawn)) await output.write(`${CHARTS_FOLDER}/${name}`, svg);
  const plots = Object.keys(drawn) as ComparisonPlotName[];
  const { summary, json, analysis } = COMPARISON_FILES;
  const input = { title, comparison, plots };
  await output.writeDeliverable(
    summary,
    comparisonSummary({ ...input, plotFolder: CHARTS_FOLDER, other: analysis }),
  );
  await output.writeDeliverable(json, toJson(comparison));
  await output.writeDeliverable(
    analysis,
    comparisonAnalysis({ ...input, plotFolder: `../${CHARTS_FOLDER}`, other: `../${summary}` }),
  );
  return Object.values(drawn);
}
