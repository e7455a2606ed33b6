// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeInput as _volplane_v1_NodeInput, Node as _volplane_v1_Node } from '../../volplane/v1/Node.js';

export interface UncordonNodeResponseInput {
  'node'?: (_volplane_v1_NodeInput | null);
}

export interface UncordonNodeResponse {
  'node': (_volplane_v1_Node | null);
}
