import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, mlflowEntries, mlflowKey, mlflowKeys } from '../../src/tracking/mlflow/limits.ts';

describe('mlflowKey', () => {
  it.each([
    ['val/auc_roc', 'val/auc_roc'],
    ['two words', 'two words'],
    ['Grüße, 世界?', 'Grüße_ 世界_'],
    ['cafe\u0301', 'café'],
    ['a@b\n', 'a_b_'],
    ['', '_'],
    ['..', '_'],
    ['/a//b/', '_/a/_/b/_'],
    ['../../etc', '_/_/etc'],
    ['x'.repeat(300), 'x'.repeat(250)],
    [`${'x'.repeat(249)}/y`, 'x'.repeat(249)],
    ['世'.repeat(100), '世'.repeat(85)],
  ])('%j becomes %j', (name, key) => {
    expect(mlflowKey(name)).toBe(key);
  });
});

describe('mlflowKeys', () => {
  it('tells apart names that would become one, and never lets one be a folder of another', () => {
    expect(mlflowKeys(['a?', 'a!', 'a_', 'b/c', 'b', 'd', 'd/e', 'd/e'])).toEqual([
      'a_',
      'a__2',
      'a__3',
      'b/c',
      'b_2',
      'd',
      'd_e_2',
      'd_e_3',
    ]);
  });

  it('gives keys that MLflow accepts for any names', () => {
    const names = fc.array(fc.string({ unit: fc.constantFrom(...'ab/.?é世 \u0000'), maxLength: 8 }));
    fc.assert(
      fc.property(names, (given) => {
        const keys = mlflowKeys(given);
        expect(keys).toHaveLength(given.length);
        expect(new Set(keys).size).toBe(keys.length);
        for (const key of keys) {
          expect(key).toMatch(/^[/\p{L}\p{N}_.\-: ]+$/u);
          expect(key.split('/').every((part) => !['', '.', '..'].includes(part))).toBe(true);
          expect(keys.some((other) => other.startsWith(`${key}/`))).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('values', () => {
  it('are cut at the limit, counted in code points', () => {
    expect(cutText('ab', 2)).toBe('ab');
    expect(cutText('😀😀😀', 2)).toBe('😀😀');
    expect(cutText('😀😀', 3)).toBe('😀😀');
    expect(mlflowEntries({ a: 'x'.repeat(9), b: '' }, 4)).toEqual([
      ['a', 'xxxx'],
      ['b', ''],
    ]);
  });
});
