/** Ways of making one model of several. */
export const ENSEMBLE_METHODS = ['voting', 'stacking', 'blending', 'weighted', 'greedy'] as const;
export type EnsembleMethod = (typeof ENSEMBLE_METHODS)[number];
