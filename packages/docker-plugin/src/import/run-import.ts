import { AppError, toFailure } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import type { DoorApi } from '../volume-calls.js';
import type { ImportEntry } from './plan-import.js';

export interface ImportOutcome {
  readonly entry: ImportEntry;
  /** Absent: the volume is adopted. */
  readonly fault?: AppError;
}

/** Adopts what the plan says, one volume after the other. A failed one does not stop the rest, and all can be run again. */
export async function runImport(
  plan: readonly ImportEntry[],
  api: Pick<DoorApi, 'createVolume'>,
  context: CallContext,
): Promise<readonly ImportOutcome[]> {
  const outcomes: ImportOutcome[] = [];
  for (const entry of plan) {
    if (entry.action !== 'adopt' || entry.request === undefined) continue;
    try {
      // One after the other: the order of the report is the order of the work.
      await api.createVolume(entry.request, context);
      outcomes.push({ entry });
    } catch (error) {
      outcomes.push({ entry, fault: AppError.fromFailure(toFailure(error)) });
    }
  }
  return outcomes;
}
