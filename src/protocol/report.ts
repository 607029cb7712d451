import { Model } from '../boosting/model.ts';
import { calibration } from '../comparison/calibration.ts';
import type { TestRows } from '../comparison/compared-model.ts';
import { rocPoints } from '../comparison/roc.ts';
import { listRows } from '../data/rows.ts';
import type { SplitName } from '../data/types.ts';
import type { EnsembleModel } from '../ensemble/ensemble-model.ts';
import type { GatesRecord } from '../gates/gates.ts';
import {
  areaBelow,
  type Band,
  bandOf,
  meanLine,
  precisionLine,
  type Rates,
  rocLine,
} from '../reporting/curves.ts';
import { REPORT_PAGE } from '../reporting/html/markup.ts';
import { PART_NAMES, type PageInput, pageHtml } from '../reporting/html/page.ts';
import {
  calibrationChart,
  confusionChart,
  curvesChart,
  importanceChart,
  MOST_CLASSES,
  type NamedCurve,
  residualChart,
  trainingCurves,
} from '../reporting/model-plots.ts';
import type { CompareResult } from './compare.ts';
import { experimentFolds, type OptimizeResult } from './optimize.ts';
import { CHARTS_FOLDER, type OutputFolder } from './output.ts';
import type { PreparedExperiment } from './prepare.ts';
import { rowsOf } from './test-predictions.ts';
import type { ModelScores, TrainingHistory } from './trained-model.ts';

/** What the page shows of a model. */
export interface ReportedModel extends ModelScores {
  readonly model: Model | EnsembleModel;
  readonly history?: TrainingHistory;
  readonly timings: Readonly<Record<string, number>>;
}

/** What the page shows of a run. */
export interface ReportedRun {
  readonly models: Readonly<Record<string, ReportedModel>>;
  readonly search?: OptimizeResult | undefined;
  readonly compared?: CompareResult | undefined;
  readonly gates?: GatesRecord | undefined;
  readonly charts: PageInput['charts']['search'];
  readonly engine: string;
  readonly machine: string;
  readonly started: Date;
  readonly warnings: readonly string[];
  /** `key.path=value` settings given beside the file. */
  readonly overrides: readonly string[];
}

type Drawn = Record<string, string>;

const CURVE_POINTS = 200;
/** More curves on top of each other cannot be told apart. */
const SHOWN_CLASSES = 6;

/** A part of the data as a sentence begins with it. */
const titleOf = (part: SplitName) => PART_NAMES[part].replace(/^./, (letter) => letter.toUpperCase());

async function learningCharts({ models }: ReportedRun, experiment: PreparedExperiment): Promise<Drawn> {
  const drawn: Drawn = {};
  const primary = experiment.metrics[0]!;
  for (const [name, { history, model }] of Object.entries(models)) {
    if (history === undefined || !(model instanceof Model)) continue;
    const loss = { name: `loss, ${experiment.lossMetric}`, train: history.train_loss, val: history.val_loss };
    const metric = {
      name: primary,
      train: history.train_metrics[primary] ?? [],
      val: history.val_metrics[primary] ?? [],
    };
    const panels = primary === experiment.lossMetric ? [loss] : [loss, metric];
    drawn[`training_curves_${name}.svg`] = await trainingCurves(
      name,
      panels,
      (model.training.best_iteration ?? model.training.rounds - 1) + 1,
    );
  }
  return drawn;
}

/** A ROC curve of two classes by its rates; undefined where a class is missing. */
function ratesOf(rows: TestRows, scores: Float64Array): Rates | undefined {
  const points = rocPoints(rows, scores, CURVE_POINTS);
  return points && { fpr: points.map(({ fpr }) => fpr), tpr: points.map(({ tpr }) => tpr) };
}

/** One class against the others. */
function oneVsRest(rows: TestRows, predictions: Float64Array, ofClass: number): [TestRows, Float64Array] {
  if (rows.kind === 'binary') return [rows, predictions];
  const { labels, classes, weights } = rows;
  return [
    {
      kind: 'binary',
      classes: 2,
      labels: Uint8Array.from(labels, (label) => (label === ofClass ? 1 : 0)),
      ...(weights && { weights }),
    },
    Float64Array.from({ length: labels.length }, (_, row) => predictions[row * classes + ofClass]!),
  ];
}

/** Share of the weight that is of class 1. */
function positiveShare({ labels, weights }: TestRows): number {
  let positive = 0;
  let total = 0;
  for (let row = 0; row < labels.length; row++) {
    const weight = weights?.[row] ?? 1;
    total += weight;
    positive += weight * labels[row]!;
  }
  return positive / total;
}

interface RowsCurves {
  readonly rates: Rates;
  readonly positives: number;
  readonly ofClass: number;
}

/** Curves of each class that has rows, or of the positive one. */
function classCurves(rows: TestRows, predictions: Float64Array): RowsCurves[] {
  const classes = rows.kind === 'binary' ? [1] : Array.from({ length: rows.classes }, (_, c) => c);
  return classes.flatMap((ofClass) => {
    const [own, scores] = oneVsRest(rows, predictions, ofClass);
    const rates = ratesOf(own, scores);
    return rates === undefined ? [] : [{ rates, positives: positiveShare(own), ofClass }];
  });
}

