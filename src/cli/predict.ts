import { once } from 'node:events';
import { resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Model } from '../boosting/model.ts';
import type { Column } from '../data/types.ts';
import { ExitCode, InputError } from '../errors.ts';
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

const BLOCK_ROWS = 32_768;

function slice(column: Column, start: number, end: number): Column {
  return column.kind === 'numeric'
    ? { ...column, values: column.values.subarray(start, end) }
    : { ...column, codes: column.codes.subarray(start, end) };
}

/** Predicts in blocks, so that Ctrl-C is heard in between. */
async function predictRows(
  model: Model,
  columns: readonly Column[],
  rows: number,
  signal: AbortSignal,
): Promise<Float64Array> {
  const predictions = new Float64Array(rows);
  for (let start = 0; start < rows; start += BLOCK_ROWS) {
    const end = Math.min(rows, start + BLOCK_ROWS);
    const block = columns.map((column) => slice(column, start, end));
    predictions.set(model.predict(block, end - start), start);
    await nextTurn();
    signal.throwIfAborted();
  }
  return predictions;
}

async function writeToStdout(predictions: Float64Array): Promise<void> {
  const write = async (text: string) => {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  };
  await write('row,prediction\n');
  for (let start = 0; start < predictions.length; start += BLOCK_ROWS) {
    const block = predictions.subarray(start, start + BLOCK_ROWS);
    await write(Array.from(block, (value, i) => `${start + i},${value}\n`).join(''));
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
      'Predicts every row of a file. The output has the columns row (from 0) and prediction: the probability of the positive class, or the value.',
    )
    .requiredOption('--model <file>', 'model file of run or train', path)
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
      const [{ Model }, { loadForPrediction }] = await Promise.all([
        import('../boosting/model.ts'),
        import('../data/load.ts'),
      ]);
      const model = await Model.load(options.model);
      const { rows, columns } = await loadForPrediction(
        options.data,
        { features: model.features, target: model.target },
        { query: options.query, signal },
      );
      const predictions = await predictRows(model, columns, rows, signal);
      if (options.out === '-') {
        await writeToStdout(predictions);
      } else {
        const { writePredictions } = await import('../data/write.ts');
        await writePredictions(options.out, [
          { name: 'row', values: Int32Array.from(predictions, (_, i) => i) },
          { name: 'prediction', values: predictions },
        ]);
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
