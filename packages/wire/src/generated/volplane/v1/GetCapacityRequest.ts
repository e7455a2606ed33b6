// Original file: ../../proto/volplane/v1/drivers.proto


export interface GetCapacityRequestInput {
  'driver'?: (string);
  'node'?: (string);
  '_node'?: "node";
}

export interface GetCapacityRequest {
  'driver': (string);
  'node'?: (string);
  '_node'?: "node";
}
