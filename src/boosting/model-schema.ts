import { MAX_CLASSES, OBJECTIVES } from '../config/objectives.ts';
import { FLT_MAX, MARGIN_LIMIT } from './forest.ts';
import { FEATURE_TYPES, LEAF_LIMIT, MODEL_FORMAT, MODEL_VERSION } from './model-file.ts';

/**
 * JSON Schema (draft 2020-12) of a saved model. What relates fields to each other (equal lengths, children after their
 * parent, the fingerprint) is checked by `Model.parse` and described in docs/model-format.md.
 */
export function modelJsonSchema(): Readonly<Record<string, unknown>> {
  const int = (minimum: number, maximum: number) => ({ type: 'integer', minimum, maximum });
  const list = (items: object, more: object = {}) => ({ type: 'array', items, ...more });
  const index = int(0, 2 ** 31 - 1);
  const object = (properties: Readonly<Record<string, object>>, optional: readonly string[] = []) => ({
    type: 'object',
    properties,
    required: Object.keys(properties).filter((key) => !optional.includes(key)),
    additionalProperties: false,
  });
  const scalar = { type: ['string', 'number', 'boolean', 'null'] };
  const described = (description: string, schema: object) => ({ description, ...schema });
  const flag = int(0, 1);
  const ofClasses = { minItems: 2, maxItems: MAX_CLASSES };
  const oneOrEach = (schema: object) => ({ anyOf: [schema, list(schema, ofClasses)] });

  const target = object(
    {
      name: { type: 'string' },
      classes: described(
        'Classification: the classes in order; of two, the second is the positive one.',
        list({ type: ['string', 'number', 'boolean'] }, ofClasses),
      ),
    },
    ['classes'],
  );
  const feature = object(
    {
      name: { type: 'string' },
      type: { enum: FEATURE_TYPES },
      timestamp: described('The source held timestamps, read as seconds since 1970-01-01 UTC.', {
        const: true,
      }),
      categories: described(
        'Categorical: the known categories. Ordinal over texts: the levels, lowest first.',
        list({ type: 'string' }, { uniqueItems: true }),
      ),
      pooled: described(
        'Indices of rare categories that all go where the first of them goes; sets name the first only.',
        list(index, { minItems: 2, uniqueItems: true }),
      ),
      unlisted_right: described(
        'A category that is not listed goes right at every split, instead of being missing.',
        { const: true },
      ),
    },
    ['timestamp', 'categories', 'pooled', 'unlisted_right'],
  );
  const tree = object(
    {
      feature: described('Feature of the split, -1 for a leaf.', list(int(-1, 2 ** 31 - 1), { minItems: 1 })),
      threshold: described(
        'Float32: lower values go left. The lowest float32 where only missing values do; 0 for other nodes.',
        list({ type: 'number', minimum: -FLT_MAX, maximum: FLT_MAX }),
      ),
      missing_left: described('1 where missing values go left.', list(flag)),
      left: described('Left child, the right one following it; 0 for a leaf.', list(index)),
      leaf: described('Leaf value in margin units; 0 for a split.', list(int(-LEAF_LIMIT, LEAF_LIMIT))),
      gain: described('Loss reduction of the split; 0 for a leaf.', list({ type: 'number', minimum: 0 })),
      cover: described('Sum of Hessians of the training rows.', list({ type: 'number', minimum: 0 })),
      categories: described('For each categorical split, by node: the categories that go left.', {
        type: 'object',
        propertyNames: { pattern: '^(0|[1-9][0-9]*)$' },
        additionalProperties: list(index, { uniqueItems: true }),
      }),
    },
    ['categories'],
  );
  const { required, properties, ...rest } = object({
    format: { const: MODEL_FORMAT },
    version: { const: MODEL_VERSION },
    numerics_version: described('Version of docs/numerics.md that the model follows.', { const: 1 }),
    objective: { enum: OBJECTIVES },
    fingerprint: described('SHA-256 of the canonical bytes.', { type: 'string', pattern: '^[0-9a-f]{64}$' }),
    target,
    features: list(feature, { minItems: 1 }),
    margin_bits: described('Margins are integers in units of 2^-margin_bits.', int(-104, 100)),
    base_margin: described(
      'Margin before the first tree; with the multi: objectives one for each class.',
      oneOrEach(int(-MARGIN_LIMIT, MARGIN_LIMIT)),
    ),
    base_value: described('Added to the scaled margin; a float32, 0 for classification.', { type: 'number' }),
    base_score: described(
      'The prediction before the first tree; with multi:softprob the probability of each class.',
      oneOrEach({ type: 'number' }),
    ),
    best_iteration: described('Round of the best validation score, from 0.', {
      anyOf: [index, { type: 'null' }],
    }),
    params: { type: 'object', additionalProperties: scalar },
    seed: int(0, Number.MAX_SAFE_INTEGER),
    training: {
      type: 'object',
      properties: {
        rows: int(0, Number.MAX_SAFE_INTEGER),
        rounds: index,
        early_stopped: { type: 'boolean' },
      },
      required: ['rows', 'rounds', 'early_stopped'],
      additionalProperties: scalar,
    },
    trees: list(tree),
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'lockstep-model',
    title: 'Lockstep model',
    ...rest,
    properties,
    required,
  };
}
