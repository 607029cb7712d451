import { fingerprint } from '../../src/boosting/fingerprint.ts';
import { parseModel } from '../../src/boosting/model-file.ts';
import { canonicalBytes, exportXgboost, importXgboost, Model } from '../../src/index.ts';
import { trainedModel } from './support/data.ts';
import { measure } from './support/measure.ts';

const model = await trainedModel();
const text = model.toText();
const parts = parseModel(text, 'The text');
const xgboost = exportXgboost(model);

await measure({
  [`Model.parse, ${(text.length / 1e6).toFixed(1)} MB, 100 trees`]: () => Model.parse(text),
  'Model.toText': () => model.toText(),
  canonicalBytes: () => canonicalBytes(parts),
  fingerprint: () => fingerprint(parts),
  exportXgboost: () => exportXgboost(model),
  [`importXgboost, ${(xgboost.length / 1e6).toFixed(1)} MB`]: () => importXgboost(xgboost),
});
