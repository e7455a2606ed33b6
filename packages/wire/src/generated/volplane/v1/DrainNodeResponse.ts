// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeInput as _volplane_v1_NodeInput, Node as _volplane_v1_Node } from '../../volplane/v1/Node.js';
import type { DrainRemainderInput as _volplane_v1_DrainRemainderInput, DrainRemainder as _volplane_v1_DrainRemainder } from '../../volplane/v1/DrainRemainder.js';

export interface DrainNodeResponseInput {
  'node'?: (_volplane_v1_NodeInput | null);
  'moved'?: (string)[];
  'remaining'?: (_volplane_v1_DrainRemainderInput)[];
}

export interface DrainNodeResponse {
  'node': (_volplane_v1_Node | null);
  'moved': (string)[];
  'remaining': (_volplane_v1_DrainRemainder)[];
}
