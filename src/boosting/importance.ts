import type { Forest, ModelFeature } from './forest.ts';

/** What one feature contributed to a model, under the names of XGBoost's `get_score`. */
export interface FeatureImportance {
  readonly feature: string;
  /** Number of splits on the feature. */
  readonly weight: number;
  /** Mean loss reduction of those splits. */
  readonly gain: number;
  readonly total_gain: number;
  /** Mean sum of Hessians of the rows that those splits divided. */
  readonly cover: number;
  readonly total_cover: number;
}

/**
 * Importances of the features that some split uses, in schema order; as in XGBoost, the others do not appear. Totals
 * are binary64 sums in node order, so equal models have equal importances.
 */
export function featureImportances(forest: Forest, features: readonly ModelFeature[]): FeatureImportance[] {
  const weight = new Float64Array(features.length);
  const totalGain = new Float64Array(features.length);
  const totalCover = new Float64Array(features.length);
  forest.feature.forEach((f, n) => {
    if (f < 0) return;
    weight[f]! += 1;
    totalGain[f]! += forest.gain[n]!;
    totalCover[f]! += forest.cover[n]!;
  });
  return features.flatMap(({ name }, f) => {
    const splits = weight[f]!;
    if (splits === 0) return [];
    return {
      feature: name,
      weight: splits,
      gain: totalGain[f]! / splits,
      total_gain: totalGain[f]!,
      cover: totalCover[f]! / splits,
      total_cover: totalCover[f]!,
    };
  });
}
