/** What charts need of an element; Node has no types of the DOM. */
export interface ChartElement {
  textContent: string | null;
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): ChartElement | null;
  append(...children: readonly ChartElement[]): void;
  remove(): void;
}

/** Observable Plot, and a document of linkedom for it to draw in. */
export interface Plotting {
  readonly Plot: typeof import('@observablehq/plot');
  readonly document: { createElementNS(namespace: string, name: string): ChartElement };
}

let loading: Promise<Plotting> | undefined;

/** The plotting library, loaded once. */
export function loadPlotting(): Promise<Plotting> {
  loading ??= Promise.all([import('@observablehq/plot'), import('linkedom')]).then(
    ([Plot, { parseHTML }]) => ({ Plot, document: parseHTML('<html></html>').document }),
  );
  return loading;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Colours by role, as CSS variables: a chart follows the reader's light or dark scheme by itself. */
export const COLOURS = {
  background: 'var(--background)',
  text: 'var(--text)',
  muted: 'var(--muted)',
  grid: 'var(--grid)',
  /** What the chart is about. */
  accent: 'var(--accent)',
  /** What it is compared with. */
  other: 'var(--other)',
} as const;

/** Further colours, for charts of studies. */
export const STUDY_COLOURS = {
  best: 'var(--best)',
  failed: 'var(--failed)',
} as const;

const RAMP_LIGHT = ['#d3dfea', '#aecbe6', '#80b2e2', '#4c94d8', '#2272c0', '#0f5299', '#0a3069'];
const RAMP_DARK = ['#26364a', '#2b4a6d', '#2f6094', '#3a7cbf', '#5b9be0', '#8abcf5', '#c6e1ff'];

/** Colours of an order, from what recedes to what stands out; told apart by lightness alone. */
export const RAMP: readonly string[] = RAMP_LIGHT.map((_, i) => `var(--ramp-${i})`);

const rampStyle = (colours: readonly string[]) =>
  colours.map((colour, i) => `--ramp-${i}: ${colour};`).join(' ');

const LIGHT = `--background: #ffffff; --text: #1f2328; --muted: #59636e; --grid: #d8dee4; --accent: #0969da; --other: #a9b4c0;`;
const DARK = `--background: #0d1117; --text: #e6edf3; --muted: #9198a1; --grid: #30363d; --accent: #4c9aff; --other: #59636e;`;
const STUDY_LIGHT = `--best: #bc4c00; --failed: #cf222e; ${rampStyle(RAMP_LIGHT)}`;
const STUDY_DARK = `--best: #f0883e; --failed: #ff7b72; ${rampStyle(RAMP_DARK)}`;

/** Sets variables for what the selector picks, by the reader's colour scheme. */
const schemes = (selector: string, light: string, dark: string) => `
  ${selector} { ${light} }
  @media (prefers-color-scheme: dark) {
    ${selector} { ${dark} }
  }
`;

/** Goes with charts that use STUDY_COLOURS or RAMP. */
export const STUDY_THEME = schemes('svg', STUDY_LIGHT, STUDY_DARK);

/** All colours of charts, for a page that has charts without a style of their own. */
export const PAGE_THEME = schemes(':root', `${LIGHT} ${STUDY_LIGHT}`, `${DARK} ${STUDY_DARK}`);

/** Colours of curves that lie upon each other, the most important one first. */
export const SERIES: readonly string[] = [
  STUDY_COLOURS.best,
  COLOURS.accent,
  RAMP[6]!,
  STUDY_COLOURS.failed,
  RAMP[2]!,
  COLOURS.muted,
];

const THEME = `${schemes('svg', LIGHT, DARK)}  svg { color: var(--text); }
  text { white-space: pre; }
`;

/** A part of a chart: what Plot drew, or a line of text. */
export type ChartPart =
  | { readonly plot: ChartElement; readonly height: number }
  | { readonly text: string; readonly style: 'title' | 'heading' | 'note' }
  | { readonly gap: number };

const TEXT_STYLES = {
  title: { size: 16, weight: 600, colour: COLOURS.text, height: 26 },
  heading: { size: 13, weight: 600, colour: COLOURS.text, height: 28 },
  note: { size: 11, weight: 400, colour: COLOURS.muted, height: 17 },
} as const;

const MARGIN = 16;

/**
 * One SVG file from parts put below each other: no script, light and dark by `prefers-color-scheme`.
 * @param width in pixels, that of the plots and a margin on either side
 * @param title what a screen reader says
 * @param extraStyle CSS besides the theme
 */
export async function composeChart(
  width: number,
  title: string,
  parts: readonly ChartPart[],
  extraStyle = '',
): Promise<string> {
  const { document } = await loadPlotting();
  const element = (name: string, attributes: Readonly<Record<string, string | number>>) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    return made;
  };
  const children: ChartElement[] = [];
  let y = MARGIN;
  for (const part of parts) {
    if ('gap' in part) {
      y += part.gap;
    } else if ('plot' in part) {
      // Plot's own style sheet is for a chart that stands in a page by itself.
      part.plot.querySelector('style')?.remove();
      part.plot.setAttribute('x', String(MARGIN));
      part.plot.setAttribute('y', String(y));
      children.push(part.plot);
      y += part.height;
    } else {
      const { size, weight, colour, height } = TEXT_STYLES[part.style];
      const place = { x: MARGIN, y: y + height - 8, 'font-size': size, 'font-weight': weight, fill: colour };
      const text = element('text', place);
      text.textContent = part.text;
      children.push(text);
      y += height;
    }
  }
  const height = y + MARGIN;
  const root = element('svg', {
    xmlns: SVG,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'font-family': 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif',
    fill: COLOURS.text,
  });
  const name = element('title', {});
  name.textContent = title;
  const style = element('style', {});
  style.textContent = `${THEME}${extraStyle}`;
  root.append(name, style, element('rect', { width, height, fill: COLOURS.background }), ...children);
  return `${root.outerHTML}\n`;
}
