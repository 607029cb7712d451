import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundTicks } from '../../src/reporting/axis.ts';
import {
  importanceBars,
  optimizationHistory,
  parallelCoordinates,
  pruningTimeline,
  STUDY_PLOTS,
  type StudyPlotInput,
  slicePlots,
  studyPlots,
} from '../../src/reporting/study-plots.ts';
import { parameterImportances } from '../../src/tuning/importance.ts';
import type { Distribution } from '../../src/tuning/space.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { SPACE, studyOf } from './studies.ts';
import { descendants, marks, numberOf, parseSvg, type SvgElement, textsOf } from './svg.ts';

const BEST = 'var(--best)';
const FAILED = 'var(--failed)';
const ACCENT = 'var(--accent)';
const OTHER = 'var(--other)';

const input = (trials: readonly Trial[]): StudyPlotInput => ({
  trials,
  direction: 'minimize',
  metric: 'logloss',
});
const study = studyOf(60);
const countOf = (state: Trial['state'], of: readonly Trial[] = study) =>
  of.filter((trial) => trial.state === state).length;
const complete = () => ({ state: () => 'complete' as const });

/** Points of a path of straight lines. */
const points = (path: SvgElement): [number, number][] =>
  [...path.attributes.get('d')!.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);

const dots = (root: SvgElement, look: Readonly<Record<string, string>>) =>
  marks(root, { 'aria-label': 'dot', ...look });

const ODD: Readonly<Record<string, Distribution>> = {
  'a <very> & "long" name of a parameter': {
    type: 'categorical',
    choices: ['x&y', '<b>', null, true, 3.25, '\u0000\ud800"\'', 'a choice that is longer than its place'],
  },
  fixed: { type: 'float', low: 2, high: 2, log: false },
  only: { type: 'categorical', choices: ['one'] },
  narrow: { type: 'float', low: 0.12345, high: 0.12346, log: false },
  huge: { type: 'float', low: -1e12, high: 5e13, log: false },
  endless: { type: 'float', low: -1e308, high: 1e308, log: false },
  bit: { type: 'int', low: 0, high: 1, log: false, step: 1 },
};

const STUDIES: Readonly<Record<string, readonly Trial[]>> = {
  'no trials': [],
  'one trial': studyOf(1),
  'no complete trials': studyOf(12, { state: (i) => (i % 2 ? 'pruned' : 'fail') }),
  'trials that are all running': studyOf(3, { state: () => 'running' }),
  'infinite values alone': studyOf(5, { ...complete(), value: () => Infinity }),
  'infinite values among others': studyOf(40, {
    value: (i, drawn) => (i === 0 ? Infinity : i === 3 ? -Infinity : i === 6 ? 1e300 : drawn),
  }),
  'values that are NaN': studyOf(10, { value: (i, drawn) => (i < 5 ? Number.NaN : drawn) }),
  'equal values': studyOf(30, { ...complete(), value: () => 0.5, steps: 1 }),
  'odd parameters': studyOf(40, { space: ODD }),
  'no parameters': studyOf(10, { space: {} }),
  'fifty parameters': studyOf(30, {
    space: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, SPACE.lambda!])),
  }),
};

