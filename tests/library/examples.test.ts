import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const example = `${root}/examples/typed-arrays.mjs`;

describe('examples/typed-arrays.mjs', () => {
  it('is at most 15 lines of code and prints the loss, a fingerprint and a prediction', () => {
    const code = readFileSync(example, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('//'));
    expect(code.length).toBeLessThanOrEqual(15);
    const lines = execFileSync(process.execPath, [example], { cwd: root, encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(lines).toHaveLength(6);
    const [rounds, fingerprint, prediction] = lines.at(-1)!.split(' ');
    expect(rounds).toBe('50');
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(Number(prediction)).toBeGreaterThan(0.9);
  });
});
