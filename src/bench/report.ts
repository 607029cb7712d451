import { type Bar, type BarPanel, barChart } from '../reporting/bar-chart.ts';
import { formatSeconds, markdownTable } from '../reporting/format.ts';
import type { BenchData, BenchOutcome, BenchResult } from './benchmark.ts';
import { PEER_REMARKS } from './peers.ts';
import type { Spread } from './summary.ts';

/** A table of one data set: cells as text, the first column to be aligned left, the others right. */
export interface ReportTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What is said of one data set. */
export interface DataReport {
  readonly title: string;
  readonly task: string;
  readonly boosting: ReportTable;
  readonly batches: ReportTable | undefined;
  /** What the engines take before they boost. */
  readonly engines: ReportTable | undefined;
  /** Figures to be read with care, failures. */
  readonly notes: readonly string[];
}

const ABSENT = '–';
const BUSY = '*';

const grouped = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 0 });

/** Three significant digits in seconds: 0.0123, 1.23, 123. */
function seconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}

const range = ({ min, max }: Spread) => `${seconds(min)}–${seconds(max)}`;
const factor = (value: number | null) => (value === null ? ABSENT : `${value.toFixed(2)}×`);
const plural = (count: number, word: string) => `${grouped(count)} ${word}${count === 1 ? '' : 's'}`;

/** A subject with its version, such as `lockstep cpu` or `xgboost 3.2.0`. */
export function resultName({ library, engine, repeats }: BenchResult): string {
  if (engine !== undefined) return `${library} ${engine}`;
  const version = repeats[0]?.version;
  return version === undefined ? library : `${library} ${version}`;
}

const sizeOf = ({ train_rows, features }: BenchData) =>
  `${plural(train_rows, 'row')} × ${plural(features, 'feature')}`;

const trainingOf = ({ params, metric }: BenchData) =>
  `${plural(params.n_estimators, 'round')}, depth ${params.max_depth}, ${metric} each round`;

function taskOf(data: BenchData): string {
  const { val_rows, categorical_features } = data;
  const categorical = categorical_features === 0 ? '' : ` (${categorical_features} categorical)`;
  return `${sizeOf(data)}${categorical}; ${plural(val_rows, 'row')} to validate on; ${trainingOf(data)}`;
}

function boostingTable(results: readonly BenchResult[], data: BenchData): ReportTable {
  const rows = results.flatMap((result) => {
    const { summary, threads } = result;
    if (summary === null) return [];
    const { bin_s, boost_s, busy, ratio, cells_per_s, scores } = summary;
    return [
      [
        resultName(result),
        String(threads),
        bin_s === null ? ABSENT : seconds(bin_s.median),
        `${seconds(boost_s.median)}${busy ? BUSY : ''}`,
        range(boost_s),
        factor(ratio),
        grouped(cells_per_s / 1e6),
        ...[scores.train, scores.val].map((score) => score?.toFixed(5) ?? ABSENT),
      ],
    ];
  });
  const { metric } = data;
  return {
    head: [
      'subject',
      'threads',
      'bin s',
      'boost s',
      'min–max',
      'fastest peer',
      'M cells/s',
      `${metric} train`,
      'val',
    ],
    rows,
  };
}

function batchTable(results: readonly BenchResult[]): ReportTable | undefined {
  const rows = results.flatMap((result) => {
    const { summary, threads, batch } = result;
    if (summary === null || batch === undefined) return [];
    const { boost_s, busy, models_per_s, speedup } = summary;
    return [
      [
        resultName(result),
        String(threads),
        String(batch),
        `${seconds(boost_s.median)}${busy ? BUSY : ''}`,
        range(boost_s),
        models_per_s.toPrecision(3),
        factor(speedup),
      ],
    ];
  });
  if (rows.length === 0) return undefined;
  return {
    head: ['batches', 'threads', 'models', 'boost s', 'min–max', 'models/s', 'one at a time'],
    rows,
  };
}

function engineTable(results: readonly BenchResult[]): ReportTable | undefined {
  const rows = results.flatMap((result) => {
    const { summary, threads, batch } = result;
    if (summary === null || summary.engine === null || batch !== undefined) return [];
    const { start_s, upload_s, first_model_s } = summary.engine;
    return [[resultName(result), String(threads), ...[start_s, upload_s, first_model_s].map(seconds)]];
  });
  if (rows.length === 0) return undefined;
  return { head: ['engines', 'threads', 'start s', 'upload s', 'first model s'], rows };
}

function nameWithThreads(result: BenchResult): string {
  const many = result.batch === undefined ? '' : `, batch of ${result.batch}`;
  return `${resultName(result)}, ${plural(result.threads, 'thread')}${many}`;
}

function notesOf(results: readonly BenchResult[]): string[] {
  const busy = results.flatMap(({ summary }) => (summary?.busy ? [summary.busy_cores!] : []));
  const failures = results.flatMap((result) =>
    result.failure === null ? [] : [`${nameWithThreads(result)} failed: ${result.failure}`],
  );
  const remarks = results.flatMap(({ library, repeats }) =>
    repeats.length === 0 ? [] : [...repeats[0]!.notes, PEER_REMARKS[library] ?? []].flat(),
  );
  return [
    ...(busy.length === 0
      ? []
      : [`${BUSY} on a busy machine: other processes used up to ${Math.max(...busy).toFixed(1)} cores`]),
    ...failures,
    ...new Set(remarks),
  ];
}

