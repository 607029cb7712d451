import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GOLDEN_CASES, GOLDEN_SEEDS, goldenFingerprint } from './golden.ts';

const golden = JSON.parse(readFileSync(new URL('fingerprints.json', import.meta.url), 'utf8'));

describe('the committed fingerprints', () => {
  it.each(Object.keys(GOLDEN_CASES))('are what training on %s gives here', async (name) => {
    const found = await Promise.all(GOLDEN_SEEDS.map((seed) => goldenFingerprint(name, seed)));
    expect(found).toEqual(golden[name]);
  });
});
