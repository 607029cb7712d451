import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { fingerprintFile } from '../data/read.ts';
import type { EngineChoice } from '../engine/choose.ts';
import { InputError } from '../errors.ts';
import { GATES_FILE } from '../reporting/gates-report.ts';
import { ENVIRONMENT_FILE } from './environment.ts';
import { findEvidence, findPackageFile, readPackageFile } from './evidence.ts';
import { EVIDENCE_FOLDER } from './output.ts';
import type { Reporter } from './reporter.ts';
import { runExperiment } from './run.ts';
import { BASELINE_CONFIG, CV_SCORES_FILE, checkRunVersion, METRIC_FILES, RUN_FILE } from './run-data.ts';
import { parseStages } from './stages.ts';

export interface ReproduceOptions {
  /** The evidence package, or the output folder that holds it. */
  readonly folder: string;
  /** Overrides model.backend. */
  readonly engine?: EngineChoice | undefined;
  /** Overrides resources.n_jobs. */
  readonly threads?: number | undefined;
  /** Folder of the new run, which is kept; by default a temporary one, kept only where something differs. */
  readonly out?: string | undefined;
  /** Where the data files lie now. */
  readonly dataRoot?: string | undefined;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

/** One kind of result that was compared. */
export interface Compared {
  readonly what: string;
  /** Values that were compared. */
  readonly values: number;
  readonly equal: boolean;
}

export interface Reproduction {
  readonly evidence: string;
  readonly engine: string;
  /** Of the new run; absent where it was removed. */
  readonly out?: string;
  readonly compared: readonly Compared[];
  /** The first one, as a sentence. */
  readonly difference?: string;
  /** What was left out, with the reason. */
  readonly notes: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compares JSON values leaf by leaf. */
class Comparer {
  values = 0;
  difference: string | undefined;

  compare(was: unknown, is: unknown, place: string): void {
    if (Array.isArray(was) && Array.isArray(is)) {
      const length = Math.max(was.length, is.length);
      for (let i = 0; i < length; i++) this.compare(was[i], is[i], `${place}[${i}]`);
    } else if (isJson(was) && isJson(is)) {
      for (const key of new Set([...Object.keys(was), ...Object.keys(is)]))
        this.compare(was[key], is[key], `${place} ${key}`);
    } else {
      this.values++;
      if (was === is || this.difference !== undefined) return;
      const text = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
      this.difference = `${place} was ${text(was)} and is ${text(is)} now.`;
    }
  }
}

const TRIAL_KEYS = ['params', 'value', 'state', 'intermediate', 'fold_scores', 'failure'] as const;

const pick = (value: unknown, keys: readonly string[]) =>
  isJson(value) ? Object.fromEntries(keys.map((key) => [key, value[key]])) : value;

const without = (value: unknown, key: string) =>
  isJson(value) ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== key)) : value;

/** The trials that ended; the others belong to a generation that was given up. */
const trialsOf = (results: Json): readonly unknown[] =>
  (Array.isArray(results.trials) ? results.trials : []).filter(
    (trial) => trial?.state !== 'running' && trial?.state !== 'waiting',
  );

/** Check by check what was found and how it was judged. */
function verdictsOf({ gates }: Json): Json {
  const all = (Array.isArray(gates) ? gates : []) as readonly { readonly checks?: readonly Json[] }[];
  return Object.fromEntries(
    all.flatMap(({ checks = [] }) =>
      checks.map((check) => [String(check.title), pick(check, ['measured', 'threshold', 'verdict'])]),
    ),
  );
}

const RESULTS_FILE = 'optimization_results.json';

