import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Waits until an address answers; a minute at most. */
export async function untilAnswers(uri: string): Promise<void> {
  const answers = () =>
    fetch(uri).then(
      ({ ok }) => ok,
      () => false,
    );
  for (let i = 0; !(await answers()); i++) {
    if (i === 120) throw new Error(`${uri} does not answer`);
    await sleep(500);
  }
}

/** Ends a server that was started detached, with its workers. */
export function stop(server: ChildProcess | undefined): void {
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
}
