import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JsonReader } from '../boosting/json-reader.ts';
import { loadModel } from '../ensemble/load.ts';
import { InputError } from '../errors.ts';
import { writeError } from '../files.ts';
import { mirrorRun, type RecordedRun } from '../tracking/mlflow/file-store.ts';
import { STORE_FOLDER } from '../tracking/mlflow/outbox.ts';
import { lockstepVersion } from './installed.ts';
import { readJsonObject } from './json-file.ts';
import { EVIDENCE_FOLDER, type OutputFolder } from './output.ts';
import { RUN_FILE } from './run-data.ts';

export const MANIFEST_FILE = 'manifest.json';
const FORMAT = 'lockstep evidence';
const VERSION = 1;

/** A file of an evidence package. */
interface ManifestEntry {
  /** Relative to the package, with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

const hashOf = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');

/** The SHA-256 over the entries as compact JSON. */
const hashOfEntries = (entries: readonly ManifestEntry[]) => hashOf(JSON.stringify(entries));

/** What lies below a folder, relative to it with slashes and sorted by code units; links are not followed. */
function listFolder(folder: string): { files: string[]; others: string[] } {
  const files: string[] = [];
  const others: string[] = [];
  const visit = (path: string) => {
    for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) visit(name);
      else (entry.isFile() ? files : others).push(name);
    }
  };
  visit('');
  return { files: files.sort(), others: others.sort() };
}

function entryOf(folder: string, path: string): ManifestEntry {
  const content = readFileSync(join(folder, path));
  return { path, bytes: content.length, sha256: hashOf(content) };
}

/**
 * Writes the evidence package of a run anew: the deliverables, the run's record for MLflow, and last the manifest, so that a package
 * that has one is whole.
 * @throws InputError or EnvironmentError where it cannot be written.
 */
export async function writeEvidence(
  output: OutputFolder,
  recorded: RecordedRun | undefined,
  experiment: string,
): Promise<void> {
  const folder = join(output.path, EVIDENCE_FOLDER);
  try {
    await rm(folder, { recursive: true, force: true });
    for (const name of output.deliverables) {
      await output.write(join(EVIDENCE_FOLDER, name), await readFile(join(output.path, name)));
    }
    if (recorded !== undefined) await mirrorRun(recorded, join(folder, STORE_FOLDER));
    const files = listFolder(folder).files.map((path) => entryOf(folder, path));
    await output.writeJson(join(EVIDENCE_FOLDER, MANIFEST_FILE), {
      format: FORMAT,
      version: VERSION,
      lockstep: lockstepVersion(),
      experiment,
      sha256: hashOfEntries(files),
      files,
    });
  } catch (cause) {
    throw writeError(folder, cause);
  }
}

/**
 * The evidence package that a folder is or holds.
 * @throws InputError where there is none.
 */
export function findEvidence(folder: string): string {
  const found = [folder, join(folder, EVIDENCE_FOLDER)].find((at) => existsSync(join(at, MANIFEST_FILE)));
  if (found !== undefined) return found;
  throw new InputError(
    `${folder} holds no evidence package: there is no ${MANIFEST_FILE}; name the output folder of lockstep run, or the package itself.`,
  );
}

class PackageFile extends JsonReader {
  override error(problem: string): InputError {
    return new InputError(`${this.name} is not what lockstep run writes: ${problem}.`);
  }
}

/** A JSON object of an evidence package, with a reader for its values; undefined where the package has no such file. */
export function findPackageFile(folder: string, name: string) {
  const reader = new PackageFile(join(folder, name), 'evidence package');
  const content = readJsonObject(reader, 'take another copy of the package');
  return content && { reader, content };
}

/**
 * As `findPackageFile`.
 * @throws InputError also where there is no such file.
 */
export function readPackageFile(folder: string, name: string) {
  const found = findPackageFile(folder, name);
  if (found !== undefined) return found;
  throw new InputError(`${folder} has no ${name}: name the evidence package of a run that ended.`);
}

