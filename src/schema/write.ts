import { mkdirSync, writeFileSync } from 'node:fs';
import { modelJsonSchema } from '../boosting/model-schema.ts';
import { configJsonSchema } from '../config/json-schema.ts';

/** Writes the published JSON Schemas beside this module; a step of the build. */
export function writeSchemas(): void {
  const folder = new URL('.', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const schemas = { 'model.schema.json': modelJsonSchema(), 'config.schema.json': configJsonSchema() };
  for (const [name, schema] of Object.entries(schemas)) {
    writeFileSync(new URL(name, folder), `${JSON.stringify(schema, null, 2)}\n`);
  }
}
