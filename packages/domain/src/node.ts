import type { AccessMode, Scope, TakeoverPolicy } from './access.js';
import type { DriverName, Incarnation, NodeName, NodeUid, SessionId } from './names.js';
import type { StringMap } from './volume.js';

/** What a driver declares it can do; a door advertises nothing beyond it. */
export interface DriverCapabilities {
  readonly scope: Scope;
  /** The modes it can keep, the default one first. */
  readonly accessModes: readonly AccessMode[];
  /** The policies it can keep, the default one first; `lease` needs `abort`, `storage` needs `fence`. */
  readonly takeover: readonly TakeoverPolicy[];
  /** Can cut off open descriptors of a mount (file system shutdown, FUSE abort). */
  readonly abort: boolean;
  /** Can make the storage refuse a node or an epoch. */
  readonly fence: boolean;
  /** Keeps a hard size. */
  readonly size: boolean;
  readonly expand: boolean;
  readonly snapshot: boolean;
  readonly clone: boolean;
  /** Can offer the volume as a block device. */
  readonly block: boolean;
}

export interface DriverInfo {
  readonly name: DriverName;
  readonly capabilities: DriverCapabilities;
  /** Option names with a line of help each. */
  readonly options: StringMap;
}

/** The JSON document under /volplane/nodes/<node>; written by managers at registration and by operators' calls; survives restarts. */
export interface NodeDocument {
  readonly schema: 1;
  readonly name: NodeName;
  readonly uid: NodeUid;
  readonly drivers: readonly DriverInfo[];
  readonly labels: StringMap;
  /** Software version of the agent. */
  readonly version: string;
  readonly registeredAt: string;
  /** Takes no new global volumes or mounts of them; local volumes are the node’s own affair. */
  readonly cordoned: boolean;
  /** An operator declared it lost: its uid may never come back under this name. */
  readonly lost?: { readonly at: string; readonly by: string };
}

/** The JSON document under /volplane/sessions/<node>, bound to the node's lease: while the key exists the session lives. */
export interface SessionDocument {
  readonly schema: 1;
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly session: SessionId;
  readonly incarnation: Incarnation;
  /** The agent's durable count of its registrations; a registration with a lower one is late and refused. */
  readonly startNumber: number;
  readonly since: string;
}
