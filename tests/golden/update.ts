// Writes fingerprints.json anew; for a change that raises numerics_version, and for no other.
import { writeFileSync } from 'node:fs';
import { PUBLIC_SETS, type PublicSet } from '../public-sets.ts';
import { GOLDEN_SEEDS, goldenFingerprint } from './golden.ts';

const golden: Record<string, string[]> = {};
for (const name of Object.keys(PUBLIC_SETS) as PublicSet[]) {
  golden[name] = [];
  for (const seed of GOLDEN_SEEDS) golden[name].push(await goldenFingerprint(name, seed));
}
writeFileSync(new URL('fingerprints.json', import.meta.url), `${JSON.stringify(golden, null, 2)}\n`);
