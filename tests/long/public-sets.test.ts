import { describe, it } from 'vitest';
import { checkLevels, checkPublicSet } from '../engine/public-sets.ts';
import { PUBLIC_SETS, type PublicSet } from '../public-sets.ts';

describe('the CPU engine on every public set', () => {
  it.each(Object.keys(PUBLIC_SETS) as PublicSet[])(
    'equals the reference on %s for 3 seeds, 1, 2, 3 and 8 threads, alone and in batches',
    (name) => checkPublicSet(name, { seeds: 3, rounds: 3 }),
  );

  it.each(Object.keys(PUBLIC_SETS) as PublicSet[])(
    'gives one result on %s with every instruction set, 1, 2, 3 and 8 threads, alone, in batches of 7 and 64',
    (name) => checkLevels(name, { seeds: 3, rounds: 10 }),
  );
});
