import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parse, stringify } from 'yaml';
import { decodeText, parseJson } from '../boosting/json-reader.ts';
import type { EngineChoice } from '../engine/choose.ts';
import { ExitCode, InputError } from '../errors.ts';
import { readFileBytes } from '../files.ts';
import { GATES_FILE } from '../reporting/gates-report.ts';
import { findEvidence } from './evidence.ts';
import { type Reporter, silentReporter } from './reporter.ts';
import { runExperiment } from './run.ts';
import { CV_SCORES_FILE, checkRunVersion, METRIC_FILES } from './run-data.ts';
import { parseStages, type StageName } from './stages.ts';

export interface ReproduceOptions {
  /** Output folder of a run, or its evidence package. */
  readonly folder: string;
  /** By default that of the config. */
  readonly engine?: EngineChoice | undefined;
  /** Where the new run goes; by default a temporary folder, which is removed where all is equal. */
  readonly out?: string | undefined;
  /** Folder in which the data files lie now, by the names that they had. */
  readonly dataRoot?: string | undefined;
  readonly reporter?: Reporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How many things of one kind were compared, and how many differ. */
export interface Compared {
  readonly what: string;
  readonly compared: number;
  readonly different: number;
}

export interface ReproduceOutcome {
  /** The folder that was reproduced from. */
  readonly from: string;
  readonly engine: string;
  readonly compared: readonly Compared[];
  readonly equal: boolean;
  /** One sentence each, the first difference first. */
  readonly differences: readonly string[];
  /** The new run, where it was kept. */
  readonly out?: string;
}

type Json = Readonly<Record<string, unknown>>;

async function readJson(folder: string, name: string): Promise<Json | undefined> {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  const value = parseJson(decodeText(await readFileBytes(path, 'a record'), path, 'a record'), path);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new InputError(`${path} is no JSON object: reproduce from another copy of the run.`);
}

const show = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));

/** Paths and values of the leaves in which two JSON values differ, in order. */
function* leavesThatDiffer(a: unknown, b: unknown, path: string): Generator<string> {
  const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;
  if (isObject(a) && isObject(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const at = Array.isArray(a) ? `${path}[${key}]` : `${path}${path === '' ? '' : '.'}${key}`;
      yield* leavesThatDiffer(a[key], b[key], at);
    }
  } else if (a !== b) {
    yield `${path} is ${show(b)} now, ${show(a)} in the record`;
  }
}

const countLeaves = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Object.values(value).reduce((sum: number, inner) => sum + countLeaves(inner), 0)
    : 1;

/** Compares two JSON values and takes in what differs. */
class Comparer {
  readonly compared: Compared[] = [];
  readonly differences: string[] = [];

  /** @param where what to name the values in differences, such as a file */
  compare(what: string, where: string, recorded: unknown, now: unknown): void {
    const found = [...leavesThatDiffer(recorded, now, '')];
    this.differences.push(...found.map((text) => `${where}: ${text}.`));
    this.compared.push({ what, compared: countLeaves(recorded), different: found.length });
  }
}

/** A trial as it must come out again: without its time. */
function timelessTrials(results: Json | undefined): Json | undefined {
  const trials = results?.trials;
  if (!Array.isArray(trials)) return undefined;
  const finished = trials.filter(({ state }) => state !== 'running' && state !== 'waiting');
  return Object.fromEntries(
    finished.map(({ number, params, value, state, fold_scores, intermediate }) => [
      `trial ${number}`,
      { params, value, state, fold_scores, intermediate },
    ]),
  );
}

/** Verdicts of the quality gates by check, but for the one on tracking: a repetition is not recorded. */
function verdictsOf(gates: Json | undefined): unknown {
  if (!Array.isArray(gates?.gates)) return undefined;
  return Object.fromEntries(
    gates.gates.flatMap(({ checks }: { checks: { check: string; title: string; verdict: string }[] }) =>
      checks
        .filter(({ check }) => check !== 'tracking_initialized')
        .map(({ title, verdict }) => [title, verdict]),
    ),
  );
}

const PATH_KEYS = ['train_path', 'val_path', 'test_path', 'features'] as const;

/** The recorded config, as it is to be run again; its data may have moved. */
function configToRun(
  recorded: Json,
  trials: number | undefined,
  run: Json,
  dataRoot: string | undefined,
): Json {
  const data = { ...(recorded.data as Json) } as Record<string, unknown>;
  for (const key of PATH_KEYS) {
    const path = data[key];
    if (typeof path === 'string' && dataRoot !== undefined) data[key] = join(dataRoot, basename(path));
  }
  const { timeout_hours: _, ...optimization } = recorded.optimization as Json;
  const ensemble = run.ensemble as { methods?: unknown } | undefined;
  const { max_time_hours: __, ...resources } = recorded.resources as Json;
  return {
    ...recorded,
    data,
    // A search that its time ended is one of so many trials.
    optimization: { ...optimization, ...(trials !== undefined && { n_trials: trials }) },
    resources: { ...resources, max_time_hours: 24 * 365 },
    ...(Array.isArray(ensemble?.methods) && {
      ensemble: { ...(recorded.ensemble as Json), methods: ensemble.methods },
    }),
    tracking: { mlflow: { enabled: false } },
    use_wandb: false,
    create_docker: false,
  };
}

