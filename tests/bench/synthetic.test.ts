import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  generateSynthetic,
  parseSynthetic,
  syntheticName,
  validationRows,
} from '../../src/bench/synthetic.ts';
import { InputError, train } from '../../src/index.ts';

async function generate(rows: number, features: number, seed = 42) {
  const columns: Float32Array[] = [];
  const label = await generateSynthetic({ rows, features, seed }, async (f, values) => {
    expect(f).toBe(columns.length);
    columns.push(values);
  });
  return { columns, label };
}

const mean = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0) / values.length;
function deviation(values: Float32Array): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((x) => (x - center) ** 2)));
}

describe('a synthetic table', () => {
  it('has the bytes that it had when this test was written', async () => {
    const { columns, label } = await generate(1001, 20);
    const hash = createHash('sha256');
    for (const column of [...columns, label]) hash.update(column);
    expect(hash.digest('hex')).toMatchInlineSnapshot(
      `"dc076d3446bb463dc6da6e045164a26f16543e8fec6b8fdd9b09cff0819283b9"`,
    );
  });

  it('depends on the seed, and its first values not on the number of rows or features', async () => {
    const table = await generate(403, 9);
    expect((await generate(403, 9)).columns).toEqual(table.columns);
    expect((await generate(403, 9, 43)).columns).not.toEqual(table.columns);
    expect((await generate(403, 9, 42 + 2 ** 32)).columns).not.toEqual(table.columns);
    const larger = await generate(1000, 12);
    expect(larger.columns.slice(0, 6).map((column) => column.subarray(0, 403))).toEqual(
      table.columns.slice(0, 6),
    );
  });

  it('has normal features but for a third of them, which are skewed, and nearly as many ones as zeros', async () => {
    const { columns, label } = await generate(20_000, 30);
    columns.forEach((column, f) => {
      const values = f >= 10 && f < 20 ? column.map((x) => 2 * Math.log(x)) : column;
      expect(Math.abs(mean(values))).toBeLessThan(0.04);
      expect(Math.abs(deviation(values) - 1)).toBeLessThan(0.03);
    });
    expect(new Set(label)).toEqual(new Set([0, 1]));
    expect(Math.abs(mean(label) - 0.5)).toBeLessThan(0.1);
  });

  it('can be learnt, but not perfectly', async () => {
    const { columns, label } = await generate(8000, 12);
    const part = (start: number, end: number) => ({
      features: Object.fromEntries(columns.map((column, f) => [`f${f}`, column.subarray(start, end)])),
      label: label.subarray(start, end),
    });
    const { history } = await train({
      ...part(0, 6000),
      validation: part(6000, 8000),
      metrics: ['auc_roc'],
      params: { objective: 'binary:logistic', n_estimators: 60, learning_rate: 0.1 },
    });
    const auc = history.validation!.auc_roc!.at(-1)!;
    expect(auc).toBeGreaterThan(0.65);
    expect(auc).toBeLessThan(0.95);
  });
});

describe('the name of a synthetic set', () => {
  it('is read back, whatever the size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 100_000_000 }),
        fc.integer({ min: 2, max: 10_000 }),
        (rows, features) => {
          expect(parseSynthetic(syntheticName({ rows, features }))).toEqual({ rows, features });
        },
      ),
    );
  });

  it.each([
    '',
    'synth',
    'synth:100',
    'synth:99x5',
    'synth:1000x1',
    'synth:1e5x10',
    'synth:100x10001',
    'data.csv',
    'synth:-5x3',
    ' synth:100x5',
  ])('%j is refused with what to write', (name) => {
    expect(() => parseSynthetic(name)).toThrow(InputError);
    expect(() => parseSynthetic(name)).toThrow(/write synth:ROWSxFEATURES, such as synth:100000x50/);
  });
});

it('validation rows are a quarter of the training rows, then 20,000, then a twentieth', () => {
  expect([100, 79_999, 80_000, 100_000, 1_000_000].map(validationRows)).toEqual([
    25, 19_999, 20_000, 20_000, 50_000,
  ]);
});
