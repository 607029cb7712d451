import { kindOf } from '../config/objectives.ts';
import type { BinnedFeature, Column, Schema, TargetSpec } from '../data/types.ts';
import type { Objective, TreeEnsemble, TreeParams } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import type { RowValue } from './encode.ts';
import { fingerprint } from './fingerprint.ts';
import { FLT_MAX, type Forest, type ModelFeature } from './forest.ts';
import { type FeatureImportance, featureImportances } from './importance.ts';
import { decodeText, type Scalar, type ScalarRecord } from './json-reader.ts';
import { checkModel, formatModel, type ModelParts, parseModel, type TrainingRecord } from './model-file.ts';
import { linkOf, type Prediction, predictionsOf } from './output.ts';
import type { BoosterParams } from './params.ts';
import { type AsyncOptions, type ForestPredictor, nextTurn, predictorOf } from './predict.ts';

export type { RowValue } from './encode.ts';
export type { Forest, ModelFeature } from './forest.ts';
export type { Scalar, ScalarRecord } from './json-reader.ts';
export type { ModelParts, TrainingRecord } from './model-file.ts';
export type { Prediction } from './output.ts';

/** Rows whose margins become predictions between two turns of the event loop. */
const ROWS_OF_TURN = 2 ** 17;

/** What a model is made of after training. */
export interface TrainingResult {
  readonly trees: TreeEnsemble;
  /** The binned features of the data set that the trees were trained on, in schema order. */
  readonly features: readonly BinnedFeature[];
  readonly schema: Schema;
  readonly objective: Objective;
  /**
   * Parameters under XGBoost's names; undefined ones are left out, numbers that are not finite become null, and lists
   * XGBoost's text, such as "(1,0,-1)".
   */
  readonly params: ScalarRecord | TreeParams | BoosterParams;
  readonly seed: number;
  readonly training: TrainingRecord;
}

/** A trained model: immutable, self-contained, the same on every platform. Only `save` and `load` need Node. */
export class Model {
  readonly objective: Objective;
  readonly features: readonly ModelFeature[];
  readonly target: TargetSpec;
  readonly params: ScalarRecord;
  readonly seed: number;
  readonly training: TrainingRecord;
  /** Margins are integers in units of 2^−marginBits. */
  readonly marginBits: number;
  /** Margins before the first tree: one for each class of the multi: objectives, else one. */
  readonly baseMargins: readonly number[];
  readonly baseValue: number;
  /** The prediction of a model without trees, as `predictRow` gives it. */
  readonly baseScore: Prediction;
  readonly forest: Forest;
  readonly #parts: ModelParts;
  readonly #link: (margins: ArrayLike<number>) => Prediction;
  #predictor: ForestPredictor | undefined;
  #fingerprint: string | undefined;

  private constructor(parts: ModelParts) {
    this.objective = parts.objective;
    this.features = parts.schema.features;
    this.target = parts.schema.target;
    this.params = parts.params;
    this.seed = parts.seed;
    this.training = parts.training;
    this.marginBits = parts.marginBits;
    this.baseMargins = parts.baseMargins;
    this.baseValue = parts.baseValue;
    this.forest = parts.forest;
    this.#parts = parts;
    this.#link = linkOf(parts);
    this.baseScore = this.#link(parts.baseMargins);
    Object.freeze(this);
  }

  /**
   * The model of an engine's trees; nothing of the arguments is kept.
   * @throws InputError where trees, features and schema do not fit together.
   */
  static fromTraining(result: TrainingResult): Model {
    const { trees, schema } = result;
    const { target } = schema;
    const error = (problem: string) =>
      new InputError(`The trained trees do not fit their features: ${problem}.`);
    if (kindOf(result.objective) !== 'regression' && trees.marginBits !== 20)
      throw error(`margin_bits is not 20 though the objective is ${result.objective}`);
    if (result.features.length !== schema.features.length) throw error('the numbers of features differ');
    const features = schema.features.map((spec, f): ModelFeature => {
      const pooled = spec.type === 'categorical' ? pooledCategories(result.features[f]!) : [];
      return freeze({
        name: spec.name,
        type: spec.type,
        ...(spec.categories && { categories: freeze([...spec.categories]) }),
        ...(spec.timestamp && { timestamp: true }),
        ...(pooled.length > 1 && { pooled: freeze(pooled) }),
      });
    });
    const parts: ModelParts = {
      objective: result.objective,
      schema: freeze({
        features: freeze(features),
        target: freeze({
          name: target.name,
          ...(target.classes && { classes: freeze([...target.classes]) }),
        }),
      }),
      marginBits: trees.marginBits,
      baseMargins: freeze(Array.from(trees.baseMargins)),
      baseValue: trees.baseValue + 0,
      params: scalars({ ...result.params }),
      seed: result.seed,
      training: scalars({ ...result.training }) as TrainingRecord,
      forest: forestOf(trees, result.features, features, error),
    };
    checkModel(parts, error);
    return new Model(parts);
  }

