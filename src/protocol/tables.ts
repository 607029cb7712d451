import type { Engine } from '../engine/engine.ts';
import { type BinnedTable, BinnedTables } from '../tuning/tables.ts';
import type { PreparedExperiment } from './prepare.ts';

/** An experiment's data as an engine holds it, with each number of bins that its models ask for. */
export class ExperimentTables {
  readonly own: BinnedTable;
  readonly #ownBins: number;
  readonly #others: BinnedTables;

  private constructor(experiment: PreparedExperiment, engine: Engine, own: BinnedTable) {
    this.own = own;
    this.#ownBins = experiment.params.max_bin;
    this.#others = new BinnedTables(engine, (maxBin) => experiment.binAgain!(maxBin));
  }

  static async load(experiment: PreparedExperiment, engine: Engine): Promise<ExperimentTables> {
    const { binned } = experiment;
    return new ExperimentTables(experiment, engine, { binned, resident: await engine.load(binned) });
  }

  /** One call at a time. */
  async get(maxBin: number): Promise<BinnedTable> {
    return maxBin === this.#ownBins ? this.own : this.#others.get(maxBin);
  }

  dispose(): void {
    this.#others.dispose();
    this.own.resident.dispose();
  }
}
