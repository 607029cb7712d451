import { parameterImportances } from '../tuning/importance.ts';
import { lastReport } from '../tuning/pruners/values.ts';
import type { Direction, Trial } from '../tuning/trial.ts';
import { type Axis, label, type ParameterAxis, parameterAxes, valueAxis, wholeTicks } from './axis.ts';
import {
  axisX,
  axisY,
  betterText,
  CHARACTER_WIDTH,
  FONT,
  type LegendItem,
  labelsWidth,
  legendPart,
  note,
  type Plot,
  thin,
  titledChart,
} from './chart-parts.ts';
import { type ChartPart, COLOURS, loadPlotting, type Plotting, RAMP, STUDY_COLOURS } from './plot.ts';

/** What the plots of a study are made of. */
export interface StudyPlotInput {
  readonly trials: readonly Trial[];
  readonly direction: Direction;
  /** What trials are judged by. */
  readonly metric: string;
}

/** Files of a study's plots, within its folder of plots. */
export const STUDY_PLOTS = [
  'optimization_history.svg',
  'parallel_coordinates.svg',
  'slices.svg',
  'parameter_importances.svg',
  'pruning_timeline.svg',
] as const;

export type StudyPlotName = (typeof STUDY_PLOTS)[number];

const INNER_WIDTH = 848;
const AXIS_HEIGHT = 40;
/** Marks that a chart has at most, so that its file stays small and can be read. */
const MOST_DOTS = 2000;
const MOST_SLICE_DOTS = 4000;
const MOST_LINES = 300;
const MOST_CURVES = 200;
const MOST_CURVE_POINTS = 64;
/** Of the trials that parallel coordinates show, those that are the best of all. */
const BEST_LINES = 50;

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const hasValue = ({ value }: Trial) => value !== undefined && !Number.isNaN(value);
const isScored = (trial: Trial) => trial.state === 'complete' && hasValue(trial);

/** The scored trials from the best to the worst, of equals the first ones first. */
function byRank({ trials, direction }: StudyPlotInput): Trial[] {
  const sign = direction === 'minimize' ? 1 : -1;
  return trials.filter(isScored).sort((a, b) => {
    if (a.value === b.value) return a.number - b.number;
    return sign * a.value! < sign * b.value! ? -1 : 1;
  });
}

const rampColour = (part: number) => RAMP[Math.min(RAMP.length - 1, Math.floor(part * RAMP.length))]!;

const describe = ({ metric, direction }: StudyPlotInput) => betterText(metric, direction);

const compose = (title: string, parts: readonly ChartPart[], innerWidth = INNER_WIDTH) =>
  titledChart(innerWidth, title, parts);

function notesOn(drawn: number, of: number, what: string, beyond: number): ChartPart[] {
  return [
    ...(drawn < of ? [note(`${drawn} of ${of} ${what} are drawn.`)] : []),
    ...(beyond > 0
      ? [note(`${plural(beyond, 'value')} beyond the axis or infinite: drawn at its end.`)]
      : []),
  ];
}

const legend = (plotting: Plotting, items: readonly LegendItem[]) => legendPart(plotting, items, INNER_WIDTH);

const labelWidth = (axis: Axis) => labelsWidth(axis.ticks.map((tick) => tick.label));

/** Grid and labels of a vertical axis from 0 to 1. */
const verticalAxis = (Plot: Plot, { ticks }: Axis) =>
  axisY(
    Plot,
    ticks.map(({ position: value, label: text }) => ({ value, label: text })),
  );

const numberAxis = (Plot: Plot, domain: readonly [number, number], name: string) =>
  axisX(Plot, wholeTicks(...domain, 8), name);

function numbersOf(trials: readonly Trial[]): [number, number] {
  const last = trials.reduce((most, { number }) => Math.max(most, number), 0);
  return [-0.5, Math.max(last, 1) + 0.5];
}

