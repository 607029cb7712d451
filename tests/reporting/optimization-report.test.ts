import { describe, expect, it } from 'vitest';
import { type OptimizationReportInput, optimizationReport } from '../../src/reporting/optimization-report.ts';
import { STUDY_PLOTS } from '../../src/reporting/study-plots.ts';
import { parameterImportances } from '../../src/tuning/importance.ts';
import type { Trial } from '../../src/tuning/trial.ts';
import { firstTable } from './markdown.ts';
import { SPACE, studyOf } from './studies.ts';

const study = studyOf(60);

function input(changes: Partial<OptimizationReportInput> = {}): OptimizationReportInput {
  const trials = changes.trials ?? study;
  return {
    name: 'adult',
    description: 'Incomes.',
    engine: 'CPU, 2 threads',
    metric: 'logloss',
    direction: 'minimize',
    folds: '3 stratified folds of 1,000 rows',
    trials,
    search: { seconds: 30, trials: 60 },
    baselineScores: [0.5, 0.6, 0.7],
    optimizedScores: [0.4, 0.65, 0.6],
    baselineParams: { learning_rate: 0.1, max_depth: 6 },
    importances: parameterImportances(trials, 'minimize'),
    setup: [
      ['sampler', 'tpe, seed 42'],
      ['pruner', 'median'],
    ],
    machine: 'Some CPU, 2 cores',
    warnings: ['One thing.', 'Another.'],
    configPath: 'adult.yaml',
    studyName: 'adult',
    paths: { journal: 'study.journal', plots: 'plots' },
    ...changes,
  };
}

/** Cells of the table below a heading, or of the first table. */
function table(report: string, heading = ''): string[][] {
  return firstTable(report.slice(heading === '' ? 0 : report.indexOf(`## ${heading}`)));
}

const scored = (trials: readonly Trial[]) =>
  trials.filter(({ state }) => state === 'complete').sort((a, b) => a.value! - b.value!);

