// How far apart two cores are: the time that a word takes from one thread to another that waits for it. A host may run
// two virtual cores on neighbouring cores now and on distant ones a minute later, and then sharing costs several times as much.
import { Worker } from 'node:worker_threads';

const ROUNDS = 50_000;

const ANSWER = `
  const { workerData, parentPort } = require('node:worker_threads');
  const word = new Int32Array(workerData);
  parentPort.postMessage('ready');
  for (let i = 1; i < ${4 * ROUNDS}; i += 2) {
    while (Atomics.load(word, 0) !== i) {}
    Atomics.store(word, 0, i + 1);
  }
`;

/** Nanoseconds of a hand-off, the mean of 100,000 after as many to warm up. Needs two free cores. */
export async function measureHandoff(): Promise<number> {
  const shared = new SharedArrayBuffer(4);
  const word = new Int32Array(shared);
  const worker = new Worker(ANSWER, { eval: true, workerData: shared });
  try {
    await new Promise((resolve) => worker.once('message', resolve));
    const exchange = (from: number) => {
      const start = performance.now();
      for (let i = from; i < from + 2 * ROUNDS; i += 2) {
        Atomics.store(word, 0, i);
        while (Atomics.load(word, 0) !== i + 1) {}
      }
      return ((performance.now() - start) / (2 * ROUNDS)) * 1e6;
    };
    exchange(1);
    return exchange(1 + 2 * ROUNDS);
  } finally {
    await worker.terminate();
  }
}
