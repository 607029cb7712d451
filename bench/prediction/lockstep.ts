// One step of compare.py with Lockstep, on one thread, through the library.
// usage: lockstep.ts train|batch|rows FOLDER FEATURES RUNS
// train saves two models of 100 trees of depth 6: of the table, and of the table with every fifth column as text; batch
// predicts the table RUNS times, in turn as margins and as probabilities; rows predicts single rows of plain JavaScript
// values, by name and in order. Before anything is timed, batch and single rows must agree. Prints one line of JSON.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAddon } from '../../src/addon.ts';
import { type Column, Model, type RowValue, train } from '../../src/index.ts';

const [step, folder, featureCount, runCount] = process.argv.slice(2);
const features = Number(featureCount);
const runs = Number(runCount);
const CHECKED_ROWS = 1000;
const TIMED_ROWS = 10_000;
const ROW_CALLS = 100_000;

function floats(name: string): Float32Array {
  const { buffer, byteOffset, length } = readFileSync(join(folder!, name));
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length));
}

const all = floats('columns.f32');
const rows = all.length / features;
const columns = Array.from({ length: features }, (_, f) => all.subarray(f * rows, (f + 1) * rows));
const isText = (f: number) => f % 5 === 4;
const CITIES = ['Bern', 'Rome', 'Oslo', 'Lima', 'Cairo', 'Quito', 'Seoul', 'Paris', 'Perth', 'Delhi'];
const cityOf = (value: number) => CITIES[Math.min(Math.max(Math.floor(2 * value + 5), 0), 9)]!;
const cellOf = (model: string, f: number, row: number): RowValue =>
  model === 'text' && isText(f) ? cityOf(columns[f]![row]!) : columns[f]![row]!;
const modelPath = (model: string) => join(folder!, `lockstep-${model}.json`);

function predictColumns(model: Model): Column[] {
  return model.features.map(({ name, type, categories = [] }, f): Column => {
    if (type !== 'categorical') return { kind: 'numeric', name, values: columns[f]! };
    const code = new Map(categories.map((category, c) => [category, c]));
    return {
      kind: 'categorical',
      name,
      codes: Int32Array.from(columns[f]!, (x) => code.get(cityOf(x)) ?? -1),
      categories,
    };
  });
}

function recordsOf(model: Model, kind: string, count: number): Record<string, RowValue>[] {
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(model.features.map(({ name }, f) => [name, cellOf(kind, f, row)])),
  );
}

function check(model: Model, kind: string): void {
  const batch = model.predict(predictColumns(model), rows);
  const single = recordsOf(model, kind, CHECKED_ROWS).map((record) => model.predictRow(record));
  if (single.some((prediction, row) => prediction !== batch[row]))
    throw new Error('A row differs from its batch.');
}

async function trainModels(): Promise<void> {
  const label = floats('label.f32');
  for (const kind of ['numeric', 'text']) {
    const { model } = await train({
      features: Object.fromEntries(
        columns.map((values, f) => [
          `x${f}`,
          kind === 'text' && isText(f) ? Array.from(values, cityOf) : values,
        ]),
      ),
      label,
      params: { objective: 'binary:logistic', n_estimators: 100, max_depth: 6, learning_rate: 0.1 },
      threads: 1,
    });
    await model.save(modelPath(kind));
  }
}

async function timeBatches(): Promise<object[]> {
  const timed: object[] = [];
  for (const model of ['numeric', 'text']) {
    const loaded = await Model.load(modelPath(model));
    const table = predictColumns(loaded);
    check(loaded, model);
    for (let run = -1; run < runs; run++) {
      for (const kind of ['margin', 'probability']) {
        const cpu = process.cpuUsage();
        const wall = performance.now();
        if (kind === 'margin') loaded.predictMargins(table, rows);
        else loaded.predict(table, rows);
        const wall_s = (performance.now() - wall) / 1000;
        const { user, system } = process.cpuUsage(cpu);
        if (run >= 0)
          timed.push({
            input: model === 'text' ? 'columns, text' : 'columns',
            kind,
            cpu_s: (user + system) / 1e6,
            wall_s,
          });
      }
    }
  }
  return timed;
}

/** Nanoseconds of each of `ROW_CALLS` calls, sorted, after as many that are not counted. */
function timeCalls(call: (row: number) => unknown): Float64Array {
  const times = new Float64Array(ROW_CALLS);
  for (const counted of [false, true]) {
    for (let i = 0; i < ROW_CALLS; i++) {
      const start = process.hrtime.bigint();
      call((i * 7919) % TIMED_ROWS);
      const end = process.hrtime.bigint();
      if (counted) times[i] = Number(end - start);
    }
  }
  return times.sort();
}

async function timeRows(): Promise<object[]> {
  const timed: object[] = [];
  const add = (input: string, times: Float64Array) => {
    timed.push({ input, p50_ns: times[ROW_CALLS / 2], p99_ns: times[ROW_CALLS * 0.99] });
  };
  for (const kind of ['numeric', 'text']) {
    const model = await Model.load(modelPath(kind));
    check(model, kind);
    const records = recordsOf(model, kind, TIMED_ROWS);
    const arrays = records.map((record) => Object.values(record));
    const of = kind === 'text' ? ', text' : '';
    add(
      `object${of}`,
      timeCalls((row) => model.predictRow(records[row]!)),
    );
    add(
      `array${of}`,
      timeCalls((row) => model.predictRowArray(arrays[row]!)),
    );
  }
  add(
    'nothing: the timer alone',
    timeCalls(() => undefined),
  );
  return timed;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const record = { version, simd: loadAddon().chooseSimd('') };
if (step === 'train') await trainModels();
const measured =
  step === 'batch' ? { runs: await timeBatches() } : step === 'rows' ? { rows: await timeRows() } : {};
process.stdout.write(`${JSON.stringify({ ...record, ...measured })}\n`);
