// Original file: ../../proto/volplane/v1/volumes.proto


export interface GetStatusRequestInput {
  'name'?: (string);
  'node'?: (string);
  '_node'?: "node";
}

export interface GetStatusRequest {
  'name': (string);
  'node'?: (string);
  '_node'?: "node";
}
