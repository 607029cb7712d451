// Runs in the page of tests/long/browser.test.ts: trains with the built package's own files.
import { createWebGpuEngine, openWebGpuDevice } from '/dist/engine/webgpu.js';

/** @param task JSON of {data, jobs, rounds, shaders}; returns JSON of {scores, trees}, typed arrays as lists. */
export async function train(task) {
  const { data, jobs, rounds, shaders } = JSON.parse(task);
  const read = async (name) => [name, await (await fetch(`/shaders/${name}.wgsl`)).text()];
  const texts = Object.fromEntries(await Promise.all(shaders.map(read)));
  const adapter = await navigator.gpu.requestAdapter();
  const engine = createWebGpuEngine(await openWebGpuDevice(adapter, texts));
  const resident = await engine.load({
    ...data,
    bins: Uint8Array.from(data.bins),
    label: Float32Array.from(data.label),
    weight: Float32Array.from(data.weight),
  });
  const batch = await resident.start(jobs);
  const scores = await batch.advance(rounds);
  const trees = await Promise.all(jobs.map((_, job) => batch.finish(job)));
  return JSON.stringify({ scores, trees }, (_, value) =>
    ArrayBuffer.isView(value) ? Array.from(value) : value,
  );
}
