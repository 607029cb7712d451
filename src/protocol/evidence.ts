import { createHash } from 'node:crypto';
import { copyFile, lstat, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { decodeText, JsonReader, parseJson } from '../boosting/json-reader.ts';
import { loadModel } from '../ensemble/load.ts';
import { InputError } from '../errors.ts';
import { makeFolder, readFileBytes, writeError, writeFileAtomically } from '../files.ts';
import { mirrorRun, type RecordedRun } from '../tracking/mlflow/file-store.ts';
import { STORE_FOLDER } from '../tracking/mlflow/outbox.ts';
import { EVIDENCE_FOLDER, type OutputFolder, toJson } from './output.ts';

/** Names every file of an evidence package, in the package. */
export const MANIFEST_FILE = 'manifest.json';
const MANIFEST_VERSION = 1;

/** One file of a package. */
export interface ManifestEntry {
  /** Relative to the package, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Of all entries: a package whose manifest has this hash is the same, file by file. */
const hashOfEntries = (files: readonly ManifestEntry[]) =>
  sha256(files.map(({ path, bytes, sha256: hash }) => `${hash} ${bytes} ${path}\n`).join(''));

/** Files, links and whatever else lies below a folder, relative to it with forward slashes, in the order of their bytes. */
async function namesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function entryOf(folder: string, path: string): Promise<ManifestEntry> {
  const content = await readFile(join(folder, path));
  return { path, bytes: content.length, sha256: sha256(content) };
}

/**
 * The stage evidence: puts the deliverables of a run and its record into the evidence package, which has nothing else afterwards, and
 * names every file with its SHA-256 in manifest.json, which is written last.
 * @param recorded the run's record for MLflow, where there is one
 * @returns the files of the package but those of the record, relative to the output folder
 * @throws InputError or EnvironmentError where the package cannot be written; there is no manifest then.
 */
export async function writeEvidence(
  output: OutputFolder,
  experiment: string,
  recorded: RecordedRun | undefined,
): Promise<string[]> {
  const folder = join(output.path, EVIDENCE_FOLDER);
  try {
    await rm(folder, { recursive: true, force: true });
    for (const name of output.deliverables) {
      const target = join(folder, name);
      await makeFolder(dirname(target));
      await copyFile(join(output.path, name), target);
    }
  } catch (cause) {
    throw writeError(folder, cause);
  }
  if (recorded !== undefined) await mirrorRun(recorded, join(folder, STORE_FOLDER));
  const files: ManifestEntry[] = [];
  for (const path of await namesBelow(folder)) files.push(await entryOf(folder, path));
  const manifest = { format_version: MANIFEST_VERSION, experiment, sha256: hashOfEntries(files), files };
  await writeFileAtomically(join(folder, MANIFEST_FILE), toJson(manifest));
  return [...output.deliverables, MANIFEST_FILE].map((name) => join(EVIDENCE_FOLDER, name));
}

/** What a look at an evidence package has found. */
export interface EvidenceOutcome {
  /** The package. */
  readonly folder: string;
  /** Files that the manifest names. */
  readonly files: number;
  /** Models that were loaded. */
  readonly models: number;
  /** Of the manifest's entries, computed anew. */
  readonly sha256: string;
  /** One sentence each; none where the package is as it was made. */
  readonly failures: readonly string[];
}

/**
 * The evidence package of a folder: the folder itself, or that of a run.
 * @throws InputError where it holds none.
 */
export async function findEvidence(folder: string): Promise<string> {
  for (const candidate of [folder, join(folder, EVIDENCE_FOLDER)]) {
    if ((await lstat(join(candidate, MANIFEST_FILE)).catch(() => undefined))?.isFile()) return candidate;
  }
  throw new InputError(
    `${folder} holds no evidence package with a ${MANIFEST_FILE}: name the output folder of a lockstep run that ended, or the package.`,
  );
}

/** Whether a path of a manifest stays within the package. */
const isInside = (path: string) =>
  path !== '' &&
  !path.includes('\\') &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

class ManifestReader extends JsonReader {
  override error(problem: string): InputError {
    return new InputError(`${this.name} is not an intact manifest: ${problem}; make the package again.`);
  }
}

async function readManifest(folder: string): Promise<{ files: ManifestEntry[]; sha256: string }> {
  const path = join(folder, MANIFEST_FILE);
  const text = decodeText(await readFileBytes(path, 'a manifest'), path, 'a manifest');
  const reader = new ManifestReader(path, 'manifest');
  const manifest = reader.object(parseJson(text, path), 'the manifest');
  reader.version(manifest, 'format_version', MANIFEST_VERSION);
  const files = reader.array(manifest.files, 'files').map((value, i) => {
    const entry = reader.object(value, `files[${i}]`);
    return {
      path: reader.string(entry.path, `files[${i}].path`),
      bytes: reader.integer(entry.bytes, `files[${i}].bytes`, 0, Number.MAX_SAFE_INTEGER),
      sha256: reader.string(entry.sha256, `files[${i}].sha256`),
    };
  });
  return { files, sha256: reader.string(manifest.sha256, 'sha256') };
}

/** What is wrong with one file that the manifest names. */
async function faultOf(
  folder: string,
  { path, bytes, sha256: expected }: ManifestEntry,
): Promise<string | undefined> {
  if (!isInside(path))
    return `The manifest names ${JSON.stringify(path)}, which is no path within the package.`;
  const status = await lstat(join(folder, path)).catch(() => undefined);
  if (status === undefined) return `${path} is missing.`;
  if (!status.isFile()) return `${path} is not a plain file.`;
  if (status.size !== bytes) return `${path} has ${status.size} bytes, not the recorded ${bytes}.`;
  const found = await entryOf(folder, path);
  return found.sha256 === expected
    ? undefined
    : `${path} has been changed: its SHA-256 is ${found.sha256}, not ${expected}.`;
}

/** Loads every model of a package and compares fingerprints with those of run.json. */
async function checkModels(
  folder: string,
  files: readonly ManifestEntry[],
): Promise<{ count: number; failures: string[] }> {
  const failures: string[] = [];
  const recorded =
    JSON.parse(await readFile(join(folder, 'run.json'), 'utf8').catch(() => '{}')).fingerprints ?? {};
  const models = files.filter(({ path }) => /^models\/[^/]+\.json$/.test(path));
  const seen = new Set<string>();
  for (const { path } of models) {
    const [, name] = /^models\/(.+)_model\.json$/.exec(path) ?? [];
    try {
      const { fingerprint } = await loadModel(join(folder, path));
      const expected = name === undefined ? undefined : recorded[name];
      if (expected !== undefined) seen.add(name!);
      if (expected !== undefined && expected !== fingerprint) {
        failures.push(`${path} has the fingerprint ${fingerprint}, not the recorded ${expected}.`);
      }
    } catch (error) {
      failures.push(`${path} does not load: ${(error as Error).message}`);
    }
  }
  for (const name of Object.keys(recorded)) {
    if (!seen.has(name)) failures.push(`The model ${name}, which run.json names, is not in the package.`);
  }
  return { count: models.length, failures };
}

/**
 * Checks that an evidence package is whole and unchanged, wherever it lies: every file of its manifest is there with its SHA-256, there is no
 * other, and each model loads and has the recorded fingerprint.
 * @param folder the package, or the output folder of its run
 * @throws InputError where there is no package, or its manifest cannot be read. Differences are no errors but in `failures`.
 */
export async function verifyEvidence(folder: string): Promise<EvidenceOutcome> {
  const evidence = await findEvidence(folder);
  const { files, sha256: recorded } = await readManifest(evidence);
  const failures: string[] = [];
  const sum = hashOfEntries(files);
  if (sum !== recorded)
    failures.push(
      `The manifest itself has been changed: its entries have the SHA-256 ${sum}, not ${recorded}.`,
    );
  for (const entry of files) {
    const fault = await faultOf(evidence, entry);
    if (fault !== undefined) failures.push(fault);
  }
  const named = new Set([MANIFEST_FILE, ...files.map(({ path }) => path)]);
  for (const path of await namesBelow(evidence)) {
    if (!named.has(path)) failures.push(`${path} is not in the manifest.`);
  }
  const models = await checkModels(evidence, files);
  return {
    folder: evidence,
    files: files.length,
    models: models.count,
    sha256: sum,
    failures: [...failures, ...models.failures],
  };
}
