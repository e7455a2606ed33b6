// Original file: ../../proto/volplane/v1/volumes.proto


export interface RemoveSnapshotRequestInput {
  'name'?: (string);
  'node'?: (string);
  'snapshot'?: (string);
  '_node'?: "node";
}

export interface RemoveSnapshotRequest {
  'name': (string);
  'node'?: (string);
  'snapshot': (string);
  '_node'?: "node";
}
