import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;

describe('the README', () => {
  it('shows the table and the fingerprint that the example gives', () => {
    const out = mkdtempSync(join(tmpdir(), 'lockstep-readme-'));
    const args = ['bin/lockstep.js', 'run', 'examples/adult/experiment.yaml', '--out', out, '--quiet'];
    const printed = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    rmSync(out, { recursive: true });
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const lines = printed.split('\n').filter((line) => !line.includes(out));
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) expect(readme).toContain(line.trimEnd());
  });
});