const rocOf = ({ rates }: RowsCurves) => rocLine(rates);
const prOf = ({ rates, positives }: RowsCurves) => precisionLine(rates, positives);

/** One curve for two classes, the macro average of several. */
const overall = (curves: readonly RowsCurves[], line: typeof rocOf) =>
  curves.length === 1 ? line(curves[0]!) : meanLine(curves.map(line));

/** How the curves of the best trial differ over the folds of the search; undefined where its fold predictions were not kept. */
function foldBands(
  experiment: PreparedExperiment,
  search: OptimizeResult | undefined,
): { readonly roc: Band; readonly pr: Band; readonly folds: number } | undefined {
  const outputs = search?.keptFolds.get(search.best.number);
  if (outputs === undefined) return undefined;
  const { label, weight } = experiment.binned;
  const { kind, classes } = rowsOf(experiment, 'train');
  const curves = experimentFolds(experiment).map(({ validation }, fold) => {
    const rows = listRows(validation);
    const own: TestRows = {
      kind,
      classes,
      labels: Float32Array.from(rows, (row) => label[row]!),
      ...(weight && { weights: Float32Array.from(rows, (row) => weight[row]!) }),
    };
    return classCurves(own, outputs[fold]!);
  });
  if (curves.some((of) => of.length === 0)) return undefined;
  return {
    roc: bandOf(curves.map((of) => overall(of, rocOf))),
    pr: bandOf(curves.map((of) => overall(of, prOf))),
    folds: curves.length,
  };
}

/** ROC and precision-recall curves of all models, and of several classes those of the best model. */
async function curveCharts(
  run: ReportedRun,
  experiment: PreparedExperiment,
  part: SplitName,
): Promise<Drawn> {
  const rows = rowsOf(experiment, part);
  if (rows.kind === 'regression') return {};
  const bands = foldBands(experiment, run.search);
  const curves = Object.entries(run.models).flatMap(([name, { reported }]) => {
    const of = classCurves(rows, reported);
    return of.length === 0 ? [] : [{ name, of }];
  });
  if (curves.length === 0) return {};
  const where = `on the ${PART_NAMES[part]} rows`;
  const notes = [
    ...(rows.kind === 'binary' ? [] : ['Macro average of one class against the others.']),
    ...(bands && run.models.optimized
      ? [`Band: least to greatest of the best trial's models over ${bands.folds} folds.`]
      : []),
  ];
  const named = (line: typeof rocOf, band: Band | undefined, withArea: boolean): NamedCurve[] =>
    curves.map(({ name, of }) => {
      const points = overall(of, line);
      return {
        name: withArea ? `${name}, ${areaBelow(points).toFixed(4)}` : name,
        points,
        ...(name === 'optimized' && { band }),
      };
    });
  const axes = {
    roc: { x: 'false positive rate', y: 'True positive rate' },
    pr: { x: 'recall', y: 'Precision' },
  };
  const drawn: Drawn = {
    'roc.svg': await curvesChart({
      title: `ROC ${where}`,
      ...axes.roc,
      diagonal: true,
      curves: named(rocOf, bands?.roc, true),
      notes: [...notes, 'Numbers are areas below the curves.'],
    }),
    'pr.svg': await curvesChart({
      title: `Precision and recall ${where}`,
      ...axes.pr,
      diagonal: false,
      curves: named(prOf, bands?.pr, false),
      notes,
    }),
  };
  const classes = experiment.data.schema.target.classes ?? [];
  const first = curves[0]!;
  if (rows.kind === 'multiclass') {
    const hardest = first.of
      .map((of) => ({ of, area: areaBelow(rocOf(of)) }))
      .sort((a, b) => a.area - b.area)
      .slice(0, SHOWN_CLASSES);
    drawn['roc_classes.svg'] = await curvesChart({
      title: `ROC of single classes, ${first.name}`,
      ...axes.roc,
      diagonal: true,
      curves: hardest.map(({ of, area }) => ({
        name: `${String(classes[of.ofClass])}, ${area.toFixed(4)}`,
        points: rocOf(of),
      })),
      notes:
        first.of.length > hardest.length
          ? [`The ${hardest.length} of ${first.of.length} classes with the least area below the curve.`]
          : [],
    });
  }
  return drawn;
}

async function confusionCharts(
  { models }: ReportedRun,
  experiment: PreparedExperiment,
  part: SplitName,
): Promise<Drawn> {
  const classes = experiment.data.schema.target.classes?.map(String) ?? [];
  if (classes.length > MOST_CLASSES) return {};
  const drawn: Drawn = {};
  for (const [name, { details }] of Object.entries(models)) {
    const matrix = details[part]?.confusion_matrix;
    if (matrix === undefined) continue;
    const counts =
      'true_negative' in matrix
        ? [
            [matrix.true_negative, matrix.false_positive],
            [matrix.false_negative, matrix.true_positive],
          ]
        : matrix;
    const title = titleOf(part);
    drawn[`confusion_matrix_${name}.svg`] = await confusionChart(name, title, classes, counts);
  }
  return drawn;
}