/** Value of each trial and the best so far; pruned and failed trials are marked. */
export async function optimizationHistory(input: StudyPlotInput): Promise<string> {
  const title = 'Optimization history';
  const { trials, direction, metric } = input;
  if (trials.length === 0) return compose(title, [note('The study has no trials yet.')]);
  const plotting = await loadPlotting();
  const { Plot, document } = plotting;
  const scored = trials.filter(isScored);
  const pruned = trials.filter((trial) => trial.state === 'pruned' && hasValue(trial));
  const unscored = trials.filter(
    (trial) => trial.state === 'fail' || (trial.state === 'pruned' && !hasValue(trial)),
  );
  const axis = valueAxis(
    metric,
    [...scored, ...pruned].map(({ value }) => value!),
    direction,
  );
  const domain = numbersOf(trials);
  const steps: { number: number; y: number }[] = [];
  let best: Trial | undefined;
  for (const trial of scored) {
    const isBetter =
      best === undefined ||
      (direction === 'minimize' ? trial.value! < best.value! : trial.value! > best.value!);
    if (!isBetter) continue;
    best = trial;
    steps.push({ number: trial.number, y: axis.position(trial.value!) });
  }
  if (steps.length > 0) steps.push({ number: domain[1], y: steps.at(-1)!.y });
  const part = Math.min(1, MOST_DOTS / trials.length);
  const few = (of: readonly Trial[]) => thin(of, Math.max(1, Math.floor(of.length * part)));
  const drawn = { scored: few(scored), pruned: few(pruned), unscored: few(unscored) };
  const y = ({ value }: Trial) => axis.position(value!);
  const height = 360;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 10,
    marginBottom: AXIS_HEIGHT,
    marginLeft: labelWidth(axis),
    marginRight: 8,
    style: FONT,
    x: { domain },
    y: { domain: [0, 1] },
    marks: [
      ...verticalAxis(Plot, axis),
      ...numberAxis(Plot, domain, 'trial'),
      Plot.dot(drawn.pruned, { x: 'number', y, r: 2.5, stroke: COLOURS.other }),
      Plot.dot(drawn.scored, { x: 'number', y, r: 2.5, fill: COLOURS.accent, fillOpacity: 0.6 }),
      Plot.dot(drawn.unscored, { x: 'number', y: 0, r: 3, stroke: STUDY_COLOURS.failed, symbol: 'times' }),
      Plot.line(steps, {
        x: 'number',
        y: 'y',
        curve: 'step-after',
        stroke: STUDY_COLOURS.best,
        strokeWidth: 2,
      }),
      Plot.dot(best === undefined ? [] : [best], { x: 'number', y, r: 5, fill: STUDY_COLOURS.best }),
    ],
  });
  const marks = drawn.scored.length + drawn.pruned.length + drawn.unscored.length;
  const total = scored.length + pruned.length + unscored.length;
  const beyond = [...scored, ...pruned].filter(({ value }) => axis.isBeyond(value!)).length;
  return compose(title, [
    note(describe(input)),
    legend(plotting, [
      { text: 'complete', mark: 'dot', colour: COLOURS.accent },
      { text: 'pruned, last value', mark: 'ring', colour: COLOURS.other },
      { text: 'failed or without a value', mark: 'cross', colour: STUDY_COLOURS.failed },
      { text: 'best so far', mark: 'line', colour: STUDY_COLOURS.best },
    ]),
    { plot, height },
    ...notesOn(marks, total, 'trials', beyond),
  ]);
}

const NONE_SCORED = 'No trial with parameters is complete yet.';

/** The scored trials, the best first, with axes for their parameters and their values. */
function scoredTrials(input: StudyPlotInput) {
  const ranked = byRank(input);
  const values = ranked.map(({ value }) => value!);
  return {
    ranked,
    parameters: parameterAxes(input.trials.filter(isScored)),
    values: valueAxis(input.metric, values, input.direction),
  };
}

