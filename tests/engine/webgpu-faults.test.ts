import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { openDawnDevice } from '../../src/engine/dawn.ts';
import { createRelayEngine } from '../../src/engine/relay.ts';
import { Buffers } from '../../src/engine/webgpu/buffers.ts';
import { createWebGpuEngine, openWebGpuDevice } from '../../src/engine/webgpu.ts';
import { EnvironmentError } from '../../src/errors.ts';
import { createReferenceEngine } from '../reference/reference.ts';
import { trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, MIXED_SHAPE, makeBinned, makeJob } from './generate.ts';

// The other tests train with the kernels that the adapter would choose.
const device = await openDawnDevice({ subgroups: false }).catch((error: Error) => error);

const SHAPE = { ...MIXED_SHAPE, seed: 31, rows: 150, numeric: 2, maxBin: 64 };

if (device instanceof Error) {
  describe('faults of the engine webgpu', () => {
    it.skip(`all: ${device.message}`, () => undefined);
  });
} else {
  describe('the WebGPU engine', () => {
    it.each(['multi:softprob', 'reg:squarederror'] as const)(
      'trains %s in portions of nodes where the histograms of a level do not fit, as the reference does',
      async (objective) => {
        const data = await makeBinned(SHAPE, objective);
        const params = {
          ...DEFAULT_TREE_PARAMS,
          objective,
          num_class: objective === 'multi:softprob' ? 3 : 0,
          max_depth: 5,
          min_child_weight: 0,
        };
        const jobs = [params, { ...params, max_depth: 2, colsample_bynode: 0.5 }].map((p, seed) =>
          makeJob(data, p, seed, 1),
        );
        const cells = data.features.reduce((sum, { bins }) => sum + bins + 1, 0);
        const engine = createWebGpuEngine(device, { scratchBytes: cells * 16 * 3 });
        const expected = await trainBatch(createReferenceEngine(), data, jobs, [2]);
        expect(Math.max(...expected.trees[0]!.treeStart)).toBeGreaterThan(60);
        expect(await trainBatch(engine, data, jobs, [2])).toEqual(expected);
      },
    );

    it('refuses a batch that needs a larger buffer than the device has', () => {
      const limits = { maxBufferSize: 1000, maxStorageBufferBindingSize: 500 };
      const buffers = new Buffers({ limits } as unknown as GPUDevice);
      expect(() => buffers.allocate('nodes', 600)).toThrow(/need 600 bytes for nodes, .* binds 500 at most/);
    });

    it('names the shader that a device refuses', async () => {
      const adapter = {
        features: new Set(),
        limits: {},
        info: {},
        requestDevice: async () => ({
          lost: new Promise(() => undefined),
          createShaderModule: () => ({
            getCompilationInfo: async () => ({ messages: [{ type: 'error', message: 'no such thing' }] }),
          }),
          createComputePipelineAsync: () => Promise.reject(new Error('invalid')),
        }),
      };
      await expect(openWebGpuDevice(adapter as unknown as GPUAdapter, {})).rejects.toThrow(
        /refuses shaders\/\w+\.wgsl \(no such thing\)/,
      );
    });

    it('says why an adapter gives no device', async () => {
      const adapter = {
        features: new Set(),
        limits: {},
        info: {},
        requestDevice: () => Promise.reject(new Error('too many')),
      };
      await expect(openWebGpuDevice(adapter as unknown as GPUAdapter, {})).rejects.toThrow(
        /gives no device \(too many\)/,
      );
    });

    // The last test: it destroys the device.
    it('ends with one sentence when the device is lost in training, and a relay goes on to the same model', async () => {
      const data = await makeBinned(SHAPE, 'binary:logistic');
      const job = makeJob(data, { ...DEFAULT_TREE_PARAMS, max_depth: 3 }, 1, 1);
      const expected = await trainBatch(createCpuEngine(), data, [job], [300]);
      const engine = await createRelayEngine([
        { open: async () => createWebGpuEngine(device) },
        { open: async () => createCpuEngine() },
      ]);
      const [lone, relayed] = await Promise.all([createWebGpuEngine(device).load(data), engine.load(data)]);
      const [batch, relayBatch] = await Promise.all([lone.start([job]), relayed.start([job])]);
      const before = await batch.advance(2);
      const running = batch.advance(100_000).catch((error: Error) => error);
      const relaying = relayBatch.advance(300);
      setTimeout(() => device.device.destroy(), 500);
      const error = await running;
      expect(error).toBeInstanceOf(EnvironmentError);
      expect((error as Error).message).toMatch(/^The WebGPU device was lost/);
      const kept = await batch.finish(0);
      expect(kept.treeStart.length - 1).toBeGreaterThanOrEqual(before.length);
      expect(await relaying).toEqual(expected.rounds);
      expect(await relayBatch.finish(0)).toEqual(expected.trees[0]);
      expect(engine.kind).toBe('cpu');
      await expect(lone.start([job])).rejects.toThrow(EnvironmentError);
    });
  });
}