describe('plots of studies', () => {
  it.each(Object.entries(STUDIES))('are well-formed and place all they draw, with %s', async (_, trials) => {
    for (const direction of ['minimize', 'maximize'] as const) {
      const plots = await studyPlots({ trials, direction, metric: 'a & b' });
      expect(Object.keys(plots)).toEqual([...STUDY_PLOTS]);
      for (const [name, svg] of Object.entries(plots)) {
        const root = parseSvg(svg);
        expect(root.name).toBe('svg');
        expect(root.children[0]!.name).toBe('title');
        for (const { attributes } of descendants(root)) {
          for (const [key, value] of attributes) {
            if (key !== 'xmlns') expect(value, `${name}: ${key}`).not.toMatch(/NaN|undefined|Infinity|null/);
          }
        }
      }
    }
  });

  it('are the same bytes for the same trials, whenever those ran and whatever was drawn before', async () => {
    const first = await studyPlots(input(study));
    const moved = studyOf(60).map((trial) => ({
      ...trial,
      started: new Date(0),
      ended: undefined,
      userAttrs: { ...trial.userAttrs, seconds: 7 },
    }));
    await studyPlots(input(studyOf(7)));
    expect(await studyPlots(input(moved))).toEqual(first);
  });

  it('differ where trials do, each of them', async () => {
    const [one, other] = [await studyPlots(input(study)), await studyPlots(input(studyOf(61)))];
    for (const name of STUDY_PLOTS) expect(other[name], name).not.toBe(one[name]);
  });

  it('stay below a megabyte with 10,000 trials, say what they leave out and keep the best', async () => {
    const plots = await studyPlots(input(studyOf(10_000)));
    for (const svg of Object.values(plots)) expect(svg.length).toBeLessThan(1_000_000);
    for (const name of [
      'optimization_history',
      'parallel_coordinates',
      'slices',
      'pruning_timeline',
    ] as const) {
      const root = parseSvg(plots[`${name}.svg`]);
      expect(textsOf(root).filter((text) => / of \d+ .*are drawn/.test(text)).length, name).toBeGreaterThan(
        0,
      );
      expect(marks(root, { fill: BEST }).length, name).toBeGreaterThan(0);
    }
  });

  it('show studies without a complete trial as such', async () => {
    const plots = await studyPlots(input(STUDIES['no complete trials']!));
    expect(plots['parallel_coordinates.svg']).toContain('No trial with parameters is complete yet.');
    expect(plots['slices.svg']).toContain('No trial with parameters is complete yet.');
    expect(plots['parameter_importances.svg']).toContain('Importances need two complete trials at least.');
  });
});

describe('the optimization history', () => {
  it('has a mark for every complete, pruned and failed trial', async () => {
    const root = parseSvg(await optimizationHistory(input(study)));
    expect(dots(root, { fill: ACCENT })).toHaveLength(countOf('complete'));
    expect(dots(root, { stroke: OTHER })).toHaveLength(countOf('pruned'));
    expect(dots(root, { stroke: FAILED })).toHaveLength(countOf('fail'));
  });

  it('has a line of the best so far that only improves and ends at the best trial, either way', async () => {
    for (const direction of ['minimize', 'maximize'] as const) {
      const root = parseSvg(await optimizationHistory({ ...input(study), direction }));
      const [line] = marks(root, { 'aria-label': 'line', stroke: BEST });
      const heights = points(line!).map(([, y]) => y);
      const down = direction === 'minimize' ? 1 : -1;
      expect(heights.length).toBeGreaterThan(2);
      heights.slice(1).forEach((y, i) => {
        expect(down * (y - heights[i]!)).toBeGreaterThanOrEqual(0);
      });
      const [best] = dots(root, { fill: BEST });
      expect(numberOf(best!, 'cy')).toBeCloseTo(heights.at(-1)!, 2);
      const values = dots(root, { fill: ACCENT }).map((dot) => down * numberOf(dot, 'cy'));
      expect(down * numberOf(best!, 'cy')).toBe(Math.max(...values));
    }
  });

  it('passes over values that are NaN', async () => {
    const gaps = studyOf(60, { value: (i, drawn) => (i < 5 ? Number.NaN : drawn) });
    const rest = studyOf(60, { state: (i) => (i < 5 ? 'running' : study[i]!.state) });
    expect(await optimizationHistory(input(gaps.filter(({ state }) => state !== 'pruned')))).toBe(
      await optimizationHistory(input(rest.filter(({ state }) => state !== 'pruned'))),
    );
  });

  it('is not squashed by a value far off, which stands at the end of the axis', async () => {
    const far = studyOf(60, { value: (i, drawn) => (i === 4 ? drawn - 1e9 : drawn) });
    const heights = (svg: string) => dots(parseSvg(svg), { fill: ACCENT }).map((dot) => numberOf(dot, 'cy'));
    const spread = (of: readonly number[]) => Math.max(...of) - Math.min(...of);
    const worst = await optimizationHistory({ ...input(far), direction: 'maximize' });
    expect(worst).toContain('1 value beyond the axis or infinite: drawn at its end.');
    const others = heights(worst)
      .sort((a, b) => a - b)
      .slice(0, -1);
    expect(spread(others)).toBeGreaterThan(0.8 * spread(heights(worst)));
    expect(await optimizationHistory(input(study))).not.toContain('beyond the axis');
  });
});

