// Original file: ../../proto/volplane/v1/common.proto


export interface MountIdsInput {
  'ids'?: (string)[];
}

export interface MountIds {
  'ids': (string)[];
}
