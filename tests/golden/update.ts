// Adds to fingerprints.json what it lacks. `--anew` writes all of it anew; for a change that raises numerics_version, and
// for no other.
import { readFileSync, writeFileSync } from 'node:fs';
import { GOLDEN_CASES, GOLDEN_SEEDS, goldenFingerprint } from './golden.ts';

const file = new URL('fingerprints.json', import.meta.url);
const known: Record<string, string[]> = process.argv.includes('--anew')
  ? {}
  : JSON.parse(readFileSync(file, 'utf8'));
const golden: Record<string, string[]> = {};
for (const name of Object.keys(GOLDEN_CASES)) {
  golden[name] = known[name] ?? [];
  for (const seed of GOLDEN_SEEDS) golden[name][seed] ??= await goldenFingerprint(name, seed);
}
writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`);
