import { describe, expect, it } from 'vitest';
import { compareModels } from '../../src/comparison/compare.ts';
import type { ComparedModel } from '../../src/comparison/compared-model.ts';
import { evaluateGates, type GateCheck, type GatesInput } from '../../src/gates/gates.ts';
import { failedChecks, gateRows } from '../../src/reporting/gates-report.ts';

const all = (count: number) => ({ count, problems: [] });
const SHA = 'a'.repeat(64);

/** Models whose folds differ by a margin that a test can see, or by none. */
const modelOf = (name: string, foldScores: readonly number[]): ComparedModel => ({
  name,
  foldScores,
  metrics: {},
});
const BASE = [0.8, 0.82, 0.81, 0.79, 0.8];
const comparisonOf = (gain: number) =>
  compareModels(
    [
      modelOf('baseline', BASE),
      modelOf(
        'optimized',
        BASE.map((score, i) => score + gain + i * 1e-4),
      ),
    ],
    { metric: 'auc_roc' },
  );

async function inputOf(further: Partial<GatesInput> = {}, gain = 0.05): Promise<GatesInput> {
  return {
    settings: { overfitting_ratio: 0.9, targets: {}, require_significance: false },
    metric: 'auc_roc',
    config: all(1),
    sources: [{ rows: 100, sha256: SHA }],
    trainingRows: 60,
    seed: 42,
    tracking: all(1),
    models: {
      baseline: { train: { auc_roc: 0.9 }, val: { auc_roc: 0.85 }, test: { auc_roc: 0.84 } },
      optimized: { train: { auc_roc: 0.92 }, val: { auc_roc: 0.88 }, test: { auc_roc: 0.87 } },
    },
    cvScores: { baseline: BASE, optimized: BASE },
    folds: 5,
    comparison: await comparisonOf(gain),
    metricFiles: all(4),
    modelFiles: all(2),
    hyperparameters: all(2),
    evidence: all(9),
    ...further,
  };
}

const checksOf = (input: GatesInput) =>
  new Map(evaluateGates(input).gates.flatMap(({ checks }) => checks.map((check) => [check.check, check])));
const checkOf = async (name: string, further: Partial<GatesInput> = {}, gain?: number): Promise<GateCheck> =>
  checksOf(await inputOf(further, gain)).get(name)!;

