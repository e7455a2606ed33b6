import { commit, refuse, type ClusterView, type Decision } from './decision.js';
import { attachedFailure } from './holders.js';
import type { TakeoverPolicy } from './access.js';
import { canKeepPolicy } from './placement.js';
import { LIMITS, type StringMap, type VolumeDocument, type VolumeSpec } from './volume.js';

export interface SettingsChange {
  readonly name: string;
  readonly set: StringMap;
  /** Taken away after `set` was put in. */
  readonly drop: readonly string[];
  readonly takeover?: TakeoverPolicy;
  /** Refuse unless the document has this revision; compare it with `revision`. */
  readonly expectedGeneration?: number;
}

/** Changes what is no part of the identity: labels and the takeover policy, all of it or nothing. */
export function decideSettings(
  document: VolumeDocument | undefined,
  revision: number,
  change: SettingsChange,
  view: ClusterView,
): Decision<VolumeDocument> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${change.name} does not exist`, { volume: change.name });
  const { expectedGeneration } = change;
  if (expectedGeneration !== undefined && revision !== expectedGeneration) {
    const text = `volume ${document.name} is at generation ${String(revision)}, not ${String(expectedGeneration)}`;
    return refuse('GENERATION_STALE', text, { volume: document.name, generation: String(revision) });
  }
  const labels: Record<string, string> = { ...document.spec.labels, ...change.set };
  for (const key of change.drop) Reflect.deleteProperty(labels, key);
  const count = Object.keys(labels).length;
  if (count > LIMITS.mapEntries) {
    const text = `volume ${document.name} would have ${String(count)} labels, at most ${String(LIMITS.mapEntries)} are allowed`;
    return refuse('TOO_LARGE', text, { volume: document.name, field: 'labels' });
  }
  const takeover = change.takeover ?? document.spec.takeover;
  const unkept = refusePolicy(document, takeover, view);
  if (unkept !== undefined) return unkept;
  const spec: VolumeSpec = { ...document.spec, labels, takeover };
  const next = { ...document, spec };
  return commit(next, next);
}

/**
 * A mount is armed, or not, when it is made: evidence C against a mount of another policy would be false, and a mount armed under
 * `lease` would still be aborted. So the policy changes to or from `lease` only while nobody holds the volume.
 */
function refusePolicy(document: VolumeDocument, takeover: TakeoverPolicy, view: ClusterView): Decision<never> | undefined {
  const { name, spec, owner } = document;
  if (takeover === spec.takeover) return undefined;
  const driver = view.node(owner)?.drivers.find((offered) => offered.name === spec.driver);
  if (takeover !== 'manual' && driver === undefined) {
    const text = `it cannot be told what driver ${spec.driver} of volume ${name} can keep: its owner ${owner} does not offer it`;
    return refuse('NODE_LACKS_DRIVER', text, { volume: name, node: owner, driver: spec.driver });
  }
  if (driver !== undefined && !canKeepPolicy(driver, takeover)) {
    return refuse('INVALID_ARGUMENT', `driver ${spec.driver} of volume ${name} cannot keep the takeover policy ${takeover}`, {
      volume: name,
      driver: spec.driver,
      field: 'takeover',
    });
  }
  if ((takeover === 'lease' || spec.takeover === 'lease') && Object.keys(document.attachments).length > 0) {
    const what = `changed from the takeover policy ${spec.takeover} to ${takeover}`;
    return { type: 'refuse', failure: attachedFailure(document, view, what) };
  }
  return undefined;
}
