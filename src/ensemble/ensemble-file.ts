import { JsonReader, parseJson } from '../boosting/json-reader.ts';
import { InputError } from '../errors.ts';
import type { Combiner } from './combine.ts';
import type { EnsembleModel, Member } from './ensemble-model.ts';
import { ENSEMBLE_METHODS, type EnsembleMethod } from './methods.ts';
import type { PassedFeature } from './passthrough.ts';

export const ENSEMBLE_FORMAT = 'lockstep-ensemble';
const NEWEST_VERSION = 2;

/** The version of an ensemble's file: 2 where it takes features of the rows, which readers of version 1 do not know. */
export const versionOf = (combiner: Combiner): number =>
  combiner.type === 'linear' && combiner.features !== undefined ? 2 : 1;

/** A member in an ensemble's file: the model itself, or the name of its file. */
interface MemberEntry {
  readonly name: string;
  readonly fingerprint: string;
  readonly model?: unknown;
  readonly file?: string | undefined;
}

/** An ensemble's file, its fields checked; the members are not. */
export interface EnsembleFile {
  readonly method: EnsembleMethod;
  readonly fingerprint: string;
  readonly combiner: Combiner;
  readonly members: readonly MemberEntry[];
}

/** The text of an ensemble's file. */
export function formatEnsemble(ensemble: EnsembleModel, source: (member: Member) => object): string {
  const { method, objective, fingerprint, target, combiner } = ensemble;
  const head = {
    format: ENSEMBLE_FORMAT,
    version: versionOf(combiner),
    method,
    objective,
    fingerprint,
    target,
    combiner,
  };
  const lines = Object.entries(head).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  const members = ensemble.members.map((member) =>
    JSON.stringify({ name: member.name, fingerprint: member.model.fingerprint, ...source(member) }),
  );
  return `{\n${lines.join(',\n')},\n  "members": [\n    ${members.join(',\n    ')}\n  ]\n}\n`;
}

/** Whether a text is an ensemble's file rather than a model's, whatever else may be wrong with it. */
export function isEnsembleText(text: string): boolean {
  return new RegExp(`^\\s*\\{\\s*"format"\\s*:\\s*"${ENSEMBLE_FORMAT}"`).test(text);
}

/**
 * @param name What to call the text in errors, as a rule its path.
 * @throws InputError where the text is not an ensemble of a version that this program reads.
 */
export function readEnsemble(text: string, name: string): EnsembleFile {
  const reader = new JsonReader(name, 'ensemble');
  const file = reader.object(parseJson(text, name), 'the file');
  if (file.format !== ENSEMBLE_FORMAT) {
    throw new InputError(`${name} is not a Lockstep ensemble: its "format" is not "${ENSEMBLE_FORMAT}".`);
  }
  reader.version(file, 'version', NEWEST_VERSION);
  return {
    method: reader.oneOf(file.method, 'method', ENSEMBLE_METHODS),
    fingerprint: reader.string(file.fingerprint, 'fingerprint'),
    combiner: readCombiner(reader, file.combiner),
    members: reader.array(file.members, 'members').map((item, k) => {
      const member = reader.object(item, `members[${k}]`);
      return {
        name: reader.string(member.name, `members[${k}].name`),
        fingerprint: reader.string(member.fingerprint, `members[${k}].fingerprint`),
        ...(member.file === undefined
          ? { model: reader.object(member.model, `members[${k}].model`) }
          : { file: readFileName(reader, member.file, `members[${k}].file`) }),
      };
    }),
  };
}

/** Members lie beside the ensemble: a path could lead anywhere. */
function readFileName(reader: JsonReader, value: unknown, place: string): string {
  const file = reader.string(value, place);
  if (/[/\\]/.test(file)) throw reader.error(`${place} is ${JSON.stringify(file)}, not the name of a file`);
  return file;
}

function readCombiner(reader: JsonReader, value: unknown): Combiner {
  const combiner = reader.object(value, 'combiner');
  const type = reader.oneOf(combiner.type, 'combiner.type', ['average', 'vote', 'linear'] as const);
  const numbers = (list: unknown, place: string) =>
    reader.array(list, place).map((item, i) => reader.number(item, `${place}[${i}]`));
  switch (type) {
    case 'vote':
      return { type };
    case 'average':
      return { type, weights: numbers(combiner.weights, 'combiner.weights') };
    case 'linear':
      return {
        type,
        intercept: numbers(combiner.intercept, 'combiner.intercept'),
        coefficients: reader
          .array(combiner.coefficients, 'combiner.coefficients')
          .map((row, k) => numbers(row, `combiner.coefficients[${k}]`)),
        ...(combiner.features !== undefined && {
          features: reader
            .array(combiner.features, 'combiner.features')
            .map((item, f) => readPassed(reader, item, `combiner.features[${f}]`)),
        }),
      };
  }
}

function readPassed(reader: JsonReader, value: unknown, place: string): PassedFeature {
  const feature = reader.object(value, place);
  const name = reader.string(feature.name, `${place}.name`);
  if (feature.categories !== undefined) {
    const categories = reader
      .array(feature.categories, `${place}.categories`)
      .map((category, c) => reader.string(category, `${place}.categories[${c}]`));
    return { name, categories };
  }
  const mean = reader.number(feature.mean, `${place}.mean`);
  const scale = reader.number(feature.scale, `${place}.scale`);
  if (scale < 1) throw reader.error(`${place}.scale is ${scale}, below 1`);
  return { name, mean, scale };
}
