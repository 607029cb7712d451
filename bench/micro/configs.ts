import { parseJson } from '../../src/config/json.ts';
import { parseConfig } from '../../src/config/load.ts';
import { exampleConfig } from './support/data.ts';
import { measure } from './support/measure.ts';

const yaml = exampleConfig();
const list = JSON.stringify(
  Array.from({ length: 1000 }, (_, i) => ({ name: `feature ${i}`, type: 'numeric' })),
);

await measure({
  'parseConfig, the example': () => parseConfig(yaml, 'experiment.yaml'),
  'parseJson with positions, 1000 features': () => parseJson(list),
});
