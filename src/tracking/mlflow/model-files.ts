import type { TrackedModel } from '../tracked-run.ts';
import { toYaml } from './yaml.ts';

/** The release whose formats are written. */
const MLFLOW_VERSION = '3.17.2';
const XGBOOST_VERSION = '3.2.0';
/** Nothing in a model depends on it, but MLflow warns of models that name none. */
const PYTHON_VERSION = '3.11';

const REQUIREMENTS = `mlflow>=${MLFLOW_VERSION}\npandas\nxgboost>=${XGBOOST_VERSION}\n`;

/** Where a model is logged. */
export interface ModelPlace {
  readonly modelId: string;
  readonly runId: string;
  /** URI of the folder of the files. */
  readonly location: string;
  readonly created: Date;
}

/**
 * The signature of the model's rows: numbers may be missing, and MLflow puts columns in order by name. Undefined with
 * categories, for which pandas' category type is needed: a signature has no such type and would turn them into texts.
 */
function signatureOf({ features, outputs }: TrackedModel) {
  if (features.some(({ categorical }) => categorical)) return undefined;
  const inputs = features.map(({ name }) => ({ type: 'double', name, required: false }));
  const shape = outputs === 1 ? [-1] : [-1, outputs];
  const output = [{ type: 'tensor', 'tensor-spec': { dtype: 'float32', shape } }];
  return { inputs: JSON.stringify(inputs), outputs: JSON.stringify(output), params: null };
}

/** The wrapper in which Python loads the model; only this one of the two takes categories of data frames. */
const classOf = ({ features }: TrackedModel) =>
  features.some(({ categorical }) => categorical) ? 'xgboost.sklearn.XGBModel' : 'xgboost.core.Booster';

/**
 * The files of a model folder that `mlflow.pyfunc` and `mlflow.xgboost` load, by name. The format is that of MLflow's
 * xgboost flavor (mlflow/xgboost/__init__.py, mlflow/models/model.py).
 */
export function modelFiles(model: TrackedModel, place: ModelPlace): Record<string, string> {
  const data = 'model.json';
  const signature = signatureOf(model);
  const mlmodel = {
    artifact_path: place.location,
    flavors: {
      python_function: {
        data,
        env: { virtualenv: 'python_env.yaml' },
        loader_module: 'mlflow.xgboost',
        python_version: PYTHON_VERSION,
      },
      xgboost: {
        code: null,
        data,
        model_class: classOf(model),
        model_format: 'json',
        xgb_version: XGBOOST_VERSION,
      },
    },
    mlflow_version: MLFLOW_VERSION,
    model_id: place.modelId,
    model_size_bytes: Buffer.byteLength(model.xgboost),
    model_uuid: place.modelId,
    run_id: place.runId,
    ...(signature && { signature }),
    utc_time_created: place.created.toISOString().replace('T', ' ').replace('Z', '000'),
  };
  return {
    MLmodel: toYaml(mlmodel),
    [data]: model.xgboost,
    'python_env.yaml': toYaml({ python: PYTHON_VERSION, dependencies: ['-r requirements.txt'] }),
    'requirements.txt': REQUIREMENTS,
  };
}
