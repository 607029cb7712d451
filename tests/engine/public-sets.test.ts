import { describe, it } from 'vitest';
import { checkPublicSet } from './public-sets.ts';

describe('the CPU engine on real data', () => {
  it.each(['breast_cancer', 'diabetes', 'digits', 'titanic'] as const)(
    'equals the reference on %s for 1, 2, 3 and 8 threads, alone and in batches',
    (name) => checkPublicSet(name, { seeds: 3, rounds: 3 }),
  );
});
