import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BenchData, type BenchOutcome, resultsOf } from '../../src/bench/benchmark.ts';
import type { Measurement } from '../../src/bench/measure.ts';
import { benchChart, dataReports, markdownReport } from '../../src/bench/report.ts';
import { resolveParams } from '../../src/index.ts';
import { barChart } from '../../src/reporting/bar-chart.ts';
import { measurement, repeat } from './measurements.ts';

const data: BenchData = {
  name: 'set',
  train_rows: 12_345,
  val_rows: 1000,
  features: 20,
  categorical_features: 3,
  metric: 'auc_roc',
  seed: 42,
  params: resolveParams({ objective: 'binary:logistic', n_estimators: 10 }),
};

function outcome(measurements: readonly Measurement[]): BenchOutcome {
  return {
    started: '2026-01-02T03:04:05.000Z',
    seconds: 61,
    machine: {
      cpu: 'Some CPU',
      cores: 2,
      memory_gb: 8,
      platform: 'linux x64',
      node_version: '20.20.2',
      simd: 'avx2',
      simd_levels: ['avx2', 'scalar'],
      load_average: [0.5, 0.4, 0.3],
    },
    python: null,
    settings: { repeats: 2, wait_s: 1, timeout_s: 10 },
    data: [data],
    results: resultsOf(measurements, data),
    not_run: [{ name: 'catboost', reason: 'this Python has no package catboost' }],
    interrupted: false,
  };
}

const full = outcome([
  measurement('lockstep', [repeat(1, 0.0123456), repeat(2, 0.0123456)]),
  measurement('xgboost', [repeat(1, 0.1, { busy: 0.9 })]),
  measurement('lightgbm', [], { failure: 'it ended with exit code 1: <no> memory & "more"' }),
  measurement('lockstep', [repeat(1, 0.05)], { batch: 8 }),
]);

/** Throws where tags of an XML text do not nest or an ampersand is bare; returns the names of its elements. */
function elementsOf(xml: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  for (const [, end, name, empty] of xml.matchAll(/<(\/?)([A-Za-z]+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/g)) {
    if (end) expect(open.pop()).toBe(name);
    else {
      names.push(name!);
      if (!empty) open.push(name!);
    }
  }
  expect(open).toEqual([]);
  const rest = xml.replaceAll(/<(\/?)([A-Za-z]+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/g, '');
  expect(rest).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|apos|nbsp|#\d+);)/);
  return names;
}

describe('the tables', () => {
  it('have a row for each subject with its time, range, ratio, and whether the machine was busy', () => {
    const [report] = dataReports(full);
    expect(report!.task).toBe(
      '12,345 rows × 20 features (3 categorical); 1,000 rows to validate on; 10 rounds, depth 6, auc_roc each round',
    );
    expect(report!.boosting.rows).toEqual([
      ['lockstep cpu', '1', '0.5', '0.0123', '0.0123–0.0123', '0.12×', '1,200', '0.90000', '0.80000'],
      ['xgboost 1.2.3', '1', '0.5', '0.1*', '0.1–0.1', '1.00×', '148', '0.90000', '0.80000'],
    ]);
    expect(report!.batches!.rows).toEqual([['lockstep cpu', '1', '8', '0.05', '0.05–0.05', '160', '1.98×']]);
    expect(report!.notes).toEqual([
      '* on a busy machine: other processes used up to 0.9 cores',
      'lightgbm, 1 thread failed: it ended with exit code 1: <no> memory & "more"',
    ]);
  });

  it('say what was left out for a peer, and how the trees of catboost differ, once each', () => {
    const noted = { ...repeat(1, 1), notes: ['catboost has no gamma; it was left out'] };
    const { notes } = dataReports(
      outcome([measurement('catboost', [noted]), measurement('catboost', [noted], { threads: 2 })]),
    )[0]!;
    expect(notes).toHaveLength(2);
    expect(notes[0]).toBe('catboost has no gamma; it was left out');
    expect(notes[1]).toMatch(/^catboost grows symmetric trees/);
  });

  it('are in the Markdown too, with the machine and what was not run', () => {
    const text = markdownReport(full);
    expect(text).toContain('Some CPU, 2 cores, 8 GiB; linux x64; Node 20.20.2; avx2; load 0.50');
    expect(text).toContain('| lockstep cpu | 1 | 0.5 | 0.0123 |');
    expect(text).toContain('- catboost: this Python has no package catboost');
    expect(text).toContain('- \\* on a busy machine');
  });
});

describe('the chart', () => {
  it('is one well-formed SVG without script that follows the colour scheme, with a label for every bar', async () => {
    const svg = (await benchChart(full))!;
    const elements = elementsOf(svg);
    expect(elements[0]).toBe('svg');
    expect(elements).not.toContain('script');
    expect(svg).toMatch(/^<svg [^>]*width="600"/);
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
    for (const label of [
      'lockstep cpu, 1 thread',
      'xgboost 1.2.3, 1 thread',
      '0.0123 s · 0.12×',
      '0.1 s* · 1.00×',
    ]) {
      expect(svg).toContain(`>${label}<`);
    }
    expect(elements.filter((name) => name === 'rect')).toHaveLength(3);
    expect(svg).not.toContain('batch');
  });

  it('is the same text each time', async () => {
    expect(await benchChart(full)).toBe(await benchChart(full));
  });

  it('is not made where nothing was measured', async () => {
    expect(
      await benchChart(outcome([measurement('xgboost', [], { failure: 'it crashed' })])),
    ).toBeUndefined();
  });

  it('is well-formed for any names and values, from 0 where bars are alike and logarithmic where they are not', async () => {
    const bar = fc.record({
      label: fc.string({ minLength: 1, maxLength: 30 }),
      value: fc.double({ min: 1e-4, max: 1e4, noNaN: true }),
      text: fc.string({ minLength: 1, maxLength: 20 }),
      accent: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 100 }),
        fc.array(bar, { minLength: 1, maxLength: 6 }),
        async (heading, bars) => {
          const svg = await barChart({
            title: heading,
            panels: [
              {
                heading,
                detail: heading,
                axis: 'seconds',
                bars: bars.map((one) => ({ ...one, low: one.value * 0.9, high: one.value * 1.1 })),
              },
            ],
            notes: [heading],
          });
          expect(elementsOf(svg).filter((name) => name === 'rect')).toHaveLength(1 + bars.length);
          expect(svg).not.toContain('NaN');
          const values = bars.map(({ value }) => value);
          const factor = (1.1 * Math.max(...values)) / (0.9 * Math.min(...values));
          expect(svg.includes('seconds, logarithmic')).toBe(factor > 40);
          for (const width of svg.matchAll(/<rect[^>]* width="([^"]*)"/g)) {
            expect(Number(width[1])).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
