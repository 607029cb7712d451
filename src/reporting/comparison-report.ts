import {
  type BestModel,
  type Comparison,
  type ExperimentRecord,
  type PairRecord,
  SHOWN_MODELS,
} from '../comparison/compare.ts';
import type { Interval, PairTestRecord } from '../comparison/pair-tests.ts';
import { TEST_MEANINGS, TEST_TITLES } from '../comparison/verdict.ts';
import { PAIR_TESTS } from '../config/comparison-tests.ts';
import type { MetricName } from '../metrics/metrics.ts';
import type { ComparisonPlotName } from './comparison-plots.ts';
import { formatNumber, formatSeconds, markdownTable } from './format.ts';

const PLOT_TITLES: Readonly<Record<ComparisonPlotName, string>> = {
  'comparison_folds.svg': 'Scores on the folds',
  'comparison_differences.svg': 'Differences with intervals',
  'comparison_critical_differences.svg': 'Critical differences',
  'comparison_roc.svg': 'ROC curves',
  'comparison_latency.svg': 'Quality against latency',
};

const SPLITS = [
  ['train', 'train'],
  ['val', 'validation'],
  ['test', 'test'],
] as const;

/** Fold scores are listed one by one up to so many folds. */
const LISTED_FOLDS = 20;

/** What the reports are made of. */
export interface ComparisonReportInput {
  /** What is compared, such as the name of the experiment. */
  readonly title: string;
  readonly comparison: Comparison;
  /** Names of the plots that were drawn, and their folder as seen from the report. */
  readonly plots: readonly ComparisonPlotName[];
  readonly plotFolder: string;
  /** Where the other report is, as seen from this one. */
  readonly other: string;
}

const BASIS_TITLES: Readonly<Record<BestModel['basis'], string>> = {
  cv: 'mean over the folds',
  val: 'validation',
  test: 'test',
  train: 'train',
};

const bytesText = (bytes: number | undefined) => {
  if (bytes === undefined) return 'not known';
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
};

const secondsText = (seconds: number | undefined) =>
  seconds === undefined ? 'not known' : formatSeconds(seconds);
const latencyText = (latency: number | undefined) =>
  latency === undefined ? 'not measured' : `${latency.toFixed(2)} µs`;

const intervalText = ({ estimate, low, high }: Interval) =>
  `${formatNumber(estimate)} (${formatNumber(low)} to ${formatNumber(high)})`;

const withDeviation = ({ cv_mean: mean, cv_std: deviation, cv_scores: scores }: ExperimentRecord) => {
  if (scores === undefined) return 'none';
  return scores.length < 2 ? formatNumber(mean) : `${formatNumber(mean)} ± ${formatNumber(deviation)}`;
};

const percent = (part: number) => `${formatNumber(100 * part)} %`;

/** A p-value: four significant digits are plenty. */
const pText = (p: number) =>
  p === 0 || p === 1 ? String(p) : p < 1e-4 ? p.toExponential(1) : p.toPrecision(3);

const shownNote = ({ experiments }: Comparison) =>
  experiments.length > SHOWN_MODELS
    ? `The best ${SHOWN_MODELS} of ${experiments.length} models; experiment_comparison.json has all.\n\n`
    : '';

function modelsTable({ experiments, best_model: best }: Comparison): string {
  const { metric } = best;
  const splits = SPLITS.filter(([split]) =>
    experiments.some(({ metrics }) => metrics[split]?.[metric] !== undefined),
  );
  return markdownTable(
    ['model', `${metric}, folds`, ...splits.map(([, title]) => title), 'training', 'size', 'latency'],
    experiments
      .slice(0, SHOWN_MODELS)
      .map((model) => [
        model.name === best.name ? `**${model.name}**` : model.name,
        withDeviation(model),
        ...splits.map(([split]) => formatNumber(model.metrics[split]?.[metric])),
        secondsText(model.training_seconds),
        bytesText(model.bytes),
        latencyText(model.latency_us),
      ]),
  );
}

function decidesText({ decision }: Comparison): string {
  const { test, asked, not_run: reason } = decision;
  const title = `${TEST_TITLES[test][0]!.toUpperCase()}${TEST_TITLES[test].slice(1)}`;
  const why = asked === 'auto' ? 'the default' : '`comparison.test`';
  const state = reason === undefined ? '' : ` It was not run: ${reason}.`;
  return `${title} (${why}).${state} ${TEST_MEANINGS[test]}`;
}

function caveatsText({ caveats }: Comparison): string {
  return caveats.length === 0 ? '' : `## To heed\n\n${caveats.map((text) => `- ${text}`).join('\n')}\n\n`;
}

