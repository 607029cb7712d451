import type { Command } from 'commander';
import type { MetricName } from '../engine/engine.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import type { RunOutcome } from '../protocol/run.ts';
import type { StageName } from '../protocol/stages.ts';
import { formatNumber } from '../reporting/format.ts';
import { failedChecks, GATES_FILE, gateRows, gatesSummary } from '../reporting/gates-report.ts';
import { REPORT_PAGE } from '../reporting/html/markup.ts';
import {
  type CommandContext,
  engineOption,
  jsonOption,
  list,
  path,
  quietOption,
  setOption,
  type TrainingOptions,
} from './options.ts';
import { createProgress } from './progress.ts';
import { print, printError, printJson, table } from './terminal.ts';

interface RunCommandOptions extends TrainingOptions {
  readonly out?: string;
  readonly stages?: readonly string[];
  readonly skip?: readonly string[];
  readonly resume?: boolean;
}

const SPLIT_TITLES = { train: 'train', val: 'validation', test: 'test' } as const;

/** Metrics by part of the data, as a table for a terminal; the primary metric comes first and is marked. */
export function metricsTable(metrics: SplitMetrics, primary: MetricName): string {
  const splits = (['train', 'val', 'test'] as const).filter((split) => metrics[split] !== undefined);
  const names = Object.keys(metrics.train ?? {}) as MetricName[];
  const ordered = [primary, ...names.filter((name) => name !== primary)];
  const rows = ordered.map((name) => [
    name === primary ? `${name} *` : name,
    ...splits.map((split) => formatNumber(metrics[split]?.[name])),
  ]);
  return `${table([['metric', ...splits.map((split) => SPLIT_TITLES[split])], ...rows], splits.length)}\n* primary`;
}

/** `lockstep run`: the whole experiment of a config, with its output folder. */
export function addRunCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('run')
    .summary('run an experiment: train, search, score, write reports and the evidence package')
    .description(
      'Runs the experiment of a config: reads the data, trains the baseline, searches hyperparameters, scores, compares the models, judges them by the quality gates, and writes models, metrics, reports and the evidence package. Exits with 1 where a gate fails.',
    )
    .argument('<config>', 'experiment file (YAML)', path)
    .option('--out <dir>', 'output folder (default: experiments/<name of the experiment>)', path)
    .addOption(engineOption())
    .option('--resume', 'go on where a run into the output folder was cut off, or with its search')
    .option(
      '--stages <names>',
      'stages to run, with commas: baseline, optimize, ensemble, compare, gates, evidence',
      list,
    )
    .option('--skip <names>', 'stages to leave out, with commas', list)
    .addOption(setOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText(
      'after',
      '\nExample:\n  lockstep run experiment.yaml --out experiments/first --set hyperparameters.max_depth=4',
    )
    .action(async (configPath: string, options: RunCommandOptions) => {
      const { parseStages, stageNames } = await import('../protocol/stages.ts');
      const stages = options.stages && parseStages(options.stages);
      const skip = options.skip && stageNames(options.skip);
      await runAndPrint(configPath, { ...options, stages, skip }, signal);
    });
}

export interface RunningOptions extends TrainingOptions {
  readonly out?: string | undefined;
  readonly stages?: readonly StageName[] | undefined;
  readonly skip?: readonly StageName[] | undefined;
  readonly resume?: boolean;
}

/** Runs an experiment with progress on stderr, and prints what it has come to. */
export async function runAndPrint(
  configPath: string,
  options: RunningOptions,
  signal: AbortSignal,
): Promise<void> {
  const { out, engine, stages, skip, resume, set: overrides = [], quiet = false, json = false } = options;
  const { loadConfig } = await import('../config/load.ts');
  const { config } = await loadConfig(configPath, { overrides });
  const { runExperiment } = await import('../protocol/run.ts');
  const progress = createProgress({ verbose: config.training.verbose, quiet });
  const outcome = await runExperiment({
    configPath,
    out,
    engine,
    stages,
    skip,
    resume,
    overrides,
    reporter: progress,
    signal,
  }).finally(() => progress.finish());
  printOutcome(outcome, json);
}

function printOutcome(outcome: RunOutcome, json: boolean): void {
  const { gates, exit } = outcome;
  process.exitCode = exit;
  if (json) printJson(outcomeJson(outcome));
  else print(outcomeText(outcome));
  for (const failure of gates === undefined ? [] : failedChecks(gates)) printError(failure);
}

/** What a run has come to, for programs. */
function outcomeJson(outcome: RunOutcome) {
  const { out, engine, fingerprints, metrics, files, warnings, search, comparison, gates } = outcome;
  const { evidence, exit } = outcome;
  return {
    out,
    engine,
    fingerprints,
    metrics,
    ...(search && { best: { number: search.best.number, value: search.best.value } }),
    ...(comparison && { best_model: comparison.best_model, verdict: comparison.verdict }),
    ...(gates && { gates: gatesSummary(gates) }),
    ...(evidence !== undefined && { evidence }),
    files,
    warnings,
    exit,
  };
}

/** What a run has come to, for people: a table a model, the folder and the files to look at first. */
function outcomeText(outcome: RunOutcome): string {
  const { out, fingerprints, metrics, files, primary, baseline, search, comparison } = outcome;
  const { gates, evidence } = outcome;
  const tables = Object.entries(metrics).map(([name, of]) =>
    Object.keys(metrics).length > 1 ? `${name}\n${metricsTable(of, primary)}` : metricsTable(of, primary),
  );
  const places = [
    ...Object.entries(fingerprints).map(([name, fingerprint]) => [
      name === Object.keys(fingerprints)[0] ? 'fingerprint' : `fingerprint (${name})`,
      fingerprint,
    ]),
    ['folder', out],
    ...(files.includes(REPORT_PAGE) ? [['page', `${out}/${REPORT_PAGE}`]] : []),
    ...(baseline ? [['report', `${out}/reports/training_report.md`]] : []),
    ...(search ? [['search', `${out}/reports/optimization_report.md`]] : []),
    ...(comparison ? [['comparison', `${out}/reports/comparison_analysis.md`]] : []),
    ...(gates ? [['gates', `${out}/${GATES_FILE}`]] : []),
    ...(evidence === undefined ? [] : [['evidence', `${out}/${evidence}`]]),
    ...Object.keys(fingerprints).map((name) => ['model', `${out}/models/${name}_model.json`]),
  ];
  const verdict = comparison === undefined ? [] : [comparison.verdict];
  const judged = gates === undefined ? [] : [table(gateRows(gates))];
  return [...tables, ...verdict, ...judged, table(places)].join('\n\n');
}
