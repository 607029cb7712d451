import { dirname, join } from 'node:path';
import { checkColumns, rowColumns } from '../boosting/encode.ts';
import { sha256Hex } from '../boosting/fingerprint.ts';
import { decodeText } from '../boosting/json-reader.ts';
import { Model, type ModelFeature, type Prediction, type RowValue } from '../boosting/model.ts';
import { linkOf, predictionsOf } from '../boosting/output.ts';
import type { AsyncOptions } from '../boosting/predict.ts';
import { kindOf } from '../config/objectives.ts';
import type { Column, TargetSpec } from '../data/types.ts';
import type { Objective } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import { readFileBytes, writeFileAtomically } from '../files.ts';
import { type Combiner, combine } from './combine.ts';
import {
  ENSEMBLE_FORMAT,
  type EnsembleFile,
  formatEnsemble,
  readEnsemble,
  versionOf,
} from './ensemble-file.ts';
import type { EnsembleMethod } from './methods.ts';
import { type MemberOutputs, outputsOfMargins } from './outputs.ts';
import { type PassedFeature, passedWidth } from './passthrough.ts';

/** A model by the name it has in its ensemble. */
export interface Member {
  readonly name: string;
  readonly model: Model;
}

/**
 * Several models that predict together. As a model it is immutable, has integer margins that predictions and metrics come from, and a
 * fingerprint; it predicts the same on every platform.
 */
export class EnsembleModel {
  readonly method: EnsembleMethod;
  readonly combiner: Combiner;
  readonly members: readonly Member[];
  readonly objective: Objective;
  /** Those of every member. */
  readonly features: readonly ModelFeature[];
  readonly target: TargetSpec;
  readonly marginBits: number;
  readonly baseValue: number;
  readonly baseMargins: readonly number[];
  /** SHA-256 over method, combiner and the fingerprints of the members: with equal ones, ensembles predict the same. */
  readonly fingerprint: string;
  /** A row by feature name as columns, for a combiner that takes features. */
  readonly #columnsOfRow: ((row: Readonly<Record<string, RowValue>>) => Column[]) | undefined;

  /** @throws InputError where members differ in objective, features or classes, or the combiner does not fit them. */
  constructor(method: EnsembleMethod, combiner: Combiner, members: readonly Member[]) {
    const first = members[0];
    if (first === undefined) throw new InputError('An ensemble needs a member.');
    checkAlike(members);
    checkCombiner(combiner, members);
    const { model } = first;
    this.method = method;
    this.combiner = combiner;
    this.members = Object.freeze([...members]);
    this.objective = model.objective;
    this.features = model.features;
    this.target = model.target;
    this.marginBits = model.marginBits;
    this.baseValue = model.baseValue;
    this.baseMargins = model.baseMargins;
    const identity = [
      ENSEMBLE_FORMAT,
      versionOf(combiner),
      method,
      numbersOf(combiner),
      members.map((member) => [member.name, member.model.fingerprint]),
    ];
    this.fingerprint = sha256Hex(new TextEncoder().encode(JSON.stringify(identity)));
    if (combiner.type === 'linear' && combiner.features !== undefined) {
      const known = combiner.features;
      this.#columnsOfRow = rowColumns(
        this.features.map((spec, f) => {
          const feature = known[f]!;
          return 'categories' in feature ? { ...spec, categories: feature.categories } : spec;
        }),
      );
    }
    Object.freeze(this);
  }

  /** Margins of a row, as a model has. */
  get outputs(): number {
    return this.members[0]!.model.outputs;
  }

  /** Margins of the first `rows` rows; (rows, outputs), row-major. Columns as `Model.predictMargins` takes them. */
  predictMargins(columns: readonly Column[], rows: number): Int32Array {
    return this.combineMargins(
      this.members.map(({ model }) => model.predictMargins(columns, rows)),
      rows,
      columns,
    );
  }

  /** Whether the combiner takes the features of the rows beside what the members say. */
  get takesFeatures(): boolean {
    return this.#columnsOfRow !== undefined;
  }

  /**
   * The ensemble's margins from those of its members, in their order.
   * @param columns of the same rows, as `predictMargins` takes them; not needed but where `takesFeatures`
   * @throws InputError where they are needed and are not those of the members.
   */
  combineMargins(margins: readonly Int32Array[], rows: number, columns?: readonly Column[]): Int32Array {
    const outputs = this.#memberOutputs(margins, rows);
    if (!this.takesFeatures) return combine(this.combiner, outputs, this);
    checkColumns(this.features, columns ?? [], rows);
    return combine(this.combiner, { ...outputs, columns }, this);
  }

  /** Predictions of the first `rows` rows, as `Model.predict` gives them. */
  predict(columns: readonly Column[], rows: number): Float64Array {
    return predictionsOf(this, this.predictMargins(columns, rows));
  }

  /** The same, the members' part off the event loop. The columns must stay as they are meanwhile. */
  async predictAsync(
    columns: readonly Column[],
    rows: number,
    options: AsyncOptions = {},
  ): Promise<Float64Array> {
    const margins: Int32Array[] = [];
    for (const { model } of this.members) {
      margins.push(await model.predictMarginsAsync(columns, rows, options));
    }
    return predictionsOf(this, this.combineMargins(margins, rows, columns));
  }

  /** The prediction for one row given by feature name, as `Model.predictRow` gives it. */
  predictRow(row: Readonly<Record<string, RowValue>>): Prediction {
    const margins = this.members.map(({ model }) => Int32Array.from(model.predictRowMargins(row)));
    return linkOf(this)(this.combineMargins(margins, 1, this.#columnsOfRow?.(row)));
  }

  /** The text of a file that holds the members too. */
  toText(): string {
    return formatEnsemble(this, (member) => ({ model: JSON.parse(member.model.toText()) }));
  }

  /** The text of a file that names the members' files, beside it. */
  toTextWithFiles(fileOf: (name: string) => string): string {
    return formatEnsemble(this, ({ name }) => ({ file: fileOf(name) }));
  }

  /** Writes a file that holds the members too, whole or not at all. */
  async save(path: string): Promise<void> {
    await writeFileAtomically(path, this.toText());
  }

  /**
   * Reads an ensemble's file, and the members' where it names them.
   * @throws InputError where a file cannot be read, is not an ensemble or a member, or is not what it was when the ensemble was saved.
   */
  static async load(path: string): Promise<EnsembleModel> {
    const text = decodeText(await readFileBytes(path, 'an ensemble'), path, 'an ensemble');
    return EnsembleModel.fromFile(readEnsemble(text, path), path);
  }

  /** @param path of the ensemble's file, which members are beside. */
  static async fromFile(file: EnsembleFile, path: string): Promise<EnsembleModel> {
    const members: Member[] = [];
    for (const { name, fingerprint, model: embedded, file: beside } of file.members) {
      const source = beside === undefined ? `${path}: the member ${name}` : join(dirname(path), beside);
      const model =
        beside === undefined ? Model.parse(JSON.stringify(embedded), source) : await Model.load(source);
      if (model.fingerprint !== fingerprint) {
        throw new InputError(
          `${source} is not the model that the ensemble ${path} was made of: its fingerprint differs; build the ensemble again.`,
        );
      }
      members.push({ name, model });
    }
    const ensemble = new EnsembleModel(file.method, file.combiner, members);
    if (ensemble.fingerprint !== file.fingerprint) {
      throw new InputError(`${path} was altered: its fingerprint is not that of its content; restore it.`);
    }
    return ensemble;
  }

  #memberOutputs(margins: readonly Int32Array[], rows: number): MemberOutputs {
    const kind = kindOf(this.objective);
    return {
      kind,
      rows,
      width: kind === 'multiclass' ? this.outputs : 1,
      members: margins.map((of, k) => outputsOfMargins(this.members[k]!.model, of)),
    };
  }
}

