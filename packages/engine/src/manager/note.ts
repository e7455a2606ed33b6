import { AppError } from '@volplane/base';

/** The operator's word as it is stored as evidence. @throws AppError INVALID_ARGUMENT */
export function checkNote(note: string): string {
  const trimmed = note.trim();
  if (trimmed.length >= 1 && trimmed.length <= NOTE_MAX) return trimmed;
  throw new AppError('INVALID_ARGUMENT', `say in 1 to ${String(NOTE_MAX)} characters who says so and why`, { field: 'note' });
}

const NOTE_MAX = 200;
