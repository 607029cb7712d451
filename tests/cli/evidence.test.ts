import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareResults } from '../../src/protocol/reproduce.ts';
import { cli, filesBelow, scratch, writeExperiment } from './cli.ts';

const newFolder = scratch();
const PACKAGE = 'evidence/protocol-11-training';

let folder: string;
let evidence: string;

const readJson = async (...path: string[]) => JSON.parse(await readFile(join(...path), 'utf8'));

/** A changed copy of the package, in a place of its own. */
async function changed(change: (copy: string) => Promise<void>): Promise<string> {
  const copy = join(await newFolder(), 'moved');
  await cp(evidence, copy, { recursive: true });
  await change(copy);
  return copy;
}

/** Replaces text in a file, which must have it. */
async function edit(path: string, from: string | RegExp, to: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const edited = text.replace(from, to);
  expect(edited).not.toBe(text);
  await writeFile(path, edited);
}

/** A `docker` that says what it is told and ends with a code. */
async function fakeDocker(code: number): Promise<string> {
  const bin = await newFolder();
  await writeFile(join(bin, 'docker'), `#!/bin/sh\necho "told: $*"\nls Dockerfile\nexit ${code}\n`);
  await chmod(join(bin, 'docker'), 0o755);
  return `${bin}:/usr/bin:/bin`;
}

beforeAll(async () => {
  folder = await newFolder();
  await writeExperiment(folder, {
    config: `experiment: {name: Small Ü}
data: {train_path: train.csv, target: y}
hyperparameters: {n_estimators: 5}
gates: {overfitting_ratio: 0}
create_docker: true
optimization: {n_trials: 4, cv: 2, generation: 3}
ensemble: {methods: [voting]}
`,
  });
  const env = { PATH: await fakeDocker(0), SECRET_TOKEN: 'hunter2' };
  const { code, stderr } = await cli(['run', 'x.yaml', '--out', 'out'], folder, env);
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining('The Docker image is lockstep-small-u'),
  });
  evidence = join(folder, 'out', PACKAGE);
});

