import { CHARACTER_WIDTH, FONT } from './chart-parts.ts';
import { type ChartPart, COLOURS, composeChart, loadPlotting } from './plot.ts';

/** One bar. */
export interface Bar {
  readonly label: string;
  /** Above 0. */
  readonly value: number;
  /** Ends of the whisker: the least and greatest of what `value` sums up. */
  readonly low: number;
  readonly high: number;
  /** What is written at its end. */
  readonly text: string;
  /** Whether the chart is about this one. */
  readonly accent: boolean;
}

/** Bars on an axis of their own. */
export interface BarPanel {
  readonly heading: string;
  /** A line below the heading. */
  readonly detail: string;
  /** What the axis counts. */
  readonly axis: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 600;
const INNER_WIDTH = WIDTH - 32;
const BAR_HEIGHT = 24;
const AXIS_HEIGHT = 44;
const HEADING_LENGTH = 70;
/** Where bars differ by a larger factor, the small ones could not be seen on a linear axis. */
const LINEAR_UP_TO = 40;

/** A heading that fits the width. */
const shortened = (text: string) =>
  text.length <= HEADING_LENGTH ? text : `${text.slice(0, HEADING_LENGTH - 1)}…`;

const widest = (texts: readonly string[]) =>
  Math.ceil(Math.max(...texts.map((text) => text.length)) * CHARACTER_WIDTH);

/** The axis of a panel: from 0, or logarithmic from a power of ten below the shortest bar. */
function axisOf(bars: readonly Bar[]): { type: 'linear' | 'log'; domain: [number, number] } {
  const most = Math.max(...bars.map(({ high }) => high));
  const least = Math.min(...bars.map(({ low }) => low));
  if (most / least <= LINEAR_UP_TO) return { type: 'linear', domain: [0, most] };
  return { type: 'log', domain: [10 ** Math.floor(Math.log10(least) - 0.1), most] };
}

function powersOfTen([from, to]: readonly [number, number]): number[] {
  const [first, last] = [Math.ceil(Math.log10(from)), Math.floor(Math.log10(to))];
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

async function drawPanel({ axis, bars }: BarPanel): Promise<ChartPart> {
  const { Plot, document } = await loadPlotting();
  const { type, domain } = axisOf(bars);
  // A band for each bar: two of them may have the same label.
  const rows = bars.map((bar, band) => ({ ...bar, band }));
  const height = bars.length * BAR_HEIGHT + AXIS_HEIGHT;
  const ticks = type === 'log' ? { ticks: powersOfTen(domain), tickFormat: 'g' } : { ticks: 5 };
  const whisker = { y: 'band', stroke: COLOURS.text, strokeOpacity: 0.7 };
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 0,
    marginBottom: AXIS_HEIGHT,
    marginLeft: widest(bars.map(({ label }) => label)) + 8,
    marginRight: widest(bars.map(({ text }) => text)) + 8,
    style: FONT,
    x: { type, domain },
    y: { type: 'band', domain: rows.map(({ band }) => band), padding: 0.25 },
    marks: [
      Plot.gridX({ ...ticks, stroke: COLOURS.grid, strokeOpacity: 1 }),
      Plot.axisX({
        ...ticks,
        color: COLOURS.muted,
        tickSize: 0,
        label: type === 'log' ? `${axis}, logarithmic` : axis,
        labelAnchor: 'center',
        labelArrow: 'none',
      }),
      Plot.axisY({ tickFormat: (band: number) => bars[band]!.label, tickSize: 0, label: null }),
      Plot.barX(rows, {
        x1: domain[0],
        x2: 'value',
        y: 'band',
        fill: ({ accent }: Bar) => (accent ? COLOURS.accent : COLOURS.other),
      }),
      Plot.ruleY(rows, { x1: 'low', x2: 'high', ...whisker }),
      Plot.tickX(rows, { x: 'low', inset: 5, ...whisker }),
      Plot.tickX(rows, { x: 'high', inset: 5, ...whisker }),
      Plot.text(rows, { x: 'high', y: 'band', text: 'text', textAnchor: 'start', dx: 6 }),
    ],
  });
  return { plot, height };
}

/**
 * A horizontal bar chart as an SVG file, 600 pixels wide: a panel below the other, each with an axis of its own.
 * @param notes lines below the panels
 */
export async function barChart(chart: {
  readonly title: string;
  readonly panels: readonly BarPanel[];
  readonly notes: readonly string[];
}): Promise<string> {
  const parts: ChartPart[] = [{ text: chart.title, style: 'title' }];
  for (const panel of chart.panels) {
    parts.push(
      { text: shortened(panel.heading), style: 'heading' },
      { text: panel.detail, style: 'note' },
      await drawPanel(panel),
    );
  }
  parts.push({ gap: 10 }, ...chart.notes.map((text): ChartPart => ({ text, style: 'note' })));
  return composeChart(WIDTH, chart.title, parts);
}