  /**
   * A model of parts that were made elsewhere, which it keeps.
   * @param error Makes the error for parts that do not fit together, from a clause such as "trees[3]: node 5 …".
   */
  static fromParts(parts: ModelParts, error: (problem: string) => Error): Model {
    checkModel(parts, error);
    return new Model(parts);
  }

  /**
   * A model from the text of its file.
   * @param name What to call the text in errors.
   * @throws InputError where the text is not a whole and unaltered model of a version that this program reads.
   */
  static parse(text: string, name = 'The text'): Model {
    return new Model(parseModel(text, name));
  }

  /**
   * Reads a model file.
   * @throws InputError where the file cannot be read or is not a model, as `parse` says.
   */
  static async load(path: string): Promise<Model> {
    const { readFileBytes } = await import('../files.ts');
    return Model.parse(decodeText(await readFileBytes(path, 'a model'), path, 'a model'), path);
  }

  /**
   * Writes the model file under a temporary name in the same folder and renames it, so that `path` never holds half a
   * model.
   * @throws InputError where the folder does not exist or may not be written to, EnvironmentError where writing fails.
   */
  async save(path: string): Promise<void> {
    const { writeFileAtomically } = await import('../files.ts');
    await writeFileAtomically(path, this.toText());
  }

  /** The text of the model's file (docs/model-format.md). Equal models give equal text. */
  toText(): string {
    return formatModel(this.#parts);
  }

  /** SHA-256 of the canonical bytes: models with equal fingerprints predict the same. */
  get fingerprint(): string {
    this.#fingerprint ??= fingerprint(this.#parts);
    return this.#fingerprint;
  }

  /** Number of trees: one a round for each output. */
  get trees(): number {
    return this.forest.treeStart.length - 1;
  }

  /** Margins of a row: one for each class of the multi: objectives, else one. */
  get outputs(): number {
    return this.baseMargins.length;
  }

  /** Features that some split uses, with XGBoost's five importances. */
  importances(): FeatureImportance[] {
    return featureImportances(this.forest, this.features);
  }

  /**
   * Margins of the first `rows` rows, in units of 2^−marginBits; (rows, outputs), row-major.
   * @param columns In the order of `features`: Float32Array values, or codes for a categorical feature. A column with
   *   other categories than the model's is matched by name; a category that the model does not know is missing.
   * @throws InputError where the columns are not those of the model.
   */
  predictMargins(columns: readonly Column[], rows: number): Int32Array {
    return this.#compiled().margins(columns, rows);
  }

  /**
   * Predictions of the first `rows` rows: the probability of the second class, or the value; with multi:softmax the index
   * of the class in `target.classes`, with multi:softprob the probability of every class, (rows, classes), row-major.
   * See `predictMargins`.
   */
  predict(columns: readonly Column[], rows: number): Float64Array {
    return predictionsOf(this.#parts, this.predictMargins(columns, rows));
  }

  /**
   * The same as `predict`, off the event loop and on several threads where the addon is built, else in turns with other
   * work. The columns must stay as they are meanwhile.
   * @throws The reason of `options.signal`, when that aborts.
   */
  async predictAsync(
    columns: readonly Column[],
    rows: number,
    options: AsyncOptions = {},
  ): Promise<Float64Array> {
    const margins = await this.predictMarginsAsync(columns, rows, options);
    const width = this.objective === 'multi:softprob' ? this.outputs : 1;
    const predictions = new Float64Array(rows * width);
    for (let start = 0; start < rows; start += ROWS_OF_TURN) {
      const end = Math.min(start + ROWS_OF_TURN, rows);
      const ofRows = margins.subarray(start * this.outputs, end * this.outputs);
      predictions.set(predictionsOf(this.#parts, ofRows), start * width);
      if (end < rows) await nextTurn();
      options.signal?.throwIfAborted();
    }
    return predictions;
  }

  /** The same as `predictMargins`, off the event loop as `predictAsync` is. */
  predictMarginsAsync(
    columns: readonly Column[],
    rows: number,
    options: AsyncOptions = {},
  ): Promise<Int32Array> {
    return this.#compiled().marginsAsync(columns, rows, options);
  }

  /** Margins of one row, in an array that the next call uses again; see `predictRow`. */
  predictRowMargins(row: Readonly<Record<string, RowValue>>): Int32Array {
    return this.#compiled().recordMargins(row);
  }

  /**
   * The prediction for one row given by feature name; other keys do not matter. A probability, a value or the index of a
   * class; an array of probabilities, one for each class, with multi:softprob.
   * @param row null, undefined and NaN are missing; numbers are rounded to float32, booleans are 0 and 1. A feature
   *   with categories takes a category's name, and an unknown one is missing.
   * @throws InputError where the key of a feature is missing, or a value is of a type that its feature cannot have.
   */
  predictRow(row: Readonly<Record<string, RowValue>>): Prediction {
    return this.#link(this.#compiled().recordMargins(row));
  }

  /** The fastest way to predict one row: its values in the order of `features`; see `predictRow`. */
  predictRowArray(values: ArrayLike<RowValue>): Prediction {
    return this.#link(this.#compiled().rowMargins(values));
  }

  #compiled(): ForestPredictor {
    this.#predictor ??= predictorOf(this.forest, this.features, this.baseMargins);
    return this.#predictor;
  }
}

function freeze<T extends object>(value: T): Readonly<T> {
  return Object.freeze(value);
}

/** The categories of the last code, where they are several: those that binning put together. */
function pooledCategories(feature: BinnedFeature): number[] {
  return Array.from(feature.binOfCategory.keys()).filter((c) => feature.binOfCategory[c] === feature.bins);
}

/** A copy in single values, without what JSON cannot state. */
function scalars(record: Readonly<Record<string, unknown>>): ScalarRecord {
  const entries = Object.entries(record).flatMap(([key, value]): [string, Scalar][] => {
    switch (typeof value) {
      case 'number':
        return [[key, Number.isFinite(value) ? value : null]];
      case 'string':
      case 'boolean':
        return [[key, value]];
      default:
        if (Array.isArray(value)) return [[key, `(${value.join(',')})`]];
        return value === null ? [[key, null]] : [];
    }
  });
  return Object.freeze(Object.fromEntries(entries));
}

/** The engine's trees over bins as trees over raw values (docs/numerics.md, section 1.5). */
function forestOf(
  trees: TreeEnsemble,
  binned: readonly BinnedFeature[],
  features: readonly ModelFeature[],
  error: (problem: string) => Error,
): Forest {
  const nodes = trees.feature.length;
  const threshold = new Float32Array(nodes);
  const catIndex = new Int32Array(nodes).fill(-1);
  const pooledRest = features.map((feature) => new Set(feature.pooled?.slice(1)));
  const catStart = [0];
  const catList: number[] = [];
  for (let n = 0; n < nodes; n++) {
    const f = trees.feature[n]!;
    if (f < 0) continue;
    const feature = features[f];
    if (!feature) throw error(`a node splits on feature ${f}`);
    const { cuts, binOfCategory } = binned[f]!;
    if (feature.type === 'categorical') {
      const word = 8 * trees.catIndex[n]!;
      if (word < 0) throw error(`a split on ${feature.name} has no set of categories`);
      feature.categories!.forEach((_, c) => {
        const code = binOfCategory[c]!;
        const bit = (trees.catSets[word + (code >> 5)]! >>> (code & 31)) & 1;
        const goesLeft = code === 0 ? trees.missingLeft[n]! : bit;
        if (goesLeft === 1 && !pooledRest[f]!.has(c)) catList.push(c);
      });
      catIndex[n] = catStart.length - 1;
      catStart.push(catList.length);
    } else {
      const bin = trees.splitBin[n]!;
      if (bin > cuts.length) throw error(`a split on ${feature.name} is at bin ${bin} of ${cuts.length + 1}`);
      threshold[n] = bin === 0 ? -FLT_MAX : cuts[bin - 1]! + 0;
    }
  }
  return {
    treeStart: trees.treeStart.slice(),
    feature: trees.feature.slice(),
    threshold,
    missingLeft: trees.missingLeft.slice(),
    left: trees.left.slice(),
    leaf: trees.leaf.slice(),
    gain: trees.gain.slice(),
    cover: trees.cover.slice(),
    catIndex,
    catStart: Int32Array.from(catStart),
    catList: Int32Array.from(catList),
  };
}
