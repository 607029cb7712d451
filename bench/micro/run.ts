// Runs every micro-benchmark of this folder, each file in a fresh process: npm run bench:micro [-- NAME …]
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = new URL('.', import.meta.url);
const subjects = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && name !== 'run.ts')
  .map((name) => name.slice(0, -3));
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !subjects.includes(name));
if (unknown !== undefined)
  throw new Error(`There is no subject ${unknown}; there are ${subjects.join(', ')}.`);

for (const name of wanted.length === 0 ? subjects : wanted) {
  process.stdout.write(`${name}\n`);
  const file = fileURLToPath(new URL(`${name}.ts`, folder));
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', file], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  process.stdout.write('\n');
}