describe('the optimization report', () => {
  it('counts trials by what became of them, and how fast', () => {
    expect(Object.fromEntries(table(optimizationReport(input())))).toMatchObject({
      trials: '60',
      complete: String(study.filter(({ state }) => state === 'complete').length),
      pruned: String(study.filter(({ state }) => state === 'pruned').length),
      failed: String(study.filter(({ state }) => state === 'fail').length),
      time: '30.0 s',
      'trials a second': '2',
    });
  });

  it('tells the time of a resumed search as that of its own trials', () => {
    const cells = Object.fromEntries(
      table(optimizationReport(input({ search: { seconds: 10, trials: 5 } }))),
    );
    expect(cells).toMatchObject({
      'time of this run, in which 5 trials were finished': '10.0 s',
      'trials a second': '0.500000',
    });
  });

  it('gives the best trial with its score, its spread over folds and its parameters beside the baseline', () => {
    const best = scored(study)[0]!;
    const report = optimizationReport(input());
    expect(report).toContain(
      `Trial ${best.number}: **logloss ${best.value!.toPrecision(6)} ± 0.0100000** (mean ± standard deviation over folds). Best rounds of the folds: 40, 50, 60.`,
    );
    const rows = table(report, 'Best trial');
    expect(rows.slice(2).map(([name]) => name)).toEqual(Object.keys(SPACE));
    const rate = String(Number(best.params.get('learning_rate')!.value.toPrecision(6)));
    expect(rows[2]).toEqual(['learning_rate', rate, '0.1', '0.005 to 0.3, logarithmic']);
    expect(rows.find(([name]) => name === 'grow_policy')!.slice(2)).toEqual(['', 'depthwise, lossguide']);
  });

  it('compares baseline and optimized fold by fold', () => {
    const report = optimizationReport(input());
    const rows = table(report, 'Baseline and optimized');
    expect(rows.slice(2)).toEqual([
      ['1', '0.500000', '0.400000', '-0.100000'],
      ['2', '0.600000', '0.650000', '+0.0500000'],
      ['3', '0.700000', '0.600000', '-0.100000'],
      ['**mean**', '0.600000', '0.550000', '-0.0500000'],
      ['standard deviation', '0.100000', '0.132288', '0.0866025'],
    ]);
    expect(report).toContain('better than the baseline by 0.0500000 on average, on 2 of 3 folds.');
  });

  it('does not call a worse result better, in either direction', () => {
    const nothing = 'The search found nothing better than the baseline.';
    expect(optimizationReport(input())).not.toContain(nothing);
    expect(optimizationReport(input({ direction: 'maximize' }))).toContain(nothing);
    expect(optimizationReport(input({ optimizedScores: [0.5, 0.6, 0.7] }))).toContain(nothing);
  });

  it('lists importances and the ten best trials from the best', () => {
    const report = optimizationReport(input());
    const shares = table(report, 'Parameter importances').slice(2);
    expect(shares.map(([name]) => name)).toEqual([...parameterImportances(study, 'minimize').keys()]);
    const top = table(report, 'The 10 best trials');
    expect(top[0]).toEqual(['trial', 'logloss', ...Object.keys(SPACE)]);
    expect(top.slice(2).map(([number]) => Number(number))).toEqual(
      scored(study)
        .slice(0, 10)
        .map(({ number }) => number),
    );
    const turned = table(optimizationReport(input({ direction: 'maximize' })), 'The 10 best trials');
    expect(Number(turned[2]![0])).toBe(scored(study).at(-1)!.number);
  });

  it('links every plot, by the folder that it is told', () => {
    for (const name of STUDY_PLOTS) expect(optimizationReport(input())).toContain(`](plots/${name})`);
    const moved = optimizationReport(input({ paths: { journal: '../study.journal', plots: '../plots' } }));
    expect(moved).toContain('](../plots/slices.svg)');
    expect(moved).toContain('JournalFileBackend("../study.journal")');
  });

  it('says how the search was set up, what to heed and how to go on', () => {
    const report = optimizationReport(input());
    expect(table(report, 'How the search').slice(2)).toEqual([
      ['sampler', 'tpe, seed 42'],
      ['pruner', 'median'],
    ]);
    expect(report).toContain('## Warnings\n\n- One thing.\n- Another.\n');
    expect(report).toContain('lockstep tune adult.yaml --resume');
    expect(report).toContain('study_name="adult"');
    expect(optimizationReport(input({ warnings: [] }))).not.toContain('## Warnings');
  });

  it('groups the reasons of failed trials, the most frequent first', () => {
    const trials = study.map(
      (trial): Trial =>
        trial.state === 'fail'
          ? { ...trial, userAttrs: trial.number === 10 ? { failure: 'rare\nreason' } : { failure: 'often' } }
          : trial,
    );
    expect(optimizationReport(input({ trials }))).toContain('- 4 ×: often\n- 1 ×: rare reason\n');
    const complete = study.filter(({ state }) => state === 'complete');
    expect(optimizationReport(input({ trials: complete }))).not.toContain('Why trials failed');
  });

  it('has sense without a complete trial', () => {
    const trials = studyOf(4, { state: (i) => (i === 3 ? 'running' : 'pruned') });
    const report = optimizationReport(
      input({ trials, search: { seconds: 0, trials: 3 }, baselineScores: [], optimizedScores: [] }),
    );
    expect(report).toContain('No trial is complete, so that there is no best one.');
    expect(report).toContain('There are too few complete trials for importances.');
    expect(report).toContain('## Best trials');
    expect(report).not.toContain('## Baseline and optimized');
    expect(table(report)).toContainEqual(['not finished', '1']);
    expect(report).not.toContain('trials a second');
  });

  it('keeps tables whole where names and choices hold what Markdown heeds', () => {
    const trials = studyOf(3, {
      state: () => 'complete',
      space: { 'a|b': { type: 'categorical', choices: ['x|y', null, true] } },
    });
    const rows = table(optimizationReport(input({ trials })), 'Best trial');
    expect(rows.every(({ length }) => length === 4)).toBe(true);
    expect(rows[2]![3]).toBe('x\\|y, null, true');
  });
});
