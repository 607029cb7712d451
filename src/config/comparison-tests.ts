/** Tests of two models. */
export const PAIR_TESTS = ['nadeau_bengio', 'paired_ttest', 'wilcoxon', 'mcnemar', 'delong'] as const;
export type PairTestName = (typeof PAIR_TESTS)[number];

/** Tests that may decide a comparison; friedman is followed by Holm's comparisons with the best model. */
export const DECIDING_TESTS = [
  'nadeau_bengio',
  'paired_ttest',
  'wilcoxon',
  'friedman',
  'mcnemar',
  'delong',
] as const satisfies readonly (PairTestName | 'friedman')[];
export type DecidingTest = (typeof DECIDING_TESTS)[number];
