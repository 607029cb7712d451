import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type MlflowClient, type MlflowServerError, NO_ARTIFACTS } from './client.ts';
import type { StoredEntry, StoredMetric, StoredModel, StoredRecord, StoredRun } from './stored-run.ts';
import { toYaml } from './yaml.ts';

/** What one log-batch may hold (mlflow/utils/validation.py); the text stays a tenth below its limit. */
const BATCH = { metrics: 1000, entries: 100, all: 1000, bytes: 900_000 } as const;

/** Requests under way at once. */
const AT_ONCE = 4;

/** The tag by which a run is found again on a server. */
const ORIGIN = 'lockstep.run';

interface SentMetric extends StoredMetric {
  readonly model_id?: string | undefined;
}

interface Batch {
  readonly params: StoredEntry[];
  readonly tags: StoredEntry[];
  readonly metrics: SentMetric[];
}

/** Divides what a run has into requests that a server takes. */
export function batchesOf(record: {
  readonly params: readonly StoredEntry[];
  readonly tags: readonly StoredEntry[];
  readonly metrics: readonly SentMetric[];
}): Batch[] {
  const batches: Batch[] = [];
  let bytes = 0;
  const add = <Kind extends keyof Batch>(kind: Kind, item: Batch[Kind][number], limit: number) => {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1;
    const last = batches.at(-1);
    const count = last === undefined ? 0 : last.params.length + last.tags.length + last.metrics.length;
    if (
      last === undefined ||
      count === BATCH.all ||
      last[kind].length === limit ||
      bytes + size > BATCH.bytes
    ) {
      batches.push({ params: [], tags: [], metrics: [] });
      bytes = 0;
    }
    (batches.at(-1)![kind] as (typeof item)[]).push(item);
    bytes += size;
  };
  for (const param of record.params) add('params', param, BATCH.entries);
  for (const tag of record.tags) add('tags', tag, BATCH.entries);
  for (const metric of record.metrics) add('metrics', metric, BATCH.metrics);
  return batches;
}

async function experimentOf(client: MlflowClient, run: StoredRun): Promise<string> {
  const byName = () =>
    client.call<{ experiment: { experiment_id: string } }>('GET', 'experiments/get-by-name', {
      experiment_name: run.experiment,
    });
  try {
    return (await byName()).experiment.experiment_id;
  } catch (error) {
    if ((error as MlflowServerError).code !== 'RESOURCE_DOES_NOT_EXIST') throw error;
  }
  try {
    const made = await client.call<{ experiment_id: string }>('POST', 'experiments/create', {
      name: run.experiment,
      tags: run.experimentTags,
    });
    return made.experiment_id;
  } catch (error) {
    // Another run has made it meanwhile.
    if ((error as MlflowServerError).code !== 'RESOURCE_ALREADY_EXISTS') throw error;
    return (await byName()).experiment.experiment_id;
  }
}

interface ServerRun {
  readonly info: { readonly run_id: string; readonly artifact_uri: string };
  readonly data?: { readonly tags?: readonly StoredEntry[] };
  readonly outputs?: { readonly model_outputs?: readonly { readonly model_id: string }[] };
}

/** Runs of the experiment that a filter finds, by their origin. */
async function sentBefore(
  client: MlflowClient,
  experiment: string,
  filter: string,
): Promise<Map<string, ServerRun>> {
  const found = new Map<string, ServerRun>();
  let page: string | undefined;
  do {
    const answer = await client.call<{ runs?: ServerRun[]; next_page_token?: string }>(
      'POST',
      'runs/search',
      {
        experiment_ids: [experiment],
        filter,
        max_results: 1000,
        ...(page !== undefined && { page_token: page }),
      },
    );
    for (const run of answer.runs ?? []) {
      const origin = run.data?.tags?.find(({ key }) => key === ORIGIN)?.value;
      if (origin !== undefined) found.set(origin, run);
    }
    page = answer.next_page_token;
  } while (page !== undefined && page !== '');
  return found;
}

/** Runs that did the same have the same id: the time tells them apart. */
const originOf = ({ id, started }: StoredRecord) => `${id}-${started}`;

/** Sends one run; everything but its creation may be repeated. */
async function sendRecord(
  client: MlflowClient,
  experiment: string,
  record: StoredRecord,
  known: ReadonlyMap<string, ServerRun>,
  given: {
    readonly tags: readonly StoredEntry[];
    readonly fill?: (run: ServerRun) => Promise<readonly SentMetric[]>;
  },
): Promise<ServerRun> {
  const origin = originOf(record);
  const tags = [...record.tags.filter(({ key }) => key !== 'mlflow.parentRunId'), ...given.tags];
  const run =
    known.get(origin) ??
    (
      await client.call<{ run: ServerRun }>('POST', 'runs/create', {
        experiment_id: experiment,
        run_name: record.name,
        start_time: record.started,
        tags: [{ key: ORIGIN, value: origin }, ...given.tags],
      })
    ).run;
  const metrics = (await given.fill?.(run)) ?? record.metrics;
  for (const batch of batchesOf({ ...record, tags, metrics })) {
    await client.call('POST', 'runs/log-batch', { run_id: run.info.run_id, ...batch });
  }
  const { status, ended: end_time } = record;
  await client.call('POST', 'runs/update', { run_id: run.info.run_id, status, end_time });
  return run;
}

