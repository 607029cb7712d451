import { describe, expect, it } from 'vitest';
import { boost } from '../../src/boosting/boost.ts';
import { Model } from '../../src/boosting/model.ts';
import { fitParams, resolveParams } from '../../src/boosting/params.ts';
import { taskOf } from '../../src/config/objectives.ts';
import { binDataset } from '../../src/data/binning.ts';
import { loadExperimentData } from '../../src/data/load.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { PUBLIC_SETS, type PublicSet } from '../public-sets.ts';
import { agreedMargins } from './predictors.ts';

describe('a model on raw values', () => {
  it.each(['adult', 'titanic', 'nycflights', 'diamonds', 'digits', 'madelon'] as const)(
    'gives every row of %s the margin that the engine gave it on bins, also after saving and loading',
    async (name: PublicSet) => {
      const objective = PUBLIC_SETS[name];
      const { schema, train } = await loadExperimentData({
        trainPath: new URL(`../data/${name}.parquet`, import.meta.url).pathname,
        target: 'target',
        taskType: taskOf(objective),
        split: 'none',
        seed: 0,
      });
      const data = await binDataset(train, schema.features, { threads: 2 });
      const params = fitParams(resolveParams({ objective, n_estimators: 20, colsample_bytree: 0.7 }), schema);
      const resident = await createCpuEngine().load(data);
      const rows = { start: 0, end: data.rows };
      const { trees } = await boost(resident, { params, seed: 3, rows });
      const expected = await resident.predictMargins(trees, rows);
      resident.dispose();
      const training = { rows: data.rows, rounds: 20, best_iteration: 19, early_stopped: false };
      const model = Model.fromTraining({
        trees,
        features: data.features,
        schema,
        objective,
        params,
        seed: 3,
        training,
      });
      const loaded = Model.parse(model.toText());
      expect(loaded.fingerprint).toBe(model.fingerprint);
      const differs = (margins: Int32Array) => margins.findIndex((margin, row) => margin !== expected[row]);
      expect(differs(agreedMargins(model, train.columns, train.rows))).toBe(-1);
      expect(differs(loaded.predictMargins(train.columns, train.rows))).toBe(-1);
    },
  );
});
