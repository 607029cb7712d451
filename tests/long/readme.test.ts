import { expect, it } from 'vitest';
import { exampleOutput, readme } from '../library/example.ts';

it('the README shows what the example prints, line by line', () => {
  const lines = exampleOutput();
  expect(lines.length).toBeGreaterThan(40);
  for (const line of lines) expect(readme).toContain(line);
});
