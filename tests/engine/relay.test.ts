import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import type { Engine, EngineKind, TrainingBatch } from '../../src/engine/engine.ts';
import { createRelayEngine } from '../../src/engine/relay.ts';
import { EnvironmentError } from '../../src/errors.ts';
import { engineConformance, patienceOf, roundsWithin, trainBatch } from './conformance.ts';
import { DEFAULT_TREE_PARAMS, MIXED_SHAPE, makeBinned, makeJob } from './generate.ts';

/** A clock that only training moves. */
class Clock {
  time = 0;
  now = () => this.time;
}

interface Behaviour {
  readonly name: string;
  /** Milliseconds a round takes on the clock. */
  readonly perRound: number;
  /** The round, over all batches, in which the engine fails; never by default. */
  readonly failsIn?: number;
  readonly kind?: EngineKind;
}

/** The CPU engine under another name, on a clock of its own; counts the rounds that it trains. */
function fakeEngine(
  { name, perRound, failsIn = Number.POSITIVE_INFINITY, kind = 'cpu' }: Behaviour,
  clock: Clock,
) {
  const cpu = createCpuEngine({ threads: 1 });
  const counted = { rounds: 0 };
  const wrap = (batch: TrainingBatch): TrainingBatch => ({
    jobs: batch.jobs,
    async advance(rounds, options) {
      const results = [];
      for (let r = 0; r < rounds; r++) {
        if (++counted.rounds === failsIn) throw new EnvironmentError(`${name} is lost.`);
        results.push(...(await batch.advance(1, options)));
        clock.time += perRound;
      }
      return results;
    },
    stop: (job) => batch.stop(job),
    finish: (job, rounds) => batch.finish(job, rounds),
    dispose: () => batch.dispose(),
  });
  const engine: Engine = {
    kind,
    description: name,
    load: async (data) => {
      const resident = await cpu.load(data);
      return { ...bound(resident), start: async (jobs) => wrap(await resident.start(jobs)) };
    },
  };
  return { engine, counted, source: { open: async () => engine } };
}

function bound(resident: Awaited<ReturnType<Engine['load']>>) {
  return {
    predictMargins: resident.predictMargins.bind(resident),
    dispose: () => resident.dispose(),
  };
}

async function someJobs() {
  const data = await makeBinned(MIXED_SHAPE, 'multi:softprob');
  const params = {
    ...DEFAULT_TREE_PARAMS,
    objective: 'multi:softprob' as const,
    num_class: 3,
    subsample: 0.7,
  };
  return { data, jobs: [1, 2, 3].map((seed) => makeJob(data, params, seed, 0.8)) };
}

const relay = await createRelayEngine([{ open: async () => createCpuEngine({ threads: 1 }) }]);
engineConformance('relay of one engine', () => relay, { runs: 20, maxRows: 100 });