function readManifest(folder: string) {
  const { reader, content } = readPackageFile(folder, MANIFEST_FILE);
  if (content.format !== FORMAT || content.version !== VERSION) {
    throw reader.error(`it is no ${FORMAT} of version ${VERSION}`);
  }
  const entries = reader.array(content.files, 'files').map((item, i): ManifestEntry => {
    const { path, bytes, sha256 } = reader.object(item, `files[${i}]`);
    return {
      path: reader.string(path, `files[${i}].path`),
      bytes: reader.number(bytes, `files[${i}].bytes`),
      sha256: reader.string(sha256, `files[${i}].sha256`),
    };
  });
  return { sha256: reader.string(content.sha256, 'sha256'), entries };
}

/** Whether a path of a manifest stays in the package. */
const staysInside = (path: string) =>
  path !== '' &&
  !/[\\\0]|^[A-Za-z]:/.test(path) &&
  path.split('/').every((part) => !['', '.', '..'].includes(part));

/** What is wrong with a file, which may lie behind no link. */
function problemOf(folder: string, entry: ManifestEntry): string | undefined {
  const info = lstatSync(join(folder, entry.path));
  if (info.size !== entry.bytes)
    return `${entry.path} has ${info.size} bytes, and ${entry.bytes} are recorded.`;
  const { sha256 } = entryOf(folder, entry.path);
  return sha256 === entry.sha256
    ? undefined
    : `${entry.path} has the SHA-256 ${sha256}, and ${entry.sha256} is recorded.`;
}

async function modelProblems(folder: string): Promise<string[]> {
  const { reader, content } = readPackageFile(folder, RUN_FILE);
  const problems: string[] = [];
  for (const [name, recorded] of Object.entries(reader.object(content.fingerprints, 'fingerprints'))) {
    const file = `models/${name}_model.json`;
    try {
      const { fingerprint } = await loadModel(join(folder, file));
      if (fingerprint === recorded) continue;
      problems.push(
        `${file} has the fingerprint ${fingerprint}, and ${RUN_FILE} records ${String(recorded)}.`,
      );
    } catch (error) {
      problems.push(`${file} does not load: ${(error as Error).message}`);
    }
  }
  return problems;
}

/** What a check of an evidence package has found. */
export interface EvidenceCheck {
  /** Folder of the package. */
  readonly evidence: string;
  readonly files: number;
  /** The SHA-256 over the manifest's entries. */
  readonly sha256: string;
  /** Sentences; none where the package is as it was written. */
  readonly differences: readonly string[];
}

/**
 * Checks an evidence package, wherever it lies: every file is there, unchanged, and none besides; each model loads and has the
 * fingerprint that the run recorded.
 * @param given the package, or the output folder that holds it
 * @throws InputError where there is no package, or its manifest cannot be read.
 */
export async function verifyEvidence(given: string): Promise<EvidenceCheck> {
  const folder = findEvidence(given);
  const { sha256, entries } = readManifest(folder);
  const { files, others } = listFolder(folder);
  const differences: string[] = [];
  if (hashOfEntries(entries) !== sha256) {
    differences.push(`${MANIFEST_FILE} is changed: its entries do not have the SHA-256 that it states.`);
  }
  const present = new Set(files);
  const seen = new Set<string>([MANIFEST_FILE]);
  for (const entry of entries) {
    const { path } = entry;
    if (!staysInside(path)) differences.push(`${JSON.stringify(path)} is no path within the package.`);
    else if (seen.has(path)) differences.push(`${path} is listed twice.`);
    else if (!present.has(path)) {
      if (!others.includes(path)) differences.push(`${path} is missing.`);
    } else {
      const problem = problemOf(folder, entry);
      if (problem !== undefined) differences.push(problem);
    }
    seen.add(path);
  }
  for (const path of files) if (!seen.has(path)) differences.push(`${path} is not in the manifest.`);
  for (const path of others) differences.push(`${path} is a link or no regular file.`);
  if (present.has(RUN_FILE)) {
    differences.push(...(await modelProblems(folder).catch((error: Error) => [error.message])));
  }
  return { evidence: folder, files: entries.length, sha256, differences };
}
