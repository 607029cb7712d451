import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openMlflowUi } from '../../src/tracking/mlflow/ui.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-ui-'));
afterAll(() => rm(root, { recursive: true, force: true }));

/** Stands in for a Python that has MLflow: counts migrations, and serves. */
async function fakePython(name: string, { migrates = true, serves = true } = {}): Promise<string> {
  const path = join(root, `${name}.cjs`);
  const script = `#!${process.execPath}
const { appendFileSync, writeFileSync } = require('node:fs');
const [, , flag, mlflow, command, ...rest] = process.argv;
const option = (name) => rest[rest.indexOf(name) + 1];
if (flag !== '-m' || mlflow !== 'mlflow') process.exit(9);
if (command === 'migrate-filestore') {
  if (${!migrates}) { console.error('Traceback\\nno such command.'); process.exit(2); }
  writeFileSync(option('--target').replace('sqlite:///', ''), option('--source'));
  appendFileSync(${JSON.stringify(`${path}.log`)}, 'migrated ' + process.env.MLFLOW_ALLOW_FILE_STORE + '\\n');
} else if (command === 'server') {
  if (${!serves}) { console.error('cannot bind.'); process.exit(1); }
  require('node:http').createServer((_, response) => response.end('OK')).listen(Number(option('--port')), option('--host'));
}
`;
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}

async function recorded(name: string): Promise<string> {
  const folder = join(root, name);
  await mkdir(join(folder, 'mlruns', '12', 'abc'), { recursive: true });
  await writeFile(join(folder, 'mlruns', '12', 'abc', 'meta.yaml'), 'run_id: abc\n');
  return folder;
}

describe('openMlflowUi', () => {
  it('migrates the store, serves it on the loopback device until it is aborted, and migrates again for new runs alone', async () => {
    const [python, folder] = [await fakePython('python'), await recorded('shown')];
    const open = async () => {
      const controller = new AbortController();
      const ui = await openMlflowUi(folder, { python, signal: controller.signal });
      expect(ui.url).toMatch(/^http:\/\/127\.0\.0\.1:5\d\d\d$/);
      expect(await (await fetch(ui.url)).text()).toBe('OK');
      controller.abort();
      await ui.ended;
      await expect(fetch(ui.url)).rejects.toThrow();
    };
    await open();
    expect(await readFile(join(folder, 'mlflow.db'), 'utf8')).toBe(join(folder, 'mlruns'));
    await open();
    expect(await readFile(`${python}.log`, 'utf8')).toBe('migrated true\n');
    const later = new Date(Date.now() + 60_000);
    await utimes(join(folder, 'mlruns', '12', 'abc', 'meta.yaml'), later, later);
    await open();
    expect(await readFile(`${python}.log`, 'utf8')).toBe('migrated true\nmigrated true\n');
    expect(existsSync(join(folder, 'mlflow.db.old'))).toBe(true);
  });

  it('says how to install MLflow where it is missing, and names what failed', async () => {
    const folder = await recorded('failing');
    await expect(openMlflowUi(folder, { python: join(root, 'none') })).rejects.toThrow(
      /^MLflow does not start \(tried .*none -m mlflow\): install it with `pip install mlflow`/,
    );
    const old = await fakePython('old', { migrates: false });
    await expect(openMlflowUi(folder, { python: old })).rejects.toThrow(
      /^MLflow cannot turn .* into a database: no such command; it takes MLflow 3\.17 or later\.$/,
    );
    const mute = await fakePython('mute', { serves: false });
    await expect(openMlflowUi(folder, { python: mute })).rejects.toThrow(
      'mlflow server ended at once: cannot bind.',
    );
  });

  it('refuses a folder without recorded runs, and a port that is taken', async () => {
    await expect(openMlflowUi(root)).rejects.toThrow(
      `${root} has no recorded runs (mlruns/): name the output folder`,
    );
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const python = await fakePython('busy');
    await expect(openMlflowUi(await recorded('busy-port'), { python, port })).rejects.toThrow(
      `Port ${port} is taken or not allowed: name another one with --port.`,
    );
    server.close();
  });
});