describe('a relay of engines', () => {
  it('moves to an engine that takes less time a round, with the results of one engine', async () => {
    const { data, jobs } = await someJobs();
    const expected = await trainBatch(createCpuEngine(), data, jobs, [40]);
    const clock = new Clock();
    const slow = fakeEngine({ name: 'slow', perRound: 100 }, clock);
    const fast = fakeEngine({ name: 'fast', perRound: 10 }, clock);
    const engine = await createRelayEngine([slow.source, fast.source], { trialAfter: 1, now: clock.now });
    expect(await trainBatch(engine, data, jobs, [15, 25])).toEqual(expected);
    expect(engine.description).toBe('fast');
    expect(slow.counted.rounds + fast.counted.rounds).toBe(40);
    expect(fast.counted.rounds).toBeGreaterThanOrEqual(25);
  });

  it('moves on with the rounds of the jobs that go on where another one has ended by itself', async () => {
    const { data, jobs } = await someJobs();
    const { rounds: all } = await trainBatch(createCpuEngine(), data, jobs, [40]);
    const patience = patienceOf(jobs[0]!, 1);
    const resultsOf = (job: number, of: typeof all) => of.filter((result) => result.job === job);
    const enough = roundsWithin(patience, resultsOf(0, all));
    expect(enough).toBeLessThan(10);
    const clock = new Clock();
    const slow = fakeEngine({ name: 'slow', perRound: 100 }, clock);
    const fast = fakeEngine({ name: 'fast', perRound: 10 }, clock);
    const engine = await createRelayEngine([slow.source, fast.source], { trialAfter: 1, now: clock.now });
    const { rounds } = await trainBatch(
      engine,
      data,
      [{ ...jobs[0]!, patience }, ...jobs.slice(1)],
      [15, 25],
    );
    expect(engine.description).toBe('fast');
    expect(slow.counted.rounds + fast.counted.rounds).toBe(40);
    for (const job of [1, 2]) expect(resultsOf(job, rounds)).toEqual(resultsOf(job, all));
    const ended = resultsOf(0, rounds);
    expect(ended.length).toBeGreaterThanOrEqual(enough);
    expect(ended).toEqual(resultsOf(0, all).slice(0, ended.length));
  });

  it('stays where it is when the other engine takes more time, and does not try it again', async () => {
    const { data, jobs } = await someJobs();
    const expected = await trainBatch(createCpuEngine(), data, jobs, [40]);
    const clock = new Clock();
    const first = fakeEngine({ name: 'first', perRound: 100 }, clock);
    const slow = fakeEngine({ name: 'slow', perRound: 200 }, clock);
    const engine = await createRelayEngine([first.source, slow.source], { trialAfter: 1, now: clock.now });
    expect(await trainBatch(engine, data, jobs, [40])).toEqual(expected);
    expect(engine.description).toBe('first');
    expect([first.counted.rounds, slow.counted.rounds]).toEqual([40, 3]);
  });

  it.each([1, 2, 7, 20])(
    'goes on with the next engine when the first fails in round %i, with the results of one engine',
    async (failsIn) => {
      const { data, jobs } = await someJobs();
      const expected = await trainBatch(createCpuEngine(), data, jobs, [25]);
      const clock = new Clock();
      const lost = fakeEngine({ name: 'lost', perRound: 100, failsIn }, clock);
      const next = fakeEngine({ name: 'next', perRound: 100 }, clock);
      const engine = await createRelayEngine([lost.source, next.source], {
        trialAfter: 1000,
        now: clock.now,
      });
      expect(await trainBatch(engine, data, jobs, [10, 15])).toEqual(expected);
      expect(engine.description).toBe('next');
    },
  );

  it('goes back to the CPU when the device that it moved to is lost', async () => {
    const { data, jobs } = await someJobs();
    const expected = await trainBatch(createCpuEngine(), data, jobs, [60]);
    const clock = new Clock();
    const slow = fakeEngine({ name: 'slow', perRound: 100 }, clock);
    const device = fakeEngine({ name: 'device', perRound: 10, failsIn: 30, kind: 'webgpu' }, clock);
    const engine = await createRelayEngine([slow.source, device.source], { trialAfter: 1, now: clock.now });
    expect(await trainBatch(engine, data, jobs, [60])).toEqual(expected);
    expect(engine.description).toBe('slow');
    expect(slow.counted.rounds + device.counted.rounds).toBeLessThan(60 + 30);
  });

  it('passes over engines that cannot be opened or fail in their trial, and keeps stopped jobs stopped', async () => {
    const { data, jobs } = await someJobs();
    const clock = new Clock();
    const absent = { open: () => Promise.reject(new EnvironmentError('absent')) };
    const first = fakeEngine({ name: 'first', perRound: 100 }, clock);
    const failing = fakeEngine({ name: 'failing', perRound: 1, failsIn: 2 }, clock);
    const fast = fakeEngine({ name: 'fast', perRound: 1 }, clock);
    const engine = await createRelayEngine([absent, first.source, failing.source, absent, fast.source], {
      trialAfter: 1,
      now: clock.now,
    });
    const resident = await engine.load(data);
    const batch = await resident.start(jobs);
    await batch.advance(2);
    batch.stop(1);
    const rounds = (await batch.advance(58)).filter(({ job }) => job !== 1);
    expect(rounds).toHaveLength(2 * 58);
    expect(engine.description).toBe('fast');
    const whole = await trainBatch(createCpuEngine(), data, jobs, [60]);
    const short = await trainBatch(createCpuEngine(), data, jobs, [2]);
    expect([await batch.finish(0), await batch.finish(1), await batch.finish(2)]).toEqual([
      whole.trees[0],
      short.trees[1],
      whole.trees[2],
    ]);
    batch.dispose();
    resident.dispose();
  });

  it('fails with the error of the last engine where no other is left', async () => {
    const { data, jobs } = await someJobs();
    const lost = fakeEngine({ name: 'the only engine', perRound: 1, failsIn: 3 }, new Clock());
    const engine = await createRelayEngine([lost.source]);
    await expect(trainBatch(engine, data, jobs, [5])).rejects.toThrow('the only engine is lost.');
    const absent = (why: string) => ({ open: () => Promise.reject(new EnvironmentError(why)) });
    await expect(createRelayEngine([absent('first'), absent('second')])).rejects.toThrow('first');
  });
});