/** The complete trials as lines across an axis for each parameter, coloured by value; the best lies on top. */
export async function parallelCoordinates(input: StudyPlotInput): Promise<string> {
  const title = 'Parallel coordinates';
  const { ranked, parameters, values } = scoredTrials(input);
  if (parameters.length === 0) return compose(title, [note(NONE_SCORED)]);
  const plotting = await loadPlotting();
  const { Plot, document } = plotting;
  const axes: readonly ParameterAxis[] = [
    { ...values, position: ({ value }) => values.position(value!) },
    ...parameters,
  ];
  const width = Math.max(INNER_WIDTH, 150 + 96 * (axes.length - 1));
  // Equal values have equal colours: that of the first of them.
  const rankOf = new Map<number, number>();
  for (const [rank, { value }] of ranked.entries()) {
    if (!rankOf.has(value!)) rankOf.set(value!, rank);
  }
  const drawn = [
    ...ranked.slice(0, BEST_LINES),
    ...thin(ranked.slice(BEST_LINES), MOST_LINES - BEST_LINES),
  ].reverse();
  const pointsOf = (trial: Trial) =>
    axes.map((axis, x) => ({
      x,
      y: axis.position(trial),
      trial: trial.number,
      colour: rampColour(1 - rankOf.get(trial.value!)! / ranked.length),
    }));
  const ticks = axes.flatMap((axis, x) => axis.ticks.map((tick) => ({ ...tick, x })));
  const line = { x: 'x', y: 'y', z: 'trial', marker: false } as const;
  const height = 440;
  const best = pointsOf(ranked[0]!);
  const plot = Plot.plot({
    document,
    width,
    height,
    marginTop: 56,
    marginBottom: 12,
    marginLeft: 76,
    marginRight: 100,
    style: FONT,
    axis: null,
    x: { domain: [0, axes.length - 1] },
    y: { domain: [0, 1] },
    color: { type: 'identity' },
    marks: [
      Plot.ruleX(axes.keys(), { stroke: COLOURS.muted }),
      Plot.line(drawn.flatMap(pointsOf), { ...line, stroke: 'colour', strokeOpacity: 0.6, strokeWidth: 1 }),
      Plot.line(best, { ...line, stroke: STUDY_COLOURS.best, strokeWidth: 2.5 }),
      // A parameter between two that the best trial lacks would not show in its line.
      Plot.dot(
        best.filter(({ y }) => y !== undefined),
        { x: 'x', y: 'y', r: 3, fill: STUDY_COLOURS.best },
      ),
      Plot.text(ticks, {
        x: 'x',
        y: 'position',
        text: 'label',
        textAnchor: 'start',
        dx: 5,
        stroke: COLOURS.background,
        strokeWidth: 4,
        fill: COLOURS.text,
      }),
      ...[0, 1].map((row) =>
        Plot.text(
          [...axes.entries()].filter(([x]) => x % 2 === row).map(([x, axis]) => ({ x, axis })),
          {
            x: 'x',
            y: 1,
            dy: row === 0 ? -18 : -38,
            text: ({ axis }: { axis: Axis }) => label(axis.name) + (axis.log ? ' (log)' : ''),
            fontWeight: 600,
          },
        ),
      ),
    ],
  });
  const beyond = ranked.filter(({ value }) => values.isBeyond(value!)).length;
  return compose(
    title,
    [
      note(describe(input)),
      legend(plotting, [
        { text: `best trial, ${ranked[0]!.number}`, mark: 'line', colour: STUDY_COLOURS.best },
        { text: 'better complete trials', mark: 'line', colour: RAMP.at(-1)! },
        { text: 'worse', mark: 'line', colour: RAMP[1]! },
      ]),
      { plot, height },
      ...notesOn(drawn.length, ranked.length, 'complete trials', beyond),
    ],
    width,
  );
}

/** Labels at the ends of a panel keep to it, so that they do not run into its neighbour's. */
const anchorOf = (position: number) => (position < 0.03 ? 'start' : position > 0.97 ? 'end' : 'middle');