/** What is compared, in the order in which a difference would arise. */
const COMPARISONS: readonly {
  readonly what: string;
  readonly file: string;
  readonly place: string;
  readonly of: (content: Json) => unknown;
}[] = [
  { what: 'data files', file: RUN_FILE, place: 'source', of: ({ sources }) => hashesOf(sources) },
  {
    what: 'rows and folds',
    file: RUN_FILE,
    place: 'the run',
    of: (run) => pick(run, ['seed', 'rows', 'features', 'scoring']),
  },
  {
    what: 'trials',
    file: RESULTS_FILE,
    place: 'trial',
    of: (results) => Object.fromEntries(trialsOf(results).map((trial, i) => [i, pick(trial, TRIAL_KEYS)])),
  },
  {
    what: 'best trial',
    file: RESULTS_FILE,
    place: 'the best trial',
    of: ({ best }) => pick(best, ['number', ...TRIAL_KEYS, 'model_params', 'importances']),
  },
  { what: 'histories', file: 'metrics/history.json', place: 'history of', of: (of) => of },
  { what: 'fold scores', file: CV_SCORES_FILE, place: 'fold scores of', of: (of) => of },
  ...Object.entries(METRIC_FILES).map(([split, file]) => ({
    what: `${split} metrics`,
    file,
    place: `${split} metrics of`,
    of: (of: Json) => of,
  })),
  {
    what: 'fingerprints',
    file: RUN_FILE,
    place: 'the fingerprint of',
    of: ({ fingerprints }) => fingerprints,
  },
  { what: 'gates', file: GATES_FILE, place: 'gate', of: verdictsOf },
];

function hashesOf(sources: unknown): unknown {
  return Array.isArray(sources) ? sources.map((source) => pick(source, ['sha256', 'rows', 'role'])) : sources;
}

function readOptional(folder: string, name: string): Json {
  return findPackageFile(folder, name)?.content ?? {};
}

/**
 * Compares the results of two evidence packages.
 * @param ignored files, and models by name, that are left out
 */
export function compareResults(
  evidence: string,
  again: string,
  ignored: ReadonlySet<string> = new Set(),
): Pick<Reproduction, 'compared' | 'difference'> {
  const compared: Compared[] = [];
  let difference: string | undefined;
  for (const { what, file, place, of } of COMPARISONS) {
    const [before, now] = [readOptional(evidence, file), readOptional(again, file)];
    if (ignored.has(file) || (Object.keys(before).length === 0 && Object.keys(now).length === 0)) continue;
    const comparer = new Comparer();
    const leave = (value: unknown) => (ignored.has('ensemble') ? without(value, 'ensemble') : value);
    comparer.compare(leave(of(before)), leave(of(now)), place);
    compared.push({ what, values: comparer.values, equal: comparer.difference === undefined });
    difference ??= comparer.difference && `${file}: ${comparer.difference}`;
  }
  return { compared, ...(difference !== undefined && { difference }) };
}

/** The sizes of the generations of a recorded search. */
function generationsOf(evidence: string): number[] {
  const sizes: number[] = [];
  for (const trial of trialsOf(readOptional(evidence, RESULTS_FILE))) {
    const { number, generation } = trial as Json;
    if (!Number.isSafeInteger(generation) || (generation as number) < 0 || (generation as number) > 1e6) {
      throw new InputError(
        `${join(evidence, RESULTS_FILE)} does not say in which generation trial ${String(number)} was made, so that the search cannot be repeated.`,
      );
    }
    sizes[generation as number] = (sizes[generation as number] ?? 0) + 1;
  }
  return Array.from(sizes, (size) => size ?? 0).filter((size) => size > 0);
}

