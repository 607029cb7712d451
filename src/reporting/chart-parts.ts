import type { Direction } from '../metrics/metrics.ts';
import { label, roundTicks } from './axis.ts';
import { type ChartPart, COLOURS, composeChart, type Plotting, STUDY_THEME } from './plot.ts';

export type Plot = Plotting['Plot'];
export type Marks = NonNullable<NonNullable<Parameters<Plot['plot']>[0]>['marks']>;

export const FONT = { fontSize: '12px' } as const;
/** Mean width of a character at that size, generously. */
export const CHARACTER_WIDTH = 6.9;
/** On both sides of a chart together. */
const MARGIN = 32;

/** A tick of an axis, with its place in the units of the axis. */
export interface PlacedTick {
  readonly value: number;
  readonly label: string;
}

export const note = (text: string): ChartPart => ({ text, style: 'note' });

/** A chart under its title, in the colours of studies. */
export const titledChart = (innerWidth: number, title: string, parts: readonly ChartPart[]) =>
  composeChart(innerWidth + MARGIN, title, [{ text: title, style: 'title' }, ...parts], STUDY_THEME);

/** Which values of a metric are good. */
export const betterText = (metric: string, direction: Direction) =>
  `${label(metric, 40)}, ${direction === 'minimize' ? 'lower' : 'higher'} is better`;

/** Room for the longest of some labels beside an axis. */
export const labelsWidth = (labels: readonly string[]) =>
  Math.ceil(Math.max(...labels.map((text) => text.length), 1) * CHARACTER_WIDTH) + 12;

const labelsOf = (ticks: readonly PlacedTick[]) =>
  new Map(ticks.map(({ value, label: text }) => [value, text]));

/** Ticks and the name of a horizontal axis. */
export function axisX(Plot: Plot, ticks: readonly PlacedTick[], name: string): Marks {
  const labels = labelsOf(ticks);
  return [
    Plot.axisX([...labels.keys()], {
      tickFormat: (value: number) => labels.get(value) ?? '',
      tickSize: 0,
      color: COLOURS.muted,
      label: name,
      labelAnchor: 'center',
      labelArrow: 'none',
    }),
  ];
}

/** Grid and ticks of a vertical axis. */
export function axisY(Plot: Plot, ticks: readonly PlacedTick[]): Marks {
  const labels = labelsOf(ticks);
  const values = [...labels.keys()];
  return [
    Plot.gridY(values, { stroke: COLOURS.grid, strokeOpacity: 1 }),
    Plot.axisY(values, {
      tickFormat: (value: number) => labels.get(value) ?? '',
      tickSize: 0,
      color: COLOURS.muted,
      label: null,
    }),
  ];
}

/** What a mark or a line stands for. */
export interface LegendItem {
  readonly text: string;
  readonly mark: 'dot' | 'ring' | 'cross' | 'line';
  readonly colour: string;
}

/** Marks beside what they stand for, in as many lines as the width needs. */
export function legendPart(
  { Plot, document }: Plotting,
  items: readonly LegendItem[],
  width: number,
): ChartPart {
  const lineHeight = 24;
  let x = 8;
  let y = lineHeight / 2;
  const places = items.map((item) => {
    const space = item.text.length * CHARACTER_WIDTH + 40;
    if (x > 8 && x + space - 20 > width) {
      x = 8;
      y += lineHeight;
    }
    const place = { ...item, x, y };
    x += space;
    return place;
  });
  const height = y + lineHeight / 2;
  const of = (mark: LegendItem['mark']) => places.filter((place) => place.mark === mark);
  const at = { x: 'x', y: 'y' };
  const plot = Plot.plot({
    document,
    width,
    height,
    margin: 0,
    style: FONT,
    x: { type: 'identity' },
    y: { type: 'identity' },
    color: { type: 'identity' },
    axis: null,
    marks: [
      Plot.dot(of('dot'), { ...at, r: 4, fill: 'colour' }),
      Plot.dot(of('ring'), { ...at, r: 4, stroke: 'colour' }),
      Plot.dot(of('cross'), { ...at, r: 4, stroke: 'colour', symbol: 'times' }),
      Plot.ruleY(of('line'), {
        x1: ({ x }: { x: number }) => x - 8,
        x2: ({ x }: { x: number }) => x + 8,
        y: 'y',
        stroke: 'colour',
        strokeWidth: 2,
      }),
      Plot.text(places, { ...at, text: 'text', textAnchor: 'start', dx: 12 }),
    ],
  });
  return { plot, height };
}

/** At most `count` items at even distances. */
export function thin<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}

/** An interval with room at either end; one value gets room of its own. */
export function domainOf(values: readonly number[]): [number, number] {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = high > low ? (high - low) * 0.05 : Math.abs(low) * 0.05 || 1;
  return [low - room, high + room];
}

/** Grid, ticks and name of a horizontal axis of round numbers. */
export function bottomAxis(Plot: Plot, domain: readonly [number, number], name: string): Marks {
  const ticks = roundTicks(...domain, 6);
  const values = ticks.map(({ value }) => value);
  return [Plot.gridX(values, { stroke: COLOURS.grid, strokeOpacity: 1 }), ...axisX(Plot, ticks, name)];
}
