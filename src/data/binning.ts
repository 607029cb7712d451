import { fromAddonError, loadAddon, withCancelFlag } from '../addon.ts';
import type { BinnedDataset, Dataset, FeatureSpec, RowSet } from './types.ts';

/** Options of `binDataset`. */
export interface BinningOptions {
  /** Rows that the cut points come from; all by default. */
  readonly training?: RowSet;
  /** Bins a feature, 2…256, missing included; 256 by default. */
  readonly maxBin?: number;
  /** Threads, 1 by default. It changes the speed, never a result. */
  readonly threads?: number;
  /** Ends the work early with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Bins a table once for any number of models, as docs/numerics.md section 1 says.
 * @param features The specifications of `data.columns`, in the same order.
 * @throws InputError where a weight is negative or not finite, or all are zero; InterruptedError on abort.
 */
export async function binDataset(
  data: Dataset,
  features: readonly FeatureSpec[],
  options: BinningOptions = {},
): Promise<BinnedDataset> {
  const rows = data.rows;
  const stride = Math.max(4, Math.ceil(data.columns.length / 4) * 4);
  const bins = new Uint8Array(new SharedArrayBuffer(rows * stride));
  const columns = data.columns.map((column) =>
    column.kind === 'numeric'
      ? { values: column.values }
      : { codes: column.codes, categories: column.categories.length },
  );
  try {
    const binned = await withCancelFlag(options.signal, (cancel) =>
      loadAddon().binColumns({
        columns,
        rows,
        stride,
        training: options.training ?? { start: 0, end: rows },
        ...(data.weight && { weight: data.weight }),
        maxBin: options.maxBin ?? 256,
        bins,
        threads: options.threads ?? 1,
        cancel,
      }),
    );
    return {
      rows,
      stride,
      bins,
      features: binned.map((feature, f) => ({
        name: features[f]!.name,
        type: features[f]!.type,
        ...feature,
      })),
      label: data.label,
      ...(data.weight && { weight: data.weight }),
    };
  } catch (error) {
    throw fromAddonError(error);
  }
}
