// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeInput as _volplane_v1_NodeInput, Node as _volplane_v1_Node } from '../../volplane/v1/Node.js';

export interface ListNodesResponseInput {
  'nodes'?: (_volplane_v1_NodeInput)[];
  'nextPageToken'?: (string);
  '_nextPageToken'?: "nextPageToken";
}

export interface ListNodesResponse {
  'nodes': (_volplane_v1_Node)[];
  'nextPageToken'?: (string);
  '_nextPageToken'?: "nextPageToken";
}
