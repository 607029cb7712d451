import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that the server has taken. */
export interface Taken {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

interface FakeRun {
  readonly info: { run_id: string; artifact_uri: string; status?: string; run_name: string };
  readonly tags: Map<string, string>;
  readonly params: Map<string, string>;
  /** As `key step value`, so that a repeated one is one. */
  readonly metrics: Set<string>;
  readonly outputs: { model_id: string }[];
}

/** As much of MLflow's REST interface as one run needs, in memory; `intercept` may answer in its place. */
export class FakeServer {
  readonly runs: FakeRun[] = [];
  readonly models: { info: { model_id: string; name: string; artifact_uri: string }; status?: string }[] = [];
  readonly files = new Map<string, string>();
  readonly inputs: unknown[] = [];
  readonly taken: Taken[] = [];
  experiment: string | undefined;
  artifacts = 'mlflow-artifacts:/1';
  /** Answers a request by itself where it returns true. */
  intercept: (request: Taken, response: ServerResponse) => boolean = () => false;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const path = url.replace('/api/2.0/mlflow/', '');
    const taken = { method, path, authorization: headers.authorization, body: Buffer.concat(chunks) };
    this.taken.push(taken);
    if (this.intercept(taken, response)) return;
    if (method === 'PUT') {
      this.files.set(
        decodeURIComponent(url.replace('/api/2.0/mlflow-artifacts/artifacts/', '')),
        taken.body.toString(),
      );
      response.end();
      return;
    }
    const answer = this.#handle(
      path.split('?')[0]!,
      taken.body.length > 0 ? JSON.parse(taken.body.toString()) : {},
    );
    response.statusCode = 'error_code' in answer ? 404 : 200;
    response.end(JSON.stringify(answer));
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies are whatever the client sends.
  #handle(path: string, body: any): object {
    const run = this.runs.find(({ info }) => info.run_id === body.run_id);
    switch (path) {
      case 'experiments/get-by-name':
        if (this.experiment === undefined) return { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'none' };
        return { experiment: { experiment_id: '1' } };
      case 'experiments/create':
        this.experiment = body.name;
        return { experiment_id: '1' };
      case 'runs/create': {
        const run_id = `run${this.runs.length}`;
        const tags = new Map<string, string>(
          body.tags.map(({ key, value }: { key: string; value: string }) => [key, value]),
        );
        const info = {
          run_id,
          artifact_uri: `${this.artifacts}/${run_id}/artifacts`,
          run_name: body.run_name,
        };
        this.runs.push({ info, tags, params: new Map(), metrics: new Set(), outputs: [] });
        return { run: { info } };
      }
      case 'runs/search': {
        const [, key, value] = /^tags\."(.*)" = '(.*)'$/.exec(body.filter)!;
        const found = this.runs.filter(({ tags }) => tags.get(key!) === value);
        return {
          runs: found.map(({ info, tags, outputs }) => ({
            info,
            data: { tags: [...tags].map(([key, value]) => ({ key, value })) },
            outputs: { model_outputs: outputs },
          })),
        };
      }
      case 'runs/log-batch':
        for (const { key, value } of body.params) run!.params.set(key, value);
        for (const { key, value } of body.tags) run!.tags.set(key, value);
        for (const { key, value, step, model_id } of body.metrics) {
          run!.metrics.add(`${key} ${step} ${value}${model_id === undefined ? '' : ` ${model_id}`}`);
        }
        return {};
      case 'runs/log-inputs':
        this.inputs.push(...body.datasets);
        return {};
      case 'runs/outputs':
        run!.outputs.push(...body.models);
        return {};
      case 'runs/update':
        run!.info.status = body.status;
        return {};
      case 'logged-models/search':
        return { models: this.models };
      case 'logged-models': {
        const model_id = `m-${this.models.length}`;
        const info = {
          model_id,
          name: body.name,
          artifact_uri: `${this.artifacts}/models/${model_id}/artifacts`,
        };
        this.models.push({ info });
        return { model: { info } };
      }
      default:
        this.models.find(({ info }) => path === `logged-models/${info.model_id}`)!.status = body.status;
        return {};
    }
  }
}
