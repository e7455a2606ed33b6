// Original file: ../../proto/volplane/v1/volumes.proto


export interface CreateSnapshotRequestInput {
  'name'?: (string);
  'node'?: (string);
  'snapshot'?: (string);
  '_node'?: "node";
}

export interface CreateSnapshotRequest {
  'name': (string);
  'node'?: (string);
  'snapshot': (string);
  '_node'?: "node";
}
