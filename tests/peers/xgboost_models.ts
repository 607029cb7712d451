/**
 * Our side of xgboost_format.py, which says what is checked.
 *
 * `export DIR`: trains a model on every public set and draws random ones, and writes them as XGBoost JSON with our margins.
 * `import DIR`: imports the models that Python trained there, and writes our margins.
 * `small FILE`: writes a few small models with rows, for the fixtures of `npm test`.
 *
 * A model is `name.json`, and its margins `name.ours.f64`, a row after the other, of several classes a margin each. Its rows are those of the public set
 * `name`, or lie in `name.columns.f32`, a column after the other, with codes for categories and NaN where missing.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { boost } from '../../src/boosting/boost.ts';
import { exportXgboost, importXgboost } from '../../src/boosting/formats/xgboost.ts';
import { Model } from '../../src/boosting/model.ts';
import { type BoosterParams, resolveParams } from '../../src/boosting/params.ts';
import { loadForPrediction } from '../../src/data/load.ts';
import type { Column } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { marginsOf, readColumns, valuesOf } from '../formats/margins.ts';
import { mildTrainingAndColumns } from '../model/generate.ts';
import { loadPublicSet, PUBLIC_SETS, type PublicSet } from '../public-sets.ts';

interface Made {
  readonly name: string;
  readonly model: Model;
  readonly columns: readonly Column[];
  readonly rows: number;
}

const pathOf = (name: PublicSet) => new URL(`../data/${name}.parquet`, import.meta.url).pathname;

async function trainOn(name: PublicSet, given: Partial<BoosterParams>): Promise<Made> {
  const objective = PUBLIC_SETS[name];
  const { schema, data, columns } = await loadPublicSet(name);
  const { rows, features } = data;
  const classes = schema.target.classes?.length ?? 0;
  const params = resolveParams({
    ...given,
    objective,
    ...(objective === 'multi:softprob' && { num_class: classes }),
  });
  const rounds = params.n_estimators;
  const resident = await createCpuEngine({ threads: 1 }).load(data);
  const { trees } = await boost(resident, { params, seed: 7, rows: { start: 0, end: rows } });
  resident.dispose();
  const training = { rows, rounds, best_iteration: rounds - 1, early_stopped: false };
  const model = Model.fromTraining({ trees, features, schema, objective, params, seed: 7, training });
  return { name, model, columns, rows };
}

function randomModels(count: number): Made[] {
  return fc
    .sample(mildTrainingAndColumns, { numRuns: count, seed: 1 })
    .map(({ training, columns, rows }, i) => {
      return { name: `random${i}`, model: Model.fromTraining(training), columns, rows };
    });
}

async function writeExports(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const write = ({ name, model, columns, rows }: Made) => {
    writeFileSync(join(folder, `${name}.json`), exportXgboost(model));
    writeFileSync(join(folder, `${name}.ours.f64`), marginsOf(model, columns, rows));
  };
  for (const name of Object.keys(PUBLIC_SETS) as PublicSet[]) {
    write(await trainOn(name, { n_estimators: 100, subsample: 0.8 }));
  }
  for (const made of randomModels(300)) {
    write(made);
    const values = made.columns.flatMap((column) => valuesOf(column, made.rows));
    writeFileSync(join(folder, `${made.name}.columns.f32`), Float32Array.from(values));
  }
}

async function importModels(folder: string): Promise<void> {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const name = file.slice(0, -'.json'.length);
    const model = importXgboost(readFileSync(join(folder, file)), { name: file });
    const columns = join(folder, `${name}.columns.f32`);
    if (existsSync(columns)) {
      const bytes = readFileSync(columns);
      const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
      const rows = values.length / model.features.length;
      const lists = model.features.map((_, f) => Array.from(values.subarray(f * rows, (f + 1) * rows)));
      writeFileSync(join(folder, `${name}.ours.f64`), marginsOf(model, readColumns(model, lists), rows));
    } else {
      const { features, target } = model;
      const data = await loadForPrediction(pathOf(name as PublicSet), { features, target });
      writeFileSync(join(folder, `${name}.ours.f64`), marginsOf(model, data.columns, data.rows));
    }
  }
}

async function writeSmall(file: string): Promise<void> {
  const params = { n_estimators: 3, max_depth: 3, max_cat_to_onehot: 3 };
  const made = [
    await trainOn('titanic', params),
    await trainOn('diabetes', params),
    await trainOn('digits', params),
  ];
  const cases = [...made, ...randomModels(18).filter(({ rows }) => rows > 5)].map((one) => {
    const rows = Math.min(one.rows, 20);
    return {
      name: one.name,
      model: one.model.toText(),
      xgboost: exportXgboost(one.model),
      columns: one.columns.map((column) => valuesOf(column, rows).map((v) => (Number.isNaN(v) ? null : v))),
    };
  });
  writeFileSync(file, JSON.stringify(cases));
}

const [mode, path] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: xgboost_models.ts export|import|small PATH');
if (mode === 'export') await writeExports(path);
else if (mode === 'import') await importModels(path);
else await writeSmall(path);
