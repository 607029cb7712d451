import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli, type Ended, filesBelow, scratch, smallConfig, writeExperiment } from './cli.ts';

const newFolder = scratch();
const PACKAGE = 'evidence/protocol-11-training';
const SECRET = 'hunter2-is-a-secret';

let home: string;
let run: Ended;

/** The run that all tests look at, in a folder of its own. */
async function copyOfRun(): Promise<string> {
  const folder = await newFolder();
  await cp(join(home, 'out'), join(folder, 'out'), { recursive: true });
  return folder;
}

const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

beforeAll(async () => {
  home = await newFolder();
  await writeExperiment(home);
  const env = { LOCKSTEP_TEST_TOKEN: SECRET, MLFLOW_TRACKING_TOKEN: SECRET };
  run = await cli(['run', 'x.yaml', '--out', 'out', '--quiet'], home, env);
});

describe('the evidence package', () => {
  it("is the protocol's, and its manifest names every file", async () => {
    expect(run.code, run.stderr).toBe(0);
    const files = await filesBelow(join(home, 'out', PACKAGE));
    const { files: named, sha256 } = await json(join(home, 'out', PACKAGE, 'manifest.json'));
    expect([...named.map(({ path }: { path: string }) => path), 'manifest.json'].sort()).toEqual(
      [...files].sort(),
    );
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    for (const file of [
      'models/baseline_model.json',
      'models/optimized_model.json',
      'models/ensemble_model.json',
      'reports/training_report.md',
      'reports/optimization_report.md',
      'reports/comparison_analysis.md',
      'metrics/training_metrics.json',
      'metrics/validation_metrics.json',
      'metrics/cv_scores.json',
      'configs/baseline_config.yaml',
      'configs/best_config.yaml',
      'run.json',
      'gates.json',
      'environment_info.json',
      'package-lock.json',
    ]) {
      expect(files).toContain(file);
    }
    expect(files.some((file) => /^mlruns\/\d+\/[0-9a-f]{32}\/meta\.yaml$/.test(file))).toBe(true);
  });

  it('has an environment_info.json with versions, machine, data and fingerprints, and no secret of the environment', async () => {
    const info = await json(join(home, 'out', 'environment_info.json'));
    expect(info).toMatchObject({
      cuda_available: expect.any(Boolean),
      gpu_count: expect.any(Number),
      cpu_count: expect.any(Number),
      memory_gb: expect.any(Number),
      node_version: process.versions.node,
      numerics_version: 1,
      seed: 42,
      lockfile: 'package-lock.json',
    });
    expect(info).toHaveProperty('python_version');
    expect(info).toHaveProperty('cuda_version');
    expect(info.packages.yaml).toMatch(/^\d+\.\d+\.\d+/);
    expect(info.data).toEqual([
      { path: join(home, 'train.csv'), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
    expect(info.fingerprints).toEqual((await json(join(home, 'out', 'run.json'))).fingerprints);
    for (const file of await filesBelow(join(home, 'out'))) {
      expect((await readFile(join(home, 'out', file))).includes(SECRET), file).toBe(false);
    }
  });

  it('verifies, as part of its run and moved elsewhere', async () => {
    const folder = await copyOfRun();
    await rename(join(folder, 'out', PACKAGE), join(folder, 'moved'));
    for (const [cwd, name] of [
      [home, 'out'],
      [folder, 'moved'],
    ] as const) {
      const ended = await cli(['evidence', 'verify', name, '--json'], cwd);
      expect(ended.code, ended.stderr).toBe(0);
      const outcome = JSON.parse(ended.stdout);
      expect(outcome.failures).toEqual([]);
      expect(outcome.models).toBeGreaterThanOrEqual(7);
    }
    const none = await cli(['evidence', 'verify', '.'], folder);
    expect(none.stderr).toMatch(/^error: \. holds no evidence package with a manifest\.json: /);
    expect(none.code).toBe(2);
  });

  it('with a change of any kind fails with a sentence that names it', async () => {
    const folder = await copyOfRun();
    const inside = (name: string) => join(folder, 'out', PACKAGE, name);
    const changed = await readFile(inside('gates.json'));
    changed[10]! ^= 1;
    await writeFile(inside('gates.json'), changed);
    await rm(inside('reports/training_report.md'));
    await writeFile(inside('models/extra_model.json'), '{}');
    await rm(inside('metrics/history.json'));
    await symlink(join(home, 'x.yaml'), inside('metrics/history.json'));
    await writeFile(inside('configs/best_config.yaml'), 'x: 1\n');
    const manifest = await json(inside('manifest.json'));
    manifest.files.push({ path: '../../run.json', bytes: 1, sha256: 'x' });
    // A model that was exchanged together with its entry.
    await cp(inside('models/baseline_model.json'), inside('models/optimized_model.json'));
    const of = (name: string) => manifest.files.find(({ path }: { path: string }) => path === name);
    Object.assign(of('models/optimized_model.json'), {
      ...of('models/baseline_model.json'),
      path: 'models/optimized_model.json',
    });
    await writeFile(inside('manifest.json'), JSON.stringify(manifest));
    const ended = await cli(['evidence', 'verify', 'out', '--json'], folder);
    expect(ended.code).toBe(1);
    const { failures } = JSON.parse(ended.stdout);
    const text = failures.join('\n');
    expect(text).toMatch(/^The manifest itself has been changed: /);
    expect(text).toMatch(/^gates\.json has been changed: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}\.$/m);
    expect(text).toMatch(/^reports\/training_report\.md is missing\.$/m);
    expect(text).toMatch(/^models\/extra_model\.json is not in the manifest\.$/m);
    expect(text).toMatch(/^metrics\/history\.json is not a plain file\.$/m);
    expect(text).toMatch(/^configs\/best_config\.yaml has 5 bytes, not the recorded \d+\.$/m);
    expect(text).toMatch(
      /^The manifest names "\.\.\/\.\.\/run\.json", which is no path within the package\.$/m,
    );
    expect(text).toMatch(
      /^models\/optimized_model\.json has the fingerprint [0-9a-f]{64}, not the recorded [0-9a-f]{64}\.$/m,
    );
    // Ensembles that name the exchanged model's file do not load either.
    const others = failures.filter(
      (failure: string) => !/^models\/ensemble_\w+\.json does not load: /.test(failure),
    );
    expect(others).toHaveLength(8);
    await writeFile(inside('manifest.json'), '{"format_version": 1');
    const damaged = await cli(['evidence', 'verify', 'out'], folder);
    expect(damaged.code).toBe(2);
  });

  it('of a second run into the folder has nothing of the first, and none where the stage is left out', async () => {
    const folder = await copyOfRun();
    await writeExperiment(folder);
    const again = (stages: string) =>
      cli(['run', 'x.yaml', '--out', 'out', '--stages', stages, '--quiet'], folder);
    expect((await again('baseline,evidence')).code).toBe(0);
    expect(await readdir(join(folder, 'out', PACKAGE, 'models'))).toEqual(['baseline_model.json']);
    expect((await cli(['evidence', 'verify', 'out'], folder)).code).toBe(0);
    await rm(join(folder, 'out'), { recursive: true });
    expect((await again('baseline')).code).toBe(0);
    expect(await readdir(join(folder, 'out'))).not.toContain('evidence');
  });
});

describe('lockstep reproduce', () => {
  it('finds everything equal, from the run or its package, with the data moved, on other threads, and leaves nothing', async () => {
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith('lockstep-reproduce-'));
    const ended = await cli(['reproduce', 'out', '--json', '--quiet'], home);
    expect(ended.code, ended.stderr).toBe(0);
    const { equal, compared, out } = JSON.parse(ended.stdout);
    expect([equal, out]).toEqual([true, undefined]);
    const counts = Object.fromEntries(
      compared.map(({ what, compared: count }: { what: string; compared: number }) => [what, count]),
    );
    expect(counts['data files']).toBe(1);
    expect(counts.fingerprints).toBe(3);
    expect(counts.trials).toBeGreaterThan(40);
    expect(counts.gates).toBeGreaterThan(9);
    const after = (await readdir(tmpdir())).filter((name) => name.startsWith('lockstep-reproduce-'));
    expect(after).toEqual(before);
    const folder = await copyOfRun();
    await mkdir(join(folder, 'data'));
    await cp(join(home, 'train.csv'), join(folder, 'data', 'train.csv'));
    await rename(join(folder, 'out', PACKAGE), join(folder, 'moved'));
    const moved = await cli(
      ['reproduce', 'moved', '--data-root', 'data', '--out', 'again', '--quiet'],
      folder,
    );
    expect(moved.code, moved.stderr).toBe(0);
    expect(moved.stdout).toContain('All values are equal (engine cpu).');
    expect(await readdir(join(folder, 'again'))).toContain('run.json');
  });

  it('names the first difference, wherever it is', async () => {
    const folder = await copyOfRun();
    const file = join(folder, 'out', PACKAGE, 'optimization_results.json');
    const results = await json(file);
    const trial = results.trials[2];
    const depth = trial.params.max_depth;
    trial.params.max_depth = depth + 1;
    await writeFile(file, JSON.stringify(results));
    const ended = await cli(['reproduce', 'out', '--out', 'again', '--quiet'], folder);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toBe(
      `error: optimization_results.json: trial 2.params.max_depth is ${depth} now, ${depth + 1} in the record.\n`,
    );
  });

  it('refuses data that is not there, tells of data that has changed, and refuses what is no finished run', async () => {
    const folder = await copyOfRun();
    await mkdir(join(folder, 'data'));
    const missing = await cli(['reproduce', 'out', '--data-root', 'data'], folder);
    expect(missing.stderr).toMatch(/^error: The data file \S+train\.csv is not there: give the folder/);
    expect(missing.code).toBe(2);
    await writeFile(join(folder, 'data', 'train.csv'), 'a,b,y\n1,2,0\n');
    const changed = await cli(['reproduce', 'out', '--data-root', 'data'], folder);
    expect(changed.stderr).toMatch(
      /^error: data: train\.csv is "[0-9a-f]{64}" now, "[0-9a-f]{64}" in the record\.$/m,
    );
    expect(changed.code).toBe(1);
    const none = await cli(['reproduce', 'data'], folder);
    expect(none.stderr).toMatch(/^error: data holds no run that can be repeated: it has no run\.json; /);
    expect(none.code).toBe(2);
  });

  it('repeats a search that its time has ended, trial by trial', async () => {
    const folder = await newFolder();
    await writeExperiment(folder, {
      config: `${smallConfig}resources: {max_time_hours: 0.0004}\nensemble: {methods: []}\n`,
    });
    const slow =
      'optimization={cv: 2, generation: 4, n_trials: 1000, early_stopping_rounds: 0, pruner: {name: none}, search_space: {n_estimators: {type: int, low: 2000, high: 3000}}}';
    const ended = await cli(['run', 'x.yaml', '--out', 'out', '--set', slow], folder);
    expect(ended.stderr).toContain('its time was up');
    const again = await cli(['reproduce', 'out', '--quiet'], folder);
    expect(again.code, again.stderr).toBe(0);
  });
});

describe('create_docker', () => {
  async function withDocker(script: string) {
    const folder = await newFolder();
    await writeExperiment(folder);
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin', 'docker'), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, 'bin', 'docker'), 0o755);
    const path = `${join(folder, 'bin')}${delimiter}${process.env.PATH}`;
    const args = ['run', 'x.yaml', '--out', 'out', '--stages', 'baseline', '--set', 'create_docker=true'];
    return { folder, ended: await cli(args, folder, { PATH: path }) };
  }

  it('writes a Dockerfile with the versions that ran and what it copies, and builds the image', async () => {
    const { folder, ended } = await withDocker('echo "$@"; exit 0');
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).not.toMatch(/warning: .*Docker/);
    const docker = join(folder, 'out', 'docker');
    const text = await readFile(join(docker, 'Dockerfile'), 'utf8');
    expect(text).toContain(`FROM node:${process.versions.node}-bookworm`);
    const [, copied] = /^COPY (.*) \.\/$/m.exec(text)!;
    const files = await readdir(docker);
    for (const name of copied!.split(' ')) expect(files).toContain(name);
    const tarball = copied!.split(' ').find((name) => name.endsWith('.tgz'))!;
    const packed = execFileSync('tar', ['tzf', join(docker, tarball)], { encoding: 'utf8' });
    for (const name of ['bin/lockstep.js', 'dist/index.js', 'CMakeLists.txt', 'scripts/build.mjs']) {
      expect(packed).toContain(`package/${name}\n`);
    }
    expect(await readFile(join(docker, 'build.log'), 'utf8')).toMatch(
      /^build --tag lockstep-small \S+docker\n$/,
    );
  });

  it('that fails is warned about, and the run is done', async () => {
    const { folder, ended } = await withDocker('echo broken; exit 1');
    expect(ended.code).toBe(0);
    expect(ended.stderr).toContain(
      'warning: there is no Docker image: docker build failed; docker/build.log has its output',
    );
    expect(await readFile(join(folder, 'out', 'docker', 'build.log'), 'utf8')).toBe('broken\n');
  });
});
