import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadAddon } from '../../src/addon.ts';

const shape = fc.record({
  rows: fc.integer({ min: 1, max: 700 }),
  featureBins: fc.array(fc.integer({ min: 1, max: 254 }), { minLength: 1, maxLength: 90 }),
  padding: fc.nat({ max: 20 }),
  bad: fc.tuple(fc.nat(), fc.nat()),
});

it('a table with a code above the bins of its feature is refused, in whatever row and feature it lies', () => {
  const { Dataset } = loadAddon();
  fc.assert(
    fc.property(shape, ({ rows, featureBins, padding, bad }) => {
      const features = featureBins.length;
      const stride = features + padding;
      const bins = new Uint8Array(new SharedArrayBuffer(rows * stride)).map(
        (_, i) => featureBins[i % stride] ?? 255,
      );
      const table = {
        bins,
        rows,
        stride,
        featureBins: Int32Array.from(featureBins),
        categorical: new Uint8Array(features),
        label: new Float32Array(rows),
      };
      new Dataset(table).dispose();
      bins[(bad[0] % rows) * stride + (bad[1] % features)]! += 1;
      expect(() => new Dataset(table)).toThrow("bins holds a code above its feature's number of bins.");
    }),
  );
});
