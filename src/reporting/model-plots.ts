import type { FeatureImportance } from '../boosting/importance.ts';
import type { Calibration } from '../comparison/calibration.ts';
import { label, roundTicks, wholeTicks } from './axis.ts';
import {
  axisX,
  axisY,
  bottomAxis,
  domainOf,
  FONT,
  type LegendItem,
  labelsWidth,
  legendPart,
  type Marks,
  note,
  thin,
  titledChart,
} from './chart-parts.ts';
import type { Band, Points } from './curves.ts';
import { type ChartPart, COLOURS, loadPlotting, type Plotting, RAMP, SERIES, STUDY_COLOURS } from './plot.ts';

/** Charts fit a phone's screen. */
const INNER_WIDTH = 440;
const AXIS_HEIGHT = 40;
const NAME_LENGTH = 26;
const MOST_ROUNDS = 300;
const MOST_DOTS = 1200;
const MOST_FEATURES = 20;
/** A larger matrix has cells that cannot be read. */
export const MOST_CLASSES = 20;

/** Without the middle one, on which neither light nor dark text stands out. */
const CELL_COLOURS = RAMP.filter((_, step) => step !== 3);

const nameOf = (name: string) => label(name, NAME_LENGTH);
const line = (text: string, colour: string): LegendItem => ({ text, mark: 'line', colour });

/** Values of one quantity, one a round, of the two sets. */
export interface LearningPanel {
  readonly name: string;
  readonly train: readonly number[];
  readonly val: readonly number[];
}

/** Learning curves of a model: a panel for each quantity, the best round marked. */
export async function trainingCurves(
  model: string,
  panels: readonly LearningPanel[],
  bestRound: number,
): Promise<string> {
  const plotting = await loadPlotting();
  const { Plot, document } = plotting;
  const height = 190;
  const ticksOf = ({ train, val }: LearningPanel) => {
    const finite = [...train, ...val].filter(Number.isFinite);
    if (finite.length === 0) return undefined;
    const domain = domainOf(finite);
    return { domain, ticks: roundTicks(...domain, 4) };
  };
  const labels = panels.flatMap((panel) => ticksOf(panel)?.ticks ?? []).map((tick) => tick.label);
  const marginLeft = labelsWidth(labels);
  const parts = panels.flatMap((panel): ChartPart[] => {
    const { name, train, val } = panel;
    const axis = ticksOf(panel);
    if (axis === undefined) return [];
    const { domain, ticks } = axis;
    const rounds = Math.max(train.length, val.length);
    const points = (values: readonly number[]) =>
      thin([...values.entries()], MOST_ROUNDS).map(([round, value]) => ({ round: round + 1, value }));
    const at = { x: 'round', y: 'value', strokeWidth: 1.8 };
    const plot = Plot.plot({
      document,
      width: INNER_WIDTH,
      height,
      marginTop: 8,
      marginBottom: AXIS_HEIGHT,
      marginLeft,
      marginRight: 12,
      style: FONT,
      x: { domain: [1, Math.max(2, rounds)] },
      y: { domain },
      marks: [
        ...axisY(Plot, ticks),
        ...axisX(Plot, wholeTicks(1, Math.max(2, rounds), 6), 'round'),
        Plot.ruleX([bestRound], { stroke: STUDY_COLOURS.best, strokeDasharray: '4,3' }),
        Plot.line(points(train), { ...at, stroke: COLOURS.muted }),
        Plot.line(points(val), { ...at, stroke: COLOURS.accent }),
      ],
    });
    return [
      { text: label(name, 40), style: 'heading' },
      { plot, height },
    ];
  });
  const validated = panels.some(({ val }) => val.length > 0);
  const legend = [
    line('training', COLOURS.muted),
    ...(validated ? [line('validation', COLOURS.accent)] : []),
    line(validated ? `best round, ${bestRound}` : `last round, ${bestRound}`, STUDY_COLOURS.best),
  ];
  return titledChart(INNER_WIDTH, `Learning curves of ${nameOf(model)}`, [
    legendPart(plotting, legend, INNER_WIDTH),
    ...parts,
  ]);
}