describe('parallel coordinates', () => {
  it('have a line for each complete trial, and the best again on top of them', async () => {
    const root = parseSvg(await parallelCoordinates(input(study)));
    const lines = marks(root, { 'aria-label': 'line' });
    expect(lines).toHaveLength(countOf('complete') + 1);
    const best = marks(root, { 'aria-label': 'line', stroke: BEST });
    expect(best).toEqual(lines.slice(-1));
    // The best stands at the end of the first axis.
    const firsts = lines.map((line) => points(line)[0]![1]);
    expect(firsts.at(-1)).toBe(Math.max(...firsts));
  });

  it('colour by value: no worse trial is darker than a better one', async () => {
    const root = parseSvg(await parallelCoordinates(input(study)));
    const lines = marks(root, { 'aria-label': 'line', 'stroke-opacity': '0.6' });
    const byValue = lines
      .map(
        (line) =>
          [points(line)[0]![1], Number(/ramp-(\d)/.exec(line.attributes.get('stroke')!)![1])] as const,
      )
      .sort(([a], [b]) => a - b)
      .map(([, ramp]) => ramp);
    expect(byValue).toEqual([...byValue].sort((a, b) => a - b));
    expect(new Set(byValue).size).toBeGreaterThan(4);
  });

  it('space logarithmic axes by factors', async () => {
    const rates = [0.001, 0.01, 0.1, 1];
    const distribution: Distribution = { type: 'float', low: 0.001, high: 1, log: true };
    const trials = studyOf(4, { ...complete(), space: { rate: distribution } }).map((trial, i) => ({
      ...trial,
      params: new Map([['rate', { value: rates[i]!, distribution }]]),
    }));
    const root = parseSvg(await parallelCoordinates(input(trials)));
    expect(textsOf(root)).toContain('rate (log)');
    const heights = marks(root, { 'aria-label': 'line', 'stroke-opacity': '0.6' })
      .map((line) => points(line)[1]![1])
      .sort((a, b) => a - b);
    const gaps = heights.slice(1).map((y, i) => y - heights[i]!);
    for (const gap of gaps) expect(gap).toBeCloseTo(gaps[0]!, 1);
    expect(gaps[0]).toBeGreaterThan(50);
  });

  it('name every parameter and every choice', async () => {
    const texts = textsOf(parseSvg(await parallelCoordinates(input(study))));
    for (const [name, distribution] of Object.entries(SPACE)) {
      expect(texts).toContain(
        distribution.type !== 'categorical' && distribution.log ? `${name} (log)` : name,
      );
    }
    expect(texts).toEqual(expect.arrayContaining(['depthwise', 'lossguide']));
  });

  it('leave gaps where a trial lacks a parameter', async () => {
    const trials = study.map((trial) => ({
      ...trial,
      params: new Map([...trial.params].filter(([name]) => name !== 'subsample' || trial.number % 2 === 0)),
    }));
    const lines = marks(parseSvg(await parallelCoordinates(input(trials))), { 'aria-label': 'line' });
    const broken = lines.filter((line) => line.attributes.get('d')!.lastIndexOf('M') > 0).length;
    const odd = trials.filter(({ state, number }) => state === 'complete' && number % 2 === 1).length;
    expect(broken === odd || broken === odd + 1).toBe(true);
  });
});

describe('slices', () => {
  it('have a panel for each parameter, with a dot for each complete trial that has it', async () => {
    const trials = study.map((trial) => ({
      ...trial,
      params: new Map([...trial.params].filter(([name]) => name !== 'max_bin' || trial.number < 20)),
    }));
    const root = parseSvg(await slicePlots(input(trials)));
    const small = descendants(root).filter(({ attributes }) => attributes.get('r') === '2.2');
    const scored = countOf('complete');
    const early = countOf('complete', study.slice(0, 20));
    expect(small).toHaveLength(scored * (Object.keys(SPACE).length - 1) + early);
    expect(textsOf(root)).toEqual(expect.arrayContaining(['learning_rate (log)', 'max_depth', 'max_bin']));
  });
});

