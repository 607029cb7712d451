import * as z from 'zod';
import { METRIC_ALIASES } from './metric-names.ts';
import { configSchema, HYPERPARAMETER_ALIASES } from './schema.ts';

/** The parts of JSON Schema that the config uses. */
export interface JsonSchema {
  $schema?: string;
  $id?: string;
  title?: string;
  description?: string;
  default?: unknown;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  minimum?: number;
  maximum?: number;
  minItems?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/**
 * JSON Schema (draft 2020-12) of a config file as a person writes it, for completion and checks in editors.
 * Rules between keys, such as fractions summing to 1, are not part of it.
 */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...body } = z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema;
  const schema: JsonSchema = {
    ...($schema === undefined ? {} : { $schema }),
    $id: 'lockstep-config',
    title: 'Lockstep experiment',
    ...body,
  };
  const hyperparameters = schema.properties!.hyperparameters!.properties!;
  for (const [alias, name] of Object.entries(HYPERPARAMETER_ALIASES)) {
    const { default: _, ...range } = hyperparameters[name]!;
    hyperparameters[alias] = { ...range, description: `The same as ${name}.` };
  }
  schema.properties!.gates!.properties!.targets!.propertyNames!.enum!.push(...Object.keys(METRIC_ALIASES));
  const environment = schema.properties!.environment!.properties!;
  for (const key of ['python_version', 'cuda_version']) environment[key]!.type = ['string', 'number'];
  return schema;
}

/** The schemas that a value at `path` may follow: none for an unknown key, several where a choice is open. */
export function schemasAt(root: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  const alternatives = (schema: JsonSchema): JsonSchema[] => {
    const choices = schema.anyOf ?? schema.oneOf;
    return choices === undefined ? [schema] : choices.flatMap(alternatives);
  };
  let found = alternatives(root);
  for (const segment of path) {
    found = found.flatMap((schema) => {
      const properties = schema.properties ?? {};
      const inner =
        typeof segment === 'number'
          ? schema.items
          : Object.hasOwn(properties, segment)
            ? properties[String(segment)]
            : schema.additionalProperties;
      return typeof inner === 'object' ? alternatives(inner) : [];
    });
  }
  return found;
}
