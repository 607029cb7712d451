import { setTimeout as sleep } from 'node:timers/promises';

/** Where a tracking server is, and who asks. */
export interface MlflowServer {
  /** Without name, password, query and a slash at the end: fit for messages. */
  readonly uri: string;
  /** The header Authorization. */
  readonly authorization?: string | undefined;
}

/** The server gave no usable answer; the message names no credentials. */
export class MlflowServerError extends Error {
  /** 0 where there was no answer. */
  readonly status: number;
  /** MLflow's word for the error, such as RESOURCE_DOES_NOT_EXIST. */
  readonly code: string;

  constructor(message: string, status: number, code = '', options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.status = status;
    this.code = code;
  }
}

/**
 * The server of a URI, with the credentials of the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, those of
 * the URI, or MLFLOW_TRACKING_TOKEN, in this order.
 * @returns undefined where the URI is not one of a server.
 */
export function mlflowServer(uri: string, env: NodeJS.ProcessEnv): MlflowServer | undefined {
  if (!URL.canParse(uri)) return undefined;
  const { protocol, host, pathname, username, password } = new URL(uri);
  if (protocol !== 'http:' && protocol !== 'https:') return undefined;
  const name = env.MLFLOW_TRACKING_USERNAME ?? decodeURIComponent(username);
  const secret = env.MLFLOW_TRACKING_PASSWORD ?? decodeURIComponent(password);
  const token = env.MLFLOW_TRACKING_TOKEN;
  const basic = name && secret && `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;
  return {
    uri: `${protocol}//${host}${pathname}`.replace(/\/+$/, ''),
    authorization: basic || (token && `Bearer ${token}`) || undefined,
  };
}

/** Code of the error where there was no answer. */
const NO_ANSWER = 'NO_ANSWER';
/** Code of the error where a server keeps no artifacts itself. */
export const NO_ARTIFACTS = 'NO_ARTIFACTS';

/** How patient a client is; times in milliseconds. */
export interface Patience {
  /** For one answer. */
  readonly answer: number;
  /** Before each further try of a request. */
  readonly pauses: readonly number[];
  /** For everything that one client asks. */
  readonly total: number;
}

export const PATIENCE: Patience = { answer: 30_000, pauses: [250, 500, 1000, 2000], total: 300_000 };

/** Statuses after which MLflow's own client tries again. */
const TRANSIENT = new Set([408, 429, 500, 502, 503, 504]);

type Json = Readonly<Record<string, unknown>>;

/** Asks a tracking server by MLflow's REST interface, version 2.0, and tries again where that can help. */
export class MlflowClient {
  readonly server: MlflowServer;
  readonly #patience: Patience;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;

  constructor(server: MlflowServer, patience: Patience = PATIENCE, signal?: AbortSignal) {
    this.server = server;
    this.#patience = patience;
    this.#signal = signal;
    this.#deadline = performance.now() + patience.total;
  }

  /**
   * The answer to a request below /api/2.0/mlflow/.
   * @throws MlflowServerError
   */
  async call<Answer>(method: 'GET' | 'POST' | 'PATCH', path: string, body: Json = {}): Promise<Answer> {
    const query = method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>)}` : '';
    const text = await this.#ask(`/api/2.0/mlflow/${path}${query}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method !== 'GET' && { body: JSON.stringify(body) }),
    });
    return JSON.parse(text === '' ? '{}' : text) as Answer;
  }

  /**
   * Stores a file below an address that the server gave for artifacts.
   * @throws MlflowServerError also where the server does not keep artifacts itself.
   */
  async put(artifactUri: string, name: string, content: Uint8Array): Promise<void> {
    const found = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.*)$/.exec(artifactUri);
    if (found === null) {
      const scheme = artifactUri.split(':')[0];
      throw new MlflowServerError(
        `${this.server.uri} leaves artifacts to a store of kind "${scheme}"; start it with --serve-artifacts`,
        0,
        NO_ARTIFACTS,
      );
    }
    const path = [...found[1]!.split('/'), ...name.split('/')].map(encodeURIComponent).join('/');
    await this.#ask(`/api/2.0/mlflow-artifacts/artifacts/${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: content,
    });
  }

  get #isOver(): boolean {
    return this.#signal?.aborted === true || performance.now() >= this.#deadline;
  }

  async #ask(path: string, request: RequestInit): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const pause = this.#patience.pauses[attempt];
      try {
        return await this.#askOnce(path, request);
      } catch (error) {
        const { status, code } = error as MlflowServerError;
        const canHelp = TRANSIENT.has(status) || code === NO_ANSWER;
        if (pause === undefined || !canHelp || this.#isOver) throw error;
      }
      // An abort ends the pause, and with it the next try.
      await sleep(pause, undefined, { signal: this.#signal }).catch(() => {});
    }
  }

  async #askOnce(path: string, request: RequestInit): Promise<string> {
    const { uri, authorization } = this.server;
    const headers = {
      ...(request.headers as Record<string, string>),
      ...(authorization && { authorization }),
    };
    const { answer } = this.#patience;
    const controller = new AbortController();
    const stop = () => controller.abort();
    const timer = setTimeout(stop, this.#isOver ? 0 : Math.min(answer, this.#deadline - performance.now()));
    this.#signal?.addEventListener('abort', stop);
    try {
      // A redirect could take the credentials elsewhere.
      const { signal } = controller;
      const response = await fetch(uri + path, { ...request, headers, signal, redirect: 'error' });
      const text = await response.text();
      if (response.ok) return text;
      throw refusal(uri, response.status, text);
    } catch (cause) {
      if (cause instanceof MlflowServerError) throw cause;
      const reason = (cause as { cause?: NodeJS.ErrnoException }).cause?.code ?? 'no connection';
      const problem = controller.signal.aborted ? 'did not answer in time' : `cannot be reached (${reason})`;
      throw new MlflowServerError(`${uri} ${problem}`, 0, NO_ANSWER, { cause });
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener('abort', stop);
    }
  }
}

/** What a server says when it refuses, without its whole page. */
function refusal(uri: string, status: number, text: string): MlflowServerError {
  let code = '';
  let detail = '';
  try {
    const { error_code, message } = JSON.parse(text) as { error_code?: string; message?: string };
    code = error_code ?? '';
    detail = message ?? '';
  } catch {
    // Not MLflow's JSON: a proxy's page, say.
  }
  if (status === 401 || status === 403) {
    const advice = 'set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN';
    return new MlflowServerError(`${uri} does not let this user in (${status}): ${advice}`, status, code);
  }
  const said = detail === '' ? '' : `: ${detail.slice(0, 200)}`;
  return new MlflowServerError(`${uri} answered ${status}${said}`, status, code);
}
