import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { areaBelow, bandOf, meanLine, precisionLine, rocLine } from '../../src/reporting/curves.ts';
import { escapeHtml } from '../../src/reporting/html/markup.ts';
import { type PageInput, pageHtml } from '../../src/reporting/html/page.ts';
import {
  confusionChart,
  importanceChart,
  residualChart,
  trainingCurves,
} from '../../src/reporting/model-plots.ts';
import { parseSvg, textsOf } from './svg.ts';

const EVIL = `<script>alert(1)</script>"'&`;

async function pageOf(text: string, whole = true): Promise<PageInput> {
  const charts = whole
    ? [
        await trainingCurves(text, [{ name: text, train: [3, 2, 1], val: [3, 2, 2] }], 2),
        await confusionChart(
          text,
          'Test',
          [text, 'other'],
          [
            [1, 2],
            [0, 0],
          ],
        ),
      ]
    : [];
  const none: string[] = [];
  return {
    name: text,
    description: text,
    tags: [text],
    metric: 'auc_roc',
    metrics: ['auc_roc'],
    scores: { [text]: { train: { auc_roc: 0.75 } } },
    rows: { train: 10 },
    part: 'train',
    charts: {
      ...{ learning: charts, curves: none, confusion: none, calibration: none },
      ...{ residuals: none, importances: none, search: none, comparison: none },
    },
    ...(whole && {
      search: {
        trials: [0.5, 0.7, Number.NaN].map((value, number) => ({
          ...{
            number,
            value,
            state: 'complete' as const,
            intermediate: new Map(),
            userAttrs: {},
            systemAttrs: {},
          },
          params: new Map([
            [text, { value: 0, distribution: { type: 'categorical' as const, choices: [text] } }],
          ]),
        })),
        direction: 'maximize' as const,
        seconds: 1,
      },
      gates: {
        passed: false,
        gates: [
          {
            ...{ gate: 1 as const, title: text, passed: false },
            checks: [
              { check: 'x', title: text, measured: text, threshold: text, verdict: 'failed' as const },
            ],
          },
        ],
      },
    }),
    sources: [{ role: 'train', path: text, rows: 10, sha256: 'ab' }],
    fingerprints: { [text]: 'cd' },
    timings: [[text, 1]],
    started: 'today',
    seed: 1,
    engine: text,
    machine: text,
    warnings: [text],
    command: text,
  };
}

