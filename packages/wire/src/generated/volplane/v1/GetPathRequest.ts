// Original file: ../../proto/volplane/v1/volumes.proto


export interface GetPathRequestInput {
  'name'?: (string);
  'node'?: (string);
  '_node'?: "node";
}

export interface GetPathRequest {
  'name': (string);
  'node'?: (string);
  '_node'?: "node";
}
