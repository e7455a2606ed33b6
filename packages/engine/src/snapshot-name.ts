import { AppError } from '@volplane/base';
import { isVolumeName, quote, type VolumeName } from '@volplane/domain';

/** The name of a snapshot follows the rule of volume names, and is named as what it is where it breaks that. @throws AppError INVALID_NAME */
export function parseSnapshotName(text: string): VolumeName {
  if (isVolumeName(text)) return text;
  throw new AppError(
    'INVALID_NAME',
    `snapshot name ${quote(text)} is not allowed: use 2 to 128 of [a-zA-Z0-9_.-], a letter or digit first`,
    {
      field: 'snapshot',
      name: text.slice(0, 80),
    },
  );
}
