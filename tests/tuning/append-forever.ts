/** Appends generations of three trials to the journal of its argument until it is killed; says how many are finished. */
import { writeSync } from 'node:fs';
import { Journal } from '../../src/tuning/journal/journal.ts';
import type { TrialChange } from '../../src/tuning/storage.ts';

const journal = await Journal.open(process.argv[2]!, {
  studyName: 'killed',
  direction: 'minimize',
  lockGraceMs: 30,
});
const distribution = { type: 'float', low: 0, high: 1, log: false } as const;
for (;;) {
  const trials = await journal.create(
    [0.25, 0.5, 0.75].map((value) => ({
      state: 'running',
      params: new Map([['x', { value, distribution }]]),
    })),
  );
  await journal.change(
    trials.flatMap(({ number }): TrialChange[] => [
      { type: 'userAttr', number, key: 'filler', value: 'x'.repeat(3000) },
      ...[0, 1, 2, 3, 4].map((step) => ({ type: 'intermediate' as const, number, step, value: step / 2 })),
      { type: 'finish', number, state: 'complete', value: 1 },
    ]),
  );
  writeSync(1, `${journal.trials.length}\n`);
}