describe('the page of a run', () => {
  it('shows text of config and data as text, wherever it stands', async () => {
    const html = pageHtml(await pageOf(EVIL));
    expect(html).not.toContain('<script>alert');
    const { document } = parseHTML(html);
    expect(document.querySelectorAll('script')).toHaveLength(1);
    expect(document.querySelector('h1')!.textContent).toBe(EVIL);
    expect(document.querySelector('pre')!.textContent).toBe(EVIL);
    expect(document.querySelector('table[data-sortable] thead th:last-child')!.textContent).toBe(EVIL);
    for (const { attributes } of document.querySelectorAll('*'))
      for (const { name } of attributes) expect(name).toMatch(/^(?!on)[a-zA-Z][\w:-]*$/);
  });

  it('escapes any text so that a parser gives it back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const { document } = parseHTML(
          `<html><body><p title="${escapeHtml(text)}">${escapeHtml(text)}</p></body></html>`,
        );
        const made = document.querySelector('p')!;
        expect([made.textContent, made.getAttribute('title')]).toEqual([text, text]);
        expect(document.querySelectorAll('body *')).toHaveLength(1);
      }),
    );
  });

  it('leaves out characters that HTML does not have', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeHtml(`\0\u0007\uD800${text}`)).not.toMatch(/[<>"']|\p{Cs}|(?![\t\n\r])\p{Cc}/u);
      }),
    );
  });

  it('has unique ids, links that lead to one, headings in order, landmarks, and headers with a scope', async () => {
    for (const whole of [true, false]) {
      const { document } = parseHTML(pageHtml(await pageOf('a', whole)));
      const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const links = [...document.querySelectorAll('a')].map((link) => link.getAttribute('href')!);
      for (const link of links) expect(ids).toContain(link.slice(1));
      const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map(({ tagName }) => Number(tagName[1]));
      expect(levels[0]).toBe(1);
      levels.slice(1).forEach((level, i) => {
        expect(level).toBeGreaterThan(1);
        expect(level - levels[i]!).toBeLessThanOrEqual(1);
      });
      for (const name of ['header', 'nav', 'main', 'footer'])
        expect(document.querySelectorAll(name)).toHaveLength(1);
      for (const head of document.querySelectorAll('th'))
        expect(['col', 'row']).toContain(head.getAttribute('scope'));
      for (const chart of document.querySelectorAll('figure > svg')) {
        expect(chart.getAttribute('role')).toBe('img');
        expect(chart.querySelector('title')!.textContent).not.toBe('');
        expect(chart.querySelector('style')).toBeNull();
      }
    }
  });

  it('names nothing that a browser would load', async () => {
    const html = pageHtml(await pageOf('a'));
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|@import|\bsrc=/);
  });

  it('has a section only where the run has something for it, and the best trials first', async () => {
    const sections = (html: string) => [...html.matchAll(/<h2 id="(\w+)"/g)].map(([, id]) => id);
    expect(sections(pageHtml(await pageOf('a', false)))).toEqual(['scores', 'provenance', 'reproduce']);
    const whole = pageHtml(await pageOf('a'));
    expect(sections(whole)).toEqual(['scores', 'learning', 'trials', 'gates', 'provenance', 'reproduce']);
    const { document } = parseHTML(whole);
    const trials = [...document.querySelectorAll('table[data-sortable] tbody th')];
    expect(trials.map(({ textContent }) => textContent)).toEqual(['1', '0']);
  });
});

describe('curves of models', () => {
  const rates = { fpr: [0, 0.5, 1], tpr: [0.5, 1, 1] };

  it('have the area of their trapezoids', () => {
    expect(areaBelow(rocLine(rates))).toBe(0.875);
    expect(areaBelow(meanLine([rocLine(rates), { x: [0, 1], y: [0, 1] }]))).toBeCloseTo((0.875 + 0.5) / 2, 2);
  });

  it('have the precision of their thresholds, and the share of positives where all rows are found', () => {
    const { x, y } = precisionLine(rates, 0.25);
    expect(y[x.indexOf(0.5)]).toBe(1);
    expect(y.at(-1)).toBeCloseTo(0.25 / (0.25 + 0.5 * 0.75), 12);
  });

  it('lie within their band', () => {
    const { low, high } = bandOf([rocLine(rates), { x: [0, 1], y: [0, 1] }]);
    expect([low[50], high[50]]).toEqual([0.5, 1]);
    expect(low.every((value, i) => value <= high[i]!)).toBe(true);
  });
});

describe('charts of models', () => {
  it('are well-formed whatever the names are', async () => {
    const charts = [
      await trainingCurves(EVIL, [{ name: EVIL, train: [Number.NaN], val: [] }], 1),
      await residualChart(EVIL, 'Test', [1, 1], [1, 1]),
      await importanceChart(EVIL, [
        { feature: EVIL, weight: 1, gain: 3, total_gain: 3, cover: 1, total_cover: 1 },
      ]),
    ];
    for (const svg of charts) expect(parseSvg(svg).name).toBe('svg');
  });

  it('write the counts of a confusion matrix and their share of the actual class', async () => {
    const svg = await confusionChart(
      'm',
      'Test',
      ['no', 'yes'],
      [
        [3, 1],
        [0, 5],
      ],
    );
    expect(textsOf(parseSvg(svg))).toEqual(
      expect.arrayContaining(['3', '75.0 %', '1', '25.0 %', '5', '100.0 %', '0.0 %']),
    );
  });
});
