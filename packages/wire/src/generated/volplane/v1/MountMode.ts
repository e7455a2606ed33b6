// Original file: ../../proto/volplane/v1/common.proto

export const MountMode = {
  MOUNT_MODE_UNSPECIFIED: 'MOUNT_MODE_UNSPECIFIED',
  MOUNT_MODE_READ_WRITE: 'MOUNT_MODE_READ_WRITE',
  MOUNT_MODE_READ_ONLY: 'MOUNT_MODE_READ_ONLY',
} as const;

export type MountModeInput =
  | 'MOUNT_MODE_UNSPECIFIED'
  | 0
  | 'MOUNT_MODE_READ_WRITE'
  | 1
  | 'MOUNT_MODE_READ_ONLY'
  | 2

export type MountMode = typeof MountMode[keyof typeof MountMode]
