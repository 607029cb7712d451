import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { ExitCode, InputError } from '../errors.ts';
import { writeFileAtomically } from '../files.ts';
import { jsonOption, path } from './options.ts';
import { print, printJson } from './terminal.ts';

interface ExportCommandOptions {
  readonly model: string;
  readonly format: 'xgboost';
  readonly out: string;
  readonly json?: boolean;
}

/** `lockstep export`: a model as a file of another library. */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .summary('write a model as a file that another library loads')
    .description(
      'Writes a model as a file that another library loads, with the same predictions: docs/formats.md says what agrees.',
    )
    .requiredOption('--model <file>', 'model file of run or train', path)
    .addOption(
      new Option('--format <name>', 'library that is to load it').choices(['xgboost']).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'file to write; XGBoost wants a name that ends in .json', path)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  lockstep export --model model.json --format xgboost --out model.xgboost.json',
    )
    .action(async ({ model: file, format, out, json }: ExportCommandOptions) => {
      if (resolve(file) === resolve(out)) {
        throw new InputError('--out names the same file as --model, which would be lost; choose another.');
      }
      const [{ Model }, { exportXgboost }] = await Promise.all([
        import('../boosting/model.ts'),
        import('../boosting/formats/xgboost.ts'),
      ]);
      const model = await Model.load(file);
      await writeFileAtomically(out, exportXgboost(model));
      const { trees, fingerprint } = model;
      if (json) printJson({ out, format, trees, fingerprint, exit: ExitCode.done });
      else print(`${trees} ${trees === 1 ? 'tree' : 'trees'} written to ${out} for ${format}.`);
    });
}