async function calibrationCharts(
  { models }: ReportedRun,
  experiment: PreparedExperiment,
  part: SplitName,
): Promise<Drawn> {
  const rows = rowsOf(experiment, part);
  const shown = Object.entries(models).flatMap(([name, { reported }]) => {
    const of = calibration(rows, reported);
    return of === undefined ? [] : [{ name, calibration: of }];
  });
  return shown.length === 0 ? {} : { 'calibration.svg': await calibrationChart(PART_NAMES[part], shown) };
}

async function residualCharts(
  { models }: ReportedRun,
  experiment: PreparedExperiment,
  part: SplitName,
): Promise<Drawn> {
  const rows = rowsOf(experiment, part);
  const drawn: Drawn = {};
  if (rows.kind !== 'regression') return drawn;
  const title = titleOf(part);
  for (const [name, { reported }] of Object.entries(models)) {
    drawn[`residuals_${name}.svg`] = await residualChart(name, title, rows.labels, reported);
  }
  return drawn;
}

async function importanceCharts({ models }: ReportedRun): Promise<Drawn> {
  const drawn: Drawn = {};
  for (const [name, { model }] of Object.entries(models)) {
    const importances = model instanceof Model ? model.importances() : [];
    if (importances.length > 0)
      drawn[`feature_importances_${name}.svg`] = await importanceChart(name, importances);
  }
  return drawn;
}

/** A word of a POSIX shell. */
const shellWord = (word: string) =>
  /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The command of a run; settings of tracking are left out, as they change no result and may name a server's password. */
function commandOf({ overrides }: ReportedRun, { loaded }: PreparedExperiment): string {
  const settings = overrides.filter((setting) => !setting.startsWith('tracking'));
  return [
    'lockstep run',
    shellWord(loaded.path),
    ...settings.map((setting) => `--set ${shellWord(setting)}`),
  ].join(' ');
}

/** Writes the charts of a run's models, and the page that has these and all others. */
export async function writeReport(
  output: OutputFolder,
  experiment: PreparedExperiment,
  run: ReportedRun,
): Promise<void> {
  const { models, search, compared, gates } = run;
  if (Object.keys(models).length === 0) return;
  const { config } = experiment.loaded;
  const part = experiment.splits.at(-1)!.name;
  const best = compared?.comparison.best_model.name ?? Object.keys(models).at(-1)!;
  // The order is that of the colours, the same in all charts.
  const bestFirst = Object.entries(models).sort(([a], [b]) => Number(b === best) - Number(a === best));
  const ordered = { ...run, models: Object.fromEntries(bestFirst) };
  const drawn = {
    learning: await learningCharts(run, experiment),
    curves: await curveCharts(ordered, experiment, part),
    confusion: await confusionCharts(run, experiment, part),
    calibration: await calibrationCharts(ordered, experiment, part),
    residuals: await residualCharts(run, experiment, part),
    importances: await importanceCharts(run),
  };
  for (const of of Object.values(drawn)) {
    for (const [name, svg] of Object.entries(of)) await output.write(`${CHARTS_FOLDER}/${name}`, svg);
  }
  const { learning, curves, confusion, calibration: calibrated, residuals, importances } = drawn;
  const page = pageHtml({
    name: config.experiment.name,
    description: config.experiment.description,
    tags: config.experiment.tags,
    metric: experiment.metrics[0]!,
    metrics: [...new Set([...experiment.metrics, experiment.lossMetric])],
    scores: Object.fromEntries(Object.entries(models).map(([name, { metrics }]) => [name, metrics])),
    rows: Object.fromEntries(experiment.splits.map(({ name, rows }) => [name, rows.end - rows.start])),
    part,
    charts: {
      learning: Object.values(learning),
      curves: Object.values(curves),
      confusion: Object.values(confusion),
      calibration: Object.values(calibrated),
      residuals: Object.values(residuals),
      importances: Object.values(importances),
      search: run.charts,
      comparison: compared?.charts ?? [],
    },
    search: search && {
      trials: search.trials,
      direction: search.direction,
      seconds: search.timings.search_s,
    },
    comparison: compared?.comparison,
    gates,
    sources: experiment.data.sources,
    fingerprints: Object.fromEntries(
      Object.entries(models).map(([name, { model }]) => [name, model.fingerprint]),
    ),
    timings: [
      ['reading the data', experiment.timings.load_s],
      ['binning', experiment.timings.bin_s],
      ...Object.entries(models).map(
        ([name, { timings }]) => [`training ${name}`, timings.boosting_s!] as const,
      ),
      ...(search ? [['search', search.timings.search_s] as const] : []),
    ],
    started: `${run.started.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    seed: experiment.seed,
    engine: run.engine,
    machine: run.machine,
    warnings: run.warnings,
    command: commandOf(run, experiment),
  });
  await output.writeDeliverable(REPORT_PAGE, page);
}
