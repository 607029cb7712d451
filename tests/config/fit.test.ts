import { describe, expect, test } from 'vitest';
import { fitConfig } from '../../src/config/fit.ts';
import { parseConfig } from '../../src/config/load.ts';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import { InputError } from '../../src/errors.ts';

const MINIMAL = 'experiment: {name: e}\ndata: {train_path: /t.csv}\n';
const fitted = (text: string, classes: number | undefined) =>
  fitConfig(parseConfig(MINIMAL + text, 'e.yaml'), classes);

describe('a config once the classes are known', () => {
  test.each([
    ['', 2, 'binary:logistic', METRICS_BY_KIND.binary],
    ['', 3, 'multi:softprob', METRICS_BY_KIND.multiclass],
    ["model: {objective: 'multi:softprob'}", 2, 'multi:softprob', METRICS_BY_KIND.multiclass],
    ["model: {objective: 'multi:softmax'}", 7, 'multi:softmax', METRICS_BY_KIND.multiclass],
    ['model: {task_type: regression}', undefined, 'reg:squarederror', METRICS_BY_KIND.regression],
  ])('%s with %s classes has the objective %s and its metrics', (text, classes, objective, metrics) => {
    const config = fitted(text, classes);
    expect(config.model.objective).toBe(objective);
    const { primary, secondary } = config.metrics;
    expect(primary).toBe(classes === undefined ? 'rmse' : 'auc_roc');
    expect(new Set([primary, ...secondary])).toEqual(new Set(metrics));
    expect(secondary).toHaveLength(metrics.length - 1);
  });

  test("the protocol's metrics stand for two classes and for several", () => {
    const text = 'metrics: {primary: auc_roc, secondary: [accuracy, precision, recall, f1]}';
    for (const classes of [2, 5]) {
      expect(fitted(text, classes).metrics).toEqual({
        primary: 'auc_roc',
        secondary: ['accuracy', 'precision', 'recall', 'f1'],
      });
    }
  });

  test('other names of metrics become the one name, in gates too', () => {
    const text =
      'metrics: {primary: mlogloss, secondary: [precision_macro, precision, f1_macro]}\ngates: {targets: {mlogloss: 0.5, auc_roc_macro: 0.9}}';
    const { metrics, gates } = fitted(text, 3);
    expect(metrics).toEqual({ primary: 'logloss', secondary: ['precision', 'f1'] });
    expect(gates.targets).toEqual({ logloss: 0.5, auc_roc: 0.9 });
    expect(fitted('metrics: {primary: mlogloss}', 2).metrics.primary).toBe('logloss');
  });

  test.each([
    [
      'metrics: {primary: auc_pr}',
      3,
      /^e\.yaml:3:20 metrics\.primary: auc_pr does not measure several classes; use one of accuracy, .*merror \(the target has 3 classes\)\.$/,
    ],
    [
      'metrics: {secondary: [f1, merror]}',
      2,
      /^e\.yaml:3:22 metrics\.secondary: merror does not measure two classes; use one of .* \(the target has 2 classes\)\.$/,
    ],
    ['metrics: {primary: precision_macro}', 2, /precision_macro does not measure two classes/],
    [
      'gates: {targets: {f1_weighted: 1}}',
      2,
      /^e\.yaml:3:32 gates\.targets\.f1_weighted: f1_weighted does not measure two classes/,
    ],
  ])('%s with %i classes is refused in one sentence', (text, classes, message) => {
    expect(() => fitted(text, classes)).toThrow(InputError);
    expect(() => fitted(text, classes)).toThrow(message);
  });

  test('metrics that no kind of classifier has are refused before the classes are known', () => {
    expect(() => parseConfig(`${MINIMAL}metrics: {primary: rmse}`, 'e.yaml')).toThrow(
      /rmse does not measure classification; use one of accuracy, .*merror/,
    );
    const named = (objective: string) =>
      parseConfig(`${MINIMAL}model: {objective: '${objective}'}\nmetrics: {primary: auc_pr}`, 'e.yaml');
    expect(() => named('multi:softprob')).toThrow(/auc_pr does not measure several classes/);
    expect(named('binary:logistic').config.metrics.primary).toBe('auc_pr');
  });

  test('a name and its other name together in gates are refused', () => {
    expect(() => parseConfig(`${MINIMAL}gates: {targets: {logloss: 1, mlogloss: 2}}`, 'e.yaml')).toThrow(
      /e\.yaml:3:31 gates\.targets\.mlogloss: means the same as logloss, which is given too; remove one/,
    );
  });

  test('base_score must be null for several classes', () => {
    expect(() =>
      parseConfig(
        `${MINIMAL}model: {objective: 'multi:softprob'}\nhyperparameters: {base_score: 0.5}`,
        'e.yaml',
      ),
    ).toThrow(
      /base_score: must be null for multi:softprob, which starts from the shares of the classes, not 0\.5/,
    );
  });
});
