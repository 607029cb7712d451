import { loadConfig } from '../config/load.ts';
import { chooseEngine, engineStatus } from '../engine/choose.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { EngineKind, TreeEnsemble } from '../engine/engine.ts';
import { EnvironmentError, InputError, InterruptedError } from '../errors.ts';
import { isSha256 } from '../files.ts';
import { type PreparedExperiment, prepareExperiment } from './prepare.ts';
import { type Reporter, silentReporter } from './reporter.ts';
import { baselinePlan, trainModel } from './trained-model.ts';

export interface VerifyOptions {
  /** The experiment file. */
  readonly configPath: string;
  /** Absent: every engine that can run here; the others are listed as not run. */
  readonly engines?: readonly EngineKind[] | undefined;
  /** Threads of the CPU engine, once each; 1, 2 and all cores by default. */
  readonly threads?: readonly number[] | undefined;
  /** The fingerprint that every training must have: 64 hexadecimal digits. */
  readonly expect?: string | undefined;
  /** `key.path=value` settings that override the file. */
  readonly overrides?: readonly string[] | undefined;
  readonly reporter?: Reporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One training of the baseline. */
export interface VerifiedTraining {
  readonly engine: EngineKind;
  readonly threads: number;
  readonly fingerprint: string;
  /** Wall time of boosting. */
  readonly seconds: number;
}

/** Where two trained ensembles part; `round` and `node` are absent for a quantity of the whole model. */
export interface TreeDifference {
  /** From 1. */
  readonly round?: number;
  /** Index of the class that the tree belongs to, where a round has several trees. */
  readonly class?: number;
  /** Number of the node within its tree, breadth-first, the root being 0. */
  readonly node?: number;
  /** Field of `TreeEnsemble`, or `trees`, `nodes`, `catSet`. */
  readonly field: string;
  readonly first: string;
  readonly other: string;
}

export interface VerifyOutcome {
  readonly results: readonly VerifiedTraining[];
  /** Whether all fingerprints are the same one. */
  readonly equal: boolean;
  /** In lower case, where one was expected. */
  readonly expected?: string;
  /** What failed, one sentence each; empty when the check passed. */
  readonly failures: readonly string[];
  readonly not_run: readonly { readonly engine: EngineKind; readonly reason: string }[];
}

const NODE_FIELDS = ['feature', 'splitBin', 'missingLeft', 'left', 'leaf', 'gain', 'cover'] as const;

function catSet({ catIndex, catSets }: TreeEnsemble, node: number): string {
  const set = catIndex[node]!;
  return set < 0 ? 'none' : catSets.subarray(8 * set, 8 * set + 8).join(' ');
}

/** The first place, in the order of training, where two ensembles are not the same; undefined where they are. */
export function firstDifference(a: TreeEnsemble, b: TreeEnsemble): TreeDifference | undefined {
  for (const field of ['classes', 'marginBits', 'baseMargins', 'baseValue'] as const) {
    const [first, other] = [String(a[field]), String(b[field])];
    if (first !== other) return { field, first, other };
  }
  const trees = [a.treeStart.length - 1, b.treeStart.length - 1] as const;
  for (let tree = 0; tree < Math.min(...trees); tree++) {
    const starts = [a.treeStart[tree]!, b.treeStart[tree]!] as const;
    const nodes = [a.treeStart[tree + 1]! - starts[0], b.treeStart[tree + 1]! - starts[1]] as const;
    const ofTree = {
      round: Math.floor(tree / a.classes) + 1,
      ...(a.classes > 1 && { class: tree % a.classes }),
    };
    for (let node = 0; node < Math.min(...nodes); node++) {
      const place = { ...ofTree, node };
      for (const field of NODE_FIELDS) {
        const values = [a[field][starts[0] + node]!, b[field][starts[1] + node]!] as const;
        if (!Object.is(...values))
          return { ...place, field, first: String(values[0]), other: String(values[1]) };
      }
      const sets = [catSet(a, starts[0] + node), catSet(b, starts[1] + node)] as const;
      if (sets[0] !== sets[1]) return { ...place, field: 'catSet', first: sets[0], other: sets[1] };
    }
    if (nodes[0] !== nodes[1]) {
      return { ...ofTree, field: 'nodes', first: String(nodes[0]), other: String(nodes[1]) };
    }
  }
  if (trees[0] !== trees[1]) return { field: 'trees', first: String(trees[0]), other: String(trees[1]) };
  return undefined;
}

const trainingName = ({ engine, threads }: Pick<VerifiedTraining, 'engine' | 'threads'>) =>
  `${engine} with ${threads} ${threads === 1 ? 'thread' : 'threads'}`;

function describeDifference(name: string, reference: string, difference: TreeDifference | undefined): string {
  if (difference === undefined) return `${name} has another fingerprint than ${reference}, yet equal trees.`;
  const { round, class: ofClass, node, field, first, other } = difference;
  const place = [
    round === undefined ? 'the model' : `round ${round}`,
    ofClass === undefined ? '' : `, class ${ofClass}`,
    node === undefined ? '' : `, node ${node}`,
  ].join('');
  return `${name} differs from ${reference}, first in ${place}: ${field} is ${other}, not ${first}.`;
}

/**
 * The engines to run, and those that cannot.
 * @param wanted Absent: all that can run here.
 * @throws EnvironmentError where one of `wanted`, or every engine, cannot run here.
 */
export async function chosenEngines(wanted: readonly EngineKind[] | undefined): Promise<{
  engines: EngineKind[];
  not_run: { engine: EngineKind; reason: string }[];
}> {
  const statuses = await engineStatus(wanted);
  const missing = statuses.filter(({ available }) => !available);
  const refused = missing.find(({ kind }) => wanted?.includes(kind));
  const engines = statuses
    .filter(({ available, emulated }) => available && emulated !== true)
    .map(({ kind }) => kind);
  if (refused !== undefined || engines.length === 0) {
    const { kind, reason } = refused ?? missing[0]!;
    throw new EnvironmentError(`The ${kind} engine cannot run here: ${reason.replace(/\.$/, '')}.`);
  }
  if (wanted !== undefined) return { engines: [...new Set(wanted)], not_run: [] };
  const emulated = statuses.filter((status) => status.emulated === true);
  return {
    engines,
    not_run: [
      ...missing.map(({ kind, reason }) => ({ engine: kind, reason })),
      ...emulated.map(({ kind, reason }) => ({
        engine: kind,
        reason: `${reason} is emulated on the processor; name it in --engines to run it`,
      })),
    ],
  };
}

async function trainOnce(
  experiment: PreparedExperiment,
  { engine: kind, threads }: Pick<VerifiedTraining, 'engine' | 'threads'>,
  options: { reporter: Reporter; signal?: AbortSignal | undefined },
): Promise<VerifiedTraining & { readonly trees: TreeEnsemble }> {
  const engine = await chooseEngine(kind, { threads });
  options.reporter.step(`Training on ${trainingName({ engine: kind, threads })}`);
  const resident = await engine.load(experiment.binned);
  try {
    const { model, result, boosting_s } = await trainModel(
      experiment,
      resident,
      baselinePlan(experiment),
      options,
    );
    return {
      engine: kind,
      threads,
      fingerprint: model.fingerprint,
      seconds: boosting_s,
      trees: result.trees,
    };
  } catch (error) {
    if (error instanceof InterruptedError)
      throw new InterruptedError('Interrupted before all trainings were done; nothing was written.');
    throw error;
  } finally {
    resident.dispose();
  }
}

/**
 * Trains the baseline of a config on each engine, on the CPU with each number of threads, and compares fingerprints.
 * The data is read and binned once. Nothing is written.
 *
 * @throws InputError for options, config or data that cannot be used; EnvironmentError for an engine of `engines`
 *   that cannot run here, or where none can; InterruptedError on abort. A difference is no error but in `failures`.
 */
export async function verifyDeterminism(options: VerifyOptions): Promise<VerifyOutcome> {
  const reporter = options.reporter ?? silentReporter;
  const expected = options.expect?.toLowerCase();
  if (expected !== undefined && !isSha256(expected)) {
    throw new InputError(
      `The expected fingerprint ${options.expect} is not a SHA-256: give the 64 hexadecimal digits that run and train print.`,
    );
  }
  const { engines, not_run } = await chosenEngines(options.engines);
  const threads = [...new Set((options.threads ?? [1, 2, -1]).map(resolveThreads))];
  const loaded = await loadConfig(options.configPath, { overrides: options.overrides ?? [] });
  const experiment = await prepareExperiment(loaded, reporter, options.signal);

  const results: VerifiedTraining[] = [];
  const failures: string[] = [];
  let reference: (VerifiedTraining & { readonly trees: TreeEnsemble }) | undefined;
  for (const engine of engines) {
    for (const count of engine === 'cpu' ? threads : [experiment.threads]) {
      const { trees, ...training } = await trainOnce(
        experiment,
        { engine, threads: count },
        { reporter, signal: options.signal },
      );
      results.push(training);
      reference ??= { ...training, trees };
      if (training.fingerprint !== reference.fingerprint) {
        const difference = firstDifference(reference.trees, trees);
        failures.push(describeDifference(trainingName(training), trainingName(reference), difference));
      }
    }
  }
  const equal = failures.length === 0;
  const unexpected = results.find(({ fingerprint }) => expected !== undefined && fingerprint !== expected);
  if (unexpected !== undefined) {
    failures.push(
      `The fingerprint is ${unexpected.fingerprint}, not the expected ${expected}: the data, the config or the version differs from those of the expected model.`,
    );
  }
  return { results, equal, ...(expected !== undefined && { expected }), failures, not_run };
}
