// Original file: ../../proto/volplane/v1/common.proto


export interface WatchSyncedInput {
}

export interface WatchSynced {
}
