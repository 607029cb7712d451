import type { RoundEvent } from '../boosting/boost.ts';
import type { Reporter } from '../protocol/reporter.ts';
import { formatNumber, formatSeconds } from '../reporting/format.ts';
import { coloured } from './terminal.ts';

const REDRAW_MS = 80;
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

  const line = (text: string) => {
    stream.write(live ? `\r${text}${ERASE_TO_END}\n` : `${text}\n`);
  };
  const finish = () => {
    if (pending !== undefined) line(pending);
    pending = undefined;
  };
  if (quiet) return { step() {}, warn() {}, round() {}, finish() {} };
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
      if (!live && verbose === 0) return;
      pending = roundText(stage, event);
      if (!live) {
        if (event.round % verbose === 0) finish();
      } else if (performance.now() - drawnAt >= REDRAW_MS) {
        stream.write(`\r${pending.slice(0, (stream.columns || 80) - 1)}${ERASE_TO_END}`);
        drawnAt = performance.now();
      }
    },
  };
}
