import { describe, expect, it } from 'vitest';
import {
  InputError,
  InterruptedError,
  type Model,
  type MonotoneConstraints,
  type RoundEvent,
  resolveParams,
  train,
} from '../../src/index.ts';
import { Draws } from '../engine/generate.ts';

function arrays(rows: number, seed: number) {
  const draws = new Draws(seed);
  const age = Float32Array.from({ length: rows }, () => 18 + draws.below(60));
  const income = Float64Array.from({ length: rows }, () => Math.exp(draws.normal()));
  const town = Array.from({ length: rows }, () => ['Aa', 'Bb', 'Cc', null][draws.below(4)]!);
  const label = Float32Array.from(age, (a, i) =>
    a / 40 + income[i]! + (town[i] === 'Bb' ? 1 : 0) + draws.normal() > 2.5 ? 1 : 0,
  );
  return { features: { age, income, town }, label };
}

const params = { objective: 'binary:logistic', n_estimators: 40, max_depth: 4, learning_rate: 0.3 } as const;

describe('train', () => {
  it('trains from typed arrays, calls onRound once a round in order, and predicts rows as it predicts batches', async () => {
    const data = arrays(2000, 1);
    const events: RoundEvent[] = [];
    const { model, history, rounds } = await train({
      ...data,
      params,
      onRound: (event) => events.push(event),
    });
    expect(events.map(({ round }) => round)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(rounds).toBe(40);
    expect(model.trees).toBe(40);
    expect(history.train!.logloss!.at(-1)).toBeLessThan(history.train!.logloss![0]!);
    expect(events.at(-1)!.metrics.train!.logloss).toBe(history.train!.logloss!.at(-1));
    const first = model.predictRow({
      age: data.features.age[0]!,
      income: data.features.income[0]!,
      town: data.features.town[0]!,
    });
    expect(
      model.predictRowArray([data.features.age[0]!, data.features.income[0]!, data.features.town[0]!]),
    ).toBe(first);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(1);
  });

  it('gives one fingerprint for any number of threads and another for another seed', async () => {
    const data = arrays(3000, 2);
    const sampled = { ...params, subsample: 0.7, colsample_bytree: 0.7 };
    const fingerprint = async (threads: number, seed: number) =>
      (await train({ ...data, params: sampled, threads, seed })).model.fingerprint;
    const one = await fingerprint(1, 5);
    expect(await fingerprint(2, 5)).toBe(one);
    expect(await fingerprint(3, 5)).toBe(one);
    expect(await fingerprint(1, 6)).not.toBe(one);
  });

  it('takes monotone constraints by name, as a list and as text, and records them as text', async () => {
    const data = arrays(800, 6);
    const under = async (monotone_constraints: MonotoneConstraints) =>
      (await train({ ...data, params: { ...params, monotone_constraints } })).model;
    const named = await under({ income: -1, age: 1 });
    expect(named.params.monotone_constraints).toBe('(1,-1,0)');
    expect((await under([1, -1, 0])).toText()).toBe(named.toText());
    expect((await under('(1,-1,0)')).toText()).toBe(named.toText());
    const free = await under('()');
    expect(free.params.monotone_constraints).toBe('()');
    expect(free.fingerprint).not.toBe(named.fingerprint);
    const falls = (model: Model) => {
      const at = (age: number) => Number(model.predictRow({ age, income: 1, town: 'Bb' }));
      return Array.from({ length: 60 }, (_, i) => at(19 + i) < at(18 + i)).filter(Boolean).length;
    };
    expect(falls(free)).toBeGreaterThan(0);
    expect(falls(named)).toBe(0);
  });

  it('weighs positive rows by scale_pos_weight as sample weights would', async () => {
    const data = arrays(500, 7);
    const weight = Float32Array.from(data.label, (y) => (y === 1 ? 2.5 : 1));
    const scaled = await train({ ...data, params: { ...params, scale_pos_weight: 2.5 } });
    const weighted = await train({ ...data, weight, params });
    // Weights also decide the bins, and metrics: what is left to compare is the base and the first tree's root.
    expect(scaled.model.baseMargins).toEqual(weighted.model.baseMargins);
    expect(scaled.model.forest.cover[0]).toBe(weighted.model.forest.cover[0]);
    expect(scaled.history.train!.logloss![0]).not.toBe(weighted.history.train!.logloss![0]);
  });

  it.each([
    [{ monotone_constraints: [1] }, /has 1 values for 3 features/],
    [{ monotone_constraints: { incme: 1 } }, /names incme, which is not a feature; did you mean income\?/],
    [{ monotone_constraints: { town: 1 } }, /constrains town, which is categorical and has no order/],
    [{ monotone_constraints: [0, 0, -1] }, /constrains town, which is categorical/],
  ])('refuses parameters that do not fit the features: %j', async (wrong, message) => {
    const error = await train({ ...arrays(50, 1), params: { ...params, ...wrong } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(message);
  });

  describe('with several classes', () => {
    const KINDS = ['low', 'mid', 'high'];
    const classed = (rows: number, seed: number) => {
      const { features } = arrays(rows, seed);
      const draws = new Draws(seed + 100);
      const label = Array.from(features.age, (a, i) => {
        const score = a / 30 + features.income[i]! + draws.normal();
        return KINDS[score > 4 ? 2 : score > 2.8 ? 1 : 0]!;
      });
      return { features, label };
    };
    const softprob = { objective: 'multi:softprob', n_estimators: 20, max_depth: 3 } as const;

    it('trains a tree for each in a round, and predicts a probability for each', async () => {
      const data = classed(1500, 3);
      const { model, rounds, history } = await train({
        ...data,
        params: softprob,
        metrics: ['logloss', 'merror', 'auc_roc', 'f1_weighted'],
      });
      expect(model.target.classes).toEqual(['high', 'low', 'mid']);
      expect([rounds, model.outputs, model.trees]).toEqual([20, 3, 60]);
      expect(model.params.num_class).toBe(3);
      expect(history.train!.logloss!.at(-1)).toBeLessThan(history.train!.logloss![0]!);
      expect(history.train!.merror!.at(-1)).toBeLessThan(0.35);
      expect(history.train!.auc_roc!.at(-1)).toBeGreaterThan(0.85);
      const row = { age: 70, income: 3, town: null };
      const probabilities = model.predictRow(row) as number[];
      expect(probabilities).toHaveLength(3);
      expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 14);
      const { model: classes } = await train({
        ...data,
        params: { ...softprob, objective: 'multi:softmax' },
      });
      expect(classes.predictRow(row)).toBe(probabilities.indexOf(Math.max(...probabilities)));
      expect(classes.forest).toEqual(model.forest);
      expect(classes.fingerprint).not.toBe(model.fingerprint);
    });

    it('stops early by rounds and keeps the trees of whole rounds', async () => {
      const { model, rounds, bestRound, stoppedEarly } = await train({
        ...classed(300, 4),
        validation: classed(300, 5),
        params: { ...softprob, n_estimators: 400, learning_rate: 0.5 },
        early_stopping_rounds: 5,
      });
      expect(stoppedEarly).toBe(true);
      expect(rounds).toBe(bestRound + 5);
      expect(model.trees).toBe(3 * bestRound);
      expect(model.training.best_iteration).toBe(bestRound - 1);
    });

    it('goes on to the last round where the metric of early stopping is undefined', async () => {
      const { features, label } = classed(300, 6);
      const validation = { features, label: label.map((kind) => (kind === 'mid' ? 'low' : kind)) };
      const { rounds, bestRound, history } = await train({
        features,
        label,
        validation,
        params: softprob,
        metrics: ['auc_roc'],
        early_stopping_rounds: 3,
      });
      expect(history.validation!.auc_roc!.every(Number.isNaN)).toBe(true);
      expect([rounds, bestRound]).toEqual([20, 20]);
    });

    it.each([
      [{ objective: 'binary:logistic' }, /^The target label has 3 classes and binary:logistic is for two/],
      [{ objective: 'multi:softprob', num_class: 4 }, /^num_class is 4 but the target label has 3 classes/],
      [
        { objective: 'multi:softprob', base_score: 0.5 },
        /^base_score is 0\.5: for multi:softprob it must be null/,
      ],
      [
        { objective: 'multi:softprob', scale_pos_weight: 2 },
        /^scale_pos_weight is 2: it needs the objective binary:logistic/,
      ],
    ] as const)('refuses %j in one sentence', async (wrong, message) => {
      const error = await train({ ...classed(60, 1), params: wrong }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(InputError);
      expect((error as Error).message).toMatch(message);
    });

    it('refuses a metric of two classes', async () => {
      const running = train({ ...classed(60, 1), params: softprob, metrics: ['auc_pr'] });
      await expect(running).rejects.toThrow(/auc_pr is not a metric of multi:softprob; take one of accuracy/);
    });
  });

  it('stops early so many rounds after the best one and keeps the trees up to it', async () => {
    const validation = arrays(400, 4);
    const { model, rounds, bestRound, stoppedEarly, history } = await train({
      ...arrays(400, 3),
      validation,
      params: { ...params, n_estimators: 500 },
      early_stopping_rounds: 7,
    });
    const losses = history.validation!.logloss!;
    expect(stoppedEarly).toBe(true);
    expect(losses.indexOf(Math.min(...losses)) + 1).toBe(bestRound);
    expect(rounds).toBe(bestRound + 7);
    expect(losses).toHaveLength(rounds);
    expect(model.trees).toBe(bestRound);
    const fewer = await train({ ...arrays(400, 3), params: { ...params, n_estimators: bestRound } });
    expect(fewer.model.fingerprint).toBe(model.fingerprint);
  });

  it('rejects with InterruptedError on abort and hands over what was trained', async () => {
    const controller = new AbortController();
    const running = train({
      ...arrays(5000, 1),
      params: { ...params, n_estimators: 100_000 },
      signal: controller.signal,
      onRound: ({ round }) => round === 5 && controller.abort(),
    });
    const error = await running.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(InterruptedError);
    expect((error as { partial: { rounds: number } }).partial.rounds).toBeGreaterThanOrEqual(5);
  });

  it('predicts as XGBoost would from a base score alone when no split is worth making', async () => {
    const { model } = await train({
      features: { x: [1, 1, 1, 1, 1] },
      label: [2, 4, 6, 8, 10],
      params: { objective: 'reg:squarederror', n_estimators: 3 },
    });
    expect(model.predictRowArray([1])).toBe(6);
  });

  it.each([
    [{ max_depth: 40 }, 'max_depth is 40: it must be a whole number from 1 to 30.'],
    [{ n_estimators: 0 }, 'n_estimators is 0: it must be a whole number from 1 to 100000.'],
    [{ subsample: 0 }, 'subsample is 0: it must be a number above 0 and at most 1.'],
    [{ learning_rate: Number.NaN }, 'learning_rate is NaN: it must be a number above 0 and at most 10.'],
    [{ gamma: -1 }, 'gamma is -1: it must be a number from 0 to 1e+30.'],
    [
      { base_score: Infinity },
      'base_score is Infinity: it must be a finite number, or null for the mean target.',
    ],
    [
      { objective: 'binary:logistic', base_score: 1 },
      'base_score is 1: for binary:logistic it is a probability strictly between 0 and 1.',
    ],
    [{ monotone_constraints: [0, 2] }, 'monotone_constraints[1] is 2: it must be -1, 0 or 1.'],
    [{ monotone_constraints: { age: true } }, 'monotone_constraints.age is true: it must be -1, 0 or 1.'],
    [
      { monotone_constraints: '1,0' },
      'monotone_constraints is the text "1,0": write it as "(1,0,-1)", a number for each feature.',
    ],
    [
      { monotone_constraints: 1 },
      'monotone_constraints is 1: it must be a list in feature order, or an object by feature name.',
    ],
    [
      { scale_pos_weight: 2 },
      'scale_pos_weight is 2: it needs the objective binary:logistic, not reg:squarederror.',
    ],
    [{ max_delta_step: -1 }, 'max_delta_step is -1: it must be a number from 0 to 1e+30.'],
    [{ num_class: 3 }, 'num_class is 3: reg:squarederror has none; leave it out.'],
    [{ max_dept: 3 }, 'There is no parameter named max_dept; see docs/parameters.md.'],
  ])('says what is wrong with %j', (given, message) => {
    expect(() => resolveParams(given as never)).toThrow(new InputError(message));
  });
});
