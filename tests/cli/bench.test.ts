import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fakePython } from '../bench/fake-python.ts';
import { cli, filesBelow, scratch, start, writeExperiment } from './cli.ts';

const newFolder = scratch();
const tiny = ['--data', 'synth:200x4', '--rounds', '3', '--repeats', '1', '--wait', '0'];
const conduct = { xgboost: 'times', lightgbm: 'missing', catboost: 'crashes' } as const;

describe('bench', () => {
  it('prints a table on stdout and progress on stderr, and writes nothing without --out', async () => {
    const folder = await newFolder();
    const python = await fakePython(await newFolder(), conduct);
    const ended = await cli(['bench', ...tiny, '--python', python, '--batch', '2'], folder);
    expect(ended.stderr).toMatch(/^synth:200x4: lockstep cpu, 1 thread, 1 of 1$/m);
    expect(ended.stdout).toMatch(
      /^synth:200x4\n200 rows × 4 features; 50 rows to validate on; 3 rounds, depth 6/,
    );
    expect(ended.stdout).toMatch(
      /^subject +threads +bin s +boost s +min–max +fastest peer +M cells\/s +auc_roc train +val$/m,
    );
    expect(ended.stdout).toMatch(/^lockstep cpu +1 .*×/m);
    expect(ended.stdout).toMatch(/^xgboost 1\.2\.3 +1 +1 +1 +1–1 +1\.00×/m);
    expect(ended.stdout).toMatch(/^engines +threads +start s +upload s +first model s$/m);
    expect(ended.stdout).toMatch(/^batches +threads +models +boost s +min–max +models\/s +one at a time$/m);
    expect(ended.stdout).toMatch(
      /^catboost, 1 thread failed: it ended with exit code 1: MemoryError: too large$/m,
    );
    expect(ended.stdout).toMatch(/^lightgbm not run: this Python has no package lightgbm$/m);
    expect(ended.stdout).toMatch(/^engine cuda not run: /m);
    expect(ended.code).toBe(0);
    expect(await filesBelow(folder)).toEqual([]);
  });

  it('--json prints one object with every raw repeat, and --out keeps it with a report and a chart', async () => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const python = await fakePython(await newFolder(), conduct);
    const args = ['x.yaml', '--rounds', '3', '--repeats', '2', '--wait', '0', '--python', python];
    const ended = await cli(['bench', ...args, '--json', '--quiet', '--out', 'new/bench'], folder);
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
    const { exit, ...outcome } = JSON.parse(ended.stdout);
    expect(exit).toBe(0);
    expect(Object.keys(outcome)).toEqual([
      'started',
      'seconds',
      'machine',
      'python',
      'settings',
      'data',
      'results',
      'not_run',
      'interrupted',
    ]);
    expect(outcome.results[0]).toMatchObject({
      data: 'small',
      library: 'lockstep',
      engine: 'cpu',
      threads: 1,
      clock: 'cpu',
      failure: null,
      repeats: [
        { repeat: 1, rounds: 3 },
        { repeat: 2, rounds: 3 },
      ],
    });
    expect(await filesBelow(join(folder, 'new'))).toEqual([
      'bench/bench.json',
      'bench/bench.md',
      'bench/bench.svg',
    ]);
    const read = (name: string) => readFile(join(folder, 'new/bench', name), 'utf8');
    expect(JSON.parse(await read('bench.json'))).toEqual(outcome);
    expect(await read('bench.md')).toContain('## small\n');
    expect(await read('bench.svg')).toContain('xgboost 1.2.3, 1 thread');
  });

  it.each([
    { args: ['--engines', 'gpu'], code: 2, message: /The engines are cpu, cuda, webgpu/ },
    { args: ['--engines', 'cpu,cuda'], code: 4, message: /^error: The cuda engine cannot run here: / },
    { args: ['--threads', '0'], code: 2, message: /whole numbers from 1 to 1024/ },
    {
      args: ['--peers', 'sklearn'],
      code: 2,
      message: /The peers are xgboost, lightgbm, catboost; or none/,
    },
    { args: ['--data', 'higgs'], code: 2, message: /^error: higgs is not a data set to bench on: / },
    { args: ['--data', 'synth:200x4', 'x.yaml'], code: 2, message: /^error: --data names synthetic sets / },
    { args: ['--repeats', '1.5'], code: 2, message: /Give a whole number from 1 to 1000/ },
    { args: ['--wait', '-1'], code: 2, message: /Give a number from 0 to 86400/ },
    { args: ['--timeout', '0'], code: 2, message: /Give a number from 0\.001 to 86400/ },
    { args: ['--batch', '8,x'], code: 2, message: /whole numbers from 1 to 100000/ },
    {
      args: ['--metric', 'f1'],
      code: 2,
      message: /^error: f1 is not a metric that all libraries compute alike/,
    },
    { args: ['--set', 'a=1'], code: 2, message: /^error: --set overrides keys of a config/ },
    { args: ['--python', ''], code: 2, message: /Name a file or folder/ },
    { args: ['none.yaml'], code: 2, message: /none\.yaml/ },
    { args: ['x.yaml', '--set', 'data.train_path=none.csv'], code: 2, message: /none\.csv does not exist/ },
    { args: ['x.yaml', '--set', 'resources.max_memory_gb=0.000001'], code: 3, message: /max_memory_gb/ },
  ])('$args ends with $code and one sentence', async ({ args, code, message }) => {
    const folder = await newFolder();
    await writeExperiment(folder);
    const ended = await cli(
      ['bench', ...(args.includes('--peers') ? [] : ['--peers', 'none']), ...args],
      folder,
    );
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.match(/^error: /gm)).toHaveLength(1);
    expect(ended.stdout).toBe('');
    expect(ended.code).toBe(code);
  });

  it('an output folder that cannot be made is refused before anything is measured', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'taken'), '');
    const ended = await cli(['bench', ...tiny, '--peers', 'none', '--out', 'taken/bench'], folder);
    expect(ended.stderr).toMatch(/^error: Cannot write taken\/bench: a part of the path is a file/m);
    expect(ended.stderr).not.toContain('lockstep cpu');
    expect(ended.code).toBe(2);
  });

  it('an engine of ours that fails is a row with the reason, and the command ends with 4', async () => {
    const folder = await newFolder();
    const ended = await cli(['bench', ...tiny, '--peers', 'none', '--timeout', '0.01', '--json'], folder);
    const { results, error, exit } = JSON.parse(ended.stdout);
    expect(results).toMatchObject([
      { library: 'lockstep', repeats: [], failure: 'it took longer than 0.01 s' },
    ]);
    expect(error).toEqual({
      message: 'The cpu engine could not be measured on synth:200x4: it took longer than 0.01 s.',
      exit: 4,
    });
    expect(exit).toBe(4);
    expect(ended.code).toBe(4);
  });
});

