import { arrays, trainedModel } from './support/data.ts';
import { measure } from './support/measure.ts';

const ROWS = 100_000;
const model = await trainedModel();
const { features } = await arrays(ROWS, 28);
const columns = Object.entries(features).map(([name, values]) => ({
  kind: 'numeric' as const,
  name,
  values,
}));
const record = Object.fromEntries(columns.map(({ name, values }) => [name, values[0]!]));
const list = columns.map(({ values }) => values[0]!);

await measure({
  'predict, 100k × 28, 100 trees': () => model.predict(columns, ROWS),
  'predictRow, an object': () => model.predictRow(record),
  predictRowArray: () => model.predictRowArray(list),
});
