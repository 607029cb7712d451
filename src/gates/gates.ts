import type { Comparison } from '../comparison/compare.ts';
import { isSha256 } from '../files.ts';
import { type MetricName, metricDirection } from '../metrics/metrics.ts';
import { overfittingRatio } from '../metrics/overfitting.ts';
import type { SplitMetrics } from '../metrics/score.ts';

/** `not significant` and `off` do not fail a gate. */
export type Verdict = 'passed' | 'failed' | 'not significant' | 'off';

/** One checkbox of the protocol. */
export interface GateCheck {
  readonly check: string;
  readonly title: string;
  /** null: there is nothing to measure, which fails. */
  readonly measured: number | string | null;
  readonly threshold: string;
  readonly verdict: Verdict;
  /** Why it failed, or what the numbers are. */
  readonly detail?: string;
}

export interface Gate {
  readonly gate: 1 | 2 | 3;
  readonly title: string;
  readonly passed: boolean;
  readonly checks: readonly GateCheck[];
}

/** gates.json. */
export interface GatesRecord {
  readonly passed: boolean;
  readonly gates: readonly Gate[];
}

/** What was found on looking at something again: how many were looked at, and what is wrong with them. */
export interface Inspection {
  readonly count: number;
  readonly problems: readonly string[];
}

/** Thresholds, as the section gates of a config has them. */
export interface GateSettings {
  /** 0 is off. */
  readonly overfitting_ratio: number;
  readonly targets: Readonly<Partial<Record<MetricName, number>>>;
  readonly require_significance: boolean;
}

/** What gates are judged by. Absent: the run has not got it. */
export interface GatesInput {
  readonly settings: GateSettings;
  readonly metric: MetricName;
  /** The file of the config in the output folder, read and checked again. */
  readonly config?: Inspection | undefined;
  readonly sources: readonly { readonly rows: number; readonly sha256: string }[];
  readonly trainingRows: number;
  readonly seed?: number | undefined;
  /** Or a sentence that says why runs are not recorded. */
  readonly tracking?: Inspection | string | undefined;
  /** Metrics by model. */
  readonly models: Readonly<Record<string, SplitMetrics>>;
  readonly cvScores?: Readonly<Record<string, readonly number[]>> | undefined;
  readonly folds?: number | undefined;
  readonly comparison?: Comparison | undefined;
  /** Files of metrics, models and hyperparameters against what the run knows. */
  readonly metricFiles?: Inspection | undefined;
  readonly modelFiles?: Inspection | undefined;
  readonly hyperparameters?: Inspection | undefined;
  /** What a repetition needs. */
  readonly evidence?: Inspection | undefined;
}

const number = (value: number) => String(Number(value.toPrecision(6)));

type Named = Pick<GateCheck, 'check' | 'title' | 'threshold'>;

/** Failed with the problem, or passed where there is none. */
const verdictOf = (problem: string | undefined): Pick<GateCheck, 'verdict' | 'detail'> =>
  problem === undefined ? { verdict: 'passed' } : { verdict: 'failed', detail: problem };

/** A check that fails as there is nothing to measure. */
const unmeasured = ({ check, title, threshold }: Named, problem: string): GateCheck => ({
  check,
  title,
  measured: null,
  threshold,
  ...verdictOf(problem),
});

/** A check that the config switches off. */
const switchedOff = ({ check, title, threshold }: Named, detail: string): GateCheck => ({
  check,
  title,
  measured: 'off',
  threshold,
  verdict: 'off',
  detail,
});

/** A check that holds where all that was looked at is as it should be. */
function inspected(check: string, title: string, found: Inspection | undefined, missing: string): GateCheck {
  const threshold = 'all';
  if (found === undefined) return unmeasured({ check, title, threshold }, missing);
  const { count, problems } = found;
  const measured = `${Math.max(count - problems.length, 0)} of ${count}`;
  const holds = count > 0 && problems.length === 0;
  return {
    check,
    title,
    measured,
    threshold,
    ...verdictOf(holds ? undefined : (problems[0] ?? missing)),
  };
}

function checkData({ sources, trainingRows }: GatesInput): GateCheck {
  const unknown = sources.filter(({ sha256 }) => !isSha256(sha256)).length;
  const holds = sources.length > 0 && unknown === 0 && trainingRows > 0;
  const problem = trainingRows > 0 ? 'A source of the data has no SHA-256.' : 'There are no training rows.';
  return {
    check: 'data_loaded',
    title: 'Data loaded successfully',
    measured: trainingRows,
    threshold: '≥ 1 training row, every source with its SHA-256',
    ...verdictOf(holds ? undefined : problem),
  };
}