/** A curve with its name, and what folds spread around it. */
export interface NamedCurve {
  readonly name: string;
  readonly points: Points;
  readonly band?: Band | undefined;
}

const CORNERS = [
  { x: 0, y: 0 },
  { x: 1, y: 1 },
];

/** A plot of the unit square. */
function unitSquare({ Plot, document }: Plotting, x: string, diagonal: boolean, marks: Marks): ChartPart {
  const height = 400;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 10,
    marginBottom: AXIS_HEIGHT,
    marginLeft: 40,
    marginRight: 14,
    style: FONT,
    x: { domain: [0, 1] },
    y: { domain: [0, 1] },
    marks: [
      ...bottomAxis(Plot, [0, 1], x),
      ...axisY(Plot, roundTicks(0, 1, 5)),
      ...(diagonal
        ? [Plot.line(CORNERS, { x: 'x', y: 'y', stroke: COLOURS.muted, strokeDasharray: '4,4' })]
        : []),
      ...marks,
    ],
  });
  return { plot, height };
}

/** Curves of the unit square upon each other, at most as many as there are colours. */
export async function curvesChart(chart: {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly diagonal: boolean;
  readonly curves: readonly NamedCurve[];
  readonly notes: readonly string[];
}): Promise<string> {
  const plotting = await loadPlotting();
  const { Plot } = plotting;
  const curves = chart.curves.slice(0, SERIES.length);
  const square = unitSquare(plotting, chart.x, chart.diagonal, [
    ...curves.flatMap(({ band }, i) =>
      band === undefined
        ? []
        : [
            Plot.areaY(
              band.x.map((x, k) => ({ x, low: band.low[k], high: band.high[k] })),
              { x: 'x', y1: 'low', y2: 'high', fill: SERIES[i]!, fillOpacity: 0.25 },
            ),
          ],
    ),
    ...curves.map(({ points }, i) =>
      Plot.line(
        points.x.map((x, k) => ({ x, y: points.y[k] })),
        { x: 'x', y: 'y', stroke: SERIES[i]!, strokeWidth: 1.8 },
      ),
    ),
  ]);
  return titledChart(INNER_WIDTH, chart.title, [
    note(`${chart.y} by ${chart.x}.`),
    ...chart.notes.map(note),
    legendPart(
      plotting,
      curves.map(({ name }, i) => line(nameOf(name), SERIES[i]!)),
      INNER_WIDTH,
    ),
    square,
  ]);
}

const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
const brief = (value: number) => String(Number(value.toPrecision(6)));

