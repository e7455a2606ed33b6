// Original file: ../../proto/volplane/v1/volumes.proto

import type { TakeoverPolicyInput as _volplane_v1_TakeoverPolicyInput, TakeoverPolicy as _volplane_v1_TakeoverPolicy } from '../../volplane/v1/TakeoverPolicy.js';
import type { Long } from '@grpc/proto-loader';

export interface UpdateLabelsRequestInput {
  'name'?: (string);
  'node'?: (string);
  'set'?: ({[key: string]: string});
  'drop'?: (string)[];
  'expectedGeneration'?: (number | string | Long);
  'takeover'?: (_volplane_v1_TakeoverPolicyInput);
  '_node'?: "node";
  '_expectedGeneration'?: "expectedGeneration";
}

export interface UpdateLabelsRequest {
  'name': (string);
  'node'?: (string);
  'set': ({[key: string]: string});
  'drop': (string)[];
  'expectedGeneration'?: (string);
  'takeover': (_volplane_v1_TakeoverPolicy);
  '_node'?: "node";
  '_expectedGeneration'?: "expectedGeneration";
}
