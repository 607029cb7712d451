import { InputError } from '../errors.ts';

/** Where something was written. */
export interface Place {
  /** File name, or the `--set` option. */
  readonly source: string;
  /** Counted from 1; null in a `--set` option. */
  readonly line: number | null;
  /** UTF-16 code units, counted from 1; null in a `--set` option. */
  readonly column: number | null;
}

/** One error of a config; `path` is the dotted key, empty where the YAML itself is wrong. */
export interface ConfigIssue extends Place {
  readonly path: string;
  readonly message: string;
}

const MOST_SHOWN = 50;

/** Every error of a config at once: a sentence, then a line an error. */
export class ConfigError extends InputError {
  /** In the order of the file, those of `--set` options last. */
  readonly issues: readonly ConfigIssue[];

  constructor(name: string, issues: readonly ConfigIssue[]) {
    const sorted = [...issues].sort(
      (a, b) =>
        Number(a.line === null) - Number(b.line === null) ||
        (a.line ?? 0) - (b.line ?? 0) ||
        (a.column ?? 0) - (b.column ?? 0),
    );
    const lines = sorted.slice(0, MOST_SHOWN).map((issue) => `  ${issueText(issue)}`);
    if (sorted.length > MOST_SHOWN) lines.push(`  and ${sorted.length - MOST_SHOWN} more`);
    const sentence =
      sorted.length === 1 ? 'has an error; correct it' : `has ${sorted.length} errors; correct them`;
    super([`${name} ${sentence} and start again.`, ...lines].join('\n'));
    this.issues = sorted;
  }
}

/** `file:line:column`, or the `--set` option. */
export function placeText({ source, line, column }: Place): string {
  return line === null ? source : `${source}:${line}:${column}`;
}

function issueText({ path, message, ...place }: ConfigIssue): string {
  const at = placeText(place);
  if (path === '' || at === `--set ${path}`) return `${at}: ${message}`;
  return place.line === null ? `${at} (${path}): ${message}` : `${at} ${path}: ${message}`;
}
