import { plainMean } from '../stats/sum.ts';
import { type Distribution, externalValue } from '../tuning/space.ts';
import { type Direction, isFinished, type Trial } from '../tuning/trial.ts';
import { formatNumber, formatSeconds, markdownTable } from './format.ts';
import { STUDY_PLOTS, type StudyPlotName } from './study-plots.ts';

const TOP_TRIALS = 10;
/** Reasons of failed trials that are listed. */
const TOP_FAILURES = 5;

const PLOT_TITLES: Readonly<Record<StudyPlotName, string>> = {
  'optimization_history.svg': 'Optimization history',
  'parallel_coordinates.svg': 'Parallel coordinates',
  'slices.svg': 'Slices',
  'parameter_importances.svg': 'Parameter importances',
  'pruning_timeline.svg': 'Pruning timeline',
};

/** What the optimization report is made of. */
export interface OptimizationReportInput {
  readonly name: string;
  readonly description: string;
  /** Description of the engine. */
  readonly engine: string;
  /** What trials are judged by. */
  readonly metric: string;
  readonly direction: Direction;
  /** How the rows are divided, as "5 stratified folds of 32,561 rows". */
  readonly folds: string;
  readonly trials: readonly Trial[];
  /** Of this run; a resumed study has trials of earlier ones. */
  readonly search: { readonly seconds: number; readonly trials: number };
  /** Scores on each fold of the parameters that are not searched. */
  readonly baselineScores: readonly number[];
  /** Scores of the best trial on the same folds. */
  readonly optimizedScores: readonly number[];
  /** Values that searched parameters have in the baseline, by name, where known. */
  readonly baselineParams: Readonly<Record<string, unknown>>;
  /** Shares by parameter, falling. */
  readonly importances: ReadonlyMap<string, number>;
  /** How the search was set up: sampler, seed, pruner, generation, early stopping and the like, with their settings. */
  readonly setup: readonly (readonly [string, string])[];
  readonly machine: string;
  readonly warnings: readonly string[];
  readonly configPath: string;
  readonly studyName: string;
  /** The study's file and the folder of the plots, as seen from the report. */
  readonly paths: { readonly journal: string; readonly plots: string };
}

/** The sample standard deviation; NaN of fewer than two values. */
function deviation(values: readonly number[]): number {
  const middle = plainMean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return values.length < 2 ? Number.NaN : Math.sqrt(squares / (values.length - 1));
}

function foldScores({ userAttrs }: Trial): readonly number[] {
  const scores = userAttrs.fold_scores;
  return Array.isArray(scores) && scores.every((score) => typeof score === 'number') ? scores : [];
}

const withDeviation = (value: number | undefined, scores: readonly number[]) =>
  scores.length < 2 ? formatNumber(value) : `${formatNumber(value)} ± ${formatNumber(deviation(scores))}`;

const signed = (value: number) => (value > 0 ? `+${formatNumber(value)}` : formatNumber(value));

/** A parameter's value; numbers with six significant digits, and no more of them than they have. */
function showValue(value: unknown): string {
  if (value === undefined) return '';
  return String(typeof value === 'number' ? Number(value.toPrecision(6)) : value);
}

function paramValue(trial: Trial, name: string): string {
  const param = trial.params.get(name);
  return param === undefined ? '' : showValue(externalValue(param.distribution, param.value));
}

function showDistribution(distribution: Distribution): string {
  if (distribution.type === 'categorical') return distribution.choices.map(String).join(', ');
  const { type, low, high, log, step } = distribution;
  const scale = log
    ? ', logarithmic'
    : step === undefined || (type === 'int' && step === 1)
      ? ''
      : `, step ${showValue(step)}`;
  return `${showValue(low)} to ${showValue(high)}${scale}`;
}

function ranked({ trials, direction }: OptimizationReportInput): Trial[] {
  const sign = direction === 'minimize' ? 1 : -1;
  return trials
    .filter(({ state, value }) => state === 'complete' && value !== undefined && !Number.isNaN(value))
    .sort((a, b) => (a.value === b.value ? a.number - b.number : sign * a.value! < sign * b.value! ? -1 : 1));
}

function countsTable({ trials, search }: OptimizationReportInput): string {
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const finished = trials.filter(isFinished).length;
  const unfinished = trials.length - finished;
  const time =
    search.trials === finished ? 'time' : `time of this run, in which ${search.trials} trials were finished`;
  return markdownTable(
    ['trials', String(finished)],
    [
      ['complete', String(count('complete'))],
      ['pruned', String(count('pruned'))],
      ['failed', String(count('fail'))],
      ...(unfinished > 0 ? [['not finished', String(unfinished)]] : []),
      [time, formatSeconds(search.seconds)],
      ...(search.seconds > 0 ? [['trials a second', formatNumber(search.trials / search.seconds)]] : []),
    ],
  );
}

