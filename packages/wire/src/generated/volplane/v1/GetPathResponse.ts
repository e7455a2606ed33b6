// Original file: ../../proto/volplane/v1/volumes.proto


export interface GetPathResponseInput {
  'path'?: (string);
  '_path'?: "path";
}

export interface GetPathResponse {
  'path'?: (string);
  '_path'?: "path";
}