/** experiment_comparison.md: the models side by side, which test decides, and what it says. */
export function comparisonSummary({
  title,
  comparison,
  plots,
  plotFolder,
  other,
}: ComparisonReportInput): string {
  const plot = plots[0];
  return `# Comparison: ${title}

${comparison.verdict}

${shownNote(comparison)}${modelsTable(comparison)}

## The test that decides

${decidesText(comparison)}

${caveatsText(comparison)}${plot === undefined ? '' : `![${PLOT_TITLES[plot]}](${plotFolder}/${plot})\n\n`}All tests, intervals and plots are in [the analysis](${other}).
`;
}

function foldsSection({ experiments, metric }: Comparison): string {
  const shown = experiments.slice(0, SHOWN_MODELS).filter(({ cv_scores }) => cv_scores !== undefined);
  if (shown.length === 0) return '';
  const folds = Math.max(...shown.map(({ cv_scores }) => cv_scores!.length));
  if (folds > LISTED_FOLDS) return '';
  const table = markdownTable(
    ['model', ...Array.from({ length: folds }, (_, i) => `fold ${i + 1}`), 'mean ± standard deviation'],
    shown.map((model) => [
      model.name,
      ...Array.from({ length: folds }, (_, i) =>
        i < model.cv_scores!.length ? formatNumber(model.cv_scores![i]) : '',
      ),
      withDeviation(model),
    ]),
  );
  return `## ${metric} on the folds\n\n${table}\n\n`;
}

const testStatistic = ({ t_statistic, statistic }: PairTestRecord) => formatNumber(t_statistic ?? statistic);

function pairsSection({ pairs, best_model: best, alpha, metric }: Comparison): string {
  if (pairs.length === 0) return '';
  const shown = pairs.slice(0, SHOWN_MODELS - 1);
  const level = percent(1 - alpha);
  const tests = markdownTable(
    ['against', 'test', 'statistic', 'p', "p, Holm's", 'significant', 'in favour of'],
    shown.flatMap(({ second, tests: ofPair }) =>
      PAIR_TESTS.flatMap((name) => {
        const test = ofPair[name];
        if (test === undefined) return [];
        return [
          [
            second,
            name,
            testStatistic(test),
            pText(test.p_value),
            pText(test.adjusted_p_value),
            test.significant ? 'yes' : 'no',
            test.favours ?? 'neither',
          ],
        ];
      }),
    ),
  );
  const sizes = shown.filter(({ effect_sizes }) => effect_sizes !== undefined);
  const effects =
    sizes.length === 0
      ? ''
      : `\n\n### Effect sizes\n\nOver the folds, ${best.name} less the other; a d of folds is no d of rows.\n\n${effectsTable(sizes)}`;
  return `## ${best.name} against ${shown.length === 1 ? shown[0]!.second : 'the others'}

Differences are ${best.name} less the other, with ${level} intervals: over the folds by Nadeau and Bengio's corrected variance, on the test rows by the bootstrap.

${markdownTable(
  ['against', `${metric}, folds`, `${metric}, test rows`],
  shown.map(({ second, mean_difference: folds, test_difference: rows }) => [
    second,
    folds === undefined ? 'not run' : intervalText(folds),
    rows === undefined ? 'not run' : intervalText(rows),
  ]),
)}

${tests}${effects}

`;
}

function effectsTable(pairs: readonly PairRecord[]): string {
  return markdownTable(
    ['against', "Cohen's d", "Hedges' g", 'rank-biserial', "Cliff's delta"],
    pairs.map(({ second, effect_sizes: sizes }) => [
      second,
      ...[sizes!.cohens_d, sizes!.hedges_g, sizes!.rank_biserial, sizes!.cliffs_delta].map(formatNumber),
    ]),
  );
}

function togetherSection({ statistical_tests: tests, experiments }: Comparison): string {
  const { friedman_test: friedman, iman_davenport: iman, average_ranks: ranks, holm, nemenyi } = tests;
  if (friedman === undefined || iman === undefined || ranks === undefined || holm === undefined) return '';
  const shown = experiments.slice(0, SHOWN_MODELS);
  const yes = (significant: boolean) => (significant ? 'yes' : 'no');
  const omnibus = markdownTable(
    ['test', 'statistic', 'p', 'significant'],
    [
      ['Friedman, χ²', formatNumber(friedman.statistic), pText(friedman.p_value), yes(friedman.significant)],
      ['Iman and Davenport, F', formatNumber(iman.statistic), pText(iman.p_value), yes(iman.significant)],
    ],
  );
  const posthoc = markdownTable(
    ['model', 'average rank', 'z', 'p', "p, Holm's", 'differs from the best'],
    shown.map(({ name }) => {
      const comparison = holm.find(({ second }) => second === name);
      const rest =
        comparison === undefined
          ? ['', '', '', '']
          : [
              formatNumber(comparison.z_statistic),
              pText(comparison.p_value),
              pText(comparison.adjusted_p_value),
              yes(comparison.significant),
            ];
      return [name, formatNumber(ranks[name]), ...rest];
    }),
  );
  const all =
    nemenyi === undefined
      ? ''
      : `\n\n### Nemenyi\n\nCritical difference of average ranks: ${formatNumber(nemenyi.critical_difference)}. ${nemenyi.groups.length === 0 ? 'All models differ by more.' : `Sets of models that differ by less: ${nemenyi.groups.map((group) => group.join(', ')).join('; ')}.`}\n\n${markdownTable(
          ['models', 'p', 'significant'],
          nemenyi.pairs.map(({ first, second, p_value: p, significant }) => [
            `${first}, ${second}`,
            pText(p),
            yes(significant),
          ]),
        )}`;
  return `## All models together

The models are ranked within each fold. Holm's and Nemenyi's comparisons count only where Friedman's test is significant.

${omnibus}

${posthoc}${all}

`;
}

