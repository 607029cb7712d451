import { describe, expect, it } from 'vitest';
import { exampleOutput, readme } from './example.ts';

/** Spaces between columns depend on what else is in a table. */
const withoutWidths = (text: string) => text.replace(/ +/g, ' ');

describe('the README', () => {
  it("shows the baseline's table and fingerprint that the example gives", () => {
    const lines = exampleOutput('--stages', 'baseline');
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) expect(withoutWidths(readme)).toContain(withoutWidths(line));
  });
});
