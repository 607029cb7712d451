import {
  type AddonPredictColumn,
  type AddonPredictor,
  fromAddonError,
  isAddonBuilt,
  loadAddon,
  type SimdLevel,
  withCancelFlag,
} from '../addon.ts';
import type { Column } from '../data/types.ts';
import { resolveThreads } from '../engine/cpu.ts';
import { EnvironmentError } from '../errors.ts';
import {
  checkColumns,
  encodersOf,
  type FeatureEncoder,
  RowReader,
  type RowValue,
  rankSetsOf,
  ranksOfColumn,
} from './encode.ts';
import type { Forest, ModelFeature } from './forest.ts';
import { type AsyncOptions, type ForestPredictor, Predictor, usePredictors } from './predict.ts';

/** Fewer rows than these are predicted one by one: the addon works on blocks of 256. */
const LEAST_ROWS = 16;

/** Prediction by the addon (native/cpu/predict.h). Its native memory is freed with the object. */
export class NativePredictor implements ForestPredictor {
  readonly #native: AddonPredictor;
  readonly #features: readonly ModelFeature[];
  readonly #encoders: readonly FeatureEncoder[];
  readonly #reader: RowReader;
  readonly #rowMargins: Int32Array;
  readonly #inJavaScript: () => Predictor;

  /** @throws EnvironmentError where the addon cannot be used, InputError for an instruction set that cannot run here. */
  constructor(
    forest: Forest,
    features: readonly ModelFeature[],
    baseMargins: readonly number[],
    simd?: SimdLevel,
  ) {
    const { encoders } = encodersOf(forest, features);
    const sets = rankSetsOf(forest, encoders);
    this.#features = features;
    this.#encoders = encoders;
    this.#reader = new RowReader(encoders);
    this.#rowMargins = new Int32Array(baseMargins.length);
    const { treeStart, feature, threshold, missingLeft, left, leaf } = forest;
    const ranks = encoders.map(({ spec, unlistedRank }) =>
      spec.type === 'categorical' ? unlistedRank + 1 : 0,
    );
    const { Predictor: AddonClass } = loadAddon();
    try {
      this.#native = new AddonClass(
        {
          ...{ treeStart, feature, threshold, missingLeft, left, leaf },
          set: sets.ofNode,
          setStart: sets.start,
          setWords: sets.words,
          ranks: Int32Array.from(ranks),
          baseMargins: Int32Array.from(baseMargins),
          ...(simd && { simd }),
        },
        this.#reader.words,
        this.#rowMargins,
      );
    } catch (error) {
      throw fromAddonError(error);
    }
    let predictor: Predictor | undefined;
    this.#inJavaScript = () => {
      predictor ??= new Predictor(forest, features, baseMargins);
      return predictor;
    };
  }

  margins(columns: readonly Column[], rows: number): Int32Array {
    checkColumns(this.#features, columns, rows);
    if (rows < LEAST_ROWS) return this.#inJavaScript().margins(columns, rows);
    const margins = new Int32Array(rows * this.#rowMargins.length);
    try {
      if (this.#native.predict(this.#columns(columns), rows, margins)) return margins;
    } catch (error) {
      throw fromAddonError(error);
    }
    // There is a code without a category: this says where.
    return this.#inJavaScript().margins(columns, rows);
  }

  async marginsAsync(
    columns: readonly Column[],
    rows: number,
    { threads = -1, signal }: AsyncOptions,
  ): Promise<Int32Array> {
    checkColumns(this.#features, columns, rows);
    const margins = new Int32Array(rows * this.#rowMargins.length);
    const count = resolveThreads(threads);
    try {
      const inputs = this.#columns(columns);
      const known = await withCancelFlag(signal, (flag) =>
        this.#native.predictAsync(inputs, rows, margins, count, flag),
      );
      if (known) return margins;
    } catch (error) {
      signal?.throwIfAborted();
      throw fromAddonError(error);
    }
    return this.#inJavaScript().marginsAsync(columns, rows, signal ? { signal } : {});
  }

  rowMargins(values: ArrayLike<RowValue>): Int32Array {
    this.#reader.readArray(values);
    this.#native.predictRow();
    return this.#rowMargins;
  }

  recordMargins(record: Readonly<Record<string, RowValue>>): Int32Array {
    this.#reader.readRecord(record);
    this.#native.predictRow();
    return this.#rowMargins;
  }

  #columns(columns: readonly Column[]): AddonPredictColumn[] {
    return columns.map((column, f): AddonPredictColumn => {
      if (column.kind === 'numeric') return { values: column.values };
      return { codes: column.codes, ranks: ranksOfColumn(this.#encoders[f]!, column) };
    });
  }
}

usePredictors((forest, features, baseMargins) => {
  if (isAddonBuilt()) {
    try {
      return new NativePredictor(forest, features, baseMargins);
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
    }
  }
  return new Predictor(forest, features, baseMargins);
});
