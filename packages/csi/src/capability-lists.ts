import type { DriverCapabilities } from '@volplane/domain';
import { isAtLeast, type SpecLevel } from './spec-level.js';

/** One advertised capability: its number, since and until which CSI release it exists, and which driver must be able to. */
interface Advertised {
  readonly type: number;
  readonly since?: SpecLevel;
  /** The first release without it. */
  readonly until?: SpecLevel;
  readonly needs?: (driver: DriverCapabilities) => boolean;
}

/**
 * The numbers that are advertised at `level` when `drivers` can be reached: what no driver can is not advertised, and what
 * only some can is refused for the volumes of the others.
 */
export function advertise(list: readonly Advertised[], level: SpecLevel, drivers: readonly DriverCapabilities[]): readonly number[] {
  return list
    .filter(({ since }) => since === undefined || isAtLeast(level, since))
    .filter(({ until }) => until === undefined || !isAtLeast(level, until))
    .filter(({ needs }) => needs === undefined || drivers.some(needs))
    .map(({ type }) => type);
}

/** Snapshots can be restored by drivers that clone; CSI demands both together. */
const hasSnapshots = (driver: DriverCapabilities): boolean => driver.snapshot && driver.clone;

/** ControllerServiceCapability.RPC.Type */
export const CONTROLLER_CAPABILITIES: readonly Advertised[] = [
  { type: 1 /* CREATE_DELETE_VOLUME */ },
  { type: 2 /* PUBLISH_UNPUBLISH_VOLUME */ },
  { type: 3 /* LIST_VOLUMES */ },
  { type: 4 /* GET_CAPACITY */, needs: (driver) => driver.size },
  { type: 5 /* CREATE_DELETE_SNAPSHOT */, needs: hasSnapshots },
  { type: 6 /* LIST_SNAPSHOTS */, needs: hasSnapshots },
  { type: 7 /* CLONE_VOLUME */, needs: (driver) => driver.clone },
  { type: 8 /* PUBLISH_READONLY */ },
  { type: 9 /* EXPAND_VOLUME */, needs: (driver) => driver.expand },
  { type: 10 /* LIST_VOLUMES_PUBLISHED_NODES */ },
  { type: 11 /* VOLUME_CONDITION */, until: '1.13' },
  { type: 12 /* GET_VOLUME */ },
  { type: 13 /* SINGLE_NODE_MULTI_WRITER */ },
  { type: 14 /* MODIFY_VOLUME */, since: '1.9' },
  { type: 15 /* GET_SNAPSHOT */, since: '1.12', needs: hasSnapshots },
  { type: 16 /* GET_VOLUME_HEALTH */, since: '1.13' },
  { type: 17 /* LIST_VOLUME_HEALTH */, since: '1.13' },
];

/** NodeServiceCapability.RPC.Type */
export const NODE_CAPABILITIES: readonly Advertised[] = [
  { type: 1 /* STAGE_UNSTAGE_VOLUME */ },
  { type: 2 /* GET_VOLUME_STATS */ },
  { type: 3 /* EXPAND_VOLUME */, needs: (driver) => driver.expand },
  { type: 4 /* VOLUME_CONDITION */, until: '1.13' },
  { type: 5 /* SINGLE_NODE_MULTI_WRITER */ },
  { type: 6 /* VOLUME_MOUNT_GROUP */ },
  { type: 7 /* GET_VOLUME_HEALTH */, since: '1.13' },
  { type: 8 /* GET_STORAGE_HEALTH */, since: '1.13' },
];

/** GroupControllerServiceCapability.RPC.Type */
export const GROUP_CAPABILITIES: readonly Advertised[] = [{ type: 1 /* CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT */, needs: hasSnapshots }];

/** PluginCapability.Service.Type: the same on every process of one version, whatever it serves and whichever drivers there are. */
export const PLUGIN_CAPABILITIES: readonly Advertised[] = [
  { type: 1 /* CONTROLLER_SERVICE */ },
  { type: 2 /* VOLUME_ACCESSIBILITY_CONSTRAINTS */ },
  { type: 3 /* GROUP_CONTROLLER_SERVICE */ },
  { type: 5 /* SNAPSHOT_ACCESSIBILITY_CONSTRAINTS */, since: '1.13' },
];

/** PluginCapability.VolumeExpansion.Type: ONLINE. */
export const EXPANSION_TYPE = 1;