/** What a person is shown of an outcome, data set by data set. */
export function dataReports({ data, results }: BenchOutcome): DataReport[] {
  return data.map((set) => {
    const own = results.filter((result) => result.data === set.name);
    return {
      title: set.name,
      task: taskOf(set),
      boosting: boostingTable(
        own.filter(({ batch }) => batch === undefined),
        set,
      ),
      batches: batchTable(own),
      engines: engineTable(own),
      notes: notesOf(own),
    };
  });
}

/** The machine as one line. */
export function machineLine({ machine, started }: BenchOutcome): string {
  const { cpu, cores, memory_gb, platform, node_version, simd, load_average } = machine;
  return [
    `${cpu}, ${plural(cores, 'core')}, ${memory_gb} GiB`,
    platform,
    `Node ${node_version}`,
    ...(simd === null ? [] : [simd]),
    `load ${load_average[0]!.toFixed(2)}`,
    started,
  ].join('; ');
}

/** What the columns of the tables mean. */
export const LEGEND = [
  'Medians. One thread: CPU time of the process; several, and devices: wall time. Boosting is all rounds with the metric on training and validation rows after each; every timing is a fresh process, and where boosting takes less than half a second, the second time in it counts.',
  'bin: from arrays in memory to what the library trains on. fastest peer: boosting time over that of the fastest peer on as many threads. M cells/s: million rows × features × levels a second.',
  'start: opening the engine, a device with its kernels above all. upload: from the binned table to what the engine trains on. first model: from before the start to the first model, binning included. All wall time.',
];

/** Everything that the terminal shows, as Markdown. */
export function markdownReport(outcome: BenchOutcome): string {
  const sections = dataReports(outcome).flatMap(({ title, task, boosting, batches, engines, notes }) => [
    `## ${title}`,
    `${task}.`,
    ...(boosting.rows.length === 0 ? [] : [markdownTable(boosting.head, boosting.rows)]),
    ...(batches === undefined ? [] : [markdownTable(batches.head, batches.rows)]),
    ...(engines === undefined ? [] : [markdownTable(engines.head, engines.rows)]),
    ...(notes.length === 0 ? [] : [notes.map((note) => `- ${note.replaceAll('*', '\\*')}`).join('\n')]),
  ]);
  const { not_run, interrupted, seconds: taken, settings } = outcome;
  return `${[
    '# Benchmark',
    `${machineLine(outcome)}; ${plural(settings.repeats, 'repeat')}, ${formatSeconds(taken)}${interrupted ? ', interrupted' : ''}.`,
    '![Boosting times](bench.svg)',
    ...sections,
    ...(not_run.length === 0
      ? []
      : ['## Not run', not_run.map(({ name, reason }) => `- ${name}: ${reason}`).join('\n')]),
    '## How to read it',
    LEGEND.join('\n\n'),
  ].join('\n\n')}\n`;
}

function panelOf(data: BenchData, results: readonly BenchResult[]): BarPanel | undefined {
  const bars = results.flatMap((result): Bar[] => {
    const { summary, threads, batch } = result;
    if (summary === null || batch !== undefined) return [];
    const { boost_s, busy, ratio } = summary;
    const time = `${seconds(boost_s.median)} s${busy ? BUSY : ''}`;
    return [
      {
        label: `${resultName(result)}, ${plural(threads, 'thread')}`,
        value: boost_s.median,
        low: boost_s.min,
        high: boost_s.max,
        text: ratio === null ? time : `${time} · ${factor(ratio)}`,
        accent: result.library === 'lockstep',
      },
    ];
  });
  if (bars.length === 0) return undefined;
  return {
    heading: data.name,
    detail: `${sizeOf(data)}; ${trainingOf(data)}`,
    axis: 'seconds of boosting',
    bars,
  };
}

/** The chart of boosting times; undefined where nothing was measured. */
export async function benchChart(outcome: BenchOutcome): Promise<string | undefined> {
  const { data, results, machine, settings } = outcome;
  const panels = data.flatMap(
    (set) =>
      panelOf(
        set,
        results.filter((result) => result.data === set.name),
      ) ?? [],
  );
  if (panels.length === 0) return undefined;
  const busy = results.some(({ summary }) => summary?.busy);
  return barChart({
    title: 'Seconds of boosting; shorter is better',
    panels,
    notes: [
      `Bars: median of ${settings.repeats}; whiskers: least and greatest. One thread: CPU time; several: wall time.`,
      '×: time over that of the fastest peer on as many threads.',
      ...(busy ? [`${BUSY} on a busy machine`] : []),
      `${machine.cpu}, ${plural(machine.cores, 'core')}, ${machine.simd ?? machine.platform}; ${outcome.started.slice(0, 10)}`,
    ],
  });
}
