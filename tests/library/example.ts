import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../..', import.meta.url).pathname;

export const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The lines that `npm start` prints, but for those that name the output folder. */
export function exampleOutput(...options: string[]): string[] {
  const out = mkdtempSync(join(tmpdir(), 'lockstep-readme-'));
  try {
    const args = ['bin/lockstep.js', 'run', 'examples/adult/experiment.yaml', '--out', out, '--quiet'];
    const printed = execFileSync(process.execPath, [...args, ...options], { cwd: root, encoding: 'utf8' });
    return printed.split('\n').flatMap((line) => (line.includes(out) ? [] : [line.trimEnd()]));
  } finally {
    rmSync(out, { recursive: true });
  }
}