describe('what a run records', () => {
  it("environment_info.json has the protocol's fields and what a repetition needs, and no environment variable", async () => {
    const text = await readFile(join(evidence, 'environment_info.json'), 'utf8');
    const info = JSON.parse(text);
    const { dependencies } = await readJson(import.meta.dirname, '../../package.json');
    for (const [name, version] of Object.entries(dependencies)) {
      expect(info.packages[name].split(', ')).toContain(version);
    }
    expect(info).toMatchObject({
      cuda_available: info.gpu_count > 0,
      node_version: process.versions.node,
      seed: 42,
      engine: 'cpu',
      numerics_version: 1,
      git: null,
      lockfile: { file: 'package-lock.json', origin: 'lockstep' },
      data: [
        { role: 'train', path: join(folder, 'train.csv'), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ],
      fingerprints: (await readJson(evidence, 'run.json')).fingerprints,
    });
    expect(Object.keys(info)).toEqual(
      expect.arrayContaining([
        'python_version',
        'cuda_version',
        'cpu_count',
        'memory_gb',
        'simd',
        'lockstep_version',
      ]),
    );
    expect(text).not.toContain('hunter2');
  });

  it("the lockfile is Lockstep's own, byte for byte", async () => {
    const own = await readFile(join(import.meta.dirname, '../../package-lock.json'), 'utf8');
    expect(await readFile(join(evidence, 'package-lock.json'), 'utf8')).toBe(own);
  });

  it('environment, lockfile and run.json are artifacts of the MLflow record', async () => {
    const files = await filesBelow(join(folder, 'out', 'mlruns'));
    for (const name of ['environment_info.json', 'package-lock.json', 'run.json', 'Dockerfile']) {
      expect(files.filter((file) => file.endsWith(`/artifacts/${name}`))).toHaveLength(1);
    }
  });

  it('create_docker writes a Dockerfile of this Node and lets docker build it, with its output in a file', async () => {
    const text = await readFile(join(folder, 'out', 'Dockerfile'), 'utf8');
    expect(text).toContain(`FROM node:${process.versions.node}-`);
    expect(text).toContain(`COPY ${PACKAGE}/ evidence/`);
    const log = await readFile(join(folder, 'out', 'docker_build.log'), 'utf8');
    expect(log).toMatch(/^told: build --tag lockstep-small-u \.\nDockerfile\n$/);
    // Everything that the Dockerfile copies is there, so that the image can be built elsewhere.
    for (const [, source] of text.matchAll(/^COPY (\S+) /gm)) {
      expect(existsSync(join(folder, 'out', source!))).toBe(true);
    }
  });

  it('a docker that fails or is not there is a warning', async () => {
    const other = await newFolder();
    await writeExperiment(other);
    const args = ['run', 'x.yaml', '--stages', 'baseline,evidence', '--set', 'create_docker=true', '--out'];
    const empty = await newFolder();
    const [failed, absent] = await Promise.all([
      cli([...args, 'a'], other, { PATH: await fakeDocker(3) }),
      cli([...args, 'b'], other, { PATH: empty }),
    ]);
    expect([failed.code, absent.code]).toEqual([0, 0]);
    expect(failed.stderr).toContain('docker build failed (exit code 3)');
    expect(absent.stderr).toContain('Docker was not found, so Dockerfile is written and no image is built.');
  });
});

describe('lockstep evidence verify', () => {
  const verify = (at: string) => cli(['evidence', 'verify', at, '--json'], folder);

  it('accepts a package as it was written, in the output folder and moved, with every file in the manifest', async () => {
    const manifest = await readJson(evidence, 'manifest.json');
    const files = await filesBelow(evidence);
    expect(manifest.files.map(({ path }: { path: string }) => path)).toEqual(
      files.filter((name) => name !== 'manifest.json'),
    );
    expect(files).toEqual(expect.arrayContaining(['run.json', 'gates.json', 'configs/baseline_config.yaml']));
    expect(files.some((name) => name.startsWith('mlruns/'))).toBe(true);
    for (const at of ['out', evidence, await changed(async () => {})]) {
      const { code, stdout } = await verify(at);
      expect({ code, ...JSON.parse(stdout) }).toMatchObject({
        code: 0,
        differences: [],
        sha256: manifest.sha256,
      });
    }
  });

  it('names every file that is changed, missing, added or a link', async () => {
    const copy = await changed(async (at) => {
      await edit(join(at, 'gates.json'), 'true', 'TRUE');
      await edit(join(at, 'models/baseline_model.json'), /"best_iteration": ?\d+/, '"best_iteration": 77');
      await rm(join(at, 'metrics/cv_scores.json'));
      await writeFile(join(at, 'extra'), '');
      await rm(join(at, 'run.json'));
      await symlink(join(evidence, 'run.json'), join(at, 'run.json'));
    });
    const { code, stdout } = await verify(copy);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).differences.sort()).toEqual([
      'extra is not in the manifest.',
      expect.stringMatching(/^gates\.json has the SHA-256/),
      'metrics/cv_scores.json is missing.',
      expect.stringMatching(/^models\/baseline_model\.json has/),
      'run.json is a link or no regular file.',
    ]);
  });

  it('a changed manifest and a model of another fingerprint are found, and paths never leave the package', async () => {
    const copy = await changed(async (at) => {
      await edit(join(at, 'run.json'), /("baseline": ")[0-9a-f]{64}/, `$1${'0'.repeat(64)}`);
      const manifest = await readJson(at, 'manifest.json');
      manifest.files.push(
        { path: '../../x', bytes: 1, sha256: '' },
        { path: '/etc/passwd', bytes: 1, sha256: '' },
      );
      await writeFile(join(at, 'manifest.json'), JSON.stringify(manifest));
    });
    const { code, stderr } = await verify(copy);
    expect(code).toBe(1);
    expect(stderr).toContain('manifest.json is changed');
    expect(stderr).toContain('"../../x" is no path within the package.');
    expect(stderr).toContain('"/etc/passwd" is no path within the package.');
    expect(stderr).toContain('models/baseline_model.json has the fingerprint');
  });

  it('refuses a folder without a package, and a manifest that is none', async () => {
    expect(await verify('.')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('holds no evidence package'),
    });
    const copy = await changed((at) => writeFile(join(at, 'manifest.json'), '{"files": 3'));
    expect((await verify(copy)).code).toBe(2);
  });
});

