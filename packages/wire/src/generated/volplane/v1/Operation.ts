// Original file: ../../proto/volplane/v1/volumes.proto

import type { OperationKindInput as _volplane_v1_OperationKindInput, OperationKind as _volplane_v1_OperationKind } from '../../volplane/v1/OperationKind.js';

export interface OperationInput {
  'id'?: (string);
  'kind'?: (_volplane_v1_OperationKindInput);
  'since'?: (string);
  'parameters'?: ({[key: string]: string});
  'ownerDone'?: (boolean);
  'cause'?: (string);
  '_ownerDone'?: "ownerDone";
  '_cause'?: "cause";
}

export interface Operation {
  'id': (string);
  'kind': (_volplane_v1_OperationKind);
  'since': (string);
  'parameters': ({[key: string]: string});
  'ownerDone'?: (boolean);
  'cause'?: (string);
  '_ownerDone'?: "ownerDone";
  '_cause'?: "cause";
}
