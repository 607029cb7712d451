import {
  type Comparison,
  type ExperimentRecord,
  type PairRecord,
  SHOWN_MODELS,
} from '../comparison/compare.ts';
import type { RocPoint } from '../comparison/roc.ts';
import { quantile } from '../stats/quantile.ts';
import { label, roundTicks } from './axis.ts';
import {
  axisY,
  betterText,
  bottomAxis,
  CHARACTER_WIDTH,
  domainOf,
  FONT,
  labelsWidth,
  type Marks,
  note,
  titledChart,
} from './chart-parts.ts';
import { type ChartPart, COLOURS, loadPlotting, type Plotting, SERIES, STUDY_COLOURS } from './plot.ts';

/** Files of a comparison's plots, within its folder of plots. */
export const COMPARISON_PLOTS = [
  'comparison_folds.svg',
  'comparison_differences.svg',
  'comparison_critical_differences.svg',
  'comparison_roc.svg',
  'comparison_latency.svg',
] as const;

export type ComparisonPlotName = (typeof COMPARISON_PLOTS)[number];

/** A ROC curve on the test rows. */
export interface RocCurveOf {
  readonly name: string;
  readonly points: readonly RocPoint[];
}

const INNER_WIDTH = 720;
const ROW_HEIGHT = 26;
const AXIS_HEIGHT = 44;
const NAME_LENGTH = 32;
/** More curves on top of each other cannot be told apart. */
const MOST_CURVES = 6;

/** A number of a note, with at most four significant digits. */
const brief = (value: number) => String(Number(value.toPrecision(4)));

const compose = (title: string, parts: readonly ChartPart[]) => titledChart(INNER_WIDTH, title, parts);

const nameOf = (name: string) => label(name, NAME_LENGTH);

const namesWidth = (names: readonly string[]) => labelsWidth(names.map(nameOf));

/** A chart with a row for each name. */
function rowsChart(
  { Plot, document }: Plotting,
  names: readonly string[],
  domain: readonly [number, number],
  axis: string,
  marks: Marks,
): ChartPart {
  const height = names.length * ROW_HEIGHT + AXIS_HEIGHT + 8;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 8,
    marginBottom: AXIS_HEIGHT,
    marginLeft: namesWidth(names),
    marginRight: 12,
    style: FONT,
    x: { domain },
    y: { type: 'band', domain: [...names.keys()], padding: 0.3 },
    marks: [
      ...bottomAxis(Plot, domain, axis),
      Plot.axisY({ tickFormat: (band: number) => nameOf(names[band]!), tickSize: 0, label: null }),
      ...marks,
    ],
  });
  return { plot, height };
}

const finiteScores = ({ cv_scores: scores = [] }: ExperimentRecord) => scores.filter(Number.isFinite);

/** A box and the single scores of the folds for each model, the best on top. */
async function foldBoxes({ experiments, metric, direction }: Comparison): Promise<string | undefined> {
  const shown = experiments.slice(0, SHOWN_MODELS).filter((model) => finiteScores(model).length > 0);
  if (shown.length === 0) return undefined;
  const plotting = await loadPlotting();
  const { Plot } = plotting;
  const boxes = shown.map((model, band) => {
    const sorted = finiteScores(model).sort((a, b) => a - b);
    const [low, q1, median, q3, high] = [0, 0.25, 0.5, 0.75, 1].map((part) => quantile(sorted, part));
    return { band, low, q1, median, q3, high };
  });
  const dots = shown.flatMap((model, band) => finiteScores(model).map((score) => ({ band, score })));
  const domain = domainOf(dots.map(({ score }) => score));
  return compose('Scores on the folds', [
    note(`${betterText(metric, direction)}: quartiles, extremes and every fold.`),
    rowsChart(
      plotting,
      shown.map(({ name }) => name),
      domain,
      metric,
      [
        Plot.ruleY(boxes, { x1: 'low', x2: 'high', y: 'band', stroke: COLOURS.muted }),
        Plot.barX(boxes, { x1: 'q1', x2: 'q3', y: 'band', fill: COLOURS.other, fillOpacity: 0.6 }),
        Plot.tickX(boxes, { x: 'median', y: 'band', stroke: COLOURS.text, strokeWidth: 2 }),
        Plot.dot(dots, { x: 'score', y: 'band', r: 3, fill: COLOURS.accent, fillOpacity: 0.8 }),
      ],
    ),
  ]);
}

