import { fileURLToPath } from 'node:url';
import { type Library, PEERS, type Peer } from './job.ts';
import { ask } from './process.ts';

/** The script that trains peers; it lies beside the sources and is part of the package. */
export const PEER_SCRIPT = fileURLToPath(new URL('../../bench/peers/train.py', import.meta.url));

const PROBE_TIMEOUT_MS = 60_000;

/** A library that was asked for and cannot be measured here. */
export interface NotRun {
  readonly name: string;
  readonly reason: string;
}

/** What a Python has of the peers. */
export interface PythonPeers {
  /** Of the interpreter; null where it cannot be started. */
  readonly python: string | null;
  readonly versions: Readonly<Partial<Record<Peer, string>>>;
  readonly not_run: readonly NotRun[];
}

/** What readers of a table must know of a peer's trees. */
export const PEER_REMARKS: Readonly<Partial<Record<Library, string>>> = {
  catboost:
    'catboost grows symmetric trees, with one split for all nodes of a level: at the same depth they are other, simpler models',
};

/**
 * Imports each peer once in a process of its own.
 * @param python command or path of the interpreter
 * @throws InterruptedError on abort
 */
export async function findPeers(
  python: string,
  peers: readonly Peer[],
  signal?: AbortSignal,
): Promise<PythonPeers> {
  const answers = await Promise.all(
    peers.map((peer) => ask(python, [PEER_SCRIPT, '--probe', peer], { timeoutMs: PROBE_TIMEOUT_MS, signal })),
  );
  let version: string | null = null;
  const versions: Partial<Record<Peer, string>> = {};
  const not_run: NotRun[] = [];
  answers.forEach((answer, i) => {
    const peer = peers[i]!;
    if (answer.failure !== undefined) {
      not_run.push({ name: peer, reason: answer.failure });
      return;
    }
    const found = answer.value as { python?: unknown; version?: unknown; missing?: unknown } | null;
    if (typeof found?.python === 'string') version = found.python;
    if (typeof found?.version === 'string') versions[peer] = found.version;
    else {
      const reason = typeof found?.missing === 'string' ? found.missing : 'its answer is not understood';
      not_run.push({ name: peer, reason });
    }
  });
  return { python: version, versions, not_run };
}

/** Whether a name is one of the peers. */
export function isPeer(name: string): name is Peer {
  return (PEERS as readonly string[]).includes(name);
}
