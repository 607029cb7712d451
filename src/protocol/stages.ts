import { InputError } from '../errors.ts';

/** Stages of the protocol, in order. */
export const STAGES = ['baseline', 'optimize', 'ensemble', 'compare', 'gates', 'evidence'] as const;
export type StageName = (typeof STAGES)[number];

/**
 * Checks names of stages, each by itself.
 * @throws InputError for an unknown one.
 */
export function stageNames(names: readonly string[]): StageName[] {
  for (const name of names) {
    if (!(STAGES as readonly string[]).includes(name)) {
      throw new InputError(`There is no stage named ${name}; the stages are ${STAGES.join(', ')}.`);
    }
  }
  return names as StageName[];
}

/**
 * Checks a list of stages to run.
 * @throws InputError for an unknown stage, or one without a stage that it builds on.
 */
export function parseStages(names: readonly string[]): StageName[] {
  const stages = stageNames(names);
  if (names.includes('ensemble') && !names.includes('optimize')) {
    throw new InputError('The stage ensemble takes the models of optimize; add optimize to --stages.');
  }
  if (names.length === 0)
    throw new InputError(`There is no stage to run; the stages are ${STAGES.join(', ')}.`);
  if (!names.includes('baseline') && !names.includes('optimize')) {
    throw new InputError(
      `The stage ${names[0]} needs models of the same run: add baseline or optimize${names.includes('compare') ? ', or compare finished runs with lockstep compare' : ''}.`,
    );
  }
  return stages;
}