interface DrawnInterval {
  readonly band: number;
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

function intervalsOf(
  pairs: readonly PairRecord[],
  key: 'mean_difference' | 'test_difference',
): { names: string[]; intervals: DrawnInterval[] } {
  const having = pairs.slice(0, SHOWN_MODELS - 1).filter((pair) => pair[key] !== undefined);
  return {
    names: having.map(({ second }) => second),
    intervals: having.map((pair, band) => {
      const { estimate, low, high } = pair[key]!;
      return { band, estimate, low, high };
    }),
  };
}

/** The best model's difference from each other one with its interval, over the folds and on the test rows. */
async function differences({
  pairs,
  metric,
  direction,
  best_model: best,
  alpha,
}: Comparison): Promise<string | undefined> {
  const panels = [
    { title: 'Over the folds, Nadeau and Bengio', ...intervalsOf(pairs, 'mean_difference') },
    { title: 'On the test rows, bootstrap', ...intervalsOf(pairs, 'test_difference') },
  ].filter(({ names }) => names.length > 0);
  if (panels.length === 0) return undefined;
  const plotting = await loadPlotting();
  const { Plot } = plotting;
  const parts = panels.flatMap(({ title, names, intervals }): ChartPart[] => {
    const domain = domainOf([0, ...intervals.flatMap(({ low, high }) => [low, high])]);
    return [
      { text: title, style: 'heading' },
      rowsChart(plotting, names, domain, `${nameOf(best.name)} − model, ${metric}`, [
        Plot.ruleX([0], { stroke: COLOURS.text }),
        Plot.ruleY(intervals, { x1: 'low', x2: 'high', y: 'band', stroke: COLOURS.accent, strokeWidth: 2 }),
        Plot.dot(intervals, { x: 'estimate', y: 'band', r: 4, fill: COLOURS.accent }),
      ]),
    ];
  });
  const side = direction === 'minimize' ? 'left' : 'right';
  return compose(`${nameOf(best.name)} against the others`, [
    note(`${brief(100 * (1 - alpha))} % intervals; ${side} of 0 ${nameOf(best.name)} is better.`),
    ...parts,
  ]);
}

/** Average ranks on a line, with bars over models that Nemenyi's test cannot tell apart (Demšar, JMLR 2006). */
async function criticalDifferences({
  statistical_tests: tests,
  alpha,
}: Comparison): Promise<string | undefined> {
  const { average_ranks: ranks, nemenyi } = tests;
  if (ranks === undefined || nemenyi === undefined) return undefined;
  const { Plot, document } = await loadPlotting();
  const models = Object.entries(ranks)
    .map(([name, rank]) => ({ name: nameOf(name), rank }))
    .sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  const first = nemenyi.groups.length + 1;
  const places = models.map((model, i) => ({ ...model, y: first + i }));
  const bars = nemenyi.groups.map((group, i) => {
    const ofGroup = group.map((name) => ranks[name]!);
    // A bar of equal ranks would have no length.
    return { x1: Math.min(...ofGroup) - 0.03, x2: Math.max(...ofGroup) + 0.03, y: i + 0.6 };
  });
  const most = models.length;
  const room = namesWidth(models.map(({ name }) => name));
  const difference = nemenyi.critical_difference;
  const ruler = Math.min(difference, most - 1);
  const height = (first + most + 2) * 20 + 20;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 34,
    marginBottom: 8,
    marginLeft: 16,
    marginRight: room,
    style: FONT,
    x: { domain: [1, most] },
    y: { domain: [first + most, -1], axis: null },
    marks: [
      Plot.axisX(
        Array.from({ length: most }, (_, i) => i + 1),
        { anchor: 'top', tickFormat: String, tickSize: 0, color: COLOURS.muted, label: null },
      ),
      Plot.ruleY([0], { stroke: COLOURS.muted }),
      Plot.ruleY([{ x1: 1, x2: 1 + ruler }], {
        x1: 'x1',
        x2: 'x2',
        y: -0.7,
        stroke: STUDY_COLOURS.best,
        strokeWidth: 3,
      }),
      Plot.ruleX(places, { x: 'rank', y1: 0, y2: 'y', stroke: COLOURS.other }),
      Plot.ruleY(bars, { x1: 'x1', x2: 'x2', y: 'y', stroke: COLOURS.text, strokeWidth: 4 }),
      Plot.dot(places, { x: 'rank', y: 'y', r: 3.5, fill: COLOURS.accent }),
      Plot.text(places, { x: 'rank', y: 'y', text: 'name', textAnchor: 'start', dx: 8 }),
    ],
  });
  return compose('Critical differences', [
    note(
      `Average ranks over the folds, 1 is the best. Models under one bar differ by less than ${brief(difference)}, Nemenyi's`,
    ),
    note(
      `critical difference at ${brief(alpha)}${ruler < difference ? ', which is more than the ranks span' : ''} (orange).`,
    ),
    { plot, height },
  ]);
}

