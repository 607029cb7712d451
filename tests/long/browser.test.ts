import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { TrainingJob } from '../../src/engine/engine.ts';
import { trainBatch } from '../engine/conformance.ts';
import { DEFAULT_TREE_PARAMS, MIXED_SHAPE, makeBinned, makeJob } from '../engine/generate.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CHROMIUM = process.env.LOCKSTEP_CHROMIUM ?? '/usr/bin/chromium';
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wgsl': 'text/plain',
};

/** What JSON makes of results. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part) =>
      ArrayBuffer.isView(part) ? Array.from(part as unknown as ArrayLike<number>) : part,
    ),
  );

describe('the WebGPU engine in a browser', () => {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url!, 'http://localhost').pathname);
    const served = /^\/(dist|shaders|tests\/long)\//.test(path)
      ? await readFile(join(ROOT, path)).catch(() => null)
      : '';
    response.writeHead(served === null ? 404 : 200, { 'content-type': TYPES[extname(path)] ?? 'text/html' });
    response.end(served ?? '');
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it.skipIf(!existsSync(CHROMIUM))(
    'trains in Chromium what the CPU engine trains here, to the last bit of trees and scores',
    async () => {
      const shape = { ...MIXED_SHAPE, seed: 8, rows: 400 };
      const data = await makeBinned(shape, 'multi:softprob');
      const params = { ...DEFAULT_TREE_PARAMS, objective: 'multi:softprob' as const, num_class: 3 };
      const jobs: TrainingJob[] = [1, 2].map((seed) => ({
        ...makeJob(data, params, seed, 1),
        evals: [{ start: 0, end: data.rows }],
      }));
      const expected = await trainBatch(createCpuEngine(), data, jobs, [3]);
      const shaders = (await readdir(join(ROOT, 'shaders'))).map((name) => name.replace('.wgsl', ''));
      const browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--no-sandbox'],
      });
      try {
        const page = await browser.newPage();
        const { port } = server.address() as AddressInfo;
        await page.goto(`http://127.0.0.1:${port}/`);
        const task = JSON.stringify(plain({ data, jobs, rounds: 3, shaders }));
        const call = `import('/tests/long/browser-page.mjs').then(({ train }) => train(${JSON.stringify(task)}))`;
        const { scores, trees } = JSON.parse(await page.evaluate(call));
        expect(trees).toEqual(plain(expected.trees));
        expect(scores).toEqual(plain(expected.rounds));
      } finally {
        await browser.close();
      }
    },
  );
});
