// Original file: ../../proto/volplane/v1/volumes.proto


export interface ExpectedRefusalInput {
  'reason'?: (string);
  'message'?: (string);
  'freedBy'?: (string);
}

export interface ExpectedRefusal {
  'reason': (string);
  'message': (string);
  'freedBy': (string);
}
