import { Journal } from './journal/journal.ts';
import { MemoryStorage, type StudyStorage } from './storage.ts';
import type { Direction } from './trial.ts';

/**
 * A study in a journal file, or in memory where there is no path.
 * @throws InputError for a file that is not a journal, or holds a study of that name with another direction.
 */
export async function openStorage(
  path: string | undefined,
  study: { readonly studyName: string; readonly direction: Direction },
): Promise<StudyStorage> {
  return path === undefined ? new MemoryStorage(study.studyName, study.direction) : Journal.open(path, study);
}
