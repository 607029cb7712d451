import { decodeText } from '../boosting/json-reader.ts';
import { Model } from '../boosting/model.ts';
import { readFileBytes } from '../files.ts';
import { isEnsembleText, readEnsemble } from './ensemble-file.ts';
import { EnsembleModel } from './ensemble-model.ts';

/**
 * Reads the file of a model or of an ensemble, whichever it is.
 * @throws InputError as `Model.load` and `EnsembleModel.load` do.
 */
export async function loadModel(path: string): Promise<Model | EnsembleModel> {
  const text = decodeText(await readFileBytes(path, 'a model'), path, 'a model');
  if (isEnsembleText(text)) return EnsembleModel.fromFile(readEnsemble(text, path), path);
  return Model.parse(text, path);
}
