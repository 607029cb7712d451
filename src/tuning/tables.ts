import type { BinnedDataset } from '../data/types.ts';
import type { Engine, ResidentDataset } from '../engine/engine.ts';

/** A data set with a number of bins, and the same held by the engine. */
export interface BinnedTable {
  readonly binned: BinnedDataset;
  readonly resident: ResidentDataset;
}

/** One data set with each number of bins that a search asks for: binned and loaded once, at the first call. */
export class BinnedTables {
  readonly #engine: Engine;
  readonly #bin: (maxBin: number) => Promise<BinnedDataset>;
  readonly #tables = new Map<number, BinnedTable>();

  constructor(engine: Engine, bin: (maxBin: number) => Promise<BinnedDataset>) {
    this.#engine = engine;
    this.#bin = bin;
  }

  /** One call at a time. */
  async get(maxBin: number): Promise<BinnedTable> {
    const known = this.#tables.get(maxBin);
    if (known !== undefined) return known;
    const binned = await this.#bin(maxBin);
    const table = { binned, resident: await this.#engine.load(binned) };
    this.#tables.set(maxBin, table);
    return table;
  }

  dispose(): void {
    for (const { resident } of this.#tables.values()) resident.dispose();
    this.#tables.clear();
  }
}
