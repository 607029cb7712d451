// Times boosting of one model on one engine: the medians of some repeats, after two rounds that warm it up, with the
// parameters of peer.py. Prints and writes what each part took.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/summary.ts';
import { readTable } from '../../src/bench/table.ts';
import { resolveParams, treeParams } from '../../src/boosting/params.ts';
import { makeFolder, writeFileAtomically } from '../../src/files.ts';
import { toJson } from '../../src/protocol/output.ts';
import { binTable, type EngineName, makeSynthetic, requireEngine, timed, treesDigest } from './support.ts';

const { values } = parseArgs({
  options: {
    tables: { type: 'string', default: 'build/device-tables' },
    out: { type: 'string', default: 'build/device' },
    engine: { type: 'string', default: 'cpu' },
    synthetic: { type: 'string', default: 'synth:1000000x28' },
    rounds: { type: 'string', default: '100' },
    depth: { type: 'string', default: '6' },
    repeats: { type: 'string', default: '3' },
    /** Only makes the table. */
    plan: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const set = await makeSynthetic(values.tables, values.synthetic);
if (values.plan) process.exit(0);
const { data } = await readTable(join(values.tables, set));
const engine = await requireEngine(values.engine as EngineName);
const { value: binned, seconds: binning } = await timed(() => binTable(data));
const { value: resident, seconds: loading } = await timed(() => engine.load(binned));
const params = treeParams(
  resolveParams({ objective: 'binary:logistic', max_depth: Number(values.depth), learning_rate: 0.1 }),
);
const job = { params, seed: 0, rows: { start: 0, end: data.rows }, evals: [], metrics: [] };

/** Seconds of preparing a batch, boosting and taking the trees out. */
async function trainOnce(count: number) {
  const { value: batch, seconds: preparing } = await timed(() => resident.start([job]));
  const { seconds: boosting } = await timed(() => batch.advance(count));
  const { value: trees, seconds: finishing } = await timed(() => batch.finish(0));
  batch.dispose();
  return { preparing, boosting, finishing, fingerprint: treesDigest(trees) };
}

const warming = await trainOnce(2);
const repeats = [];
for (let i = 0; i < Number(values.repeats); i++) repeats.push(await trainOnce(rounds));
const boosting = median(repeats.map((repeat) => repeat.boosting));
await makeFolder(values.out);
await writeFileAtomically(
  join(values.out, `single-${values.engine}.json`),
  toJson({ engine: engine.description, set, rounds, params, binning, loading, warming, repeats }),
);
process.stdout.write(
  `${engine.description}: ${set}, depth ${values.depth}, ${rounds} rounds\n` +
    `boosting ${boosting.toPrecision(4)} s, median of ${repeats.length} (${repeats.map((repeat) => repeat.boosting.toPrecision(4)).join(', ')}); ` +
    `${((boosting / rounds) * 1000).toPrecision(4)} ms a tree; preparing ${median(repeats.map(({ preparing }) => preparing)).toPrecision(3)} s, ` +
    `trees out ${median(repeats.map(({ finishing }) => finishing)).toPrecision(3)} s; once: binning ${binning.toPrecision(3)} s, loading ${loading.toPrecision(3)} s, ` +
    `warm-up ${(warming.preparing + warming.boosting).toPrecision(3)} s\nfingerprint ${repeats[0]?.fingerprint.slice(0, 16)}\n`,
);
process.exit(0);