/** Compares the data files with the recorded SHA-256s. */
async function checkSources(run: Json, dataRoot: string | undefined, comparer: Comparer): Promise<void> {
  const sources = (Array.isArray(run.sources) ? run.sources : []) as { path: string; sha256: string }[];
  const recorded: Record<string, string> = {};
  const now: Record<string, string> = {};
  for (const { path, sha256 } of sources) {
    const file = dataRoot === undefined ? path : join(dataRoot, basename(path));
    if (!existsSync(file)) {
      throw new InputError(
        `The data file ${file} is not there: give the folder in which the data lies now with --data-root.`,
      );
    }
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    recorded[basename(path)] = sha256;
    now[basename(path)] = hash.digest('hex');
  }
  comparer.compare('data files', 'data', recorded, now);
}

/** The stages of the run, without those that its time left out. */
function stagesToRun(run: Json): StageName[] {
  const stages = Array.isArray(run.stages) ? parseStages(run.stages as string[]) : undefined;
  const skipped = (value: unknown) => typeof value === 'object' && value !== null && 'skipped' in value;
  return (stages ?? ['baseline']).filter(
    (stage) =>
      stage !== 'evidence' &&
      !(stage === 'optimize' && skipped(run.search)) &&
      !(stage === 'ensemble' && (skipped(run.ensemble) || skipped(run.search))),
  );
}

/**
 * Runs a finished experiment again from what it has left, and compares: fingerprints of data and models, metrics, every trial, the scores of folds
 * and the verdicts of the gates, all by equality. Time budgets are off: a search has as many trials as it had.
 * @throws InputError where the folder holds no finished run, or its data is not there; InterruptedError on abort. Differences are no errors.
 */
export async function reproduceRun(options: ReproduceOptions): Promise<ReproduceOutcome> {
  const { engine, signal, reporter = silentReporter } = options;
  const dataRoot = options.dataRoot && resolve(options.dataRoot);
  const from = await findEvidence(options.folder).catch(() => options.folder);
  await checkRunVersion(from);
  const run = await readJson(from, 'run.json');
  const configPath = join(from, 'configs', 'baseline_config.yaml');
  if (run === undefined || !existsSync(configPath)) {
    throw new InputError(
      `${options.folder} holds no run that can be repeated: it has no ${run === undefined ? 'run.json' : 'configs/baseline_config.yaml'}; name the output folder of lockstep run, or its evidence package.`,
    );
  }
  if (run.exit !== ExitCode.done && run.exit !== ExitCode.checkFailed) {
    throw new InputError(
      `${options.folder} holds a run that did not finish: go on with it, with lockstep run --resume.`,
    );
  }
  const comparer = new Comparer();
  await checkSources(run, dataRoot, comparer);
  const failedAtOnce = comparer.differences.length > 0;
  if (failedAtOnce) {
    const { compared, differences } = comparer;
    return { from, engine: 'none', compared, equal: false, differences };
  }
  const results = await readJson(from, 'optimization_results.json');
  const trials = timelessTrials(results);
  const recorded = parse(
    decodeText(await readFileBytes(configPath, 'a config'), configPath, 'a config'),
  ) as Json;
  const out = options.out ?? (await mkdtemp(join(tmpdir(), 'lockstep-reproduce-')));
  let equal = false;
  try {
    const config = configToRun(recorded, trials && Object.keys(trials).length, run, dataRoot);
    const scratch = await mkdtemp(join(tmpdir(), 'lockstep-config-'));
    const path = join(scratch, 'experiment.yaml');
    await writeFile(path, stringify(config));
    const again = await runExperiment({
      configPath: path,
      out,
      engine,
      stages: stagesToRun(run),
      reporter,
      signal,
    }).finally(() => rm(scratch, { recursive: true, force: true }));
    comparer.compare('fingerprints', 'fingerprints', run.fingerprints, again.fingerprints);
    comparer.compare(
      'trials',
      'optimization_results.json',
      trials,
      timelessTrials(await readJson(out, 'optimization_results.json')),
    );
    for (const file of [...Object.values(METRIC_FILES), CV_SCORES_FILE, 'metrics/history.json']) {
      comparer.compare(file, file, await readJson(from, file), await readJson(out, file));
    }
    comparer.compare(
      'gates',
      GATES_FILE,
      verdictsOf(await readJson(from, GATES_FILE)),
      verdictsOf(await readJson(out, GATES_FILE)),
    );
    const { compared, differences } = comparer;
    equal = differences.length === 0;
    const kept = options.out !== undefined || !equal;
    return { from, engine: again.engine, compared, equal, differences, ...(kept && { out }) };
  } finally {
    if (equal && options.out === undefined) await rm(out, { recursive: true, force: true });
  }
}