function failures({ trials }: OptimizationReportInput): string {
  const reasons = new Map<string, number>();
  for (const { state, userAttrs } of trials) {
    if (state !== 'fail') continue;
    const reason = typeof userAttrs.failure === 'string' ? userAttrs.failure : 'no reason was recorded';
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  if (reasons.size === 0) return '';
  const lines = [...reasons].sort(([, a], [, b]) => b - a).slice(0, TOP_FAILURES);
  return `Why trials failed:\n\n${lines.map(([reason, count]) => `- ${count} ×: ${reason.replaceAll(/\s+/g, ' ')}`).join('\n')}\n\n`;
}

function bestSection(input: OptimizationReportInput, best: Trial | undefined): string {
  if (best === undefined) return 'No trial is complete, so that there is no best one.';
  const rounds = best.userAttrs.best_rounds;
  const roundsText =
    Array.isArray(rounds) && rounds.length > 0 ? ` Best rounds of the folds: ${rounds.join(', ')}.` : '';
  const score = `Trial ${best.number}: **${input.metric} ${withDeviation(best.value, foldScores(best))}** (mean ± standard deviation over folds).${roundsText}`;
  if (best.params.size === 0) return score;
  const table = markdownTable(
    ['parameter', 'best', 'baseline', 'searched'],
    [...best.params].map(([name, { distribution }]) => [
      name,
      paramValue(best, name),
      showValue(input.baselineParams[name]),
      showDistribution(distribution),
    ]),
  );
  return `${score}\n\n${table}`;
}

function comparison(input: OptimizationReportInput): string {
  const { baselineScores: before, optimizedScores: after, direction } = input;
  if (before.length === 0 || before.length !== after.length) return '';
  const differences = after.map((score, i) => score - before[i]!);
  const sign = direction === 'minimize' ? -1 : 1;
  const gain = plainMean(after) - plainMean(before);
  const wins = differences.filter((difference) => sign * difference > 0).length;
  const verdict =
    sign * gain > 0
      ? `The best trial is better than the baseline by ${formatNumber(Math.abs(gain))} on average, on ${wins} of ${before.length} folds.`
      : 'The search found nothing better than the baseline.';
  const table = markdownTable(
    ['fold', 'baseline', 'optimized', 'difference'],
    [
      ...before.map((score, i) => [
        String(i + 1),
        formatNumber(score),
        formatNumber(after[i]),
        signed(differences[i]!),
      ]),
      ['**mean**', formatNumber(plainMean(before)), formatNumber(plainMean(after)), signed(gain)],
      ['standard deviation', ...[before, after, differences].map((of) => formatNumber(deviation(of)))],
    ],
  );
  return `## Baseline and optimized on the same folds

${verdict} The best of many trials is chosen by these very folds, so its score flatters it a little; rows that no fold has seen decide.

${table}

`;
}

function importancesSection({ importances }: OptimizationReportInput): string {
  if (importances.size === 0) return 'There are too few complete trials for importances.';
  const table = markdownTable(
    ['parameter', 'importance'],
    [...importances].map(([name, share]) => [name, `${(100 * share).toFixed(1)} %`]),
  );
  return `${table}

By PED-ANOVA: how far the values of the best tenth of the complete trials differ from those of all of them. It says what mattered in this search space, not what would matter beyond it.`;
}

function topTable(input: OptimizationReportInput, trials: readonly Trial[]): string {
  const top = trials.slice(0, TOP_TRIALS);
  if (top.length === 0) return 'No trial is complete.';
  const names = [...new Set(top.flatMap(({ params }) => [...params.keys()]))];
  return markdownTable(
    ['trial', input.metric, ...names],
    top.map((trial) => [
      String(trial.number),
      withDeviation(trial.value, foldScores(trial)),
      ...names.map((name) => paramValue(trial, name)),
    ]),
  );
}

/** What the search found and how, against the baseline, and how to go on, as Markdown. */
export function optimizationReport(input: OptimizationReportInput): string {
  const { direction, metric, paths } = input;
  const complete = ranked(input);
  const top = Math.min(TOP_TRIALS, complete.length);
  const description = input.description === '' ? '' : `${input.description}\n\n`;
  const warnings =
    input.warnings.length === 0
      ? ''
      : `## Warnings\n\n${input.warnings.map((text) => `- ${text}`).join('\n')}\n\n`;
  return `# Optimization report: ${input.name}

${description}Hyperparameters searched on ${input.engine}. Trials are judged by ${metric}, ${direction === 'minimize' ? 'the lower the better' : 'the higher the better'}, over ${input.folds}.

${countsTable(input)}

${failures(input)}## Best trial

${bestSection(input, complete[0])}

${comparison(input)}## Parameter importances

${importancesSection(input)}

## ${top > 1 ? `The ${top} best trials` : 'Best trials'}

${topTable(input, complete)}

## Plots

${STUDY_PLOTS.map((file) => `![${PLOT_TITLES[file]}](${paths.plots}/${file})`).join('\n\n')}

## How the search was set up

${markdownTable(['setting', 'value'], input.setup)}

${input.machine}.

${warnings}## To go on

With a greater \`optimization.n_trials\` in the config, this adds trials to the study:

\`\`\`
lockstep tune ${input.configPath} --resume
\`\`\`

\`${paths.journal}\` is in Optuna's journal format, so Optuna reads it too:

\`\`\`python
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

storage = JournalStorage(JournalFileBackend(${JSON.stringify(paths.journal)}))
study = optuna.load_study(study_name=${JSON.stringify(input.studyName)}, storage=storage)
\`\`\`
`;
}
