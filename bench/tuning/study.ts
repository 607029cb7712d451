// Milliseconds a trial of one long study, by thousands of trials: the sampler's own, all the rest, which is the study, its pruner
// and its storage, and the processor's time of both, which waits for the disk and for other processes are not in. The objective costs nothing; trials report ten steps, and the median pruner decides after each.
// usage: study.ts [--out FILE] [--trials N] [--repeats N] [--folder FOR_THE_JOURNAL]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../src/bench/machine.ts';
import { median } from '../../src/bench/summary.ts';
import { XGBOOST_SEARCH_SPACE } from '../../src/config/schema.ts';
import { writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { markdownTable } from '../../src/reporting/format.ts';
import { Journal } from '../../src/tuning/journal/journal.ts';
import type { Pruner } from '../../src/tuning/pruner.ts';
import { createPruner } from '../../src/tuning/pruners/create.ts';
import { createSampler } from '../../src/tuning/samplers/create.ts';
import type { Sampler, Suggestion } from '../../src/tuning/samplers/sampler.ts';
import { runSearch } from '../../src/tuning/search.ts';
import { toSearchSpace } from '../../src/tuning/space.ts';
import { MemoryStorage, type StudyStorage } from '../../src/tuning/storage.ts';
import { Study, type TrialResult } from '../../src/tuning/study.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { toUnit } from './objectives.ts';

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: 'bench/results/tuning-study.json' },
    trials: { type: 'string', default: '10000' },
    repeats: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const GENERATION = 8;
const STEPS = 10;
const PART = 1000;
const space = toSearchSpace(XGBOOST_SEARCH_SPACE);

/** A sampler that measures itself. */
class TimedSampler implements Sampler {
  readonly #sampler: Sampler;
  milliseconds = 0;

  constructor(sampler: Sampler) {
    this.#sampler = sampler;
  }

  get position() {
    return this.#sampler.position;
  }

  get isExhausted() {
    return this.#sampler.isExhausted;
  }

  seek(position: readonly number[]) {
    this.#sampler.seek(position);
  }

  tell(trial: Trial) {
    const started = performance.now();
    this.#sampler.tell(trial);
    this.milliseconds += performance.now() - started;
  }

  suggest(suggestion: Suggestion) {
    const started = performance.now();
    const values = this.#sampler.suggest(suggestion);
    this.milliseconds += performance.now() - started;
    return values;
  }
}

function evaluate(trial: Trial, pruner: Pruner): TrialResult {
  const point = toUnit(
    space,
    [...trial.params.values()].map(({ value }) => value),
  );
  const distance = point.reduce((sum, x) => sum + (x - 0.4) ** 2, 0);
  const intermediate = new Map<number, number>();
  for (let step = 1; step <= STEPS; step++) {
    const value = distance + 1 / step;
    intermediate.set(step, value);
    if (step < STEPS && pruner.shouldPrune({ ...trial, intermediate }, [])) {
      return { number: trial.number, state: 'pruned', value, intermediate };
    }
  }
  return { number: trial.number, state: 'complete', value: intermediate.get(STEPS), intermediate };
}

/** Milliseconds a trial over one part of the study. */
interface Part {
  readonly sampler: number;
  readonly rest: number;
  readonly cpu: number;
}

async function measure(storage: StudyStorage): Promise<Part[]> {
  const sampler = new TimedSampler(createSampler({ name: 'tpe', seed: 42 }, space, 'minimize'));
  const pruner = createPruner({ name: 'median' }, 'minimize', 'bench')!;
  const study = new Study({ storage, space, sampler, pruner });
  const parts: Part[] = [];
  for (let until = PART; until <= Number(options.trials); until += PART) {
    const before = sampler.milliseconds;
    const cpuBefore = process.cpuUsage();
    const started = performance.now();
    await runSearch({
      study,
      nTrials: until,
      generation: GENERATION,
      evaluate: async (trials) => trials.map((trial) => evaluate(trial, pruner)),
    });
    const own = sampler.milliseconds - before;
    const rest = performance.now() - started - own;
    const { user, system } = process.cpuUsage(cpuBefore);
    parts.push({ sampler: own / PART, rest: rest / PART, cpu: (user + system) / 1000 / PART });
  }
  await storage.close();
  return parts;
}

const folder = await mkdtemp(join(options.folder, 'lockstep-study-'));
const runs: { storage: string; repeat: number; parts: Part[] }[] = [];
try {
  for (let repeat = 0; repeat < Number(options.repeats); repeat++) {
    const memory = new MemoryStorage('bench', 'minimize');
    runs.push({ storage: 'memory', repeat, parts: await measure(memory) });
    const path = join(folder, `${repeat}.journal`);
    const journal = await Journal.open(path, { studyName: 'bench', direction: 'minimize' });
    runs.push({ storage: 'journal', repeat, parts: await measure(journal) });
  }
} finally {
  await rm(folder, { recursive: true });
}

const rows = runs[0]!.parts.map((_, i) => [
  `${(i * PART + 1).toLocaleString('en')} to ${((i + 1) * PART).toLocaleString('en')}`,
  ...['memory', 'journal'].flatMap((storage) => {
    const parts = runs.filter((run) => run.storage === storage).map((run) => run.parts[i]!);
    return (['sampler', 'rest', 'cpu'] as const).map((of) => median(parts.map((part) => part[of])));
  }),
]);
const head = ['trials', ...['memory', 'journal'].flatMap((of) => [`${of}: sampler`, 'rest', 'CPU of both'])];
process.stdout.write(
  `ms a trial, generations of ${GENERATION}, medians of ${options.repeats}\n\n${markdownTable(
    head,
    rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toFixed(3) : cell))),
  )}\n`,
);
await writeFileAtomically(options.out, toJson({ machine: describeMachine(), generation: GENERATION, runs }));
