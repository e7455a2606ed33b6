// Original file: ../../proto/volplane/v1/volumes.proto


export interface RemoveVolumeResponseInput {
}

export interface RemoveVolumeResponse {
}
