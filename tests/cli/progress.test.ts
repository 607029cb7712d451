import { afterEach, expect, it, vi } from 'vitest';
import type { RoundEvent } from '../../src/boosting/boost.ts';
import { createProgress } from '../../src/cli/progress.ts';

afterEach(() => vi.unstubAllEnvs());

function fakeStream(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = '';
  const write = (chunk: string) => {
    text += chunk;
    return true;
  };
  return { stream: { isTTY, columns: 30, write } as unknown as NodeJS.WriteStream, text: () => text };
}

const event = (round: number): RoundEvent => ({
  round,
  rounds: 5,
  metrics: { train: { auc_roc: 0.75 }, val: { auc_roc: Number.NaN } },
  elapsed: round * 2,
});

it('a terminal gets one line, cut to its width, rewritten in place and left whole at the end', () => {
  vi.stubEnv('TERM', 'xterm');
  const { stream, text } = fakeStream(true);
  const progress = createProgress({ verbose: 0, quiet: false, stream });
  for (let round = 1; round <= 3; round++) progress.round('baseline', event(round));
  const cut = 'baseline 1/5  auc_roc: train 0';
  expect(text()).toBe(`\r${cut.slice(0, 29)}\u001b[K`);
  progress.finish();
  expect(text().split('\r').at(-1)).toBe(
    'baseline 3/5  auc_roc: train 0.750000, val undefined  elapsed 6.0 s, remaining 4.0 s\u001b[K\n',
  );
});

it('elsewhere every verbose-th round and the last one are lines, each once', () => {
  const { stream, text } = fakeStream(false);
  const progress = createProgress({ verbose: 2, quiet: false, stream });
  for (let round = 1; round <= 4; round++) progress.round('baseline', event(round));
  progress.finish();
  progress.finish();
  expect(text().match(/^baseline \d/gm)).toEqual(['baseline 2', 'baseline 4']);
});

it('verbose 0 prints no round, and quiet nothing at all', () => {
  for (const [quiet, expected] of [
    [false, 'Reading\nwarning: odd\n'],
    [true, ''],
  ] as const) {
    const { stream, text } = fakeStream(false);
    const progress = createProgress({ verbose: 0, quiet, stream });
    progress.step('Reading');
    progress.warn('odd');
    progress.round('baseline', event(1));
    progress.finish();
    expect(text()).toBe(expected);
  }
});

it('NO_COLOR takes the colours from a terminal', () => {
  vi.stubEnv('TERM', 'xterm');
  const warning = () => {
    const { stream, text } = fakeStream(true);
    createProgress({ verbose: 0, quiet: false, stream }).warn('odd');
    return text();
  };
  vi.stubEnv('NO_COLOR', '');
  expect(warning()).toBe('\r\u001b[33mwarning:\u001b[39m odd\u001b[K\n');
  vi.stubEnv('NO_COLOR', '1');
  expect(warning()).toBe('\rwarning: odd\u001b[K\n');
});