/** Value by parameter: a panel for each, with the complete trials, coloured by when they ran. */
export async function slicePlots(input: StudyPlotInput): Promise<string> {
  const title = 'Slices';
  const { ranked, parameters, values: axis } = scoredTrials(input);
  if (parameters.length === 0) return compose(title, [note(NONE_SCORED)]);
  const plotting = await loadPlotting();
  const { Plot, document } = plotting;
  const columns = Math.min(3, parameters.length);
  const rows = Math.ceil(parameters.length / columns);
  const inOrder = [...ranked].sort((a, b) => a.number - b.number);
  const drawn = thin(inOrder, Math.floor(MOST_SLICE_DOTS / parameters.length) || 1);
  const last = Math.max(1, inOrder.at(-1)!.number);
  const place = (panel: number) => ({ fx: panel % columns, fy: Math.floor(panel / columns) });
  const pointsOf = (of: readonly Trial[]) =>
    parameters.flatMap((parameter, panel) =>
      of.flatMap((trial) => {
        const x = parameter.position(trial);
        if (x === undefined) return [];
        const colour = rampColour(trial.number / (last + 1));
        return [{ ...place(panel), x, y: axis.position(trial.value!), colour }];
      }),
    );
  const panels = parameters.map((parameter, panel) => ({ ...parameter, ...place(panel) }));
  const ticks = panels.flatMap(({ ticks, fx, fy }) => {
    // Labels of many categories would lie upon each other; every second or third of them says enough.
    const every = Math.ceil((ticks.reduce((sum, tick) => sum + tick.label.length + 2, 0) * 6) / 240);
    return ticks.filter((_, i) => i % every === 0).map((tick) => ({ ...tick, fx, fy }));
  });
  const facet = { fx: 'fx', fy: 'fy' };
  const panelHeight = 170;
  const height = rows * panelHeight + 10;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 28,
    marginBottom: 28,
    marginLeft: labelWidth(axis),
    marginRight: 12,
    style: FONT,
    x: { domain: [-0.04, 1.04], axis: null },
    y: { domain: [-0.04, 1.04] },
    fx: { domain: [...Array(columns).keys()], axis: null, padding: 0.06 },
    fy: { domain: [...Array(rows).keys()], axis: null, padding: 0.3 },
    color: { type: 'identity' },
    marks: [
      ...verticalAxis(Plot, axis),
      Plot.frame({ stroke: COLOURS.grid }),
      Plot.dot(pointsOf(drawn), { ...facet, x: 'x', y: 'y', r: 2.2, fill: 'colour' }),
      Plot.dot(pointsOf(ranked.slice(0, 1)), { ...facet, x: 'x', y: 'y', r: 5, fill: STUDY_COLOURS.best }),
      Plot.text(panels, {
        ...facet,
        text: ({ name, log }: Axis) => label(name, 28) + (log ? ' (log)' : ''),
        frameAnchor: 'top-left',
        dy: -14,
        fontWeight: 600,
      }),
      ...(['start', 'middle', 'end'] as const).map((textAnchor) =>
        Plot.text(
          ticks.filter(({ position }) => anchorOf(position) === textAnchor),
          {
            ...facet,
            x: 'position',
            text: 'label',
            textAnchor,
            frameAnchor: 'bottom',
            dy: 14,
            fill: COLOURS.muted,
            fontSize: 11,
          },
        ),
      ),
    ],
  });
  const beyond = ranked.filter(({ value }) => axis.isBeyond(value!)).length;
  return compose(title, [
    note(describe(input)),
    legend(plotting, [
      { text: `best trial, ${ranked[0]!.number}`, mark: 'dot', colour: STUDY_COLOURS.best },
      { text: 'late complete trials', mark: 'dot', colour: RAMP.at(-1)! },
      { text: 'early', mark: 'dot', colour: RAMP[1]! },
    ]),
    { plot, height },
    ...notesOn(drawn.length, ranked.length, 'complete trials', beyond),
  ]);
}

