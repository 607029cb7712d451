import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Comparison, compareModels, SHOWN_MODELS } from '../../src/comparison/compare.ts';
import type { ComparedModel } from '../../src/comparison/compared-model.ts';
import { writeComparison } from '../../src/protocol/comparison-output.ts';
import { OutputFolder } from '../../src/protocol/output.ts';
import { COMPARISON_PLOTS, comparisonPlots } from '../../src/reporting/comparison-plots.ts';
import { comparisonAnalysis, comparisonSummary } from '../../src/reporting/comparison-report.ts';
import { binaryPredictions, binaryRows, model } from '../comparison/support.ts';
import { firstTable } from './markdown.ts';
import { marks, numberOf, parseSvg, textsOf } from './svg.ts';

const rows = binaryRows(80, 1);

/** Models of three folds, the first one the best, that differ in all that a report shows. */
const modelsOf = (count: number, named = (i: number) => `m${i}`): ComparedModel[] =>
  Array.from({ length: count }, (_, i) =>
    model(
      named(i),
      [0.9, 0.91, 0.92].map((score) => score - i / 200),
      {
        metrics: { train: { auc_roc: 0.99 }, val: { auc_roc: 0.9 - i / 200 }, test: { auc_roc: 0.8 } },
        predictions: binaryPredictions(rows, 0.5 - i / 100, i + 2),
        trainingSeconds: 1 + i,
        bytes: 1000 * (i + 1),
        latencyUs: 10 + i,
      },
    ),
  );
const compared = (models: readonly ComparedModel[]) =>
  compareModels(models, { metric: 'auc_roc', metrics: ['accuracy'], rows });

const reportsOf = (comparison: Comparison) => {
  const input = { title: 'adult', comparison, plots: [...COMPARISON_PLOTS] };
  return {
    summary: comparisonSummary({ ...input, plotFolder: 'plots', other: 'analysis.md' }),
    analysis: comparisonAnalysis({ ...input, plotFolder: '../plots', other: '../summary.md' }),
  };
};

/** Cells of the first table after a text. */
function tableAfter(report: string, text: string): string[][] {
  const at = report.indexOf(text);
  expect(at, `${text} is there`).toBeGreaterThanOrEqual(0);
  return firstTable(report.slice(at));
}