const isPattern = (part: string) => /[*?[{]/.test(part);

/** The part of a path before the first component that is a pattern. */
function fixedPart(path: string): string {
  const parts = path.split(/[\\/]/);
  const first = parts.findIndex(isPattern);
  return parts.slice(0, first < 0 ? parts.length : first).join('/');
}

/**
 * Where a recorded path lies below another folder: the longest end of it that is there; of a pattern the folder that it is in counts.
 * @throws InputError where none is.
 */
function moved(path: string, root: string): string {
  const parts = path.split(/[\\/]/).filter((part) => part !== '');
  const pattern = parts.findIndex(isPattern);
  const last = pattern < 0 ? parts.length - 1 : pattern;
  for (let from = 0; from <= last; from++) {
    const candidate = join(root, ...parts.slice(from));
    if (existsSync(fixedPart(candidate))) return candidate;
  }
  throw new InputError(
    `${root} has no ${basename(path)}; name the folder that holds the data with --data-root.`,
  );
}

const DATA_KEYS = ['train_path', 'val_path', 'test_path', 'features'] as const;
const ROLES = { train_path: 'train', val_path: 'val', test_path: 'test', features: 'features' } as const;

/** The config's data files, found where they lie now, as overrides; each has been checked to be the recorded one. */
async function locateData(
  evidence: string,
  { config }: LoadedConfig,
  { dataRoot, signal }: ReproduceOptions,
): Promise<string[]> {
  const { reader, content } = readPackageFile(evidence, ENVIRONMENT_FILE);
  const sources = reader.array(content.data, 'data').map((item, i) => reader.object(item, `data[${i}]`));
  const overrides: string[] = [];
  for (const key of DATA_KEYS) {
    const path = config.data[key];
    if (path === undefined) continue;
    const now = dataRoot === undefined ? path : moved(path, dataRoot);
    if (now !== path) overrides.push(`data.${key}=${JSON.stringify(now)}`);
    for (const source of sources.filter(({ role }) => role === ROLES[key])) {
      const recorded = reader.string(source.path, 'data.path');
      const start = fixedPart(path);
      const file = recorded.startsWith(start) ? `${fixedPart(now)}${recorded.slice(start.length)}` : recorded;
      if (!existsSync(file)) {
        throw new InputError(
          `The data file ${file} is not there; name the folder it lies in with --data-root.`,
        );
      }
      const { sha256 } = await fingerprintFile(file, signal);
      if (sha256 !== source.sha256) {
        throw new InputError(
          `${file} is not the file of the recorded run: its SHA-256 is ${sha256}, not ${String(source.sha256)}.`,
        );
      }
    }
  }
  return overrides;
}

/** What time decided in the stage ensemble of a run, if it did; such a stage is not repeated. */
function lateEnsemble(evidence: string): string | undefined {
  const {
    skipped,
    only_trained_members: onlyTrained,
    left_out: leftOut,
  } = readOptional(evidence, 'ensemble_results.json');
  const leftNoneOut = !Array.isArray(leftOut) || leftOut.length === 0;
  if (skipped === undefined && onlyTrained !== true && leftNoneOut) return undefined;
  return 'ensemble and gates are not compared: the time budget decided what the stage ensemble made';
}

/**
 * Runs a finished experiment again from its own evidence package, and compares every result by equality: trials, scores, histories, metrics,
 * fingerprints and gates. Time limits do not count; the search has the generations of the recorded one. Nothing is sent to a server.
 * @throws InputError where there is no package, a data file is gone or another one, or `out` is in use; as `runExperiment` does.
 */
export async function reproduce(options: ReproduceOptions): Promise<Reproduction> {
  const { engine, threads, reporter, signal } = options;
  const evidence = findEvidence(options.folder);
  await checkRunVersion(evidence);
  const { reader, content: run } = readPackageFile(evidence, RUN_FILE);
  const recorded = parseStages(
    reader.array(run.stages, 'stages').map((name) => reader.string(name, 'stages')),
  );
  const late = lateEnsemble(evidence);
  const stages = recorded.filter((name) => late === undefined || (name !== 'ensemble' && name !== 'gates'));
  const ignored = new Set(late === undefined ? [] : ['ensemble', GATES_FILE]);
  const configPath = join(evidence, BASELINE_CONFIG);
  const overrides = [
    ...(await locateData(evidence, await loadConfig(configPath), options)),
    'create_docker=false',
    'use_wandb=false',
    ...(threads === undefined ? [] : [`resources.n_jobs=${threads}`]),
  ];
  if (options.out !== undefined && existsSync(join(options.out, RUN_FILE))) {
    throw new InputError(`${options.out} already holds a run; name another folder with --out.`);
  }
  const out = options.out ?? (await mkdtemp(join(tmpdir(), 'lockstep-reproduce-')));
  let isEqual = false;
  let finished = false;
  try {
    const outcome = await runExperiment({
      configPath,
      out,
      engine,
      stages: stages.includes('evidence') ? stages : [...stages, 'evidence'],
      overrides,
      replay: { generations: generationsOf(evidence) },
      reporter,
      signal,
    });
    finished = true;
    const result = compareResults(evidence, join(out, EVIDENCE_FOLDER), ignored);
    isEqual = result.difference === undefined;
    return {
      evidence,
      engine: outcome.engine,
      ...((options.out !== undefined || !isEqual) && { out }),
      ...result,
      notes: late === undefined ? [] : [late],
    };
  } finally {
    if (options.out === undefined && (isEqual || !finished)) await rm(out, { recursive: true, force: true });
  }
}
