import { type Comparison, SHOWN_MODELS } from '../../comparison/compare.ts';
import type { SplitName } from '../../data/types.ts';
import type { GatesRecord } from '../../gates/gates.ts';
import type { SplitMetrics } from '../../metrics/score.ts';
import { type Direction, type Trial, trialValues } from '../../tuning/trial.ts';
import { formatNumber, formatSeconds } from '../format.ts';
import { failedChecks, gateRows } from '../gates-report.ts';
import { chartHtml, escapeHtml, factsHtml, tableHtml } from './markup.ts';
import { SCRIPT, STYLE } from './style.ts';

/** Charts of a section, SVG files in the order in which they are shown. */
export type Charts = readonly string[];

/** What the page of a run is made of; what the run does not have is empty or absent. */
export interface PageInput {
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly metric: string;
  readonly metrics: readonly string[];
  /** By model. */
  readonly scores: Readonly<Record<string, SplitMetrics>>;
  /** Rows by part of the data. */
  readonly rows: Readonly<Record<string, number>>;
  /** The part on which curves, matrices and residuals are shown. */
  readonly part: SplitName;
  readonly charts: {
    readonly learning: Charts;
    readonly curves: Charts;
    readonly confusion: Charts;
    readonly calibration: Charts;
    readonly residuals: Charts;
    readonly importances: Charts;
    readonly search: Charts;
    readonly comparison: Charts;
  };
  readonly search?:
    | { readonly trials: readonly Trial[]; readonly direction: Direction; readonly seconds: number }
    | undefined;
  readonly comparison?: Comparison | undefined;
  readonly gates?: GatesRecord | undefined;
  readonly sources: readonly {
    readonly role: string;
    readonly path: string;
    readonly rows: number;
    readonly sha256: string;
  }[];
  readonly fingerprints: Readonly<Record<string, string>>;
  /** Seconds by what took them. */
  readonly timings: readonly (readonly [string, number])[];
  readonly started: string;
  readonly seed: number;
  readonly engine: string;
  readonly machine: string;
  readonly warnings: readonly string[];
  /** The command that runs it again. */
  readonly command: string;
}

export const PART_NAMES: Readonly<Record<SplitName, string>> = {
  train: 'training',
  val: 'validation',
  test: 'test',
};
const PARTS: readonly SplitName[] = ['train', 'val', 'test'];
const SHOWN_TRIALS = 50;

interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: string;
}