/** Bars of the parameters' importances, the greatest on top. */
export async function importanceBars(importances: ReadonlyMap<string, number>): Promise<string> {
  const title = 'Parameter importances';
  if (importances.size === 0) {
    return compose(title, [note('Importances need two complete trials at least.')]);
  }
  const { Plot, document } = await loadPlotting();
  const rows = [...importances].map(([name, share], band) => ({
    band,
    name: label(name, 32),
    share,
    text: `${(100 * share).toFixed(1)} %`,
  }));
  const height = rows.length * 24 + 8;
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 0,
    marginBottom: 8,
    marginLeft: Math.ceil(Math.max(...rows.map(({ name }) => name.length)) * CHARACTER_WIDTH) + 8,
    marginRight: 60,
    style: FONT,
    x: { domain: [0, Math.max(...rows.map(({ share }) => share)) || 1], axis: null },
    y: { type: 'band', domain: rows.map(({ band }) => band), padding: 0.25 },
    marks: [
      Plot.axisY({ tickFormat: (band: number) => rows[band]!.name, tickSize: 0, label: null }),
      Plot.barX(rows, { x: 'share', y: 'band', fill: COLOURS.accent }),
      Plot.text(rows, { x: 'share', y: 'band', text: 'text', textAnchor: 'start', dx: 6 }),
    ],
  });
  return compose(title, [
    note(
      'PED-ANOVA: what sets the best tenth of the complete trials apart from all of them; shares of 100 %.',
    ),
    { gap: 8 },
    { plot, height },
  ]);
}

/** The step at which each trial ended, and the values that trials reported on their way. */
export async function pruningTimeline(input: StudyPlotInput): Promise<string> {
  const title = 'Pruning timeline';
  const reported = input.trials.filter(
    ({ state, intermediate }) => intermediate.size > 0 && state !== 'running' && state !== 'waiting',
  );
  if (reported.length === 0) {
    return compose(title, [note('No finished trial has reported intermediate values.')]);
  }
  const plotting = await loadPlotting();
  const shown = thin(reported, MOST_CURVES);
  return compose(title, [
    note(`${describe(input)}. A trial ends at the last step that it reported.`),
    legend(plotting, [
      { text: 'complete', mark: 'dot', colour: COLOURS.accent },
      { text: 'pruned', mark: 'ring', colour: COLOURS.other },
      { text: 'failed', mark: 'cross', colour: STUDY_COLOURS.failed },
      { text: 'best', mark: 'line', colour: STUDY_COLOURS.best },
    ]),
    { text: 'Where trials ended', style: 'heading' },
    drawEnds(plotting, thin(reported, MOST_DOTS), input),
    ...notesOn(Math.min(reported.length, MOST_DOTS), reported.length, 'trials', 0),
    { text: 'Values on the way', style: 'heading' },
    drawCurves(plotting, shown, input),
    ...notesOn(shown.length, reported.length, 'curves', 0),
  ]);
}

const lastStep = (trial: Trial) => lastReport(trial)?.step ?? 0;

function drawEnds({ Plot, document }: Plotting, trials: readonly Trial[], input: StudyPlotInput): ChartPart {
  const domain = numbersOf(input.trials);
  const most = trials.reduce((step, trial) => Math.max(step, lastStep(trial)), 1);
  const height = 240;
  const best = byRank(input)[0];
  const of = (state: Trial['state']) => trials.filter((trial) => trial.state === state);
  const at = { x: 'number', y: lastStep };
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 10,
    marginBottom: AXIS_HEIGHT,
    marginLeft: 60,
    marginRight: 8,
    style: FONT,
    x: { domain },
    y: { domain: [0, most] },
    marks: [
      Plot.gridY({ ticks: 5, stroke: COLOURS.grid, strokeOpacity: 1 }),
      Plot.axisY({ ticks: 5, tickSize: 0, color: COLOURS.muted, label: null }),
      ...numberAxis(Plot, domain, 'trial, by last step'),
      Plot.dot(of('pruned'), { ...at, r: 2.5, stroke: COLOURS.other }),
      Plot.dot(of('complete'), { ...at, r: 2.5, fill: COLOURS.accent }),
      Plot.dot(of('fail'), { ...at, r: 3, stroke: STUDY_COLOURS.failed, symbol: 'times' }),
      Plot.dot(best !== undefined && best.intermediate.size > 0 ? [best] : [], {
        ...at,
        r: 5,
        fill: STUDY_COLOURS.best,
      }),
    ],
  });
  return { plot, height };
}

