import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Journal } from '../../src/tuning/journal/journal.ts';
import { killedWhileAppending } from '../tuning/kill.ts';

const folder = await mkdtemp(join(tmpdir(), 'lockstep-journal-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a process killed while it appends', () => {
  it('leaves a file that opens and holds all that was acknowledged, 50 times', async () => {
    await killedWhileAppending(join(folder, 'killed.journal'), 50);
  });
});

describe('a journal of 10,000 trials', () => {
  it('opens in about a second', async () => {
    const path = join(folder, 'large.journal');
    const distribution = JSON.stringify({
      name: 'FloatDistribution',
      attributes: { step: null, low: 0.0, high: 1.0, log: false },
    });
    const names = Array.from({ length: 8 }, (_, i) => `p${i}`);
    const lines = [{ op_code: 0, worker_id: 'w', study_name: 's', directions: [1] } as object];
    for (let trial_id = 0; trial_id < 10_000; trial_id++) {
      lines.push({
        op_code: 4,
        worker_id: 'w',
        study_id: 0,
        datetime_start: '2026-01-01T00:00:00.123456+00:00',
        state: 0,
        params: Object.fromEntries(names.map((name, i) => [name, (i + trial_id) / 10_010])),
        distributions: Object.fromEntries(names.map((name) => [name, distribution])),
        system_attrs: { 'lockstep:generation': [trial_id >> 3, trial_id] },
      });
      for (let step = 1; step <= 12; step++) {
        lines.push({ op_code: 7, worker_id: 'w', trial_id, step, intermediate_value: trial_id / step });
      }
      lines.push({ op_code: 6, worker_id: 'w', trial_id, state: 1, values: [trial_id] });
    }
    await writeFile(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    const started = performance.now();
    const journal = await Journal.open(path, { studyName: 's', direction: 'minimize' });
    const milliseconds = performance.now() - started;
    await journal.close();
    console.log(`${(await stat(path)).size} bytes in ${milliseconds.toFixed(0)} ms`);
    expect(journal.trials).toHaveLength(10_000);
    expect(journal.trials[9_999]!.intermediate.size).toBe(12);
    // Twice as long as it should take: other work may go on beside.
    expect(milliseconds).toBeLessThan(2_000);
  });
});
