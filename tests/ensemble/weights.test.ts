import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricName, Objective } from '../../src/engine/engine.ts';
import { AverageScore } from '../../src/ensemble/average-score.ts';
import { selectGreedily } from '../../src/ensemble/greedy.ts';
import { maximizeOnSimplex } from '../../src/ensemble/slsqp.ts';
import { fitBySlsqp, fitWeights, wholeUnits } from '../../src/ensemble/weighted.ts';
import { judged } from './support.ts';

const KINDS: readonly [Objective, MetricName][] = [
  ['binary:logistic', 'auc_roc'],
  ['binary:logistic', 'logloss'],
  ['binary:logistic', 'f1'],
  ['multi:softprob', 'logloss'],
  ['multi:softprob', 'accuracy'],
  ['reg:squarederror', 'rmse'],
  ['reg:squarederror', 'r2'],
];

/** Rows with both classes, and members that are right to different degrees. */
const problems = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    members: fc.integer({ min: 2, max: 5 }),
    rows: fc.array(
      fc.record({
        label: fc.integer({ min: 0, max: 2 }),
        noise: fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 15, maxLength: 15 }),
      }),
      { minLength: 8, maxLength: 30 },
    ),
  })
  .map(({ kind: [objective, metric], members, rows }) => {
    const classes = objective === 'multi:softprob' ? 3 : 2;
    const label = rows.map(({ label: y }, row) => (row < classes ? row : y % classes));
    const outputs = Array.from({ length: members }, (_, k) =>
      rows.flatMap(({ noise }, row) => {
        const own = (i: number) => noise[k * 3 + i]! / 100;
        if (objective === 'reg:squarederror') return label[row]! + own(0) - 0.5;
        if (classes === 2) return Math.min(0.99, Math.max(0.01, own(0) + (label[row]! - 0.5) * 0.3 * k));
        const shares = [0, 1, 2].map((c) => own(c) + (label[row] === c ? 0.2 * k : 0));
        const total = shares.reduce((sum, share) => sum + share, 0);
        return shares.map((share) => share / total);
      }),
    );
    return judged({ objective, metric, label, members: outputs });
  });

const sumOf = (weights: readonly number[]) => weights.reduce((sum, w) => sum + w, 0);

describe('weights of a weighted ensemble', () => {
  it('are never worse than equal ones, the best member or SLSQP alone, on the rows that they are fitted to', async () => {
    await fc.assert(
      fc.asyncProperty(problems, async (given) => {
        const score = new AverageScore(given);
        const count = given.outputs.members.length;
        const equal = new Array<number>(count).fill(1 / count);
        const weights = await fitWeights(given);
        expect(weights.every((w) => w >= 0)).toBe(true);
        expect(sumOf(weights)).toBeCloseTo(1, 12);
        const others = [
          equal,
          wholeUnits(await fitBySlsqp(score, equal)),
          ...equal.map((_, k) => equal.map((_, j) => Number(j === k))),
        ];
        for (const other of others) expect(score.of(weights)).toBeGreaterThanOrEqual(score.of(other));
      }),
      { numRuns: 60 },
    );
  });

  it('find what is known to be best: two members whose errors cancel', async () => {
    const label = [1, 2, 3, 4, 5, 6, 7, 8];
    const wave = [1, -1, 1, 1, -1, 1, -1, -1];
    const members = [
      label.map((y, i) => y + wave[i]!),
      label.map((y, i) => y - 3 * wave[i]!),
      label.map(() => 4),
    ];
    const weights = await fitWeights(
      judged({ objective: 'reg:squarederror', metric: 'rmse', label, members }),
    );
    expect(weights[0]).toBeCloseTo(0.75, 2);
    expect(weights[1]).toBeCloseTo(0.25, 2);
    expect(weights[2]).toBeLessThan(0.01);
  });

  it('are searched without a trace in how the process handles errors', async () => {
    const handlers = () =>
      ['uncaughtException', 'unhandledRejection'].map((event) => process.listenerCount(event));
    const before = handlers();
    await maximizeOnSimplex(([x]) => ({ value: -x!, gradient: () => [-1, 0] }), [0.5, 0.5], 5);
    expect(handlers()).toEqual(before);
  });

  it('are equal where members are', async () => {
    const label = [0, 1, 0, 1];
    const members = Array.from({ length: 3 }, () => [0.2, 0.9, 0.4, 0.3]);
    const given = judged({ objective: 'binary:logistic', metric: 'auc_roc', label, members });
    expect(await fitWeights(given)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });

  it('as whole units keep their sum and are off by less than a unit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (given) => {
          fc.pre(sumOf(given) > 1e-6);
          const units = wholeUnits(given);
          expect(sumOf(units)).toBe(1);
          units.forEach((unit, k) => {
            expect(Math.abs(unit - given[k]! / sumOf(given))).toBeLessThan(2 ** -20 + 1e-12);
          });
        },
      ),
    );
  });
});

describe('greedy selection', () => {
  it('is never worse than the best member, and its weights are whole parts of the draws', () => {
    fc.assert(
      fc.property(problems, (given) => {
        const score = new AverageScore(given);
        const weights = selectGreedily(given);
        expect(sumOf(weights)).toBeCloseTo(1, 12);
        const best = Math.max(...score.members.map((values) => score.ofMean(values)));
        expect(score.ofMean(score.mean(weights))).toBeGreaterThanOrEqual(best - 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it('draws a member again where that helps', () => {
    const label = [0, 3, 0, 3];
    const members = [
      [1, 2, 1, 2],
      [-2, 5, -2, 5],
    ];
    const given = judged({ objective: 'reg:squarederror', metric: 'rmse', label, members });
    expect(selectGreedily(given)).toEqual([2 / 3, 1 / 3]);
  });
});
