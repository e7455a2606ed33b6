// Original file: ../../proto/volplane/v1/drivers.proto


export interface ListDriversRequestInput {
  'node'?: (string);
  '_node'?: "node";
}

export interface ListDriversRequest {
  'node'?: (string);
  '_node'?: "node";
}
