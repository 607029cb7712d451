// Gathers what a pack's steps left in a folder into one file of bench/results. usage: collect.ts FOLDER FILE
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../../src/bench/summary.ts';

const [folder = '', file = ''] = process.argv.slice(2);

interface Single {
  readonly engine: string;
  readonly set: string;
  readonly rounds: number;
  readonly binning: number;
  readonly loading: number;
  readonly repeats: readonly {
    readonly preparing: number;
    readonly boosting: number;
    readonly fingerprint: string;
  }[];
}

interface EngineSets {
  readonly description: string;
  readonly sets: readonly {
    readonly set: string;
    readonly rounds: number;
    readonly trees: readonly string[];
    readonly scores: readonly string[];
    readonly margins: readonly string[];
  }[];
}

function read<T>(name: string): T | undefined {
  const path = join(folder, name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
}

function readSingle(name: string) {
  const single = read<Single>(name);
  if (single === undefined) return undefined;
  const { engine, set, rounds, binning, loading, repeats } = single;
  const seconds = repeats.map(({ boosting }) => boosting);
  return {
    engine,
    set,
    rounds,
    boosting_s: median(seconds),
    repeats_s: seconds,
    preparing_s: median(repeats.map(({ preparing }) => preparing)),
    binning_s: binning,
    loading_s: loading,
    fingerprint: repeats[0]?.fingerprint,
  };
}

const ENGINES = ['cpu', 'cuda', 'webgpu', 'webgpu-core'];
const present = <T>(values: readonly (T | undefined)[]) =>
  values.filter((value): value is T => value !== undefined);
const digests = ({ trees, scores, margins }: EngineSets['sets'][number]) => [...trees, ...scores, ...margins];

const expected = read<EngineSets>('engine-cpu.json');
const equality = ENGINES.slice(1).map((kind) => {
  const results = read<EngineSets>(`engine-${kind}.json`);
  if (results === undefined || expected === undefined) return undefined;
  return {
    engine: results.description,
    compared_with: expected.description,
    sets: Object.fromEntries(
      results.sets.map((result) => {
        const other = expected.sets.find(({ set }) => set === result.set);
        const equal =
          other !== undefined && JSON.stringify(digests(other)) === JSON.stringify(digests(result));
        return [result.set, { rounds: result.rounds, seeds: result.trees.length, equal }];
      }),
    ),
  };
});

const batches = ['higgs_7k', 'adult'].flatMap((set) =>
  ['50', '0'].map((stopping) => {
    const batch = read<Record<string, unknown>>(`batches-${set}-cuda-${stopping}.json`);
    if (batch === undefined) return undefined;
    const { fold_scores, best_rounds, ...figures } = batch;
    return figures;
  }),
);

writeFileSync(
  file,
  `${JSON.stringify(
    {
      script: 'bench/device/pack.sh and the run.sh of the pack; gathered by bench/device/collect.ts',
      single: present(ENGINES.map((kind) => readSingle(`single-${kind}.json`))),
      single_beside_the_peer: present(
        ['again1', 'again2'].map((name) => readSingle(`${name}/single-cuda.json`)),
      ),
      sizes: [1000, 10_000, 100_000].flatMap((rows) =>
        present(ENGINES.map((kind) => readSingle(`size-${rows}/single-${kind}.json`))),
      ),
      batches: present(batches),
      peer: present(
        ['single', 'higgs_7k-50', 'higgs_7k-0', 'adult-50', 'adult-0'].map((name) =>
          read(`peer-${name}.json`),
        ),
      ),
      equality: present(equality),
    },
    null,
    1,
  )}\n`,
);
