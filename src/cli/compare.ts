import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Comparison } from '../comparison/compare.ts';
import type { DecidingTest } from '../config/comparison-tests.ts';
import { ExitCode } from '../errors.ts';
import { formatNumber, formatSeconds } from '../reporting/format.ts';
import { type CommandContext, jsonOption, list, path, quietOption } from './options.ts';
import { createProgress } from './progress.ts';
import { print, printJson, table } from './terminal.ts';

const TESTS: readonly (DecidingTest | 'auto')[] = [
  'auto',
  'nadeau_bengio',
  'paired_ttest',
  'wilcoxon',
  'friedman',
  'mcnemar',
  'delong',
];
/** Rows of the table; more are in the reports. */
const MOST_ROWS = 20;

interface CompareCommandOptions {
  readonly out?: string;
  readonly models?: readonly string[];
  readonly force?: boolean;
  readonly test?: DecidingTest | 'auto';
  readonly alpha?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

function level(value: string): number {
  const alpha = Number(value);
  if (/^\d*\.?\d+$/.test(value) && alpha > 0 && alpha < 1) return alpha;
  throw new InvalidArgumentError('Give a number between 0 and 1, such as 0.05.');
}

/** `lockstep compare`: models of finished runs side by side. */
export function addCompareCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('compare')
    .summary('compare the models of finished runs: tests, intervals, calibration, cost')
    .description(
      'Compares the best models of finished runs, or of one run all models, on the same folds and test rows, and says in words which is best and whether that is significant.',
    )
    .argument('<dirs...>', 'output folders of lockstep run', (value: string, before: string[] = []) => [
      ...before,
      path(value),
    ])
    .option('--out <dir>', 'folder for reports, JSON and plots (default: nothing is written)', path)
    .option(
      '--models <names>',
      'models of each run, with commas: baseline, optimized, ensemble (default: its best; of one run all)',
      list,
    )
    .option('--force', 'compare runs on other data or folds too; their folds are not paired')
    .addOption(new Option('--test <name>', 'test that decides (default: auto)').choices(TESTS))
    .option('--alpha <level>', 'significance level (default: 0.05)', level)
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText(
      'after',
      '\nExample:\n  lockstep compare experiments/first experiments/second --out comparison',
    )
    .action(async (folders: readonly string[], options: CompareCommandOptions) => {
      const { json = false, quiet = false, ...settings } = options;
      const { compareRuns } = await import('../protocol/compare-runs.ts');
      const progress = createProgress({ verbose: 0, quiet });
      const { comparison, out, files } = await compareRuns({
        ...settings,
        folders,
        reporter: progress,
        signal,
      }).finally(() => progress.finish());
      if (json) {
        printJson({ ...(out !== undefined && { out }), ...comparison, files, exit: ExitCode.done });
        return;
      }
      const report =
        out === undefined ? [] : [`\n${table([['report', `${out}/reports/comparison_analysis.md`]])}`];
      print([comparisonTable(comparison), '', comparison.verdict, ...report].join('\n'));
    });
}

/** The models of a comparison for a terminal, the best first. */
function comparisonTable({ experiments, metric }: Comparison): string {
  const shown = experiments.slice(0, MOST_ROWS);
  const rows = shown.map((model) => [
    model.name,
    model.cv_mean === undefined ? '' : formatNumber(model.cv_mean),
    ...(['val', 'test'] as const).map((split) => formatNumber(model.metrics[split]?.[metric])),
    model.training_seconds === undefined ? '' : formatSeconds(model.training_seconds),
    model.bytes === undefined ? '' : String(model.bytes),
    model.latency_us === undefined ? '' : model.latency_us.toFixed(2),
  ]);
  const head = ['model', `${metric}, folds`, 'validation', 'test', 'training', 'bytes', 'µs a row'];
  const left = experiments.length - shown.length;
  return `${table([head, ...rows], head.length - 1)}${left > 0 ? `\nand ${left} more` : ''}`;
}
