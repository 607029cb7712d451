/** The lengths that MLflow 3 allows, in code points (mlflow/utils/validation.py). */
export const MLFLOW_LIMITS = {
  key: 250,
  param: 6000,
  tag: 8000,
  experimentTag: 20_000,
  datasetName: 500,
  datasetDigest: 36,
  datasetSchema: 1_048_575,
} as const;

/** The longest file name of common file systems, in bytes; the file store makes a file of each key. */
const FILE_NAME_BYTES = 255;

/** The first so many code points, as MLflow itself cuts values that are too long. */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return Array.from(text).slice(0, limit).join('');
}

/** The longest beginning that is no longer than so many bytes. */
function cutBytes(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name;
  const points = Array.from(name);
  while (Buffer.byteLength(points.join('')) > bytes) points.pop();
  return points.join('');
}

/**
 * The nearest key that MLflow accepts: letters, digits, `_ - . : /` and spaces, at most 250 of them, and unchanged when
 * taken as a path. Everything else becomes `_`.
 */
export function mlflowKey(name: string): string {
  // Letters with accents count as one character only where they are composed.
  const plain = name.normalize('NFC').replace(/[^\p{L}\p{N}_.\-: /]/gu, '_');
  const path = plain
    .split('/')
    .map((part) => (/^\.{0,2}$/.test(part) ? '_' : cutBytes(part, FILE_NAME_BYTES)))
    .join('/');
  return cutText(path, MLFLOW_LIMITS.key).replace(/\/\.{0,2}$/, '');
}

const foldersOf = (key: string) =>
  key.split('/').flatMap((_, i, parts) => (i === 0 ? [] : [parts.slice(0, i).join('/')]));

/**
 * Keys for names, in their order: each valid, no two alike, and none a folder of another, which files could not hold.
 * A name whose key is taken gets the next free number behind it.
 */
export function mlflowKeys(names: readonly string[]): string[] {
  const files = new Set<string>();
  const folders = new Set<string>();
  const isFree = (key: string) =>
    !files.has(key) && !folders.has(key) && !foldersOf(key).some((folder) => files.has(folder));
  return names.map((name) => {
    let key = mlflowKey(name);
    if (!isFree(key)) {
      const flat = key.replaceAll('/', '_');
      for (let n = 2; !isFree(key); n++) {
        const suffix = `_${n}`;
        const short = cutText(flat, MLFLOW_LIMITS.key - suffix.length);
        key = cutBytes(short, FILE_NAME_BYTES - suffix.length) + suffix;
      }
    }
    files.add(key);
    for (const folder of foldersOf(key)) folders.add(folder);
    return key;
  });
}

/** Values by key: names made valid, values cut to the limit. */
export function mlflowEntries(
  values: Readonly<Record<string, string>>,
  limit: number,
): [key: string, value: string][] {
  const names = Object.keys(values);
  const keys = mlflowKeys(names);
  return names.map((name, i) => [keys[i]!, cutText(values[name]!, limit)]);
}