/** A matrix of counts, rows by actual and columns by predicted class, shaded by the share of its row. */
export async function confusionChart(
  model: string,
  part: string,
  classes: readonly string[],
  counts: readonly (readonly number[])[],
): Promise<string> {
  const { Plot, document } = await loadPlotting();
  const names = classes.map((name) => label(name, 12));
  const cells = counts.flatMap((row, actual) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => {
      const share = total > 0 ? count / total : 0;
      const step = Math.min(CELL_COLOURS.length - 1, Math.floor(share * CELL_COLOURS.length));
      return { actual, predicted, count, share, colour: CELL_COLOURS[step]!, isStrong: step >= 3 };
    });
  });
  const left = labelsWidth(names);
  const side = (INNER_WIDTH - left - 8) / names.length;
  const height = Math.max(side * 0.7, 26) * names.length + AXIS_HEIGHT;
  const isSlanted = labelsWidth(names) > side;
  const at = { x: 'predicted', y: 'actual' };
  const bands = [...names.keys()];
  const fit = side > 60;
  const fontSize = fit ? 13 : Math.max(8, Math.min(11, side / 3));
  const fill = ({ isStrong }: { readonly isStrong: boolean }) =>
    isStrong ? COLOURS.background : COLOURS.text;
  const bottom = isSlanted ? left + 24 : AXIS_HEIGHT;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height: height - AXIS_HEIGHT + bottom,
    marginTop: 4,
    marginBottom: bottom,
    marginLeft: left,
    marginRight: 8,
    style: FONT,
    x: { type: 'band', domain: bands, padding: 0.03 },
    y: { type: 'band', domain: bands, padding: 0.03 },
    color: { type: 'identity' },
    marks: [
      Plot.axisX({
        tickFormat: (band: number) => names[band]!,
        tickSize: 0,
        tickRotate: isSlanted ? -90 : 0,
        label: 'predicted',
        labelAnchor: 'center',
        labelArrow: 'none',
      }),
      Plot.axisY({ tickFormat: (band: number) => names[band]!, tickSize: 0, label: null }),
      Plot.cell(cells, {
        ...at,
        fill: 'colour',
        title: ({ actual, predicted, count, share }: (typeof cells)[number]) =>
          `actual ${names[actual]}, predicted ${names[predicted]}: ${brief(count)}, ${percent(share)}`,
      }),
      Plot.text(cells, {
        ...at,
        text: ({ count }: { count: number }) => (fit || count > 0 ? brief(count) : ''),
        fontSize,
        fill,
        pointerEvents: 'none',
        dy: fit ? -8 : 0,
      }),
      ...(fit
        ? [
            Plot.text(cells, {
              ...at,
              text: ({ share }: { share: number }) => percent(share),
              fill,
              dy: 9,
              pointerEvents: 'none',
            }),
          ]
        : []),
    ],
  });
  return titledChart(INNER_WIDTH, `Confusion matrix of ${nameOf(model)}`, [
    note(
      `${part} rows; actual class down, predicted across, ${fit ? '' : 'shaded by '}per cent of the actual class.`,
    ),
    { plot, height: height - AXIS_HEIGHT + bottom },
  ]);
}

/** Reliability diagram: how often what was predicted came true. */
export async function calibrationChart(
  part: string,
  models: readonly { readonly name: string; readonly calibration: Calibration }[],
): Promise<string> {
  const shown = models.map(({ name, calibration: { bins, brier, ece } }) => {
    const filled = bins.filter(({ confidence }) => confidence !== null);
    return {
      name: `${nameOf(name)}: ECE ${ece.toFixed(4)}, Brier ${brier.toFixed(4)}`,
      points: {
        x: filled.map(({ confidence }) => confidence!),
        y: filled.map(({ observed }) => observed!),
      },
    };
  });
  const plotting = await loadPlotting();
  const { Plot } = plotting;
  const square = unitSquare(plotting, 'mean confidence', true, [
    ...shown.slice(0, SERIES.length).flatMap(({ points }, i) => {
      const data = points.x.map((x, k) => ({ x, y: points.y[k]! }));
      return [
        Plot.line(data, { x: 'x', y: 'y', stroke: SERIES[i]!, strokeWidth: 1.8 }),
        Plot.dot(data, { x: 'x', y: 'y', fill: SERIES[i]!, r: 3 }),
      ];
    }),
  ]);
  return titledChart(INNER_WIDTH, `Calibration on the ${part} rows`, [
    note('Share that came true by mean confidence, in ten bins; the diagonal is ideal.'),
    ...shown
      .slice(0, SERIES.length)
      .map(({ name }, i) => legendPart(plotting, [line(name, SERIES[i]!)], INNER_WIDTH)),
    square,
  ]);
}

