import type { ModelKind } from '../config/objectives.ts';
import { Source, type SourceColumn } from './read.ts';
import type { FeatureType } from './types.ts';

/** What a first look at a column shows. */
export interface ColumnSummary {
  readonly name: string;
  readonly sqlType: string;
  /** The type the column has as a feature; `unsupported` for lists, structs, blobs and the like. */
  readonly type: FeatureType | 'unsupported';
  /** Number of distinct values, without nulls; an estimate above 10,000. */
  readonly distinct: number;
  readonly nulls: number;
  /** As text. */
  readonly min?: string;
  readonly max?: string;
  /** Up to three distinct values from the first 1,000 rows, as text. */
  readonly examples: readonly string[];
}

const EXAMPLE_ROWS = 1000;
/** Estimates up to this many are replaced by exact counts. */
const COUNTED_DISTINCT = 10_000;

function featureType({ kind }: SourceColumn): ColumnSummary['type'] {
  if (kind === 'unsupported') return 'unsupported';
  return kind === 'text' ? 'categorical' : 'numeric';
}

/**
 * Looks through a table without loading it, for `lockstep init`.
 *
 * @throws InputError when the path cannot be read.
 */
export async function inspectSource(path: string): Promise<{ rows: number; columns: ColumnSummary[] }> {
  return Source.open(path, {}, async (source) => {
    const cells = source.columns.map(({ kind }, i) =>
      kind === 'unsupported' ? 'CAST(NULL AS VARCHAR)' : `v${i}`,
    );
    const text = (sql: string): string => `CAST(${sql} AS VARCHAR)`;
    const [rows, ...facts] = await source.aggregate([
      'count(*)',
      ...cells.flatMap((cell, i) => [
        `count(v${i})`,
        `approx_count_distinct(${cell})`,
        text(`min(${cell})`),
        text(`max(${cell})`),
      ]),
    ]);
    const estimates = cells.map((_, i) => Number(facts[4 * i + 1]));
    const exact = await source.aggregate(
      cells.map((cell, i) =>
        estimates[i]! <= COUNTED_DISTINCT ? `count(DISTINCT ${cell})` : `${estimates[i]}`,
      ),
    );
    const examples = await source.aggregate(
      cells.map((cell) => `list_sort(list(DISTINCT ${text(cell)}) FILTER (${cell} IS NOT NULL))[1:3]`),
      EXAMPLE_ROWS,
    );
    const columns = source.columns.map((column, i): ColumnSummary => {
      const [filled, , min, max] = facts.slice(4 * i, 4 * i + 4);
      return {
        name: column.name,
        sqlType: column.sqlType,
        type: featureType(column),
        distinct: Number(exact[i]),
        nulls: Number(rows) - Number(filled),
        ...(typeof min === 'string' && { min }),
        ...(typeof max === 'string' && { max }),
        examples: (examples[i] as string[] | null) ?? [],
      };
    });
    return { rows: Number(rows), columns };
  });
}

/** The column most likely to be the target: one named target, label, y or class, else the last. */
export function guessTarget(columns: readonly ColumnSummary[]): ColumnSummary | undefined {
  for (const name of ['target', 'label', 'y', 'class']) {
    const column = columns.find((candidate) => candidate.name.toLowerCase() === name);
    if (column !== undefined) return column;
  }
  return columns.at(-1);
}

/** Classes for text, truth values and columns of at most two values; a regression for other numbers. */
export function guessKind({ type, sqlType, distinct }: ColumnSummary): ModelKind {
  if (distinct <= 2 || sqlType === 'BOOLEAN') return 'binary';
  return type === 'categorical' ? 'multiclass' : 'regression';
}
