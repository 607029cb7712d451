import type { Direction } from '../metrics/metrics.ts';
import { label } from './axis.ts';
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