describe('lockstep reproduce', () => {
  const reproduce = async (at: string, ...args: string[]) => {
    const { code, stdout, stderr } = await cli(['reproduce', at, '--json', '--quiet', ...args], folder);
    return { code, stderr, ...JSON.parse(stdout) };
  };

  it('finds everything equal with another number of threads, and leaves nothing', async () => {
    const temporary = await newFolder();
    const { code, stdout } = await cli(['reproduce', 'out', '--threads', '1', '--quiet'], folder, {
      TMPDIR: temporary,
    });
    expect(code).toBe(0);
    for (const what of ['trials', 'fold scores', 'histories', 'train metrics', 'fingerprints', 'gates']) {
      expect(stdout).toMatch(new RegExp(`^${what} +equal +\\d+$`, 'm'));
    }
    expect(await filesBelow(temporary)).toEqual([]);
  });

  it.each([
    [
      'optimization_results.json',
      /("number": 2,\s+"params": \{[^}]*"max_depth": )\d+/,
      '$199',
      /trial 2 params max_depth was 99 and is \d+ now/,
    ],
    [
      'metrics/validation_metrics.json',
      /("accuracy": )[\d.]+/,
      '$10.123',
      /val metrics of baseline accuracy was 0.123 and is/,
    ],
    [
      'run.json',
      /("optimized": ")[0-9a-f]{64}/,
      `$1${'0'.repeat(64)}`,
      /the fingerprint of optimized was "0+"/,
    ],
    [
      'gates.json',
      '"verdict": "passed"',
      '"verdict": "failed"',
      /gate .* verdict was "failed" and is "passed" now/,
    ],
  ])('names the first difference of a tampered %s', async (file, from, to, difference) => {
    const copy = await changed((at) => edit(join(at, file), from, to));
    const result = compareResults(copy, evidence);
    expect(result.difference).toMatch(difference);
    expect(result.difference).toContain(`${file}: `);
    expect(result.compared.filter(({ equal }) => !equal)).toHaveLength(1);
  });

  it('ends with 1, names the first difference and keeps the new run where a trial is not what was recorded', async () => {
    const copy = await changed((at) =>
      edit(
        join(at, 'optimization_results.json'),
        /("number": 1,\s+"params": \{[^}]*"max_depth": )\d+/,
        '$199',
      ),
    );
    const { code, difference, stderr, out } = await reproduce(
      copy,
      '--out',
      join(await newFolder(), 'again'),
    );
    expect({ code, difference }).toEqual({
      code: 1,
      difference: expect.stringMatching(/trial 1 params max_depth was 99 and is \d+ now/),
    });
    expect(stderr).toContain('error: optimization_results.json: trial 1');
    expect(await filesBelow(out)).toContain('run.json');
  });

  it('refuses the package of a newer version, and a damaged one, with what to do', async () => {
    const newer = await changed((copy) =>
      edit(join(copy, 'run.json'), '"format_version": 1', '"format_version": 99'),
    );
    const refused = await cli(['reproduce', newer], folder);
    expect(refused.stderr).toMatch(
      /^error: \S+ has a run of a newer Lockstep \(format 99, known are formats up to 1\): /,
    );
    expect(refused.code).toBe(2);
    const torn = await changed((copy) => writeFile(join(copy, 'manifest.json'), '{'));
    const damaged = await cli(['evidence', 'verify', torn], folder);
    expect(damaged.stderr).toBe(
      `error: ${join(torn, 'manifest.json')} is not a whole JSON file; take another copy of the package.\n`,
    );
    expect(damaged.code).toBe(2);
  });

  it('repeats a search that time ended and one that was resumed, whatever their generations were', async () => {
    const other = await newFolder();
    await writeExperiment(other);
    const run = (out: string, trials: number, ...args: string[]) => {
      const optimization = `optimization={n_trials: ${trials}, cv: 2, generation: 3}`;
      const common = ['--stages', 'optimize,evidence', '--set', 'tracking.mlflow.enabled=false', '--quiet'];
      return cli(['run', 'x.yaml', '--out', out, ...common, '--set', optimization, ...args], other);
    };
    const resumed = async () => {
      expect((await run('resumed', 4)).code).toBe(0);
      expect((await run('resumed', 9, '--resume')).code).toBe(0);
    };
    const timed = async () => {
      const limit = ['--set', 'optimization.timeout_hours=5e-5'];
      expect((await run('timed', 100_000, ...limit)).code).toBe(0);
    };
    await Promise.all([resumed(), timed()]);
    const { trials } = await readJson(other, 'resumed', 'optimization_results.json');
    expect(trials.map(({ generation }: { generation: number }) => generation)).toEqual([
      0, 0, 0, 1, 2, 2, 2, 3, 3,
    ]);
    const { study } = await readJson(other, 'timed', 'optimization_results.json');
    expect(study.ended_by).toBe('time');
    const again = await Promise.all(['resumed', 'timed'].map((name) => reproduce(join(other, name))));
    for (const { code, compared } of again) {
      expect(code).toBe(0);
      expect(compared.map(({ what }: { what: string }) => what)).toContain('trials');
    }
  });

  it('takes moved data from --data-root, patterns too, and refuses data that are gone or changed', async () => {
    const other = await newFolder();
    await writeExperiment(other);
    const args = ['--stages', 'baseline,evidence', '--out', 'out', '--set', 'data.train_path=tr*.csv'];
    await cli(['run', 'x.yaml', '--quiet', ...args], other);
    await mkdir(join(other, 'data'));
    await rename(join(other, 'train.csv'), join(other, 'data', 'train.csv'));
    const out = join(other, 'out');
    const root = ['--data-root', join(other, 'data')];
    const [gone, found] = await Promise.all([reproduce(out), reproduce(out, ...root)]);
    expect(gone).toMatchObject({ code: 2, error: { message: expect.stringContaining('--data-root') } });
    expect(found).toMatchObject({ code: 0 });
    await writeFile(join(other, 'data', 'train.csv'), 'a,b,y\n1,2,0\n2,1,1\n');
    const changedData = await reproduce(out, ...root);
    expect(changedData).toMatchObject({
      code: 2,
      error: { message: expect.stringContaining('is not the file of the recorded run') },
    });
  });
});

describe('the stage evidence', () => {
  it('leaves only current files of a run repeated into the same folder, and is not written where it is left out', async () => {
    const other = await newFolder();
    await writeExperiment(other);
    const run = (...args: string[]) => cli(['run', 'x.yaml', '--out', 'out', '--quiet', ...args], other);
    expect((await run('--stages', 'baseline')).code).toBe(0);
    expect(await filesBelow(join(other, 'out', 'evidence'))).toEqual([]);
    const search = ['--set', 'ensemble.methods=[]', '--set', 'optimization.n_trials=2'];
    expect((await run('--stages', 'baseline,optimize,evidence', ...search)).code).toBe(0);
    expect(await filesBelow(join(other, 'out', PACKAGE))).toContain('models/optimized_model.json');
    expect((await run('--stages', 'baseline,evidence')).code).toBe(0);
    const models = (await filesBelow(join(other, 'out', PACKAGE))).filter((name) =>
      name.startsWith('models/'),
    );
    expect(models).toEqual(['models/baseline_model.json']);
    expect((await cli(['evidence', 'verify', 'out'], other)).code).toBe(0);
  });
});
