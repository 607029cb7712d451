import { existsSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import type { ColumnSummary } from '../data/inspect.ts';
import { ExitCode, InputError } from '../errors.ts';
import { type CommandContext, jsonOption, path } from './options.ts';
import { note, print, printJson } from './terminal.ts';

interface InitCommandOptions {
  readonly data: string;
  readonly target?: string;
  readonly out: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

function describeColumn({ sqlType, type, distinct, nulls, min, max, examples }: ColumnSummary): string {
  const missing = nulls === 0 ? [] : [`${nulls} missing`];
  if (type === 'numeric') {
    const range = min === undefined || max === undefined ? [] : [`${min} to ${max}`];
    return [sqlType, ...range, ...missing].join(', ');
  }
  return [`${distinct} distinct, such as ${examples.join(', ')}`, ...missing].join(', ');
}

/** A sentence about the columns that no model can use, if there are any. */
function unusable(columns: readonly ColumnSummary[], rows: number): string | undefined {
  const names = columns
    .filter(({ type, nulls }) => type === 'unsupported' || nulls === rows)
    .map(({ name }) => name);
  if (names.length === 0) return undefined;
  return `${names.join(', ')} cannot be a feature (all missing, or of a type without an order or categories): list the others in a JSON file and name it in data.features.`;
}

/** `lockstep init`: a commented config for a data file. */
export function addInitCommand(program: Command, { signal }: CommandContext): void {
  program
    .command('init')
    .summary('write a commented config for a data file')
    .description('Looks through a data file and writes a commented config that runs.')
    .requiredOption('--data <file>', 'Parquet or CSV file (or glob) to train on', path)
    .option('--target <name>', 'column to predict (default: target, label, y or class, else the last one)')
    .option('--out <file>', 'config to write; - for stdout', path, 'experiment.yaml')
    .option('--force', 'replace a file that exists')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep init --data train.parquet --target income')
    .action(async (options: InitCommandOptions) => {
      const { out, data } = options;
      const toStdout = out === '-';
      if (toStdout && options.json) {
        throw new InputError('--json and --out - both write to stdout; name a file in --out.');
      }
      if (!toStdout && !options.force && existsSync(out)) {
        throw new InputError(
          `${out} exists already; add --force to replace it, or name another file in --out.`,
        );
      }
      const { guessKind, guessTarget, inspectSource } = await import('../data/inspect.ts');
      const { DEFAULT_PRIMARY } = await import('../config/metric-names.ts');
      const { experimentName, renderConfig } = await import('../config/render.ts');
      const { didYouMean } = await import('../config/suggest.ts');

      const { rows, columns } = await inspectSource(data);
      signal.throwIfAborted();
      const { target: wanted } = options;
      const target =
        wanted === undefined ? guessTarget(columns) : columns.find(({ name }) => name === wanted);
      if (target === undefined) {
        const names = columns.map(({ name }) => name);
        throw new InputError(
          wanted === undefined
            ? `${data} has no column to predict.`
            : `${data} has no column ${wanted}${didYouMean(wanted, names) || `; it has ${names.join(', ')}.`}`,
        );
      }
      const features = columns.filter((column) => column !== target);
      const kind = guessKind(target);
      const taskType = kind === 'regression' ? 'regression' : 'classification';
      const folder = toStdout ? '.' : dirname(out);
      const text = renderConfig({
        name: experimentName(basename(data).replace(/(\.(csv|tsv|parquet|json|ndjson|gz|zst))+$/i, '')),
        trainPath: relative(resolve(folder), resolve(data)),
        target: target.name,
        kind,
        columns: features.flatMap((column) =>
          column.type === 'unsupported'
            ? []
            : [{ name: column.name, type: column.type, detail: describeColumn(column) }],
        ),
        primary: DEFAULT_PRIMARY[taskType],
      });
      const warning = unusable(features, rows);
      if (warning !== undefined) note(`warning: ${warning}`);
      if (toStdout) {
        process.stdout.write(text);
        return;
      }
      const { makeFolder, writeFileAtomically } = await import('../files.ts');
      await makeFolder(dirname(resolve(out)));
      await writeFileAtomically(out, text);
      const next = `lockstep run ${out}`;
      if (options.json) {
        printJson({
          out,
          target: target.name,
          task_type: taskType,
          rows,
          features: features.length,
          next,
          exit: ExitCode.done,
        });
        return;
      }
      print(
        `${out}: ${taskType} of ${target.name} from ${features.length} columns, ${rows} rows. Look it through, then run:\n\n  ${next}`,
      );
    });
}
