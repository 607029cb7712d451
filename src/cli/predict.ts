import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Model } from '../boosting/model.ts';
import type { OutputColumn } from '../data/write.ts';
import type { EnsembleModel } from '../ensemble/ensemble-model.ts';
import { ExitCode, InputError } from '../errors.ts';
import { predictedClass } from '../numerics/softmax.ts';
import { formatSeconds } from '../reporting/format.ts';
import { type CommandContext, jsonOption, path } from './options.ts';
import { note, print, printJson } from './terminal.ts';

interface PredictCommandOptions {
  readonly model: string;
  readonly data: string;
  readonly out: string;
  readonly query?: string;
  readonly json?: boolean;
}

/** Rows that are formatted as one piece of text. */
const BLOCK_ROWS = 32_768;

/** The columns of the output: row, prediction, and with multi:softprob a probability for each class. */
function outputColumns(
  model: Model | EnsembleModel,
  rows: number,
  predictions: Float64Array,
): OutputColumn[] {
  const row = { name: 'row', values: Int32Array.from({ length: rows }, (_, i) => i) };
  const classes = model.target.classes?.map(String);
  if (classes === undefined || model.outputs === 1) {
    return [row, { name: 'prediction', values: predictions }];
  }
  const className = (index: number) => classes[index]!;
  if (model.objective === 'multi:softmax') {
    return [row, { name: 'prediction', values: Array.from(predictions, className) }];
  }
  const ofRow = (i: number) => predictions.subarray(i * classes.length, (i + 1) * classes.length);
  return [
    row,
    {
      name: 'prediction',
      values: Array.from({ length: rows }, (_, i) => className(predictedClass(ofRow(i)))),
    },
    ...classes.map((name, c) => ({
      name: `probability_${name}`,
      values: Float64Array.from({ length: rows }, (_, i) => predictions[i * classes.length + c]!),
    })),
  ];
}

async function writeToStdout(columns: readonly OutputColumn[]): Promise<void> {
  const { csvLine } = await import('../data/write.ts');
  const write = async (text: string) => {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  };
  const rows = columns[0]!.values.length;
  await write(csvLine(columns.map(({ name }) => name)));
  for (let start = 0; start < rows; start += BLOCK_ROWS) {
    const end = Math.min(rows, start + BLOCK_ROWS);
    let text = '';
    for (let row = start; row < end; row++) text += csvLine(columns.map(({ values }) => values[row]!));
    await write(text);
  }
}

function checkOut({ model, data, out, json }: PredictCommandOptions): void {
  if (out === '-') {
    if (json) throw new InputError('--json and --out - both write to stdout; name a file in --out.');
    return;
  }
  if (!/\.(csv|parquet)$/i.test(out)) {
    throw new InputError(`--out ${out} must end in .csv or .parquet, or be - for CSV on stdout; rename it.`);
  }
  for (const [option, input] of Object.entries({ model, data })) {
    if (resolve(input) === resolve(out)) {
      throw new InputError(`--out names the same file as --${option}, which would be lost; choose another.`);
    }
  }
}

/** `lockstep predict`: the predictions of a model for every row of a table. */
export function addPredictCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('predict')
    .summary('predict every row of a file with a trained model')
    .description(
      'Predicts every row of a file. The output has the columns row (from 0) and prediction: the probability of the positive class, the value, or of several classes the predicted one, with the probability of each (multi:softprob).',
    )
    .requiredOption('--model <file>', 'model or ensemble file of run or train', path)
    .requiredOption('--data <file>', 'Parquet or CSV with the columns of the model, in any order', path)
    .requiredOption('--out <file>', '.csv or .parquet to write; - for CSV on stdout', path)
    .option('--query <sql>', 'SELECT over the view data that gives the rows')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  lockstep predict --model model.json --data new.parquet --out predictions.csv',
    )
    .action(async (options: PredictCommandOptions) => {
      checkOut(options);
      const started = performance.now();
      const [{ loadModel }, { loadForPrediction }] = await Promise.all([
        import('../ensemble/load.ts'),
        import('../data/load.ts'),
        import('../boosting/predict-native.ts'),
      ]);
      const model = await loadModel(options.model);
      const { rows, columns } = await loadForPrediction(
        options.data,
        { features: model.features, target: model.target },
        { query: options.query, signal },
      );
      const predictions = await model.predictAsync(columns, rows, { signal });
      const output = outputColumns(model, rows, predictions);
      if (options.out === '-') {
        await writeToStdout(output);
      } else {
        const { writePredictions } = await import('../data/write.ts');
        await writePredictions(options.out, output);
      }
      const seconds = (performance.now() - started) / 1000;
      const { out } = options;
      if (options.json) {
        printJson({ out, rows, seconds, fingerprint: model.fingerprint, exit: ExitCode.done });
        return;
      }
      const report = `${rows} ${rows === 1 ? 'row' : 'rows'} predicted in ${formatSeconds(seconds)}`;
      if (out === '-') note(`${report}.`);
      else print(`${report}, written to ${out}.`);
    });
}