describe('parameters with one value', () => {
  it('stand in the middle of their axis', async () => {
    const trials = studyOf(9, { ...complete(), space: { fixed: ODD.fixed!, only: ODD.only! } });
    const small = descendants(parseSvg(await slicePlots(input(trials)))).filter(
      ({ attributes }) => attributes.get('r') === '2.2',
    );
    expect(small).toHaveLength(18);
    expect(new Set(small.map((dot) => dot.attributes.get('cx'))).size).toBe(1);
    const [first, ...others] = marks(parseSvg(await parallelCoordinates(input(trials))), {
      'aria-label': 'line',
    }).map((line) => points(line).slice(1));
    expect(first!.map(([, y]) => y)).toEqual([242, 242]);
    for (const other of others) expect(other).toEqual(first);
  });
});

describe('the bars of importances', () => {
  it('fall, by the shares', async () => {
    const importances = parameterImportances(study, 'minimize');
    const root = parseSvg(await importanceBars(importances));
    const widths = marks(root, { 'aria-label': 'bar' }).map((bar) => numberOf(bar, 'width'));
    const shares = [...importances.values()];
    widths.forEach((width, i) => {
      expect(width / widths[0]!).toBeCloseTo(shares[i]! / shares[0]!, 6);
    });
    expect(widths).toHaveLength(Object.keys(SPACE).length);
    expect(textsOf(root).slice(-widths.length)).toEqual(
      shares.map((share) => `${(100 * share).toFixed(1)} %`),
    );
  });
});

describe('the pruning timeline', () => {
  it('places trials at the step at which they ended', async () => {
    const root = parseSvg(await pruningTimeline(input(study)));
    const done = dots(root, { fill: ACCENT });
    const stopped = dots(root, { stroke: OTHER });
    expect(done).toHaveLength(countOf('complete'));
    expect(stopped).toHaveLength(countOf('pruned'));
    const top = numberOf(done[0]!, 'cy');
    const bottom = 200;
    const pruned = study.filter(({ state }) => state === 'pruned');
    stopped.forEach((dot, i) => {
      const step = Math.max(...pruned[i]!.intermediate.keys());
      expect(numberOf(dot, 'cy')).toBeCloseTo(bottom - ((bottom - top) * step) / 120, 6);
    });
  });

  it('draws a curve for each trial that reported more than one value', async () => {
    const root = parseSvg(await pruningTimeline(input(study)));
    const visible = marks(root, { 'aria-label': 'line' }).filter((line) => points(line).length > 1);
    expect(visible).toHaveLength(study.filter(({ intermediate }) => intermediate.size > 1).length);
  });

  it('says so where nothing was reported', async () => {
    const silent = study.map((trial) => ({ ...trial, intermediate: new Map<number, number>() }));
    expect(await pruningTimeline(input(silent))).toContain('No finished trial has reported');
  });
});

describe('round ticks', () => {
  it('lie within the interval, ascend and are labelled with what they are', () => {
    const bound = fc.double({ min: -1e12, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(bound, fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (low, width) => {
        fc.pre(low + width > low && Math.abs(low) < 1e6 * width);
        const high = low + width;
        const ticks = roundTicks(low, high, 5);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(6);
        const slack = 1e-6 * width;
        for (const [i, { value, label }] of ticks.entries()) {
          expect(value).toBeGreaterThanOrEqual(low - slack);
          expect(value).toBeLessThanOrEqual(high + slack);
          expect(Math.abs(Number(label) - value)).toBeLessThanOrEqual(slack);
          if (i > 0) expect(value).toBeGreaterThan(ticks[i - 1]!.value);
        }
      }),
    );
  });
});

describe('the reader of SVG in these tests', () => {
  it.each([
    '<svg><g></svg></g>',
    '<svg><g></svg>',
    '<svg>a & b</svg>',
    '<svg>&nbsp;</svg>',
    '<svg a=b></svg>',
    '<svg a="1" a="2"></svg>',
    '<svg a="<"></svg>',
    '<svg>\u0000</svg>',
    '<svg></svg><svg></svg>',
    '',
  ])('refuses %j', (xml) => {
    expect(() => parseSvg(xml)).toThrow();
  });
});