function intervalsSection({ experiments, alpha }: Comparison): string {
  const shown = experiments.filter(({ intervals }) => intervals !== undefined);
  if (shown.length === 0) return '';
  const names = [...new Set(shown.flatMap(({ intervals }) => Object.keys(intervals!)))] as MetricName[];
  const { resamples } = Object.values(shown[0]!.intervals!)[0]!;
  return `## Metrics on the test rows with intervals

${percent(1 - alpha)} bootstrap intervals of ${resamples} resamples of the rows.

${markdownTable(
  ['metric', ...shown.map(({ name }) => name)],
  names.map((metric) => [
    metric,
    ...shown.map(({ intervals }) => {
      const interval = intervals![metric];
      return interval === undefined ? 'undefined' : intervalText(interval);
    }),
  ]),
)}

`;
}

function overfittingSection({ experiments, metric }: Comparison): string {
  const shown = experiments.slice(0, SHOWN_MODELS).filter(({ overfitting }) => overfitting !== undefined);
  if (shown.length === 0) return '';
  return `## Overfitting

Validation against training ${metric}; the ratio is inverted for metrics that are minimised, so that less is worse.

${markdownTable(
  ['model', 'train', 'validation', 'ratio', 'overfitted'],
  shown.map(({ name, overfitting }) => [
    name,
    formatNumber(overfitting!.train),
    formatNumber(overfitting!.val),
    formatNumber(overfitting!.ratio),
    overfitting!.overfitted ? 'yes' : 'no',
  ]),
)}

`;
}

function calibrationSection({ experiments }: Comparison): string {
  const shown = experiments.slice(0, SHOWN_MODELS).filter(({ calibration }) => calibration !== undefined);
  if (shown.length === 0) return '';
  return `## Calibration

On the test rows; 0 is best for both. ECE is the expected calibration error over ten bins.

${markdownTable(
  ['model', 'Brier score', 'ECE'],
  shown.map(({ name, calibration }) => [
    name,
    formatNumber(calibration!.brier),
    formatNumber(calibration!.ece),
  ]),
)}

`;
}

function costSection({ experiments }: Comparison): string {
  return `## Cost

Time of training the final model, without the search; bytes of the model file; median time of predicting one row.

${markdownTable(
  ['model', 'training', 'size', 'latency'],
  experiments
    .slice(0, SHOWN_MODELS)
    .map(({ name, training_seconds, bytes, latency_us }) => [
      name,
      secondsText(training_seconds),
      bytesText(bytes),
      latencyText(latency_us),
    ]),
)}

`;
}

function notRunSection({ not_run: tests }: Comparison): string {
  if (tests.length === 0) return '';
  return `## Not run

${tests.map(({ test, reason }) => `- ${test}: ${reason}.`).join('\n')}

`;
}

/** reports/comparison_analysis.md: every test, interval and plot of a comparison. */
export function comparisonAnalysis(input: ComparisonReportInput): string {
  const { title, comparison, plots, plotFolder, other } = input;
  const { best_model: best, direction } = comparison;
  const images = plots.map((name) => `![${PLOT_TITLES[name]}](${plotFolder}/${name})`).join('\n\n');
  return `# Comparison analysis: ${title}

${comparison.verdict}

Models are ranked by ${best.metric} (${BASIS_TITLES[best.basis]}), ${direction === 'minimize' ? 'the lower the better' : 'the higher the better'}. The short form is [the summary](${other}).

${shownNote(comparison)}${modelsTable(comparison)}

## The test that decides

${decidesText(comparison)}

${caveatsText(comparison)}${foldsSection(comparison)}${pairsSection(comparison)}${togetherSection(comparison)}${intervalsSection(comparison)}${overfittingSection(comparison)}${calibrationSection(comparison)}${costSection(comparison)}${notRunSection(comparison)}${images === '' ? '' : `## Plots\n\n${images}\n`}`
    .trimEnd()
    .concat('\n');
}
