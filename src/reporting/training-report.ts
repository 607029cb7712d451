import type { BoostResult } from '../boosting/boost.ts';
import { featureImportances } from '../boosting/importance.ts';
import type { Model, ScalarRecord } from '../boosting/model.ts';
import type { SourceRecord, SplitName } from '../data/types.ts';
import type { MetricName } from '../engine/engine.ts';
import type { ClassConfusion, ConfusionMatrix, SplitMetrics } from '../metrics/score.ts';
import { formatNumber, formatSeconds, markdownTable } from './format.ts';

const SPLIT_TITLES: Readonly<Record<SplitName, string>> = { train: 'train', val: 'validation', test: 'test' };
const TOP_FEATURES = 20;
/** The most classes whose confusion matrix is readable as a table. */
const MATRIX_CLASSES = 20;

/** What the training report is made of. */
export interface TrainingReportInput {
  readonly name: string;
  readonly description: string;
  /** Description of the engine. */
  readonly engine: string;
  readonly model: Model;
  readonly boosting: Omit<BoostResult, 'trees'>;
  /** In the order of the columns. */
  readonly splits: readonly { readonly name: SplitName; readonly rows: number }[];
  /** The primary metric first. */
  readonly metricNames: readonly MetricName[];
  readonly metrics: SplitMetrics;
  readonly confusion: Partial<Record<SplitName, ConfusionMatrix | ClassConfusion>>;
  /** Names of the classes; empty for regression. */
  readonly classes: readonly string[];
  readonly sources: readonly SourceRecord[];
  readonly params: ScalarRecord;
  readonly timings: Readonly<Record<'load_s' | 'bin_s' | 'boosting_s' | 'metrics_s', number>>;
  readonly machine: string;
  readonly warnings: readonly string[];
  readonly configPath: string;
}

function metricsTable({ splits, metricNames, metrics }: TrainingReportInput): string {
  return markdownTable(
    ['metric', ...splits.map(({ name }) => SPLIT_TITLES[name])],
    metricNames.map((metric, i) => [
      i === 0 ? `**${metric}**` : metric,
      ...splits.map(({ name }) => formatNumber(metrics[name]?.[metric])),
    ]),
  );
}

/** The matrix of the last part that has one: test before validation before train. */
function confusionSection({ splits, confusion, classes }: TrainingReportInput): string {
  const last = splits.findLast(({ name }) => confusion[name] !== undefined);
  const counts = last && confusion[last.name];
  if (last === undefined || counts === undefined) return '';
  const matrix: ClassConfusion =
    'true_negative' in counts
      ? [
          [counts.true_negative, counts.false_positive],
          [counts.false_negative, counts.true_positive],
        ]
      : counts;
  const rule = 'true_negative' in counts ? ', threshold ½' : '';
  const heading = `## Confusion matrix (${SPLIT_TITLES[last.name]}${rule})`;
  if (classes.length > MATRIX_CLASSES) {
    return `${heading}\n\nThe matrix of the ${classes.length} classes is in metrics/curves.json.\n\n`;
  }
  const table = markdownTable(
    ['', ...classes.map((name) => `predicted ${name}`)],
    matrix.map((row, actual) => [`actual ${classes[actual]}`, ...row.map(formatNumber)]),
  );
  return `${heading}\n\n${table}\n\n`;
}

function importanceTable({ model }: TrainingReportInput): string {
  const importances = featureImportances(model.forest, model.features);
  if (importances.length === 0) return 'The model has no splits.';
  const total = importances.reduce((sum, { total_gain }) => sum + total_gain, 0);
  return markdownTable(
    ['feature', 'total gain', 'share', 'splits'],
    [...importances]
      .sort((a, b) => b.total_gain - a.total_gain)
      .slice(0, TOP_FEATURES)
      .map(({ feature, total_gain, weight }) => [
        feature,
        formatNumber(total_gain),
        `${((100 * total_gain) / total).toFixed(1)} %`,
        String(weight),
      ]),
  );
}

function describeStop({ boosting, model, params }: TrainingReportInput): string {
  const kept =
    model.outputs > 1
      ? `${boosting.bestRound} rounds of ${model.outputs} trees`
      : `${boosting.bestRound} trees`;
  if (!boosting.stoppedEarly) return `All ${boosting.rounds} rounds were trained; ${kept} are kept.`;
  return `Training stopped after ${boosting.rounds} of at most ${params.n_estimators} rounds, ${params.early_stopping_rounds} rounds after the best one; the first ${kept} are kept.`;
}

/** reports/training_report.md: what was trained on what, how well it does, and how to prove it. */
export function trainingReport(input: TrainingReportInput): string {
  const { timings } = input;
  const description = input.description === '' ? '' : `${input.description}\n\n`;
  const warnings =
    input.warnings.length === 0
      ? ''
      : `## Warnings\n\n${input.warnings.map((text) => `- ${text}`).join('\n')}\n\n`;
  return `# Training report: ${input.name}

${description}Baseline model, ${input.params.objective}, trained on ${input.engine}. ${describeStop(input)}

Fingerprint: \`${input.model.fingerprint}\`

## Metrics

${metricsTable(input)}

${confusionSection(input)}## Most important features

${importanceTable(input)}

## Data

${markdownTable(
  ['part', 'rows'],
  input.splits.map(({ name, rows }) => [SPLIT_TITLES[name], String(rows)]),
)}

${markdownTable(
  ['file', 'bytes', 'SHA-256'],
  input.sources.map(({ path, bytes, sha256 }) => [path, String(bytes), `\`${sha256}\``]),
)}

## Parameters

${markdownTable(
  ['parameter', 'value'],
  Object.entries(input.params).map(([name, value]) => [
    name,
    value === null ? 'from the target' : String(value),
  ]),
)}

## Time and machine

${markdownTable(
  ['step', 'time'],
  [
    ['reading', formatSeconds(timings.load_s)],
    ['binning', formatSeconds(timings.bin_s)],
    ['boosting', formatSeconds(timings.boosting_s)],
    ['metrics', formatSeconds(timings.metrics_s)],
  ],
)}

${input.machine}.

${warnings}## To repeat it

\`lockstep verify\` trains this configuration again and compares fingerprints:

\`\`\`
lockstep verify ${input.configPath} --expect ${input.model.fingerprint}
\`\`\`
`;
}
