import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { JsonNode } from '../config/json.ts';
import { ExitCode, InputError } from '../errors.ts';
import { readFileBytes } from '../files.ts';
import { jsonOption, list, path } from './options.ts';
import { note, print, printJson } from './terminal.ts';

interface ImportCommandOptions {
  readonly out: string;
  readonly target?: string;
  readonly classes?: readonly (string | number | boolean)[];
  readonly categories?: string;
  readonly rounds?: number;
  readonly json?: boolean;
}

function rounds(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError('Give a whole number from 1.');
  return Number(value);
}

/** Class labels: numbers and truth values as such, all else as text. */
function classes(value: string): (string | number | boolean)[] {
  return list(value).map((item) => {
    if (item === 'true' || item === 'false') return item === 'true';
    return /^-?\d+(\.\d+)?$/.test(item) ? Number(item) : item;
  });
}

/** Category names by feature, from a JSON file: {"town": ["Bern", "Rome"]}. */
async function readCategories(file: string): Promise<Record<string, string[]>> {
  const [{ JsonSyntaxError, parseJson }, { decodeText }] = await Promise.all([
    import('../config/json.ts'),
    import('../boosting/json-reader.ts'),
  ]);
  const text = decodeText(await readFileBytes(file, 'a list of categories'), file, 'a list of categories');
  const fail = ({ line, column }: { line: number; column: number }, message: string) =>
    new InputError(`${file}:${line}:${column} ${message}.`);
  const namesOf = (node: JsonNode): string[] => {
    if (node.kind !== 'array') throw fail(node, 'must be a list of category names');
    return node.items.map((item) => {
      if (item.kind === 'scalar' && typeof item.value === 'string') return item.value;
      throw fail(item, 'is not a category name; write each name as a string');
    });
  };
  try {
    const root = parseJson(text);
    if (root.kind !== 'object') throw fail(root, 'must be an object of lists of category names by feature');
    return Object.fromEntries([...root.members].map(([name, node]) => [name, namesOf(node)]));
  } catch (error) {
    throw error instanceof JsonSyntaxError ? fail(error, error.message) : error;
  }
}

/** `lockstep import`: the model file for a model of another library. */
export function addImportCommand(program: Command): void {
  program
    .command('import')
    .summary('read a model that XGBoost saved')
    .description(
      'Reads a model that XGBoost saved as JSON and writes it as a model file, with the same predictions: docs/formats.md says what agrees.',
    )
    .argument('<file>', 'JSON file of save_model', path)
    .requiredOption('--out <file>', 'model file to write', path)
    .option('--target <name>', 'name of the target (default: target)')
    .option('--classes <labels>', 'class labels in the order of their numbers, such as no,yes', classes)
    .option('--categories <file>', 'JSON of category names by feature, in the order of their codes', path)
    .option('--rounds <n>', 'keep the first n rounds only', rounds)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  lockstep import xgboost.json --out model.json')
    .action(async (file: string, options: ImportCommandOptions) => {
      const { out, target, classes: labels, categories, rounds: kept, json } = options;
      for (const [name, input] of Object.entries({ 'the model': file, '--categories': categories })) {
        if (input !== undefined && resolve(input) === resolve(out)) {
          throw new InputError(`--out names the same file as ${name}, which would be lost; choose another.`);
        }
      }
      const { importXgboost } = await import('../boosting/formats/xgboost.ts');
      const model = importXgboost(await readFileBytes(file, 'an XGBoost model'), {
        name: file,
        ...(target !== undefined && { target }),
        ...(labels && { classes: labels }),
        ...(categories !== undefined && { categories: await readCategories(categories) }),
        ...(kept !== undefined && { rounds: kept }),
      });
      await model.save(out);
      const { objective, trees, fingerprint } = model;
      const { rounds, best_iteration } = model.training;
      if (best_iteration !== null && best_iteration < rounds - 1) {
        note(
          `The best of the ${rounds} rounds is round ${best_iteration}, counted from 0: XGBoost's scikit-learn classes predict with the rounds up to it, as --rounds ${best_iteration + 1} does.`,
        );
      }
      if (json) {
        const features = model.features.length;
        printJson({
          out,
          objective,
          rounds,
          trees,
          features,
          best_iteration,
          fingerprint,
          exit: ExitCode.done,
        });
      } else {
        print(`${objective}, ${trees} ${trees === 1 ? 'tree' : 'trees'}, written to ${out}.`);
        print(`fingerprint  ${fingerprint}`);
      }
    });
}