describe('the reports of a comparison', () => {
  it('have the verdict, the models by rank with the best in bold, and what they cost', async () => {
    const comparison = await compared(modelsOf(3));
    for (const report of Object.values(reportsOf(comparison))) {
      expect(report).toContain(`\n${comparison.verdict}\n`);
      const [head, , ...models] = tableAfter(report, comparison.verdict);
      expect(head).toEqual([
        'model',
        'auc_roc, folds',
        'train',
        'validation',
        'test',
        'training',
        'size',
        'latency',
      ]);
      expect(models[0]).toEqual([
        '**m0**',
        '0.910000 ± 0.0100000',
        '0.990000',
        '0.900000',
        '0.800000',
        '1.0 s',
        '1.0 kB',
        '10.00 µs',
      ]);
      expect(models.map(([name]) => name)).toEqual(['**m0**', 'm1', 'm2']);
    }
  });

  it('have the numbers of the JSON in the table of each test', async () => {
    const comparison = await compared(modelsOf(2));
    const { analysis } = reportsOf(comparison);
    const tests = tableAfter(analysis, '| against | test |').slice(2);
    const pair = comparison.pairs[0]!;
    expect(tests.map(([, name]) => name)).toEqual(Object.keys(pair.tests));
    for (const [second, name, , p, adjusted, significant] of tests) {
      const test = pair!.tests[name as keyof typeof pair.tests]!;
      expect(second).toBe('m1');
      expect(Number(p)).toBeCloseTo(test.p_value, 3);
      expect(Number(adjusted)).toBeCloseTo(test.adjusted_p_value, 3);
      expect(significant).toBe(test.significant ? 'yes' : 'no');
    }
    const [interval] = tableAfter(analysis, 'with intervals\n').slice(2);
    const { estimate, low, high } = comparison.experiments[0]!.intervals!.auc_roc!;
    const numbers = [...interval![1]!.matchAll(/[\d.]+/g)].map(([text]) => Number(text));
    for (const [i, value] of [estimate, low, high].entries()) expect(numbers[i]).toBeCloseTo(value, 5);
  });

  it('name each test that was not run with the reason, also where weights are why', async () => {
    const weighted = {
      ...rows,
      weights: rows.labels instanceof Float64Array ? rows.labels.map((y) => 1 + y) : [],
    };
    const comparison = await compareModels(modelsOf(2), {
      metric: 'auc_roc',
      rows: weighted,
      test: 'delong',
    });
    const { summary, analysis } = reportsOf(comparison);
    expect(analysis).toContain(
      '- delong: it counts all rows alike, and the test rows have weights that differ; the bootstrap heeds them.',
    );
    expect(analysis).toContain('- mcnemar: it counts all rows alike');
    expect(summary).toContain("DeLong's test (`comparison.test`). It was not run: it counts all rows alike");
  });

  it('do without the sections that have nothing to show', async () => {
    const comparison = await compareModels(
      [
        { name: 'a', metrics: { val: { rmse: 1 } } },
        { name: 'b', metrics: { val: { rmse: 2 } } },
      ],
      { metric: 'rmse' },
    );
    const { analysis } = reportsOf(comparison);
    for (const heading of [
      'on the folds',
      'Calibration',
      'Overfitting',
      'All models together',
      'with intervals',
    ])
      expect(analysis).not.toMatch(new RegExp(`^## .*${heading}`, 'm'));
    expect(analysis).toMatch(/^## Not run$/m);
    expect(analysis).not.toMatch(/NaN|null/);
  });

  it('stay short for many models, whatever their number', async () => {
    const fewer = reportsOf(await compared(modelsOf(SHOWN_MODELS + 1)));
    const many = reportsOf(await compared(modelsOf(60)));
    for (const kind of ['summary', 'analysis'] as const) {
      expect(many[kind].split('\n')).toHaveLength(fewer[kind].split('\n').length);
      expect(many[kind]).toContain(
        `The best ${SHOWN_MODELS} of 60 models; experiment_comparison.json has all.`,
      );
      expect(many[kind]).not.toMatch(/\bm25\b/);
      expect(many[kind].split('\n').every((line) => line.length < 2000)).toBe(true);
    }
  });

  it('keep their tables whatever the models are called', async () => {
    const name = fc.string({
      minLength: 1,
      maxLength: 12,
      unit: fc.constantFrom('|', '\n', '&', '<', '"', 'a', 'ß', '𝒳'),
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { minLength: 3, maxLength: 3 }), async (names) => {
        const comparison = await compareModels(
          modelsOf(3, (i) => names[i]!).map(({ predictions: _, ...rest }) => rest),
          { metric: 'auc_roc' },
        );
        const { analysis } = reportsOf(comparison);
        const table = tableAfter(analysis, '## Cost');
        expect(table).toHaveLength(5);
        for (const row of table) expect(row).toHaveLength(4);
        for (const svg of Object.values(await comparisonPlots(comparison, []))) parseSvg(svg!);
      }),
      { numRuns: 5 },
    );
  });
});

