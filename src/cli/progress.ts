import type { RoundEvent } from '../boosting/boost.ts';
import { type Reporter, type SearchProgress, silentReporter } from '../protocol/reporter.ts';
import { formatNumber, formatSeconds } from '../reporting/format.ts';
import { coloured } from './terminal.ts';

const REDRAW_MS = 80;
/** Time between two lines of a search where there is no live line. */
const SEARCH_LINE_MS = 10_000;
const ERASE_TO_END = '\u001b[K';

/** Progress of a command on stderr. */
export interface Progress extends Reporter {
  /** Shows the last round, and ends the live line. Call it before anything else is written. */
  finish(): void;
}

function roundText(stage: string, { round, rounds, metrics, elapsed }: RoundEvent): string {
  const names = [...new Set(Object.values(metrics).flatMap((ofSet) => Object.keys(ofSet)))];
  const scores = names.map((name) => {
    const values = Object.entries(metrics).map(
      ([set, ofSet]) => `${set} ${formatNumber((ofSet as Record<string, number>)[name])}`,
    );
    return `${name}: ${values.join(', ')}`;
  });
  const remaining = (elapsed / round) * (rounds - round);
  const times = `elapsed ${formatSeconds(elapsed)}, remaining ${formatSeconds(remaining)}`;
  return [`${stage} ${round}/${rounds}`, ...scores, times].join('  ');
}

function searchText(progress: SearchProgress): string {
  const { done, trials, running, pruned, failed, best, metric, trialsPerSecond, remaining } = progress;
  const left = remaining === undefined ? '' : `, remaining ${formatSeconds(remaining)}`;
  return [
    `trials ${done}/${trials}`,
    [`${running} running`, `${pruned} pruned`, ...(failed > 0 ? [`${failed} failed`] : [])].join(', '),
    `best ${metric}: ${formatNumber(best)}`,
    `${formatNumber(trialsPerSecond)} trials/s${left}`,
  ].join('  ');
}

/**
 * On a terminal one line that is rewritten; elsewhere a line every `verbose` rounds (0: none), and the last round.
 * @param options.stream where to write; stderr
 */
export function createProgress(options: {
  verbose: number;
  quiet: boolean;
  stream?: NodeJS.WriteStream;
}): Progress {
  const { verbose, quiet, stream = process.stderr } = options;
  const live = stream.isTTY === true && process.env.TERM !== 'dumb';
  let pending: string | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let searchedAt = Number.NEGATIVE_INFINITY;

  const line = (text: string) => {
    stream.write(live ? `\r${text}${ERASE_TO_END}\n` : `${text}\n`);
  };
  /** Rewrites the live line; without one, writes a line where it is due. */
  const show = (text: string, due: boolean) => {
    if (!live && verbose === 0) return;
    pending = text;
    if (!live) {
      if (due) finish();
    } else if (performance.now() - drawnAt >= REDRAW_MS) {
      stream.write(`\r${pending.slice(0, (stream.columns || 80) - 1)}${ERASE_TO_END}`);
      drawnAt = performance.now();
    }
  };
  const finish = () => {
    if (pending !== undefined) line(pending);
    pending = undefined;
  };
  if (quiet) return { ...silentReporter, finish() {} };
  return {
    finish,
    step(text) {
      finish();
      line(text);
    },
    warn(text) {
      finish();
      line(`${coloured('yellow', 'warning:', stream)} ${text}`);
    },
    round(stage, event) {
      show(roundText(stage, event), event.round % verbose === 0);
    },
    search(progress) {
      const now = performance.now();
      const due = now - searchedAt >= SEARCH_LINE_MS && progress.running === 0;
      if (due) searchedAt = now;
      show(searchText(progress), due);
    },
  };
}
