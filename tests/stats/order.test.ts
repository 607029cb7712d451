import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortPlaces } from '../../src/stats/order.ts';

const value = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(0, -0, 1, 1 + 2 ** -52, 2 ** -1074, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);

describe('sortPlaces', () => {
  it('is a stable sort by value, in which −0 is 0', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 60 }), fc.boolean(), (values, backwards) => {
        const places = values.map((_, i) => i);
        if (backwards) places.reverse();
        const expected = places.toSorted((a, b) =>
          values[a]! < values[b]! ? -1 : values[a]! > values[b]! ? 1 : 0,
        );
        expect(Array.from(sortPlaces(values, Uint32Array.from(places)))).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});
