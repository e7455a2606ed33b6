// Original file: ../../proto/volplane/v1/volumes.proto


export interface ForgetVolumeResponseInput {
}

export interface ForgetVolumeResponse {
}
