import type { Kernels } from './kernels.ts';

/** Where the words of the buffers that host and shaders share lie; `preamble` tells the shaders. */

function numbered<const Names extends readonly (readonly [string, number])[]>(
  fields: Names,
): { readonly [Field in Names[number][0]]: number } & { readonly size: number } {
  let size = 0;
  const places: Record<string, number> = {};
  for (const [name, words] of fields) {
    places[name] = size;
    size += words;
  }
  return { ...places, size } as never;
}

/** A unit of growth: one class of one job. Starts are indices into the buffer named; binary64 numbers take two words. */
export const UNIT = numbered([
  ['objective', 1],
  ['class', 1],
  ['classes', 1],
  ['depth', 1],
  ['trained', 1], // training rows; they are the first positions of the job
  ['positions', 1], // all rows with a margin
  ['rows', 1], // in tables: the row of each position
  ['labels', 1],
  ['weights', 1], // NONE: all 2^24
  ['margins', 1],
  ['gradients', 1],
  ['order', 1],
  ['nodes', 1],
  ['slots', 1], // the first histogram
  ['seed', 2],
  ['resumed', 1], // rounds trained before the batch
  ['sampled', 1],
  ['threshold', 1],
  ['draws', 1], // whether features are drawn
  ['drawn', 3], // features left by each step; 0: all
  ['lambda', 2],
  ['least_hessian', 2],
  ['constants', 1], // in units: alpha, min_gain, leaf_scale, max_delta for each shift
  ['bounded', 1],
  ['monotone', 1], // in units; 0: none
  ['onehot', 1],
  ['cat_threshold', 1],
  ['filtered', 1],
  ['lambda32', 1],
  ['alpha32', 1],
] as const);

export const NODE = numbered([
  ['feature', 1], // NONE: a leaf
  ['split', 1], // bin; bit 8: missing to the left; bit 9: categorical
  ['left', 1],
  ['leaf', 1],
  ['sums', 4],
  ['gain', 2],
  ['begin', 1],
  ['count', 1],
  ['slot', 1],
  ['minus', 1], // the histogram to be subtracted from that of slot; NONE: it is built from rows
  ['fresh', 1], // the slot of the smaller child
  ['heap', 1],
  ['low', 2],
  ['high', 2],
  ['codes', 8],
] as const);

export const STATE = numbered([
  ['range', 1],
  ['rows', 1],
  ['sums', 4],
  ['level_start', 1],
  ['level_end', 1],
  ['nodes', 1],
  ['slots', 1],
] as const);

/** A scored row set of a job. Starts are indices into the buffer named. */
export const EVAL = numbered([
  ['rows', 1],
  ['listed', 1], // in eval positions; NONE: the positions from `first` on
  ['first', 1],
  ['weights', 1], // in eval weights; NONE: all 2^24
  ['labels', 1],
  ['margins', 1],
  ['classes', 1], // margins of a row
  ['table', 1], // in tables: the row of each position of the job
  ['wanted', 1], // of WANT
  ['sums', 1],
] as const);

/** A ranking of a scored row set; with several classes, by the log-odds of one. */
export const RANK = numbered([
  ['eval', 1],
  ['class', 1],
  ['rows', 1], // in ranked: twice those of the row set
  ['tiles', 1], // the first of the wave's
  ['blocks', 1],
  ['sums', 1], // pairs, then precisions
  ['negative', 2], // weight of all negative rows
  ['positive', 2],
] as const);

/** Rankings of one row set that are made together. */
export const SPAN = numbered([
  ['eval', 1],
  ['rank', 1],
  ['ranks', 1],
] as const);

/** Sums that only some metrics need. */
export const WANT = { loss: 1, precision: 2, relative: 4 } as const;
/** Words of a sum of a round. */
export const SUM_WORDS = 4;
/** Rows of a ranking that a workgroup takes. */
export const RANK_TILE = 2048;
/** Rows of a ranking whose weights are summed in 32 bits. */
export const RANK_BLOCK = 256;

/** Fields of the uniform of a pass, a word each. */
export const PASS = [
  'round',
  'depth',
  'first', // unit
  'units',
  'width', // nodes of a level that there may be
  'start', // node of the level that the dispatch begins with
  'direct', // whether each node of the dispatch has its histogram built, in the slot of its number there
  'chunks', // of features in a search
  'chunk', // features of one
  'shares', // workgroups that a node's rows are shared among
  'stride', // words of a row
  'cells', // of a histogram
  'features',
  'objective',
  'leaving', // words from a feature mask to its scratch
  'ranks', // in scores
  'spans', // in scores
  'digit', // that rankings are sorted by
] as const;

export type Pass = Record<(typeof PASS)[number], number>;

export const OBJECTIVES = { logistic: 0, softmax: 1, squared_error: 2 } as const;
/** Invocations of a workgroup that takes rows. */
export const LANES = 256;
/** Words of a search result: score, feature, place, sums of the left side. */
export const RESULT_STRIDE = 8;
/** In tables: where the descriptors of the features begin, four words each: first cell, codes, categorical, unused. */
export const FEATURES = 4;
export const NONE = 0xffffffff;
/** Shifts of squared-error gradients, 0 … 8. */
export const SHIFTS = 9;
/** Words of a tree's constants for one shift. */
export const CONSTANT_WORDS = 8;

/** Where the tables of losses and log-odds begin in the one buffer that holds them. */
export const METRIC_SEGMENTS = { softplus: 0, exp: 2048, log: 4096 } as const;

function constants(prefix: string, fields: Record<string, number>): string {
  return Object.entries(fields)
    .map(
      ([name, place]) => `const ${prefix}_${name === 'size' ? 'STRIDE' : name.toUpperCase()} = ${place}u;\n`,
    )
    .join('');
}

/** WGSL that every shader begins with. */
export function preamble({ searchLanes, histogramLanes, histogramBytes }: Kernels): string {
  return [
    constants('UNIT', UNIT),
    constants('NODE', NODE),
    constants('STATE', STATE),
    constants('OBJECTIVE', OBJECTIVES),
    constants('EVAL', EVAL),
    constants('RANK', RANK),
    constants('SPAN', SPAN),
    constants('WANT', WANT),
    constants('SEGMENTS', METRIC_SEGMENTS),
    `const RANK_TILE = ${RANK_TILE}u;\n`,
    `const SEARCH_LANES = ${searchLanes}u;\nconst HISTOGRAM_LANES = ${histogramLanes}u;\n`,
    `const HISTOGRAM_WORDS = ${histogramBytes / 4}u;\n`,
    `const RESULT_STRIDE = ${RESULT_STRIDE}u;\nconst FEATURES = ${FEATURES}u;\n`,
    `struct Pass {\n${PASS.map((field) => `  ${field}: u32,\n`).join('')}}\n`,
    'fn shift_of(range: u32) -> u32 { return max(32u - countLeadingZeros(range), 23u) - 23u; }\n',
  ].join('');
}
