// Reads the table and bins it on one thread; prints one line of JSON. The peak is of resident memory, less what the process
// had when its modules were loaded.
import { readFileSync } from 'node:fs';
import { loadAddon } from '../../src/addon.ts';
import { binTables } from '../../src/data/binning.ts';
import { loadExperimentData } from '../../src/data/load.ts';

const [path, split] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
loadAddon();
const before = process.memoryUsage.rss();
const now = () => {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6, wall: performance.now() / 1000 };
};

const start = now();
const { schema, train, val } = await loadExperimentData({
  trainPath: path!,
  target: 'target',
  taskType: 'classification',
  split: split === 'split' ? { train: 0.8, val: 0.2, test: 0, stratify: true } : 'none',
  seed: 42,
});
const loaded = now();
await binTables([train, ...(val ? [val] : [])], schema.features, { threads: 1 });
const binned = now();
const record = {
  version,
  load_cpu_s: loaded.cpu - start.cpu,
  load_wall_s: loaded.wall - start.wall,
  bin_cpu_s: binned.cpu - loaded.cpu,
  bin_wall_s: binned.wall - loaded.wall,
  peak_bytes: process.resourceUsage().maxRSS * 1024 - before,
};
process.stdout.write(`${JSON.stringify(record)}\n`);
