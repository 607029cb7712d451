import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/addon.ts';
import { Model, type RowValue } from '../../src/boosting/model.ts';
import { binDataset } from '../../src/data/binning.ts';
import type { Column } from '../../src/data/types.ts';
import { createCpuEngine } from '../../src/engine/cpu.ts';
import { trainBatch } from '../engine/conformance.ts';
import { makeJob, makeTable, objective, tableShape, treeParamsFor } from '../engine/generate.ts';
import { agreedMargins, PREDICTORS } from './predictors.ts';

const { simd } = loadAddon().describe();

function cell(column: Column, row: number): RowValue {
  if (column.kind === 'numeric') return column.values[row]!;
  return column.codes[row]! < 0 ? undefined : column.categories[column.codes[row]!]!;
}

describe('a trained model', () => {
  it('gives bins and raw values, batches and single rows one margin, with every instruction set', async () => {
    const cases = fc.tuple(objective, tableShape(600)).chain(([of, shape]) =>
      fc.record({
        of: fc.constant(of),
        shape: fc.constant(shape),
        params: treeParamsFor(of, shape.classes),
        seed: fc.maxSafeNat(),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ of, shape, params, seed }) => {
        const { data, features } = makeTable(shape, of);
        const binned = await binDataset(data, features, { maxBin: shape.maxBin });
        const jobs = [makeJob(binned, params, seed, 0.8)];
        const ofBins = await Promise.all(
          simd.map((level) => trainBatch(createCpuEngine({ threads: 2, simd: level }), binned, jobs, [4])),
        );
        const {
          trees: [trees],
          margins: [expected],
        } = ofBins[0]!;
        for (const other of ofBins) expect(other.margins[0]).toEqual(expected);

        const classes = Array.from({ length: Math.max(2, trees!.classes) }, (_, k) => k);
        const model = Model.fromTraining({
          trees: trees!,
          features: binned.features,
          schema: {
            features,
            target: { name: 'y', ...(of !== 'reg:squarederror' && { classes }) },
          },
          objective: of,
          params,
          seed: 0,
          training: { rows: data.rows, rounds: 4, best_iteration: 3, early_stopped: false },
        });
        expect(agreedMargins(model, data.columns, data.rows)).toEqual(expected);

        const outputs = model.outputs;
        for (const { make } of PREDICTORS) {
          const predictor = make(model.forest, model.features, model.baseMargins);
          for (let row = 0; row < data.rows; row += 7) {
            const ofRow = expected!.slice(row * outputs, (row + 1) * outputs);
            const cells = data.columns.map((column) => cell(column, row));
            expect(predictor.rowMargins(cells)).toEqual(ofRow);
            const shuffled = Object.fromEntries(
              cells.map((value, f): [string, RowValue] => [model.features[f]!.name, value]).reverse(),
            );
            expect(predictor.recordMargins(shuffled)).toEqual(ofRow);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
