/** A curve as a chart draws it. */
export interface Points {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** For each place of a grid the least and the greatest value of several curves. */
export interface Band {
  readonly x: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Places at which curves are compared, 0…1. */
const GRID: readonly number[] = Array.from({ length: 101 }, (_, i) => i / 100);

/** A ROC curve by its rates, from the highest threshold down; (0, 0) may be missing. */
export interface Rates {
  readonly fpr: readonly number[];
  readonly tpr: readonly number[];
}

/** A ROC curve from (0, 0). */
export const rocLine = ({ fpr, tpr }: Rates): Points => ({ x: [0, ...fpr], y: [0, ...tpr] });

/** The value of a curve, whose x ascend, by straight lines; at a step the greatest. */
function valueAt({ x, y }: Points, at: number): number {
  let low = 0;
  let high = x.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (x[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  const next = low + 1;
  if (next >= x.length || x[low]! >= at) return y[low]!;
  return y[low]! + ((at - x[low]!) / (x[next]! - x[low]!)) * (y[next]! - y[low]!);
}

/**
 * Precision by recall from a ROC curve, interpolated in its space as Davis and Goadrich do ("The relationship between precision-recall and
 * ROC curves", ICML 2006).
 * @param positives share of the weight of the rows that is positive, above 0 and below 1
 */
export function precisionLine(rates: Rates, positives: number): Points {
  const { x: fpr, y: tpr } = rocLine(rates);
  const byTpr = { x: tpr, y: fpr };
  const x = GRID.slice(1);
  const y = x.map((recall) => {
    const place = Math.max(
      1,
      tpr.findIndex((value) => value >= recall),
    );
    const [t0, t1] = [tpr[place - 1]!, tpr[place]!];
    const falls =
      t1 > t0
        ? fpr[place - 1]! + ((recall - t0) / (t1 - t0)) * (fpr[place]! - fpr[place - 1]!)
        : valueAt(byTpr, recall);
    const found = recall * positives;
    return found / (found + falls * (1 - positives));
  });
  return { x, y };
}

/** The mean of curves over a grid, as a macro average over classes is drawn. */
export function meanLine(curves: readonly Points[]): Points {
  const mean = (at: number) => curves.reduce((sum, curve) => sum + valueAt(curve, at), 0) / curves.length;
  return { x: GRID, y: GRID.map(mean) };
}

/** The least and the greatest of curves over a grid. */
export function bandOf(curves: readonly Points[]): Band {
  const values = GRID.map((at) => curves.map((curve) => valueAt(curve, at)));
  return { x: GRID, low: values.map((of) => Math.min(...of)), high: values.map((of) => Math.max(...of)) };
}

/** Area below a curve whose x ascend, by trapezoids. */
export function areaBelow({ x, y }: Points): number {
  let area = 0;
  for (let i = 1; i < x.length; i++) area += ((x[i]! - x[i - 1]!) * (y[i]! + y[i - 1]!)) / 2;
  return area;
}