/** A model folder's files, with the ids that the server gave. */
function modelContent(model: StoredModel, place: { model_id: string; artifact_uri: string }, runId: string) {
  return model.files.map(({ name, path }) => {
    const content = readFileSync(path);
    if (name !== 'MLmodel') return { name, content };
    const own = {
      ...(parse(content.toString('utf8')) as object),
      artifact_path: place.artifact_uri,
      model_id: place.model_id,
      model_uuid: place.model_id,
      run_id: runId,
    };
    return { name, content: Buffer.from(toYaml(own)) };
  });
}

interface LoggedModel {
  readonly info: { readonly model_id: string; readonly name: string; readonly artifact_uri: string };
}

async function sendModel(
  client: MlflowClient,
  experiment: string,
  runId: string,
  model: StoredModel,
): Promise<string> {
  const before = await client.call<{ models?: LoggedModel[] }>('POST', 'logged-models/search', {
    experiment_ids: [experiment],
    filter: `source_run_id = '${runId}'`,
  });
  const { info } =
    before.models?.find(({ info }) => info.name === model.name) ??
    (
      await client.call<{ model: LoggedModel }>('POST', 'logged-models', {
        experiment_id: experiment,
        name: model.name,
        source_run_id: runId,
        params: model.params,
        tags: model.tags,
      })
    ).model;
  for (const { name, content } of modelContent(model, info, runId)) {
    await client.put(info.artifact_uri, name, content);
  }
  await client.call('PATCH', `logged-models/${info.model_id}`, {
    model_id: info.model_id,
    status: 'LOGGED_MODEL_READY',
  });
  return info.model_id;
}

async function eachAtOnce<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** What a server that keeps artifacts is sent; the models by the keys of the metrics that are about them. */
async function sendFiles(
  client: MlflowClient,
  experiment: string,
  run: StoredRun,
  { info: { run_id, artifact_uri }, outputs }: ServerRun,
): Promise<Map<string, string>> {
  await eachAtOnce(run.artifacts, async ({ name, path }) =>
    client.put(artifact_uri, name, readFileSync(path)),
  );
  const modelOf = new Map<string, string>();
  for (const [step, model] of run.models.entries()) {
    const model_id = await sendModel(client, experiment, run_id, model);
    // The one request that a server refuses the second time.
    if (!outputs?.model_outputs?.some((output) => output.model_id === model_id)) {
      await client.call('POST', 'runs/outputs', { run_id, models: [{ model_id, step }] });
    }
    for (const key of model.metricKeys) modelOf.set(key, model_id);
  }
  return modelOf;
}

/**
 * Sends a run of a file store to a server. Sending it again completes what an earlier try has left: nothing is there twice.
 * @param warn Is told where the server takes no files.
 * @throws MlflowServerError
 */
export async function sendRun(
  client: MlflowClient,
  run: StoredRun,
  warn: (text: string) => void,
): Promise<void> {
  const experiment = await experimentOf(client, run);
  const known = await sentBefore(client, experiment, `tags."${ORIGIN}" = '${originOf(run)}'`);
  const fill = async (sent: ServerRun): Promise<SentMetric[]> => {
    if (run.inputs.length > 0) {
      await client.call('POST', 'runs/log-inputs', { run_id: sent.info.run_id, datasets: run.inputs });
    }
    const modelOf = await sendFiles(client, experiment, run, sent).catch((error: MlflowServerError) => {
      if (error.code !== NO_ARTIFACTS) throw error;
      warn(`The run is sent without its files: ${error.message}`);
      return new Map<string, string>();
    });
    return run.metrics.map((metric) => ({ ...metric, model_id: modelOf.get(metric.key) }));
  };
  const parent = await sendRecord(client, experiment, run, known, { tags: [], fill });
  const parentId = parent.info.run_id;
  const tags = [{ key: 'mlflow.parentRunId', value: parentId }];
  const isNew = known.size === 0;
  const nested = isNew
    ? new Map<string, ServerRun>()
    : await sentBefore(client, experiment, `tags."mlflow.parentRunId" = '${parentId}'`);
  await eachAtOnce(run.nested, async (record) => {
    await sendRecord(client, experiment, record, nested, { tags });
  });
}
