import { kindOf, taskOf } from '../config/objectives.ts';
import { type ArrayOptions, datasetFromArrays } from '../data/arrays.ts';
import { binTables } from '../data/binning.ts';
import { chooseEngine, type EngineChoice } from '../engine/choose.ts';
import { resolveThreads } from '../engine/cpu.ts';
import type { MetricName, Objective } from '../engine/engine.ts';
import { InputError } from '../errors.ts';
import { metricDirection, metricsFor } from '../metrics/metrics.ts';
import { type BoostResult, boost, type RoundEvent } from './boost.ts';
import { Model } from './model.ts';
import { fitParams, type GivenParams, resolveParams } from './params.ts';

/**
 * Arrays to train on: columns by feature name, one label a row, optionally one weight a row. They are not copied, and must
 * be neither changed nor transferred before training is over.
 */
export type TrainingArrays = Pick<ArrayOptions, 'features' | 'label' | 'weight' | 'types'>;

export interface TrainOptions extends TrainingArrays {
  /** XGBoost's names and defaults. */
  readonly params?: GivenParams;
  /** Scored after each round, and watched by early stopping; read by the schema of the training arrays. */
  readonly validation?: TrainingArrays;
  /** Rounds without improvement on `validation` after which to stop; 0, the default, is off. */
  readonly early_stopping_rounds?: number;
  /** Metrics computed after each round, the first deciding early stopping; by default the loss. */
  readonly metrics?: readonly MetricName[];
  /** 0 … 2^53 − 1; 42 by default. */
  readonly seed?: number;
  /** −1, the default, is all cores. */
  readonly threads?: number;
  readonly engine?: EngineChoice;
  /** Called once a round, in order. */
  readonly onRound?: (event: RoundEvent) => void;
  readonly signal?: AbortSignal;
}

/** A model with the record of its training. */
export interface TrainOutcome extends Omit<BoostResult, 'trees'> {
  readonly model: Model;
}

/** @throws InputError where a seed is no whole number from 0 to 2^53 − 1. */
export function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new InputError(`seed is ${seed}: it must be a whole number from 0 to 2^53 - 1.`);
}

/** @throws InputError for a metric that does not measure models of an objective. */
export function checkMetrics(metrics: readonly MetricName[], objective: Objective): void {
  const known = metricsFor(kindOf(objective));
  const foreign = metrics.find((name) => !known.includes(name));
  if (foreign !== undefined) {
    throw new InputError(`${foreign} is not a metric of ${objective}; take one of ${known.join(', ')}.`);
  }
}

/**
 * Trains one model on arrays in memory, off the event loop. The model depends on the arrays, the parameters and the seed
 * alone: not on threads, engine or machine.
 *
 * @throws InputError for parameters or arrays that cannot be used, InterruptedError when `signal` aborts.
 */
export async function train(options: TrainOptions): Promise<TrainOutcome> {
  const given = resolveParams(options.params ?? {});
  const seed = checkSeed(options.seed ?? 42);
  const kind = kindOf(given.objective);
  const taskType = taskOf(given.objective);
  const metrics = options.metrics ?? (kind === 'regression' ? ['rmse'] : ['logloss']);
  checkMetrics(metrics, given.objective);
  const threads = resolveThreads(options.threads ?? -1);
  const { features, label, weight, types } = options;
  const training = datasetFromArrays({ features, label, weight, types, taskType });
  const params = fitParams(given, training.schema);
  const validation =
    options.validation && datasetFromArrays({ ...options.validation, taskType, schema: training.schema });
  const tables = [training.dataset, ...(validation ? [validation.dataset] : [])] as const;
  const { binned, ranges } = await binTables(tables, training.schema.features, {
    maxBin: params.max_bin,
    threads,
    signal: options.signal,
  });
  const engine = await chooseEngine(options.engine ?? 'auto', { threads });
  const resident = await engine.load(binned);
  try {
    const { trees, ...record } = await boost(resident, {
      params,
      seed,
      rows: ranges[0]!,
      evals: ranges.map((rows, i) => ({ name: i === 0 ? 'train' : 'validation', rows })),
      metrics,
      ...(options.validation && {
        earlyStopping: {
          rounds: options.early_stopping_rounds ?? 0,
          metric: metrics[0]!,
          direction: metricDirection(metrics[0]!),
          on: 'validation',
        },
      }),
      ...(options.onRound && { onRound: options.onRound }),
      ...(options.signal && { signal: options.signal }),
    });
    const model = Model.fromTraining({
      trees,
      features: binned.features,
      schema: training.schema,
      objective: params.objective,
      params,
      seed,
      training: {
        rows: training.dataset.rows,
        rounds: record.rounds,
        best_iteration: record.bestRound - 1,
        early_stopped: record.stoppedEarly,
      },
    });
    return { ...record, model };
  } finally {
    resident.dispose();
  }
}
