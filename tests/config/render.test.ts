import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { METRICS_BY_KIND } from '../../src/config/metric-names.ts';
import { kindOf } from '../../src/config/objectives.ts';
import { type ConfigOutline, experimentName, renderConfig } from '../../src/config/render.ts';

const OUTLINE: ConfigOutline = {
  name: 'adult',
  trainPath: 'adult.parquet',
  target: 'income',
  kind: 'binary',
  columns: [
    { name: 'age', type: 'numeric', detail: '73 values' },
    { name: 'native country', type: 'categorical', detail: '41 categories, 2 % missing' },
  ],
  primary: 'auc_roc',
};

describe('a rendered config', () => {
  test('lists the detected columns as comments', () => {
    const text = renderConfig(OUTLINE);
    expect(text).toContain('\n  #   "age": numeric, 73 values\n');
    expect(text).toContain('\n  #   "native country": categorical, 41 categories, 2 % missing\n');
  });

  test('has a comment in or above every section with a choice to make', () => {
    const text = renderConfig(OUTLINE);
    for (const section of [
      'environment',
      'data',
      'model',
      'hyperparameters',
      'metrics',
      'training',
      'gates',
    ]) {
      expect(text, section).toMatch(
        new RegExp(`(#[^\\n]*\\n${section}:)|(\\n${section}:\\n(  [^\\n]*\\n)*?  #)`),
      );
    }
  });

  test.each([
    [{}, { train: 0.7, val: 0.15, test: 0.15, stratify: true }],
    [{ valPath: 'v.csv' }, { train: 0.85, val: 0, test: 0.15, stratify: true }],
    [{ testPath: 't.csv' }, { train: 0.8, val: 0.2, test: 0, stratify: true }],
  ])('with the files %j splits off the sets that have none', (files, split) => {
    const { config } = parseConfig(renderConfig({ ...OUTLINE, ...files }), 'e.yaml');
    expect(config.data.split).toEqual(split);
  });

  test('loads back with the same meaning, whatever the names and paths are', () => {
    const text = fc.oneof(fc.string({ minLength: 1 }), fc.string({ minLength: 1, unit: 'binary' }));
    const path = text.map((t) => `/data/${t.replace(/[/.]/g, '_')}`);
    const kinds = ['binary', 'multiclass', 'regression'] as const;
    const outline = fc.constantFrom(...kinds).chain((kind) =>
      fc.record(
        {
          name: text.map(experimentName),
          trainPath: path,
          valPath: path,
          testPath: path,
          target: text,
          kind: fc.constant(kind),
          columns: fc.array(
            fc.record({
              name: text,
              type: fc.constantFrom('numeric' as const, 'categorical' as const, 'ordinal' as const),
              detail: text,
            }),
            { maxLength: 4 },
          ),
          primary: fc.constantFrom(...METRICS_BY_KIND[kind]),
        },
        { requiredKeys: ['name', 'trainPath', 'target', 'kind', 'columns', 'primary'] },
      ),
    );
    fc.assert(
      fc.property(outline, (given) => {
        const { config } = parseConfig(renderConfig(given), 'e.yaml', { folder: '/' });
        expect(config.experiment.name).toBe(given.name);
        expect(config.data.train_path).toBe(given.trainPath);
        expect(config.data.val_path).toBe(given.valPath);
        expect(config.data.test_path).toBe(given.testPath);
        expect(config.data.target).toBe(given.target);
        expect(kindOf(config.model.objective!)).toBe(given.kind);
        expect(config.metrics.primary).toBe(given.primary);
        expect(config.metrics.secondary).toHaveLength(METRICS_BY_KIND[given.kind].length - 1);
      }),
      { numRuns: 300 },
    );
  });

  test('experimentName makes a usable name of any text and keeps usable ones', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const name = experimentName(text);
        const config = () => parseConfig(renderConfig({ ...OUTLINE, name }), 'e.yaml').config;
        expect(config().experiment.name).toBe(name);
        expect(experimentName(name)).toBe(name);
      }),
      { numRuns: 100 },
    );
    expect(experimentName('titanic v1.0')).toBe('titanic v1.0');
    expect(experimentName('a/b:c')).toBe('a_b_c');
    expect(experimentName(' .. ')).toBe('experiment');
  });
});
