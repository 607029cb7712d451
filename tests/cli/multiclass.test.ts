import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli, type Ended, filesBelow, kindsCsv, scratch, writeExperiment } from './cli.ts';

const newFolder = scratch();

/** The protocol's metrics, and no objective. */
const config = `experiment:
  name: kinds
data:
  train_path: train.csv
  target: y
hyperparameters:
  n_estimators: 5
metrics:
  primary: auc_roc
  secondary: [accuracy, precision, recall, f1]
gates: {overfitting_ratio: 0}
`;

describe('an experiment with three classes', () => {
  let folder: string;
  let run: Ended;
  const read = async (name: string) => JSON.parse(await readFile(join(folder, 'out', name), 'utf8'));

  beforeAll(async () => {
    folder = await newFolder();
    await writeExperiment(folder, { csv: kindsCsv(), config });
    run = await cli(['run', 'x.yaml', '--out', 'out'], folder);
  });

  it("runs with the protocol's metrics and no objective, and prints them", () => {
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^auc_roc \* +[\d.]+ +[\d.]+$/m);
    for (const name of ['accuracy', 'precision', 'recall', 'f1', 'logloss']) {
      expect(run.stdout).toMatch(new RegExp(`^${name} +[\\d.]+ +[\\d.]+$`, 'm'));
    }
  });

  it('writes a model, a matrix and curves whose parts agree with the metrics', async () => {
    const model = await read('models/baseline_model.json');
    expect(model).toMatchObject({
      objective: 'multi:softprob',
      target: { name: 'y', classes: ['deep blue', 'green', 'red'] },
    });
    expect(model.trees).toHaveLength(3 * (model.best_iteration + 1));
    const curves = (await read('metrics/curves.json')).baseline;
    for (const [split, file] of [
      ['train', 'training_metrics'],
      ['val', 'validation_metrics'],
    ] as const) {
      const { baseline } = await read(`metrics/${file}.json`);
      const { classes, confusion_matrix: matrix, one_vs_rest } = curves[split];
      expect(classes).toEqual(model.target.classes);
      const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
      const rows = sum(matrix.flat());
      expect(sum(matrix.map((row: number[], c: number) => row[c])) / rows).toBe(baseline.accuracy);
      const recalls = matrix.map((row: number[], c: number) => row[c]! / sum(row));
      expect(sum(recalls) / 3).toBeCloseTo(baseline.recall, 14);
      const areas = one_vs_rest.map(({ roc }: { roc: { fpr: number[]; tpr: number[] } }) =>
        sum(
          roc.fpr.map((x, i) => {
            const [x0, y0] = i === 0 ? [0, 0] : [roc.fpr[i - 1]!, roc.tpr[i - 1]!];
            return ((x - x0) * (roc.tpr[i]! + y0)) / 2;
          }),
        ),
      );
      expect(sum(areas) / 3).toBeCloseTo(baseline.auc_roc, 12);
    }
  });

  it('writes the report with a matrix by class, and the config with what the classes decided', async () => {
    const report = await readFile(join(folder, 'out/reports/training_report.md'), 'utf8');
    expect(report).toContain('|  | predicted deep blue | predicted green | predicted red |');
    expect(report).toMatch(/^\| actual red \| \d+ \| \d+ \| \d+ \|$/m);
    expect(report).toMatch(/rounds of 3 trees are kept\./);
    const written = await readFile(join(folder, 'out/configs/baseline_config.yaml'), 'utf8');
    expect(written).toMatch(/^ {2}objective: multi:softprob$/m);
    const again = join(folder, 'again.yaml');
    await writeFile(again, written);
    const ended = await cli(['train', 'again.yaml', '--out', 'again.json', '--quiet'], folder);
    expect(ended.code).toBe(0);
    const fingerprint = JSON.parse(await readFile(join(folder, 'again.json'), 'utf8')).fingerprint;
    expect(run.stdout).toContain(fingerprint);
  });

  it('predicts the class of every row, with the probability of each', async () => {
    const model = 'out/models/baseline_model.json';
    const args = ['predict', '--model', model, '--data', 'train.csv', '--out'];
    expect((await cli([...args, 'p.csv'], folder)).code).toBe(0);
    const [head, ...lines] = (await readFile(join(folder, 'p.csv'), 'utf8')).trimEnd().split('\n');
    expect(head).toBe('row,prediction,probability_deep blue,probability_green,probability_red');
    const { Model } = await import('../../src/boosting/model.ts');
    const loaded = await Model.load(join(folder, model));
    const names = loaded.target.classes!;
    const data = kindsCsv().trimEnd().split('\n').slice(1);
    expect(lines).toEqual(
      data.map((line, row) => {
        const [a, b] = line.split(',').map(Number);
        const p = loaded.predictRow({ a, b }) as number[];
        return [row, names[p.indexOf(Math.max(...p))], ...p].join(',');
      }),
    );
    expect(new Set(lines.map((line) => line.split(',')[1])).size).toBe(3);
    const printed = await cli([...args, '-'], folder);
    expect(printed.stdout.trimEnd().split('\n')).toEqual([head, ...lines]);
    expect((await cli([...args, 'p.parquet'], folder)).code).toBe(0);
    expect((await readFile(join(folder, 'p.parquet'))).subarray(0, 4).toString()).toBe('PAR1');
  });

  it('multi:softmax predicts the same classes alone', async () => {
    const set = ['--set', 'model.objective=multi:softmax'];
    expect((await cli(['train', 'x.yaml', '--out', 'c.json', ...set], folder)).code).toBe(0);
    const predict = async (model: string, out: string) => {
      const ended = await cli(['predict', '--model', model, '--data', 'train.csv', '--out', out], folder);
      expect(ended.code).toBe(0);
      return (await readFile(join(folder, out), 'utf8')).trimEnd().split('\n');
    };
    const classes = await predict('c.json', 'c.csv');
    const both = await predict('out/models/baseline_model.json', 'b.csv');
    expect(classes).toEqual(both.map((line) => line.split(',').slice(0, 2).join(',')));
  });

  it('verify finds equal fingerprints for 1 and 3 threads', async () => {
    const ended = await cli(['verify', 'x.yaml', '--engines', 'cpu', '--threads', '1,3', '--json'], folder);
    expect(JSON.parse(ended.stdout)).toMatchObject({ equal: true, failures: [], exit: 0 });
  });

  it('init writes a config that runs, with the metrics of several classes', async () => {
    const init = await cli(['init', '--data', 'train.csv', '--out', 'made.yaml'], folder);
    expect(init.stdout).toMatch(/^made\.yaml: classification of y from 2 columns, 90 rows/);
    const made = await readFile(join(folder, 'made.yaml'), 'utf8');
    expect(made).toContain('objective: "multi:softprob"');
    expect(made).toContain('merror');
    expect(
      (
        await cli(
          ['run', 'made.yaml', '--out', 'made', '--quiet', '--set', 'gates.overfitting_ratio=0'],
          folder,
        )
      ).code,
    ).toBe(0);
  });

  it.each([
    [
      ['model.objective=binary:logistic'],
      /^error: The target y has 3 classes and binary:logistic is for two; .*\.$/m,
    ],
    [
      ['hyperparameters.num_class=4'],
      /^error: num_class is 4 but the target y has 3 classes; leave num_class out\.$/m,
    ],
    [
      ['metrics.primary=auc_pr'],
      /^error: --set metrics\.primary: auc_pr does not measure several classes; use one of .*\.$/m,
    ],
    [
      ['hyperparameters.base_score=0.4'],
      /^error: base_score is 0\.4: for multi:softprob it must be null, for the shares of the classes\.$/m,
    ],
  ])('%j ends with 2 and one sentence, and writes nothing', async (overrides, message) => {
    const set = overrides.flatMap((override) => ['--set', override]);
    const ended = await cli(['run', 'x.yaml', '--out', 'refused', ...set], folder);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.match(/^error: /gm)).toHaveLength(1);
    expect(await filesBelow(join(folder, 'refused'))).toEqual([]);
  });

  it('warns of fractions as classes, and of a class that validation lacks', async () => {
    const csv = kindsCsv().replaceAll('deep blue', '2.5').replaceAll('green', '1').replaceAll('red', '0');
    await writeFile(join(folder, 'numbers.csv'), csv);
    const lacking = csv.split('\n').filter((line) => !line.endsWith(',1'));
    await writeFile(join(folder, 'lacking.csv'), lacking.join('\n'));
    const set = ['--set', 'data.train_path=numbers.csv', '--set', 'data.val_path=lacking.csv'];
    const ended = await cli(['train', 'x.yaml', '--out', 'n.json', '--json', '--quiet', ...set], folder);
    const { warnings, metrics } = JSON.parse(ended.stdout);
    expect(warnings).toEqual([
      'The target y has 3 numbers, which are taken as classes; if it is a quantity, set model.task_type to regression.',
      'The validation rows have none of the class 1, so that auc_roc, the primary metric, is undefined on them and cannot stop the training early.',
    ]);
    expect(metrics.baseline.val.auc_roc).toBeNull();
    const model = JSON.parse(await readFile(join(folder, 'n.json'), 'utf8'));
    expect(model.trees).toHaveLength(15);
  });
});