/** The features that gain most, and how much, as a share of the model's whole gain. */
export async function importanceChart(
  model: string,
  importances: readonly FeatureImportance[],
): Promise<string> {
  const { Plot, document } = await loadPlotting();
  const whole = importances.reduce((sum, { total_gain: gain }) => sum + gain, 0);
  const shown = [...importances]
    .sort((a, b) => b.total_gain - a.total_gain)
    .slice(0, MOST_FEATURES)
    .map(({ feature, total_gain: gain }, band) => ({ band, name: nameOf(feature), share: gain / whole }));
  const height = shown.length * 22 + AXIS_HEIGHT + 8;
  const domain: [number, number] = [0, (shown[0]?.share ?? 1) * 1.15];
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 8,
    marginBottom: AXIS_HEIGHT,
    marginLeft: labelsWidth(shown.map(({ name }) => name)),
    marginRight: 24,
    style: FONT,
    x: { domain },
    y: { type: 'band', domain: shown.map(({ band }) => band), padding: 0.25 },
    marks: [
      ...bottomAxis(Plot, domain, 'share of the total gain'),
      Plot.axisY({ tickFormat: (band: number) => shown[band]!.name, tickSize: 0, label: null }),
      Plot.barX(shown, { x1: 0, x2: 'share', y: 'band', fill: COLOURS.accent }),
      Plot.text(shown, {
        x: 'share',
        y: 'band',
        text: ({ share }: { share: number }) => percent(share),
        textAnchor: 'start',
        dx: 4,
      }),
    ],
  });
  const left = importances.length - shown.length;
  return titledChart(INNER_WIDTH, `Feature importances of ${nameOf(model)}`, [
    note(`Gain of all splits on a feature${left > 0 ? `; ${left} more features have less` : ''}.`),
    { plot, height },
  ]);
}

/** Residuals, actual less predicted: against the prediction, and how often each occurs. */
export async function residualChart(
  model: string,
  part: string,
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
): Promise<string> {
  const { Plot, document } = await loadPlotting();
  const rows = Array.from(labels, (actual, row) => ({
    predicted: predictions[row]!,
    residual: actual - predictions[row]!,
  }));
  const dots = thin(rows, MOST_DOTS);
  const ends = rows.reduce((most, { residual }) => Math.max(most, Math.abs(residual)), 0) || 1;
  const domain = domainOf([-ends, ends]);
  const wide = domainOf([
    rows.reduce((least, { predicted }) => Math.min(least, predicted), Infinity),
    rows.reduce((most, { predicted }) => Math.max(most, predicted), -Infinity),
  ]);
  const ticks = roundTicks(...domain, 5);
  const BINS = 31;
  const counts = new Array<number>(BINS).fill(0);
  for (const { residual } of rows) {
    counts[Math.min(BINS - 1, Math.floor(((residual + ends) / (2 * ends)) * BINS))]! += 1;
  }
  const bars = counts.map((count, i) => ({
    count,
    x1: -ends + (i * 2 * ends) / BINS,
    x2: -ends + ((i + 1) * 2 * ends) / BINS,
  }));
  const most: [number, number] = [0, Math.max(...counts) * 1.05];
  const countTicks = wholeTicks(...most, 4);
  const common = {
    document,
    width: INNER_WIDTH,
    marginTop: 8,
    marginBottom: AXIS_HEIGHT,
    marginRight: 14,
    style: FONT,
  };
  const scatter = Plot.plot({
    ...common,
    height: 280,
    marginLeft: labelsWidth(ticks.map((tick) => tick.label)),
    x: { domain: wide },
    y: { domain },
    marks: [
      ...bottomAxis(Plot, wide, 'predicted'),
      ...axisY(Plot, ticks),
      Plot.dot(dots, { x: 'predicted', y: 'residual', r: 2, fill: COLOURS.accent, fillOpacity: 0.45 }),
      Plot.ruleY([0], { stroke: COLOURS.text }),
    ],
  });
  const histogram = Plot.plot({
    ...common,
    height: 190,
    marginLeft: labelsWidth(countTicks.map((tick) => tick.label)),
    x: { domain },
    y: { domain: most },
    marks: [
      ...bottomAxis(Plot, domain, 'residual'),
      ...axisY(Plot, countTicks),
      Plot.rectY(bars, { x1: 'x1', x2: 'x2', y1: 0, y2: 'count', fill: COLOURS.accent, inset: 0.5 }),
    ],
  });
  return titledChart(INNER_WIDTH, `Residuals of ${nameOf(model)}`, [
    note(
      `${part} rows, actual less predicted${dots.length < rows.length ? `; ${dots.length} of ${rows.length} drawn above` : ''}.`,
    ),
    { text: 'Residual by prediction', style: 'heading' },
    { plot: scatter, height: 280 },
    { text: 'Rows by residual', style: 'heading' },
    { plot: histogram, height: 190 },
  ]);
}