/** ROC curves on the test rows, of the best models. */
async function rocOverlay(curves: readonly RocCurveOf[]): Promise<string | undefined> {
  if (curves.length === 0) return undefined;
  const { Plot, document } = await loadPlotting();
  const shown = curves.slice(0, MOST_CURVES);
  const points = shown.flatMap(({ points: of }, curve) =>
    of.map(({ fpr, tpr }) => ({ fpr, tpr, curve, colour: SERIES[curve]! })),
  );
  const names = shown.map(({ name }, i) => ({
    name: nameOf(name),
    colour: SERIES[i]!,
    y: 0.05 + 0.06 * (shown.length - 1 - i),
  }));
  const height = 480;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 10,
    marginBottom: AXIS_HEIGHT,
    marginLeft: 60,
    marginRight: 12,
    style: FONT,
    x: { domain: [0, 1] },
    y: { domain: [0, 1] },
    color: { type: 'identity' },
    marks: [
      ...bottomAxis(Plot, [0, 1], 'false positive rate'),
      Plot.gridY({ ticks: 5, stroke: COLOURS.grid, strokeOpacity: 1 }),
      Plot.axisY({ ticks: 5, tickSize: 0, color: COLOURS.muted, label: null }),
      Plot.line(
        [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
        { x: 'x', y: 'y', stroke: COLOURS.grid, strokeDasharray: '4,4' },
      ),
      Plot.line(points, { x: 'fpr', y: 'tpr', z: 'curve', stroke: 'colour', strokeWidth: 1.8 }),
      Plot.ruleY(names, { x1: 0.55, x2: 0.6, y: 'y', stroke: 'colour', strokeWidth: 3 }),
      Plot.text(names, { x: 0.61, y: 'y', text: 'name', textAnchor: 'start' }),
    ],
  });
  const left = curves.length - shown.length;
  return compose('ROC curves on the test rows', [
    note('True positive rate by false positive rate.'),
    ...(left > 0 ? [note(`The ${shown.length} best of ${curves.length} models.`)] : []),
    { plot, height },
  ]);
}

interface LatencyDot {
  readonly name: string;
  readonly latency: number;
  readonly score: number;
  readonly isBest: boolean;
}

const LABEL_HEIGHT = 14;

/** Labels moved down by whole lines where they would lie upon an earlier one. */
function apart(
  dots: readonly LatencyDot[],
  [, right]: readonly [number, number],
  [low, high]: readonly [number, number],
  height: number,
): (LatencyDot & { readonly dy: number })[] {
  const placed: { x: number; end: number; y: number }[] = [];
  return dots.map((dot) => {
    const x = (dot.latency / right) * INNER_WIDTH;
    const end = x + dot.name.length * CHARACTER_WIDTH + 9;
    const top = ((high - dot.score) / (high - low)) * height;
    let dy = 0;
    const isTaken = () =>
      placed.some((other) => x < other.end && end > other.x && Math.abs(top + dy - other.y) < LABEL_HEIGHT);
    while (isTaken()) dy += LABEL_HEIGHT;
    placed.push({ x, end, y: top + dy });
    return { ...dot, dy };
  });
}

/** The score by which models are ranked against the time of one prediction. */
async function qualityByLatency({
  experiments,
  best_model: best,
  metric,
  direction,
}: Comparison): Promise<string | undefined> {
  const dots = experiments.slice(0, SHOWN_MODELS).flatMap((model) => {
    const score = best.basis === 'cv' ? model.cv_mean : model.metrics[best.basis]?.[metric];
    const { latency_us: latency, name } = model;
    if (latency === undefined || !(latency > 0) || score === undefined || !Number.isFinite(score)) return [];
    return [{ name: nameOf(name), latency, score, isBest: name === best.name }];
  });
  if (dots.length === 0) return undefined;
  const { Plot, document } = await loadPlotting();
  const times = dots.map(({ latency }) => latency);
  const x: [number, number] = [0, Math.max(...times) * 1.1];
  const y = domainOf(dots.map(({ score }) => score));
  const ticks = roundTicks(...y, 5);
  const height = 340;
  const labels = apart(dots, x, y, height - AXIS_HEIGHT);
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 16,
    marginBottom: AXIS_HEIGHT,
    marginLeft: labelsWidth(ticks.map((tick) => tick.label)) + 2,
    marginRight: namesWidth(dots.map(({ name }) => name)),
    style: FONT,
    x: { domain: x },
    y: { domain: y },
    marks: [
      ...bottomAxis(Plot, x, 'microseconds a row'),
      ...axisY(Plot, ticks),
      Plot.dot(dots, {
        x: 'latency',
        y: 'score',
        r: 5,
        fill: ({ isBest }: { isBest: boolean }) => (isBest ? STUDY_COLOURS.best : COLOURS.accent),
      }),
      ...labels.map(({ dy, ...dot }) =>
        Plot.text([dot], { x: 'latency', y: 'score', text: 'name', textAnchor: 'start', dx: 9, dy }),
      ),
    ],
  });
  return compose('Quality against latency', [
    note(`${betterText(metric, direction)}, by the median time of predicting one row.`),
    { plot, height },
  ]);
}

/**
 * The plots of a comparison as SVG files by name; one that has nothing to show is absent. Shows the best SHOWN_MODELS models.
 * @param curves of the models on the test rows, the best first
 */
export async function comparisonPlots(
  comparison: Comparison,
  curves: readonly RocCurveOf[],
): Promise<Partial<Record<ComparisonPlotName, string>>> {
  const drawn: Record<ComparisonPlotName, string | undefined> = {
    'comparison_folds.svg': await foldBoxes(comparison),
    'comparison_differences.svg': await differences(comparison),
    'comparison_critical_differences.svg': await criticalDifferences(comparison),
    'comparison_roc.svg': await rocOverlay(curves),
    'comparison_latency.svg': await qualityByLatency(comparison),
  };
  return Object.fromEntries(Object.entries(drawn).filter(([, svg]) => svg !== undefined));
}
