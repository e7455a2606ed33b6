/**
 * Every reason for which Volplane says no, in one table: what it means, who acts on it, and what frees it.
 *
 * `kind` is the class of the reason. Each door translates the kind once (gRPC status, plugin error text, CSI status).
 * docs/errors.md is generated from this table.
 */
export const REASONS = {
  INVALID_ARGUMENT: {
    kind: 'invalid',
    meaning: 'A field of the request is wrong whatever the state.',
    whatToDo: 'Correct the named field.',
  },
  INVALID_NAME: {
    kind: 'invalid',
    meaning: 'The name breaks the naming rule.',
    whatToDo: 'Use 2 to 128 of [a-zA-Z0-9_.-], the first a letter or digit.',
  },
  INVALID_OPTION: {
    kind: 'invalid',
    meaning: 'The driver does not know this option, or its value is wrong.',
    whatToDo: 'Correct the option; `volctl drivers` shows what the driver takes.',
  },
  DEADLINE_MISSING: {
    kind: 'invalid',
    meaning: 'The call came without a deadline, so nothing would bound it.',
    whatToDo: 'Set a deadline on the call.',
  },
  PAGE_TOKEN_INVALID: {
    kind: 'invalid',
    meaning: 'The page token was not made by this list, or its filters differ.',
    whatToDo: 'Start again without a token.',
  },
  VOLUME_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'No volume of this name exists; this is a positive answer, not a guess.',
    whatToDo: 'Check the name, and the node for a local volume.',
  },
  NODE_NOT_FOUND: { kind: 'not-found', meaning: 'No node of this name has registered.', whatToDo: 'Check the name with `volctl nodes`.' },
  DRIVER_NOT_FOUND: { kind: 'not-found', meaning: 'No live node offers this driver.', whatToDo: 'Check the name with `volctl drivers`.' },
  VOLUME_CONFLICT: {
    kind: 'exists',
    meaning: 'A volume of this name exists with another driver or other options; the difference is in the fields.',
    whatToDo: 'Use the same options, another name, or remove the volume first.',
  },
  VOLUME_ATTACHED: {
    kind: 'precondition',
    meaning: 'Nodes still hold the volume; every holder is named.',
    whatToDo: 'Unmount it on the named nodes.',
  },
  VOLUME_HELD: {
    kind: 'precondition',
    meaning: 'Another node holds the volume in a mode that excludes this one.',
    whatToDo: 'Unmount it on the holder; if the holder is dead, wait for evidence or declare the node lost.',
  },
  VOLUME_IN_USE: {
    kind: 'precondition',
    meaning: 'Mount ids on this node still use the local volume.',
    whatToDo: 'Unmount the named ids.',
  },
  ACCESS_MODE_REFUSED: {
    kind: 'precondition',
    meaning: 'The access mode of the volume does not allow this mount mode.',
    whatToDo: 'Mount read-only, or create the volume with another access mode.',
  },
  VOLUME_CREATING: {
    kind: 'unavailable',
    meaning: 'The volume is still being created.',
    whatToDo: 'Repeat the call; a manager finishes or rolls back the create.',
  },
  VOLUME_REMOVING: {
    kind: 'aborted',
    meaning: 'The volume is being removed; a remove only goes forward.',
    whatToDo: 'Wait until it is gone, then create it again if wanted.',
  },
  NOT_OWNER: {
    kind: 'aborted',
    meaning: 'The command carries an older epoch than the node has stored for this volume.',
    whatToDo: 'Nothing: the sender reads the document again.',
  },
  STALE_CLAIM: {
    kind: 'aborted',
    meaning: 'A newer claim or release of the same node has been seen.',
    whatToDo: 'Nothing: the node asks again if it still wants the volume.',
  },
  NODE_CORDONED: {
    kind: 'precondition',
    meaning: 'The node is cordoned and takes no new global volumes or mounts of them; local volumes are its own affair.',
    whatToDo: 'Use another node, or uncordon this one.',
  },
  NODE_LACKS_DRIVER: {
    kind: 'precondition',
    meaning: 'The node does not run the driver of this volume.',
    whatToDo: 'Use one of the nodes that have the driver.',
  },
  NODE_NAME_TAKEN: {
    kind: 'precondition',
    meaning: 'Another node uid is registered under this name.',
    whatToDo: 'Give the node another name, or declare the old one lost.',
  },
  NODE_LOST: {
    kind: 'precondition',
    meaning: 'An operator declared this node lost.',
    whatToDo: 'Wipe its agent data and let it register anew.',
  },
  NODE_ALIVE: {
    kind: 'precondition',
    meaning: 'The node still has a session, so it cannot be declared lost.',
    whatToDo: 'Stop the node, or ask it to release.',
  },
  PLAN_STALE: { kind: 'aborted', meaning: 'The state moved since the plan was shown.', whatToDo: 'Read the new plan and confirm it.' },
  GENERATION_STALE: {
    kind: 'aborted',
    meaning: 'The volume changed since the generation that the caller has seen.',
    whatToDo: 'Read the volume again and repeat the change.',
  },
  TAKEOVER_BRAKE: {
    kind: 'precondition',
    meaning: 'Too many nodes are lost at once, so automatic takeovers have stopped.',
    whatToDo: 'Repair the cluster, or declare the dead nodes lost by hand.',
  },
  GUARDIAN_DOWN: {
    kind: 'unavailable',
    meaning: 'The guardian of the node is not running yet, or not any more, so nothing is mounted there under the policy lease for now.',
    whatToDo:
      'Repeat the call: the agent starts it anew. If it stays so, look at the end of guardian/guardian.log in the data folder of the agent.',
  },
  UNGUARDED: {
    kind: 'precondition',
    meaning: 'The node has no guardian, or had none running when it was last heard of, so the end of its session is no evidence.',
    whatToDo: 'Bring the node back, or declare it lost.',
  },
  MOUNT_UNUSABLE: {
    kind: 'precondition',
    meaning: 'The mount was aborted and cannot be used again.',
    whatToDo: 'Unmount every id, then mount anew.',
  },
  MOUNT_FAILED: {
    kind: 'precondition',
    meaning: 'The driver could not mount the volume; nothing is mounted.',
    whatToDo: 'Read the cause; the mount can be repeated.',
  },
  FOREIGN_DATA: {
    kind: 'precondition',
    meaning: 'The place where the volume would live holds something that Volplane did not make.',
    whatToDo: 'Move it away, or use another name.',
  },
  DRIVER_FAILED: {
    kind: 'precondition',
    meaning: 'The driver answered with an error that is known to have no effect.',
    whatToDo: 'Read the cause.',
  },
  DRIVER_UNAVAILABLE: {
    kind: 'unavailable',
    meaning: 'The driver, its tool or its plugin does not answer.',
    whatToDo: 'Repair it; the call can be repeated.',
  },
  CAPABILITY_MISSING: {
    kind: 'unimplemented',
    meaning: 'The driver of this volume cannot do this.',
    whatToDo: 'Use a driver that lists the capability.',
  },
  NOT_IMPLEMENTED: {
    kind: 'unimplemented',
    meaning: 'The server does not know this call: it is none of Volplane, or of another version.',
    whatToDo: 'Check that the address is that of a manager or an agent, and that it runs the version of the caller.',
  },
  NO_CAPACITY: { kind: 'exhausted', meaning: 'The storage has no room for this.', whatToDo: 'Free space or ask for less.' },
  OVERLOADED: { kind: 'exhausted', meaning: 'A queue is full; the call was not begun.', whatToDo: 'Repeat it after the given delay.' },
  TOO_LARGE: { kind: 'invalid', meaning: 'The message, map or list is larger than its bound.', whatToDo: 'Send less at once.' },
  STORE_UNAVAILABLE: { kind: 'unavailable', meaning: 'etcd does not answer; nothing was changed.', whatToDo: 'Repeat the call.' },
  NODE_UNAVAILABLE: {
    kind: 'unavailable',
    meaning: 'The agent of the node does not answer; nothing was begun there.',
    whatToDo: 'Repeat the call, or look at the node.',
  },
  NO_MANAGER: {
    kind: 'unavailable',
    meaning: 'No manager answers; global volumes cannot change. Mounted volumes stay mounted.',
    whatToDo: 'Repeat the call when a manager is back.',
  },
  UNREACHABLE: {
    kind: 'unavailable',
    meaning: 'No server answers at the addresses that the client was given; nothing was begun.',
    whatToDo: 'Check the addresses, that a manager or agent runs there, and whether it wants TLS; then repeat the call.',
  },
  SESSION_LOST: {
    kind: 'unavailable',
    meaning: 'The node has no valid session, so it may not take new grants.',
    whatToDo: 'Repeat the call when the node is in touch again.',
  },
  CONTENTION: {
    kind: 'aborted',
    meaning: 'The change lost against concurrent changes of the same volume too often.',
    whatToDo: 'Repeat the call.',
  },
  SHUTTING_DOWN: { kind: 'unavailable', meaning: 'This process is stopping.', whatToDo: 'Repeat the call at another one.' },
  CANCELLED: { kind: 'cancelled', meaning: 'The caller went away before the answer.', whatToDo: 'Repeat the call if the outcome matters.' },
  DEADLINE_EXCEEDED: {
    kind: 'deadline',
    meaning: 'The time of the call ran out; its outcome is unknown.',
    whatToDo: 'Repeat the same call: it is idempotent.',
  },
  UNKNOWN_OUTCOME: {
    kind: 'unavailable',
    meaning: 'The request was sent and no answer came: it may or may not have happened.',
    whatToDo: 'Repeat the same call, or undo it: both are idempotent.',
  },
  DOCUMENT_INVALID: {
    kind: 'data-loss',
    meaning: 'A stored document does not validate; it was left alone.',
    whatToDo: 'Inspect the named key and repair it by hand.',
  },
  FOLDER_IN_USE: {
    kind: 'precondition',
    meaning: 'Another process uses this folder of state.',
    whatToDo: 'Stop the other process, or give each its own folder.',
  },
  DISK_FAILED: {
    kind: 'unavailable',
    meaning: 'The journal of the agent cannot be written, so nothing can be promised.',
    whatToDo: 'Free or repair the disk of the agent.',
  },
  INTERNAL: { kind: 'internal', meaning: 'A fault in Volplane itself.', whatToDo: 'Report it with the id in the log.' },
} as const satisfies Record<string, ReasonEntry>;

/** The class of a reason: what kind of answer the caller gets and whether repeating the call helps. */
export type ReasonKind =
  | 'invalid'
  | 'not-found'
  | 'exists'
  | 'precondition'
  | 'aborted'
  | 'exhausted'
  | 'unavailable'
  | 'deadline'
  | 'cancelled'
  | 'unimplemented'
  | 'data-loss'
  | 'internal';

interface ReasonEntry {
  readonly kind: ReasonKind;
  readonly meaning: string;
  readonly whatToDo: string;
}

export type Reason = keyof typeof REASONS;

export function isReason(text: string): text is Reason {
  return Object.hasOwn(REASONS, text);
}
