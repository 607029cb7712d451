import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Model } from '../boosting/model.ts';
import type { Comparison } from '../comparison/compare.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import type { SplitName } from '../data/types.ts';
import { loadModel } from '../ensemble/load.ts';
import { isSha256, readFileBytes } from '../files.ts';
import { evaluateGates, type GatesRecord, type Inspection } from '../gates/gates.ts';
import type { SplitMetrics } from '../metrics/score.ts';
import { GATES_FILE } from '../reporting/gates-report.ts';
import { STORE_FOLDER } from '../tracking/mlflow/outbox.ts';
import { OutputFolder, toJson } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';
import type { Reporter } from './reporter.ts';
import { BASELINE_CONFIG, CV_SCORES_FILE, METRIC_FILES, ofModels } from './run-data.ts';

/** What the stage knows of a run. */
export interface GatedRun {
  readonly models: Readonly<
    Record<
      string,
      {
        readonly metrics: SplitMetrics;
        /** An ensemble has no hyperparameters of its own. */
        readonly model: { readonly fingerprint: string; readonly params?: Model['params'] };
      }
    >
  >;
  readonly cvScores?: Readonly<Record<string, readonly number[]>> | undefined;
  readonly comparison?: Comparison | undefined;
  /** What a repetition needs, as run.json records it. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** Configs below the output folder, by the model that they make. */
const CONFIG_FILES = {
  baseline: BASELINE_CONFIG,
  optimized: 'configs/best_config.yaml',
} as const;

/** Runs checks that throw or say what is wrong; the problems are sentences. */
async function inspect(checks: readonly (() => Promise<string | undefined>)[]): Promise<Inspection> {
  const problems: string[] = [];
  for (const check of checks) {
    const problem = await check().catch((error: Error) => error.message);
    if (problem !== undefined) problems.push(problem);
  }
  return { count: checks.length, problems };
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await readFileBytes(path, 'JSON')));
}

/** JSON has null for what is not finite. */
const asWritten = (value: unknown) => JSON.parse(toJson(value)) as unknown;

function inspectConfig(output: OutputFolder, loaded: LoadedConfig): Promise<Inspection> {
  const name = output.written.includes(CONFIG_FILES.baseline) ? CONFIG_FILES.baseline : undefined;
  return inspect([
    async () => {
      const again = await loadConfig(name === undefined ? loaded.path : join(output.path, name), {
        overrides: name === undefined ? loaded.overrides : [],
      });
      return isDeepStrictEqual(asWritten(again.config), asWritten(loaded.config))
        ? undefined
        : `${name ?? loaded.path} no longer says what the run was started with.`;
    },
  ]);
}

function inspectMetrics(output: OutputFolder, { models, cvScores }: GatedRun): Promise<Inspection> {
  const checks: { readonly file: string; readonly expected: unknown }[] = Object.entries(
    METRIC_FILES,
  ).flatMap(([split, file]) => {
    const expected = ofModels(models, ({ metrics }) => metrics[split as SplitName]);
    return Object.keys(expected).length === 0 ? [] : [{ file, expected }];
  });
  if (cvScores !== undefined) checks.push({ file: CV_SCORES_FILE, expected: cvScores });
  return inspect(
    checks.map(({ file, expected }) => async () => {
      const found = await readJson(join(output.path, file));
      return isDeepStrictEqual(found, asWritten(expected))
        ? undefined
        : `${file} has other values than the run.`;
    }),
  );
}

function inspectModels(output: OutputFolder, { models }: GatedRun): Promise<Inspection> {
  return inspect(
    Object.entries(models).map(([name, { model }]) => async () => {
      const file = `models/${name}_model.json`;
      const { fingerprint } = await loadModel(join(output.path, file));
      return fingerprint === model.fingerprint
        ? undefined
        : `${file} has the fingerprint ${fingerprint}, not the run's.`;
    }),
  );
}

/** Each model's config must have the hyperparameters that the model has. */
function inspectHyperparameters(output: OutputFolder, { models }: GatedRun): Promise<Inspection> {
  const made = Object.entries(CONFIG_FILES).flatMap(([name, file]) => {
    const of = models[name];
    return of === undefined
      ? []
      : [{ file, params: (of.model.params ?? {}) as Readonly<Record<string, unknown>> }];
  });
  return inspect(
    made.map(({ file, params }) => async () => {
      const { hyperparameters } = (await loadConfig(join(output.path, file))).config;
      const wrong = Object.entries(hyperparameters).find(
        // Of several classes the data may say how many they are.
        ([key, value]) =>
          typeof value !== 'object' &&
          key in params &&
          params[key] !== value &&
          !(key === 'num_class' && value === 0),
      );
      if (wrong === undefined) return undefined;
      return `${file} has ${wrong[0]} ${JSON.stringify(wrong[1])}, the model ${JSON.stringify(params[wrong[0]])}.`;
    }),
  );
}

/** What `run.json` must say for a run to be repeated and compared. */
const NEEDED = ['fingerprints', 'seed', 'engine', 'sources', 'environment', 'rows', 'features'] as const;

function inspectEvidence({ record, models }: GatedRun): Promise<Inspection> {
  const fingerprints = record.fingerprints as Readonly<Record<string, string>> | undefined;
  return inspect([
    ...NEEDED.map((key) => async () => (record[key] === undefined ? `run.json has no ${key}.` : undefined)),
    ...Object.keys(models).map(
      (name) => async () =>
        isSha256(fingerprints?.[name] ?? '') ? undefined : `run.json has no fingerprint of ${name}.`,
    ),
  ]);
}

/** The store must take files: the run is recorded there once it has ended. */
function inspectTracking(output: OutputFolder): Promise<Inspection> {
  return inspect([
    async () => {
      await OutputFolder.create(join(output.path, STORE_FOLDER));
      return undefined;
    },
  ]);
}

/** The stage gates: judges a run by what it knows and by what its files say, and writes gates.json. */
export async function runGates(
  output: OutputFolder,
  experiment: PreparedExperiment,
  run: GatedRun,
  { reporter }: { readonly reporter: Reporter },
): Promise<GatesRecord> {
  reporter.step('Judging the run by the quality gates');
  const { loaded, data, splits, seed, metrics } = experiment;
  const { gates: settings, optimization, tracking } = loaded.config;
  const training = splits.find(({ name }) => name === 'train')?.rows;
  const record = evaluateGates({
    settings,
    metric: metrics[0]!,
    config: await inspectConfig(output, loaded),
    sources: data.sources,
    trainingRows: training === undefined ? 0 : training.end - training.start,
    seed,
    tracking: tracking.mlflow.enabled ? await inspectTracking(output) : 'tracking.mlflow.enabled is false.',
    models: Object.fromEntries(Object.entries(run.models).map(([name, { metrics: of }]) => [name, of])),
    cvScores: run.cvScores,
    folds: run.cvScores && optimization.cv,
    comparison: run.comparison,
    metricFiles: await inspectMetrics(output, run),
    modelFiles: await inspectModels(output, run),
    hyperparameters: await inspectHyperparameters(output, run),
    evidence: await inspectEvidence(run),
  });
  await output.writeDeliverable(GATES_FILE, toJson(record));
  return record;
}