describe('the plots of a comparison', () => {
  it('have a box and every fold of each model, and the differences about 0', async () => {
    const comparison = await compared(modelsOf(3));
    const drawn = await comparisonPlots(comparison, []);
    const folds = parseSvg(drawn['comparison_folds.svg']!);
    expect(marks(folds, { 'aria-label': 'bar' })).toHaveLength(3);
    const dots = marks(folds, { 'aria-label': 'dot' });
    expect(dots).toHaveLength(9);
    // The best model's scores are to the right of those of the worst, fold by fold.
    for (let fold = 0; fold < 3; fold++)
      expect(numberOf(dots[fold]!, 'cx')).toBeGreaterThan(numberOf(dots[6 + fold]!, 'cx'));
    const apart = parseSvg(drawn['comparison_differences.svg']!);
    // Two pairs over the folds, two on the test rows.
    expect(marks(apart, { 'aria-label': 'dot' })).toHaveLength(4);
    expect(textsOf(apart).join('\n')).toContain('95 % intervals; right of 0 m0 is better.');
    const ranks = parseSvg(drawn['comparison_critical_differences.svg']!);
    const places = marks(ranks, { 'aria-label': 'dot' }).map((dot) => numberOf(dot, 'cx'));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(new Set(places).size).toBe(3);
    const latency = parseSvg(drawn['comparison_latency.svg']!);
    const [best, , worst] = marks(latency, { 'aria-label': 'dot' });
    expect(numberOf(best!, 'cx')).toBeLessThan(numberOf(worst!, 'cx'));
    expect(numberOf(best!, 'cy')).toBeLessThan(numberOf(worst!, 'cy'));
    expect(drawn).not.toHaveProperty('comparison_roc.svg');
  });

  it('show the best of many models, and six ROC curves at most', async () => {
    const comparison = await compared(modelsOf(SHOWN_MODELS + 5));
    const points = [
      { fpr: 0, tpr: 0 },
      { fpr: 0.2, tpr: 0.7 },
      { fpr: 1, tpr: 1 },
    ];
    const curves = comparison.experiments.slice(0, 9).map(({ name }) => ({ name, points }));
    const drawn = await comparisonPlots(comparison, curves);
    const folds = parseSvg(drawn['comparison_folds.svg']!);
    expect(marks(folds, { 'aria-label': 'bar' })).toHaveLength(SHOWN_MODELS);
    const roc = parseSvg(drawn['comparison_roc.svg']!);
    expect(marks(roc, { 'aria-label': 'line', 'stroke-width': '1.8' })).toHaveLength(6);
    expect(textsOf(roc)).toContain('The 6 best of 9 models.');
    expect(drawn).not.toHaveProperty('comparison_critical_differences.svg');
  });

  it('are none of models without folds, predictions and latency', async () => {
    const comparison = await compareModels(
      [
        { name: 'a', metrics: { val: { rmse: 1 } } },
        { name: 'b', metrics: { val: { rmse: 2 } } },
      ],
      { metric: 'rmse' },
    );
    expect(await comparisonPlots(comparison, [])).toEqual({});
  });
});

describe('the files of a comparison', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lockstep-comparison-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are the reports, the JSON and the plots that reports link, of predictions that are read when needed too', async () => {
    let reads = 0;
    const models = modelsOf(3).map((one) => ({
      ...one,
      predictions: async () => {
        reads++;
        return one.predictions as Float64Array;
      },
    }));
    const comparison = await compared(models);
    expect(comparison).toEqual(await compared(modelsOf(3)));
    const before = reads;
    const output = await OutputFolder.create(join(folder, 'out'));
    await writeComparison(output, 'adult', comparison, { models, rows });
    expect(reads - before).toBe(3);
    const files = (await readdir(output.path, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(output.path.length + 1))
      .sort();
    expect(files).toEqual([...output.written].sort());
    expect(files.filter((file) => !file.startsWith('evidence/'))).toEqual(
      [
        'experiment_comparison.json',
        'experiment_comparison.md',
        'reports/comparison_analysis.md',
        ...COMPARISON_PLOTS.map((name) => `visualizations/${name}`),
      ].sort(),
    );
    const json = JSON.parse(await readFile(join(output.path, 'experiment_comparison.json'), 'utf8'));
    expect(json).toEqual(JSON.parse(JSON.stringify(comparison)));
    const analysis = await readFile(join(output.path, 'reports/comparison_analysis.md'), 'utf8');
    const links = [...analysis.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path]) => path!);
    expect(links.length).toBeGreaterThan(COMPARISON_PLOTS.length);
    for (const link of links) expect(files).toContain(link);
  });
});
