// Original file: ../../proto/volplane/v1/volumes.proto

export const VolumePhase = {
  VOLUME_PHASE_UNSPECIFIED: 'VOLUME_PHASE_UNSPECIFIED',
  VOLUME_PHASE_CREATING: 'VOLUME_PHASE_CREATING',
  VOLUME_PHASE_READY: 'VOLUME_PHASE_READY',
  VOLUME_PHASE_REMOVING: 'VOLUME_PHASE_REMOVING',
} as const;

export type VolumePhaseInput =
  | 'VOLUME_PHASE_UNSPECIFIED'
  | 0
  | 'VOLUME_PHASE_CREATING'
  | 1
  | 'VOLUME_PHASE_READY'
  | 2
  | 'VOLUME_PHASE_REMOVING'
  | 3

export type VolumePhase = typeof VolumePhase[keyof typeof VolumePhase]