function checkSeed({ seed }: GatesInput): GateCheck {
  const holds = seed !== undefined && Number.isSafeInteger(seed) && seed >= 0;
  return {
    check: 'seeds_set',
    title: 'Seeds set for reproducibility',
    measured: seed ?? null,
    threshold: 'an integer from 0',
    ...verdictOf(holds ? undefined : 'The run has no seed.'),
  };
}

function checkTracking({ tracking }: GatesInput): GateCheck {
  const check = 'tracking_initialized';
  const title = 'Tracking initialized';
  if (typeof tracking === 'string') return switchedOff({ check, title, threshold: 'all' }, tracking);
  return inspected(check, title, tracking, 'The run was not recorded.');
}

/** The part of the data by which models are judged outside the folds. */
function judged(metrics: SplitMetrics, metric: MetricName): number | undefined {
  return (metrics.test ?? metrics.val ?? metrics.train)?.[metric];
}

function checkBaseline({ models, metric }: GatesInput): GateCheck {
  const value = models.baseline && judged(models.baseline, metric);
  const holds = value !== undefined && Number.isFinite(value);
  return {
    check: 'baseline_established',
    title: 'Baseline performance established',
    measured: holds ? value : null,
    threshold: `a value of ${metric}`,
    ...verdictOf(holds ? undefined : `The baseline has no ${metric}.`),
  };
}

/** By the test that decides the comparison: not to reach it fails only where the config says so. */
function checkImprovement({ comparison, settings }: GatesInput): GateCheck {
  const check = 'improvement_demonstrated';
  const title = 'Improvement over baseline demonstrated';
  const failed = (problem: string) =>
    unmeasured({ check, title, threshold: 'better than the baseline' }, problem);
  if (comparison === undefined) return failed('The stage compare has not been run.');
  const { experiments, best_model: best, decision, alpha, direction, pairs } = comparison;
  const baseline = experiments.find(({ name }) => name === 'baseline');
  if (baseline === undefined) return failed('The comparison is without the baseline.');
  if (experiments.length < 2) return failed('There is no model beside the baseline.');
  // The best of those that are to be better than the baseline.
  const top = experiments.find(({ name }) => name !== 'baseline')!;
  const sign = direction === 'maximize' ? 1 : -1;
  const gain =
    top.cv_mean !== undefined && baseline.cv_mean !== undefined
      ? sign * (top.cv_mean - baseline.cv_mean)
      : undefined;
  const ofBoth = ({ first, second }: { readonly first: string; readonly second: string }) =>
    first === top.name && second === 'baseline';
  const { test: decider } = decision;
  const tested = decider === 'friedman' ? undefined : pairs.find(ofBoth)?.tests[decider];
  const p =
    tested?.adjusted_p_value ??
    comparison.statistical_tests.holm?.find(ofBoth)?.adjusted_p_value ??
    decision.p_value;
  const threshold = `better than the baseline; ${decision.test} p < ${number(alpha)}${settings.require_significance ? '' : ' is not required'}`;
  const test =
    decision.not_run ?? (p === null ? 'the test says nothing' : `${decision.test} has p = ${number(p)}`);
  const detail = `${best.name === 'baseline' ? 'No model' : top.name} is better than the baseline; ${test}.`;
  const of = { check, title, measured: gain ?? null, threshold, detail };
  if (best.name !== 'baseline' && decision.worse.includes('baseline')) return { ...of, verdict: 'passed' };
  const isWorse = best.name === 'baseline' && decision.worse.includes(top.name);
  return { ...of, verdict: isWorse || settings.require_significance ? 'failed' : 'not significant' };
}

function checkFolds({ cvScores, folds }: GatesInput): GateCheck {
  const check = 'cross_validation_completed';
  const title = 'Cross-validation completed';
  const threshold = folds === undefined ? 'a score on every fold' : `a score on each of ${folds} folds`;
  if (cvScores === undefined || folds === undefined || Object.keys(cvScores).length === 0) {
    return unmeasured(
      { check, title, threshold },
      'There are no scores of folds: the stage optimize has not been run.',
    );
  }
  const finished = (scores: readonly number[]) => scores.filter((score) => Number.isFinite(score)).length;
  const short = Object.entries(cvScores).find(
    ([, scores]) => scores.length !== folds || finished(scores) !== folds,
  );
  return {
    check,
    title,
    measured: Math.min(...Object.values(cvScores).map(finished)),
    threshold,
    ...verdictOf(short && `${short[0]} has ${finished(short[1])} of ${folds} scores.`),
  };
}