describe('quality gates', () => {
  it('pass a run that has all, with every checkbox of the protocol', async () => {
    const record = evaluateGates(await inputOf());
    expect(record.passed).toBe(true);
    expect(
      record.gates.map(({ gate, title, checks }) => [gate, title, checks.map(({ title: of }) => of)]),
    ).toEqual([
      [
        1,
        'Training Setup',
        [
          'Configuration validated',
          'Data loaded successfully',
          'Seeds set for reproducibility',
          'Tracking initialized',
        ],
      ],
      [
        2,
        'Model Performance',
        [
          'Baseline performance established',
          'Improvement over baseline demonstrated',
          'Cross-validation completed',
          'No overfitting detected',
        ],
      ],
      [
        3,
        'Experiment Tracking',
        [
          'All metrics logged',
          'Model artifacts saved',
          'Hyperparameters recorded',
          'Reproducibility guaranteed',
        ],
      ],
    ]);
    expect(failedChecks(record)).toEqual([]);
    expect(gateRows(record)).toHaveLength(13);
  });

  it.each([
    ['configuration_validated', { config: undefined }],
    ['configuration_validated', { config: { count: 1, problems: ['x.yaml is another one.'] } }],
    ['data_loaded', { sources: [] }],
    ['data_loaded', { sources: [{ rows: 3, sha256: '' }] }],
    ['data_loaded', { trainingRows: 0 }],
    ['seeds_set', { seed: undefined }],
    ['seeds_set', { seed: -1 }],
    ['tracking_initialized', { tracking: undefined }],
    ['baseline_established', { models: {} }],
    ['baseline_established', { models: { baseline: { train: {}, val: { auc_roc: Number.NaN } } } }],
    ['improvement_demonstrated', { comparison: undefined }],
    ['cross_validation_completed', { cvScores: undefined }],
    ['cross_validation_completed', { cvScores: { baseline: BASE.slice(1) } }],
    ['cross_validation_completed', { cvScores: { baseline: [...BASE.slice(1), Number.NaN] } }],
    ['no_overfitting', { models: { baseline: { test: { auc_roc: 0.8 } } } }],
    ['metrics_logged', { metricFiles: undefined }],
    ['metrics_logged', { metricFiles: all(0) }],
    ['artifacts_saved', { modelFiles: { count: 2, problems: ['models/a.json is gone.'] } }],
    ['hyperparameters_recorded', { hyperparameters: undefined }],
    ['reproducibility', { evidence: { count: 9, problems: ['run.json has no seed.'] } }],
  ] as [string, Partial<GatesInput>][])(
    '%s fails where its input is missing or wrong',
    async (name, further) => {
      const input = await inputOf(further);
      const check = checksOf(input).get(name)!;
      expect(check.verdict).toBe('failed');
      const record = evaluateGates(input);
      expect(record.passed).toBe(false);
      const sentence = failedChecks(record).find((text) => text.includes(check.title))!;
      expect(sentence).toMatch(/^Gate [123], .*: (nothing was measured|measured .*), wanted .*\.$/);
    },
  );

  it('an improvement that the test confirms passes, others are not significant, and a loss fails', async () => {
    expect(await checkOf('improvement_demonstrated')).toMatchObject({ verdict: 'passed' });
    const tie = await checkOf('improvement_demonstrated', {}, 0);
    expect(tie).toMatchObject({ verdict: 'not significant' });
    expect(tie.detail).toMatch(/optimized is better than the baseline; nadeau_bengio has p = /);
    expect(tie.measured).toBeCloseTo(2e-4, 12);
    const worse = await checkOf('improvement_demonstrated', {}, -0.0001);
    expect(worse.verdict).toBe('not significant');
    expect((await checkOf('improvement_demonstrated', {}, -0.05)).verdict).toBe('failed');
  });

  it('significance can be required', async () => {
    const settings = { overfitting_ratio: 0.9, targets: {}, require_significance: true };
    expect((await checkOf('improvement_demonstrated', { settings }, 0)).verdict).toBe('failed');
    expect((await checkOf('improvement_demonstrated', { settings })).verdict).toBe('passed');
  });

  it('a comparison that could not be tested is not significant, and says why', async () => {
    const comparison = await compareModels(
      [
        { name: 'baseline', metrics: { val: { auc_roc: 0.8 } } },
        { name: 'optimized', metrics: { val: { auc_roc: 0.9 } } },
      ],
      { metric: 'auc_roc' },
    );
    const check = await checkOf('improvement_demonstrated', { comparison });
    expect(check).toMatchObject({ verdict: 'not significant', measured: null });
    expect(check.detail).toContain(comparison.decision.not_run!);
  });

  it.each([
    [0.9, 0.85, 0.85 / 0.9, 'passed'],
    [1, 0.9, 0.9, 'failed'],
    [1, 0.9 + 1e-9, 0.9 + 1e-9, 'passed'],
    [0, 0.5, null, 'failed'],
    [-0.1, 0.2, null, 'failed'],
  ])(
    'overfitting: %d in training and %d in validation give %s, %s',
    async (train, val, measured, verdict) => {
      const models = { baseline: { train: { auc_roc: train }, val: { auc_roc: val } } };
      expect(await checkOf('no_overfitting', { models })).toMatchObject({ measured, verdict });
    },
  );

  it('overfitting is judged by the worst model, the other way round for minimised metrics, and can be off', async () => {
    const models = {
      baseline: { train: { rmse: 1 }, val: { rmse: 1.05 } },
      optimized: { train: { rmse: 0.5 }, val: { rmse: 1 } },
    };
    const check = await checkOf('no_overfitting', { models, metric: 'rmse' });
    expect(check).toMatchObject({ measured: 0.5, verdict: 'failed' });
    expect(check.detail).toBe('optimized: 0.5 in training, 1 in validation.');
    const settings = { overfitting_ratio: 0, targets: {}, require_significance: false };
    expect((await checkOf('no_overfitting', { models, metric: 'rmse', settings })).verdict).toBe('off');
  });

  it.each([
    ['auc_roc', 0.87, 'passed'],
    ['auc_roc', 0.8701, 'failed'],
    ['logloss', 0.3, 'failed'],
  ] as const)(
    'a target of %s, %d, is for the best model on the test rows: %s',
    async (metric, target, verdict) => {
      const settings = { overfitting_ratio: 0.9, targets: { [metric]: target }, require_significance: false };
      expect((await checkOf(`target_${metric}`, { settings })).verdict).toBe(verdict);
    },
  );

  it('targets of minimised metrics are greatest values', async () => {
    const models = { optimized: { test: { logloss: 0.3 } }, baseline: {} };
    const targets = (logloss: number) => ({
      overfitting_ratio: 0,
      targets: { logloss },
      require_significance: false,
    });
    expect((await checkOf('target_logloss', { models, settings: targets(0.3) })).verdict).toBe('passed');
    expect((await checkOf('target_logloss', { models, settings: targets(0.29) })).verdict).toBe('failed');
  });

  it('tracking that is off fails nothing, and the reason is given', async () => {
    const record = evaluateGates(await inputOf({ tracking: 'Nobody asked.' }));
    expect(record.passed).toBe(true);
    expect(record.gates[0]!.checks.at(-1)).toMatchObject({ verdict: 'off', detail: 'Nobody asked.' });
  });
});