/** A combiner without names, in an order of its own. */
function numbersOf(combiner: Combiner): unknown[] {
  switch (combiner.type) {
    case 'average':
      return [combiner.type, combiner.weights];
    case 'vote':
      return [combiner.type];
    case 'linear':
      return [
        combiner.type,
        combiner.intercept,
        combiner.coefficients,
        ...(combiner.features ?? []).map((feature) =>
          'categories' in feature
            ? [feature.name, feature.categories]
            : [feature.name, feature.mean, feature.scale],
        ),
      ];
  }
}

/** What members must have in common, as text for a comparison. */
const COMMON = {
  objective: (model: Model) => model.objective,
  target: (model: Model) => model.target.name,
  classes: (model: Model) => JSON.stringify(model.target.classes ?? null),
  features: (model: Model) => JSON.stringify(model.features.map(({ name, type }) => [name, type])),
};

function checkAlike(members: readonly Member[]): void {
  const first = members[0]!;
  for (const { name, model } of members) {
    for (const [what, of] of Object.entries(COMMON)) {
      if (of(model) !== of(first.model)) {
        throw new InputError(
          `The members ${first.name} and ${name} have different ${what}; an ensemble needs models of the same data.`,
        );
      }
    }
  }
  const names = new Set(members.map(({ name }) => name));
  if (names.size < members.length) throw new InputError('Two members of an ensemble have the same name.');
}

function checkCombiner(combiner: Combiner, members: readonly Member[]): void {
  const { model } = members[0]!;
  const outputs = kindOf(model.objective) === 'multiclass' ? model.outputs : 1;
  const fits =
    combiner.type === 'vote'
      ? kindOf(model.objective) !== 'regression'
      : combiner.type === 'average'
        ? combiner.weights.length === members.length
        : combiner.intercept.length === outputs &&
          combiner.coefficients.length === outputs &&
          combiner.coefficients.every(
            (row) => row.length === members.length * outputs + passedWidth(combiner.features ?? []),
          );
  if (!fits) {
    throw new InputError(
      `The ensemble's ${combiner.type} does not fit its ${members.length} members of ${model.objective}.`,
    );
  }
  if (combiner.type === 'linear' && combiner.features !== undefined) {
    checkPassedFeatures(combiner.features, model.features);
  }
}

function checkPassedFeatures(passed: readonly PassedFeature[], features: readonly ModelFeature[]): void {
  const place = Array.from({ length: Math.max(passed.length, features.length) }, (_, f) => f).find((f) => {
    const feature = passed[f];
    const spec = features[f];
    return feature?.name !== spec?.name || 'categories' in feature! !== (spec!.type === 'categorical');
  });
  if (place === undefined) return;
  const name = (features[place] ?? passed[place])!.name;
  throw new InputError(
    `The ensemble takes other features of the rows than its members do, which differ at ${name}; fit it again with the members' columns.`,
  );
}
