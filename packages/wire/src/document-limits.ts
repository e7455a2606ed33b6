/** Bounds of documents that are no rule of the domain; the schemas and the quick check of volumes share them. */
export const DOCUMENT_LIMITS = {
  /** ISO 8601 with room to spare. */
  timestampLength: 40,
  textLength: 2048,
  snapshotNameLength: 128,
} as const;

export const OPERATION_KINDS = ['create', 'remove', 'expand', 'snapshot', 'remove-snapshot'] as const;
export const VOLUME_PHASES = ['creating', 'ready', 'removing'] as const;
export const EVIDENCE_KINDS = ['A', 'B', 'C', 'D'] as const;
export const MOUNT_MODES = ['rw', 'ro'] as const;