function drawCurves(
  { Plot, document }: Plotting,
  trials: readonly Trial[],
  input: StudyPlotInput,
): ChartPart {
  const best = byRank(input)[0];
  const all = best === undefined || best.intermediate.size === 0 ? trials : [...trials, best];
  const points = (trial: Trial) => [...trial.intermediate].filter(([, value]) => !Number.isNaN(value));
  const axis = valueAxis(
    input.metric,
    all.flatMap((trial) => points(trial).map(([, value]) => value)),
    input.direction,
  );
  const most = all.reduce((step, trial) => Math.max(step, lastStep(trial)), 1);
  const curvesOf = (of: readonly Trial[]) =>
    of.flatMap((trial) => {
      const every = points(trial);
      const few = thin(every, MOST_CURVE_POINTS);
      const ended = few.at(-1) === every.at(-1) ? few : [...few, every.at(-1)!];
      return ended.map(([step, value]) => ({ step, y: axis.position(value), trial: trial.number }));
    });
  const line = { x: 'step', y: 'y', z: 'trial' };
  const isBest = ({ number }: Trial) => number === best?.number;
  const of = (state: Trial['state']) =>
    curvesOf(trials.filter((trial) => trial.state === state && !isBest(trial)));
  const single = trials.filter(({ intermediate }) => intermediate.size === 1);
  const height = 300;
  const domain: [number, number] = [0, most];
  const plot = Plot.plot({
    document,
    width: INNER_WIDTH,
    height,
    marginTop: 10,
    marginBottom: AXIS_HEIGHT,
    marginLeft: Math.max(60, labelWidth(axis)),
    marginRight: 12,
    style: FONT,
    x: { domain },
    y: { domain: [0, 1] },
    marks: [
      ...verticalAxis(Plot, axis),
      ...numberAxis(Plot, domain, 'step'),
      Plot.line(of('pruned'), { ...line, stroke: COLOURS.other, strokeWidth: 1, strokeOpacity: 0.8 }),
      Plot.line(of('fail'), { ...line, stroke: STUDY_COLOURS.failed, strokeWidth: 1 }),
      Plot.line(of('complete'), { ...line, stroke: COLOURS.accent, strokeWidth: 1, strokeOpacity: 0.6 }),
      // A line of one point is nothing to see.
      Plot.dot(curvesOf(single), { x: 'step', y: 'y', r: 2, fill: COLOURS.muted }),
      Plot.line(best === undefined ? [] : curvesOf([best]), {
        ...line,
        stroke: STUDY_COLOURS.best,
        strokeWidth: 2.5,
      }),
    ],
  });
  return { plot, height };
}

/**
 * All plots of a study as SVG files by name. The same trials give the same bytes, times aside; a plot that has nothing to show yet
 * says so.
 * @param importances Those of the trials, where they are known already.
 */
export async function studyPlots(
  input: StudyPlotInput,
  importances: ReadonlyMap<string, number> = parameterImportances(input.trials, input.direction),
): Promise<Record<StudyPlotName, string>> {
  return {
    'optimization_history.svg': await optimizationHistory(input),
    'parallel_coordinates.svg': await parallelCoordinates(input),
    'slices.svg': await slicePlots(input),
    'parameter_importances.svg': await importanceBars(importances),
    'pruning_timeline.svg': await pruningTimeline(input),
  };
}