const paragraph = (text: string) => `<p>${escapeHtml(text)}</p>\n`;
const list = (items: readonly string[]) =>
  items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('\n')}</ul>\n`;
const chartsHtml = (charts: Charts) =>
  charts.length === 0 ? '' : `<div class="charts">\n${charts.map(chartHtml).join('')}</div>\n`;

function scoresHtml({ scores, metrics, rows, metric }: PageInput): string {
  const of = PARTS.flatMap((part) =>
    Object.entries(scores).flatMap(([model, ofModel]) => {
      const values = ofModel[part];
      if (values === undefined) return [];
      const cells = metrics.map((name) => formatNumber(values[name as keyof typeof values]));
      return [[model, `${PART_NAMES[part]}, ${rows[part]} rows`, ...cells]];
    }),
  );
  return `${paragraph(`The primary metric is ${metric}.`)}${tableHtml({
    caption: 'Scores of all models by part of the data',
    head: ['model', 'part of the data', ...metrics],
    rows: of,
    texts: [1],
  })}`;
}

function bestTrials({ trials, direction }: NonNullable<PageInput['search']>): Trial[] {
  const sign = direction === 'minimize' ? 1 : -1;
  return trials
    .filter(({ state, value }) => state === 'complete' && Number.isFinite(value))
    .sort((a, b) => sign * (a.value! - b.value!) || a.number - b.number)
    .slice(0, SHOWN_TRIALS);
}

function searchHtml(input: PageInput): string {
  const { search, metric, charts } = input;
  if (search === undefined) return '';
  const count = (state: Trial['state']) => search.trials.filter((trial) => trial.state === state).length;
  const best = bestTrials(search);
  const names = [...new Set(best.flatMap(({ params }) => [...params.keys()]))];
  const text = (value: unknown) =>
    typeof value === 'number' ? formatNumber(value) : value === undefined ? '' : String(value);
  const table = tableHtml({
    caption: `The best ${best.length} of ${search.trials.length} trials by ${metric}, mean over the folds`,
    head: ['trial', metric, ...names],
    rows: best.map((trial) => {
      const values = trialValues(trial);
      return [String(trial.number), formatNumber(trial.value), ...names.map((name) => text(values[name]))];
    }),
    sortable: true,
  });
  return `${factsHtml([
    ['complete', String(count('complete'))],
    ['pruned', String(count('pruned'))],
    ['failed', String(count('fail'))],
    ['time', formatSeconds(search.seconds)],
  ])}${chartsHtml(charts.search)}${table}`;
}

const interval = (
  of: { readonly estimate: number; readonly low: number; readonly high: number } | undefined,
) =>
  of === undefined
    ? 'not run'
    : `${formatNumber(of.estimate)} (${formatNumber(of.low)} to ${formatNumber(of.high)})`;

function comparisonHtml({ comparison, charts }: PageInput): string {
  if (comparison === undefined) return '';
  const {
    experiments,
    metric,
    pairs,
    alpha,
    best_model: best,
    caveats,
    not_run: notRun,
    verdict,
  } = comparison;
  const level = `${formatNumber((1 - alpha) * 100)} %`;
  const isKnown = (value: number | undefined) => value !== undefined && Number.isFinite(value);
  const models = tableHtml({
    caption: `Models by rank, with ${level} intervals of ${metric} on the test rows`,
    head: ['model', 'rank', 'folds, mean ± sd', 'test rows', 'training', 'file', 'one row'],
    rows: experiments
      .slice(0, SHOWN_MODELS)
      .map((model) => [
        model.name,
        String(model.rank),
        isKnown(model.cv_mean) ? `${formatNumber(model.cv_mean)} ± ${formatNumber(model.cv_std)}` : 'not run',
        interval(model.intervals?.[metric]),
        model.training_seconds === undefined ? '' : formatSeconds(model.training_seconds),
        model.bytes === undefined ? '' : `${Math.ceil(model.bytes / 1000)} kB`,
        model.latency_us === undefined ? '' : `${model.latency_us.toPrecision(3)} µs`,
      ]),
  });
  const differences = tableHtml({
    caption: `Differences in ${metric}, the first model less the second, with ${level} intervals`,
    head: ['models', 'over the folds', 'on the test rows'],
    rows: pairs
      .filter(({ first, second }) => first === best.name || second === best.name)
      .slice(0, SHOWN_MODELS)
      .map(({ first, second, mean_difference: folds, test_difference: rows }) => [
        `${first} − ${second}`,
        interval(folds),
        interval(rows),
      ]),
  });
  const left = notRun.map(({ test, reason }) => `${test} was not run: ${reason}.`);
  return `${paragraph(verdict)}${models}${differences}${list([...caveats, ...left])}${chartsHtml(charts.comparison)}`;
}

function gatesHtml({ gates }: PageInput): string {
  if (gates === undefined) return '';
  const [head, ...rows] = gateRows(gates);
  const failed = failedChecks(gates);
  return `${paragraph(failed.length === 0 ? 'All gates passed.' : 'Not all gates passed:')}${list(failed)}${tableHtml(
    {
      caption: 'Checks of the quality gates',
      head: head!,
      rows,
      texts: [1, 2, 4],
    },
  )}`;
}

function provenanceHtml(input: PageInput): string {
  const { sources, fingerprints, timings, seed, engine, machine, started, warnings } = input;
  return `${factsHtml([
    ['seed', String(seed)],
    ['engine', engine],
    ['started', started],
    ['machine', machine],
  ])}${tableHtml({
    caption: 'Data that was read',
    head: ['part of the data', 'file', 'rows', 'SHA-256'],
    rows: sources.map(({ role, path, rows, sha256 }) => [role, path, String(rows), sha256]),
    texts: [1, 3],
  })}${tableHtml({
    caption: 'Fingerprints of the models: equal for equal models, on every engine and number of threads',
    head: ['model', 'SHA-256'],
    rows: Object.entries(fingerprints),
    texts: [1],
  })}${tableHtml({
    caption: 'Time',
    head: ['step', 'time'],
    rows: timings.map(([step, seconds]) => [step, formatSeconds(seconds)]),
  })}${warnings.length === 0 ? '' : `<h3>Warnings</h3>\n${list(warnings)}`}`;
}

function reproduceHtml({ command }: PageInput): string {
  return `${paragraph('With the same version, config and data, every engine and any number of threads gives these fingerprints again, bit for bit.')}<pre><code>${escapeHtml(command)}</code></pre>\n`;
}

/** How the best model was found, for the headline. */
function headline(input: PageInput): (readonly [string, string])[] {
  const { comparison, gates, metric, scores, part } = input;
  const best = comparison?.best_model;
  const models = Object.keys(scores);
  const shown = best?.name ?? models.at(-1);
  const score = shown === undefined ? undefined : scores[shown]?.[part];
  const checks = gates?.gates ?? [];
  const passed = checks.filter((gate) => gate.passed).length;
  return [
    ...(shown === undefined ? [] : [[best ? 'best model' : 'model', shown] as const]),
    ...(best?.basis === 'cv' ? [[`${metric}, mean over the folds`, formatNumber(best.score)] as const] : []),
    ...(score === undefined
      ? []
      : [
          [`${metric}, ${PART_NAMES[part]} rows`, formatNumber(score[metric as keyof typeof score])] as const,
        ]),
    ...(gates === undefined
      ? []
      : [
          [
            'quality gates',
            gates.passed
              ? `${passed} of ${checks.length} passed`
              : `${checks.length - passed} of ${checks.length} failed`,
          ] as const,
        ]),
  ];
}

/**
 * The page of a run: one HTML file that needs nothing else, follows the reader's light or dark scheme, and shows all text as it was given.
 */
export function pageHtml(input: PageInput): string {
  const { charts, part } = input;
  const rows = `${PART_NAMES[part]} rows`;
  const sections: Section[] = [
    { id: 'scores', title: 'Scores', body: scoresHtml(input) },
    { id: 'learning', title: 'Learning curves', body: chartsHtml(charts.learning) },
    { id: 'curves', title: `ROC and precision-recall on the ${rows}`, body: chartsHtml(charts.curves) },
    { id: 'confusion', title: 'Confusion matrices', body: chartsHtml(charts.confusion) },
    { id: 'calibration', title: 'Calibration', body: chartsHtml(charts.calibration) },
    { id: 'residuals', title: 'Residuals', body: chartsHtml(charts.residuals) },
    { id: 'importances', title: 'Feature importances', body: chartsHtml(charts.importances) },
    { id: 'trials', title: 'Search', body: searchHtml(input) },
    { id: 'comparison', title: 'Comparison', body: comparisonHtml(input) },
    { id: 'gates', title: 'Quality gates', body: gatesHtml(input) },
    { id: 'provenance', title: 'Data, machine and time', body: provenanceHtml(input) },
    { id: 'reproduce', title: 'How to run it again', body: reproduceHtml(input) },
  ].filter(({ body }) => body !== '');
  const tags = input.tags.map((tag) => `<li>${escapeHtml(tag)}</li>`).join('');
  const verdict = input.comparison?.verdict;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(input.name)}: report</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>${escapeHtml(input.name)}</h1>
${input.description === '' ? '' : paragraph(input.description)}${tags === '' ? '' : `<ul class="tags" aria-label="Tags">${tags}</ul>\n`}${factsHtml(headline(input))}${verdict === undefined ? '' : `<p class="verdict">${escapeHtml(verdict)}</p>\n`}</header>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => `<li><a href="#${id}">${escapeHtml(title)}</a></li>`).join('')}</ul></nav>
<main id="content">
${sections.map(({ id, title, body }) => `<section aria-labelledby="${id}">\n<h2 id="${id}">${escapeHtml(title)}</h2>\n${body}</section>`).join('\n')}
</main>
<footer><p>Made by Lockstep.</p></footer>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
