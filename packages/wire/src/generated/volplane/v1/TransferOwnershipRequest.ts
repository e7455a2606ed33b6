// Original file: ../../proto/volplane/v1/volumes.proto


export interface TransferOwnershipRequestInput {
  'name'?: (string);
  'toNode'?: (string);
}

export interface TransferOwnershipRequest {
  'name': (string);
  'toNode': (string);
}
