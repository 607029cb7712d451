import { spawn } from 'node:child_process';
import { InterruptedError } from '../errors.ts';

/** How a process that was asked for one JSON value answered: with it, or not, and why. */
export type Answer = { readonly value: unknown; readonly failure?: never } | { readonly failure: string };

const KEPT_STDERR = 4000;
const MOST_STDOUT = 1_000_000;

/** The last line that has text, for a reason. */
function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)!.trim().slice(0, 300);
}

/** Why a process without an answer ended, as the end of a sentence. */
function reasonOf(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  const line = lastLine(stderr);
  const ending = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`;
  return line === '' ? ending : `${ending}: ${line}`;
}

/**
 * Runs a process that writes one JSON value to stdout, and waits for it. Its standard input stays open meanwhile and is
 * closed when this process ends in any way: what it starts must end then. It has a process group of its own, so that a
 * Ctrl-C reaches it through `signal` alone, and nothing that it started is left behind.
 *
 * @returns the value, or why there is none: it cannot be started, it failed, it gave no JSON, its time was up
 * @throws InterruptedError when `signal` aborts
 */
export async function ask(
  command: string,
  args: readonly string[],
  options: {
    readonly env?: NodeJS.ProcessEnv;
    readonly timeoutMs: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Answer> {
  const { signal, timeoutMs } = options;
  if (signal?.aborted) throw new InterruptedError();
  const group = process.platform !== 'win32';
  const child = spawn(command, args, { env: { ...process.env, ...options.env }, detached: group });
  const kill = () => {
    try {
      if (group && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  let stdout = '';
  let stderr = '';
  let timedOut = false;
  let flooded = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (stdout.length > MOST_STDOUT) {
      flooded = true;
      kill();
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR);
  });
  child.stdin.on('error', () => {});
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, timeoutMs);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const ended = await new Promise<{ code: number | null; by: NodeJS.Signals | null } | Error>((resolve) => {
      child.on('error', resolve);
      child.on('close', (code, by) => resolve({ code, by }));
    });
    if (signal?.aborted) throw new InterruptedError();
    if (ended instanceof Error) {
      const missing = (ended as NodeJS.ErrnoException).code === 'ENOENT';
      return { failure: `${command} ${missing ? 'was not found' : `cannot be started: ${ended.message}`}` };
    }
    if (timedOut) return { failure: `it took longer than ${timeoutMs / 1000} s` };
    if (flooded) return { failure: 'it wrote more than an answer' };
    if (ended.code !== 0) return { failure: reasonOf(ended.code, ended.by, stderr) };
    return { value: JSON.parse(stdout) as unknown };
  } catch (error) {
    if (error instanceof SyntaxError) return { failure: 'its answer is not JSON' };
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  }
}
