import type { VolumeView } from '@volplane/domain';
import type { WireCondition, WireVolumeHealth } from './messages.js';
import { requireVolumeId } from './volume-lookup.js';

/** One known problem of a volume. `reason` is for programs (CamelCase, unique a volume), `message` for people. */
export interface HealthProblem {
  readonly status: keyof typeof HEALTH_STATUS;
  readonly reason: string;
  readonly message: string;
}

/** What a manager or an agent can tell of the volume's record; empty = nothing known to be wrong. */
export function recordProblems(view: VolumeView): readonly HealthProblem[] {
  const problems: HealthProblem[] = [];
  if (view.unavailable === true) {
    const message =
      view.scope === 'local'
        ? `node ${view.node} does not answer, and volume ${view.name} lives there`
        : `no manager answers for volume ${view.name}; what is mounted stays mounted`;
    problems.push({ status: view.scope === 'local' ? 'INACCESSIBLE' : 'DEGRADED', reason: 'Unavailable', message });
  }
  if (view.phase === 'removing') {
    problems.push({ status: 'INACCESSIBLE', reason: 'Removing', message: `volume ${view.name} is being removed` });
  }
  return problems;
}

/** The word for volume condition in CSI up to 1.12. */
export function conditionOf(view: VolumeView, problems: readonly HealthProblem[] = recordProblems(view)): WireCondition {
  return { abnormal: problems.length > 0, message: problems.map((problem) => problem.message).join('; ') || 'no known problem' };
}

/** The words of CSI from 1.13. */
export function toWireHealth(view: VolumeView, problems: readonly HealthProblem[] = recordProblems(view)): WireVolumeHealth {
  return {
    volume_id: requireVolumeId(view),
    health_statuses: problems.map(({ status, reason, message }) => ({ status: HEALTH_STATUS[status], reason, message })),
  };
}

/** VolumeHealthErrorType of csi.proto. */
const HEALTH_STATUS = { DEGRADED: 1, INACCESSIBLE: 2, DATA_LOSS: 3 } as const;