describe('an interrupt during bench', () => {
  it('ends what is being timed within a second, with 130, and keeps what was measured', async () => {
    const folder = await newFolder();
    const fakes = join(folder, 'fakes');
    await mkdir(fakes);
    const python = await fakePython(fakes, { xgboost: 'hangs', lightgbm: 'missing', catboost: 'missing' });
    const { child, ended } = start(['bench', ...tiny, '--python', python, '--json', '--out', 'out'], folder);
    const jobs = async () => readFile(join(fakes, 'jobs.jsonl'), 'utf8').catch(() => '');
    while (!(await jobs()).endsWith('\n') && child.exitCode === null) await sleep(20);
    const sent = performance.now();
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect(performance.now() - sent).toBeLessThan(1000);
    expect(code).toBe(130);
    const outcome = JSON.parse(stdout);
    expect(outcome).toMatchObject({ interrupted: true, exit: 130, error: { exit: 130 } });
    expect(outcome.results.map(({ library }: { library: string }) => library)).toEqual(['lockstep']);
    expect(stderr).toMatch(/^error: Interrupted after 1 timing; those are kept\.$/m);
    expect(await filesBelow(join(folder, 'out'))).toEqual(['bench.json', 'bench.md', 'bench.svg']);
    const { pid } = JSON.parse(await jobs());
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('a bench that is killed takes the process that it times with it', async ({ skip }) => {
    if (!existsSync('/proc/self/task')) return skip('not run: finding the process needs /proc');
    const folder = await newFolder();
    const { child, ended } = start(
      [
        'bench',
        '--data',
        'synth:1000x50',
        '--rounds',
        '100000',
        '--depth',
        '12',
        '--peers',
        'none',
        '--wait',
        '0',
      ],
      folder,
    );
    let progress = '';
    child.stderr.on('data', (text: string) => {
      progress += text;
    });
    const children = async () =>
      (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => '')).trim();
    while (!progress.includes('1 of 3') || (await children()) === '') {
      if (child.exitCode !== null) throw new Error('bench ended early');
      await sleep(20);
    }
    const pid = Number(await children());
    await sleep(500);
    child.kill('SIGKILL');
    await ended;
    const gone = () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    const until = performance.now() + 5000;
    while (!gone() && performance.now() < until) await sleep(20);
    expect(gone()).toBe(true);
  });
});
