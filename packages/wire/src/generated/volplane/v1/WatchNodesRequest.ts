// Original file: ../../proto/volplane/v1/nodes.proto


export interface WatchNodesRequestInput {
  'namePrefix'?: (string);
  '_namePrefix'?: "namePrefix";
}

export interface WatchNodesRequest {
  'namePrefix'?: (string);
  '_namePrefix'?: "namePrefix";
}
