// Original file: ../../proto/volplane/v1/volumes.proto


export interface UnmountVolumeResponseInput {
}

export interface UnmountVolumeResponse {
}