function checkOverfitting({ models, metric, settings }: GatesInput): GateCheck {
  const check = 'no_overfitting';
  const title = 'No overfitting detected';
  const least = settings.overfitting_ratio;
  const ratio = metricDirection(metric) === 'maximize' ? 'validation / training' : 'training / validation';
  const threshold = `${ratio} ${metric} > ${number(least)}`;
  if (least === 0) return switchedOff({ check, title, threshold }, 'gates.overfitting_ratio is 0.');
  const ratios = Object.entries(models).flatMap(([name, { train, val }]) =>
    train?.[metric] === undefined || val?.[metric] === undefined
      ? []
      : [
          {
            name,
            train: train[metric],
            val: val[metric],
            ratio: overfittingRatio(metric, train[metric], val[metric]),
          },
        ],
  );
  if (ratios.length === 0)
    return unmeasured({ check, title, threshold }, 'No model has a training and a validation score.');
  const worst =
    ratios.find(({ ratio: of }) => Number.isNaN(of)) ?? ratios.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  const holds = worst.ratio > least;
  return {
    check,
    title,
    measured: Number.isNaN(worst.ratio) ? null : worst.ratio,
    threshold,
    verdict: holds ? 'passed' : 'failed',
    detail: `${worst.name}: ${number(worst.train)} in training, ${number(worst.val)} in validation.`,
  };
}

/** Targets are for the best model, on the test rows where there are any. */
function checkTargets({ settings, models, comparison }: GatesInput): GateCheck[] {
  const name =
    comparison?.best_model.name ??
    (models.ensemble ? 'ensemble' : models.optimized ? 'optimized' : 'baseline');
  return Object.entries(settings.targets).map(([metric, target]): GateCheck => {
    const of = metric as MetricName;
    const isMaximized = metricDirection(of) === 'maximize';
    const metrics = models[name];
    const value = metrics && judged(metrics, of);
    const holds = value !== undefined && (isMaximized ? value >= target! : value <= target!);
    return {
      check: `target_${metric}`,
      title: `Target of ${metric} reached`,
      measured: value === undefined || Number.isNaN(value) ? null : value,
      threshold: `${isMaximized ? '≥' : '≤'} ${number(target!)}`,
      verdict: holds ? 'passed' : 'failed',
      detail:
        value === undefined
          ? `${name} has no ${metric}.`
          : `${name}, on the ${metrics?.test ? 'test' : 'validation'} rows.`,
    };
  });
}

function gate(of: 1 | 2 | 3, title: string, checks: readonly GateCheck[]): Gate {
  return { gate: of, title, passed: checks.every(({ verdict }) => verdict !== 'failed'), checks };
}

/** Judges a run by the protocol's quality gates. A check whose input is missing fails. */
export function evaluateGates(input: GatesInput): GatesRecord {
  const gates = [
    gate(1, 'Training Setup', [
      inspected(
        'configuration_validated',
        'Configuration validated',
        input.config,
        'There is no config to check.',
      ),
      checkData(input),
      checkSeed(input),
      checkTracking(input),
    ]),
    gate(2, 'Model Performance', [
      checkBaseline(input),
      checkImprovement(input),
      checkFolds(input),
      checkOverfitting(input),
      ...checkTargets(input),
    ]),
    gate(3, 'Experiment Tracking', [
      inspected('metrics_logged', 'All metrics logged', input.metricFiles, 'No metrics were written.'),
      inspected('artifacts_saved', 'Model artifacts saved', input.modelFiles, 'No model was saved.'),
      inspected(
        'hyperparameters_recorded',
        'Hyperparameters recorded',
        input.hyperparameters,
        'No hyperparameters were written.',
      ),
      inspected(
        'reproducibility',
        'Reproducibility guaranteed',
        input.evidence,
        'Nothing was recorded to repeat the run by.',
      ),
    ]),
  ];
  return { passed: gates.every(({ passed }) => passed), gates };
}
